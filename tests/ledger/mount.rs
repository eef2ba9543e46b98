//! A small file system of a test's own, which can be full.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::{env, io, thread};

use tempfile::TempDir;

/// Set where a test must not be skipped.
const REQUIRED: &str = "TEST_REQUIRE_MOUNT";

/// It is taken away with the test.
pub struct Mount(TempDir);

impl Mount {
    /// One with so many kilobytes. None where mounting is not permitted, after having said that the test is skipped; a panic
    /// where it must be.
    pub fn of_kilobytes(size: usize) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}k"), "covenant-test"])
            .arg(folder.path())
            .output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            return Some(Self(folder));
        }
        assert!(env::var_os(REQUIRED).is_none(), "nothing can be mounted, and {REQUIRED} is set");
        // Not by eprintln, which the runner of the tests keeps to itself.
        let said = format!("skipped: {}: nothing can be mounted\n", thread::current().name().unwrap_or("a test"));
        io::stderr().write_all(said.as_bytes()).unwrap();
        None
    }

    /// A path on it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Fills it to the last byte.
    pub fn fill(&self) {
        let mut file = OpenOptions::new().append(true).create(true).open(self.path("filling")).unwrap();
        for size in [1 << 16, 1 << 12, 1] {
            let piece = vec![b'x'; size];
            while file.write_all(&piece).is_ok() {}
        }
    }

    /// Leaves so many bytes of what was filled.
    pub fn leave(&self, bytes: u64) {
        let file = OpenOptions::new().write(true).open(self.path("filling")).unwrap();
        let filled = file.metadata().unwrap().len();
        file.set_len(filled - bytes).unwrap();
    }

    /// Takes away what it was filled with.
    pub fn make_space(&self) {
        fs::remove_file(self.path("filling")).unwrap();
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Whoever still has a file of it open does not keep it.
        _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}
