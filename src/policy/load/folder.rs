//! Reads the files of a policy folder: those of a mounted ConfigMap once each, and nothing that could keep the reader waiting.

use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use fhir_resources::File;

use super::Problem;

/// The folder beside the files of a set for pairs of requests and answers under it: no part of the set.
const EXAMPLES: &str = "examples";

/// Bytes of one file: sixteen times as many as the longest list of codes that was seen has.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// The files of a folder, sorted by path. Links are followed. What begins with a dot is passed over: a mounted ConfigMap
/// keeps its files in such folders and links to them.
///
/// # Errors
/// All that cannot be read: the folder itself, a link that leads nowhere, what is not a file, a file that is not to be read.
pub fn folder(root: &Path) -> Result<Vec<File>, Vec<Problem>> {
    let mut reader = Reader { root, files: Vec::new(), problems: Vec::new() };
    reader.walk(root, &mut Vec::new());
    let Reader { mut files, mut problems, .. } = reader;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    problems.sort_by(|a, b| a.file.cmp(&b.file));
    if problems.is_empty() { Ok(files) } else { Err(problems) }
}

struct Reader<'a> {
    root: &'a Path,
    files: Vec<File>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    /// Reads a folder. The folders that it lies in are known by their own names, so that a link to one of them is found.
    fn walk(&mut self, folder: &Path, within: &mut Vec<PathBuf>) {
        let listed = fs::canonicalize(folder).and_then(|own| Ok((own, list(folder)?)));
        let (own, entries) = match listed {
            Ok(listed) => listed,
            Err(error) => return self.unreadable(folder, &error),
        };
        if within.contains(&own) {
            return self.add(folder, "is a link to a folder that it lies in".to_owned());
        }
        within.push(own);
        for path in entries {
            // Follows links.
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_dir() => {
                    if folder != self.root || !path.ends_with(EXAMPLES) {
                        self.walk(&path, within);
                    }
                }
                Ok(metadata) if path.extension().is_some_and(|extension| extension == "json") => {
                    self.file(&path, &metadata);
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound && path.is_symlink() => {
                    self.add(&path, "is a link that leads nowhere".to_owned());
                }
                Err(error) => self.unreadable(&path, &error),
            }
        }
        within.pop();
    }

    /// Reads a file. What is none, as a pipe, is not even opened: it could keep whoever opens it waiting for ever.
    fn file(&mut self, path: &Path, metadata: &Metadata) {
        if !metadata.is_file() {
            return self.add(path, "is not a file".to_owned());
        }
        let mut bytes = Vec::new();
        match fs::File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes)) {
            Ok(read) if read as u64 > MOST_BYTES => self.add(path, format!("has more than {MOST_BYTES} bytes")),
            Ok(_) => self.files.push(File { path: self.inside(path), bytes }),
            Err(error) => self.unreadable(path, &error),
        }
    }

    fn unreadable(&mut self, path: &Path, error: &io::Error) {
        self.add(path, format!("cannot be read: {}", error.kind()));
    }

    fn add(&mut self, path: &Path, what: String) {
        let file = if path == self.root { "the policy folder".to_owned() } else { self.inside(path) };
        self.problems.push(Problem { file, element: String::new(), what });
    }

    /// A path in the set.
    fn inside(&self, path: &Path) -> String {
        path.strip_prefix(self.root).unwrap_or(path).to_string_lossy().replace('\\', "/")
    }
}

/// What lies in a folder and is not hidden.
fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    Ok(paths)
}
