//! Where the programs of PostgreSQL are, and as whom they can be run.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::{env, fs, io, thread};

/// Set where a test must not be skipped.
const REQUIRED: &str = "TEST_REQUIRE_POSTGRES";

/// Where Debian and its children put each version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// The programs, and as whom they are run.
#[derive(Debug, Clone)]
pub struct Programs {
    place: PathBuf,
    /// User and group, if not our own: the server refuses to run as root.
    user: Option<(u32, u32)>,
}

/// The programs. None where they are not installed, after having said that the test is skipped; a panic where they must
/// be.
pub fn installed() -> Option<Programs> {
    static PLACE: LazyLock<Option<PathBuf>> =
        LazyLock::new(|| place(&env::var_os("PATH").unwrap_or_default(), Path::new(VERSIONS)));
    let Some(place) = PLACE.clone() else {
        // Not by eprintln, which the runner of the tests keeps to itself.
        let said = skipped(thread::current().name(), env::var_os(REQUIRED).is_some());
        io::stderr().write_all(said.as_bytes()).unwrap();
        return None;
    };
    Some(Programs { place, user: unprivileged() })
}

/// The folder that has the programs: the first of the path, or the newest version.
pub fn place(path: &OsStr, versions: &Path) -> Option<PathBuf> {
    let version = |folder: &Path| folder.file_name()?.to_str()?.parse::<f32>().ok();
    let mut folders: Vec<PathBuf> = fs::read_dir(versions).into_iter().flatten().map(|it| it.unwrap().path()).collect();
    folders.sort_by(|one, other| version(other).partial_cmp(&version(one)).unwrap());
    let folders = env::split_paths(path).chain(folders.into_iter().map(|folder| folder.join("bin")));
    folders.into_iter().find(|folder| ["initdb", "postgres"].iter().all(|program| folder.join(program).is_file()))
}

/// What is said of a test that is skipped. It must not be, if PostgreSQL is required.
pub fn skipped(test: Option<&str>, required: bool) -> String {
    assert!(!required, "no PostgreSQL is installed, and {REQUIRED} is set");
    format!("skipped: {}: no PostgreSQL is installed\n", test.unwrap_or("a test"))
}

/// The user and the group of PostgreSQL, if we are root.
fn unprivileged() -> Option<(u32, u32)> {
    // What we have made is ours.
    let root = tempfile::tempdir().unwrap().path().metadata().unwrap().uid() == 0;
    root.then(|| {
        let users = fs::read_to_string("/etc/passwd").unwrap();
        let user = users.lines().find_map(|line| line.strip_prefix("postgres:"));
        let user = user.expect("root cannot run PostgreSQL, and there is no user postgres");
        let mut fields = user.split(':').skip(1).map(|field| field.parse().unwrap());
        (fields.next().unwrap(), fields.next().unwrap())
    })
}

impl Programs {
    /// The folder that has them.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// A command that is run as they are, in an environment that says nothing of other servers.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir("/").env_clear().env("PATH", env::var_os("PATH").unwrap_or_default());
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }

    /// A new folder which is theirs alone, in the first place for such that they can reach.
    pub fn folder(&self) -> PathBuf {
        let places = [env::temp_dir(), PathBuf::from("/tmp"), PathBuf::from("/var/tmp")];
        let place = places.iter().find(|place| self.can_write(place)).expect("no place for temporary files");
        let folder = tempfile::Builder::new().prefix("covenant-postgres-").tempdir_in(place).unwrap().keep();
        if let Some((user, group)) = self.user {
            chown(&folder, Some(user), Some(group)).unwrap();
        }
        folder
    }

    fn can_write(&self, place: &Path) -> bool {
        let mut test = self.command("sh");
        test.args(["-c", "[ -w \"$1\" ] && [ -x \"$1\" ]", "sh"]).arg(place).stdin(Stdio::null());
        test.status().unwrap().success()
    }
}
