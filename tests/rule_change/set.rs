//! A copy of the default policy set in a folder of its own, to be changed and loaded.

use std::fs;
use std::path::PathBuf;

use covenant::policy::model::PolicySet;
use covenant::policy::{load, open};
use serde_json::Value;
use tempfile::TempDir;

use crate::laws_support::{files_under, repository};

/// A copy of the default policy set that can be changed.
pub struct Set(TempDir);

impl Set {
    pub fn new() -> Self {
        let set = Self(tempfile::tempdir().unwrap());
        let from = repository("fhir-resources");
        for part in ["payer", "policies", "terminology"] {
            for file in files_under(&from.join(part)) {
                let to = set.0.path().join(file.strip_prefix(&from).unwrap());
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                fs::copy(file, to).unwrap();
            }
        }
        set
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    pub fn read(&self, file: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(file)).unwrap()).unwrap()
    }

    pub fn write(&self, file: &str, content: &Value) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, serde_json::to_vec_pretty(content).unwrap()).unwrap();
    }

    pub fn change(&self, file: &str, change: impl FnOnce(&mut Value)) {
        let mut content = self.read(file);
        change(&mut content);
        self.write(file, &content);
    }

    pub fn load(&self) -> PolicySet {
        self.try_load().unwrap_or_else(|problems| panic!("{}", problems.join("\n")))
    }

    pub fn try_load(&self) -> Result<PolicySet, Vec<String>> {
        match open(Some(self.0.path())) {
            Ok(proved) => Ok(proved.set),
            Err(error) => Err(error.problems().iter().map(ToString::to_string).collect()),
        }
    }

    /// The set as it is read, whether or not it could be proved.
    pub fn load_unproved(&self) -> PolicySet {
        load::load(&load::folder(self.0.path()).unwrap()).unwrap().set
    }

    pub fn refused(&self) -> String {
        self.try_load().expect_err("the set must be refused").join("\n")
    }

    /// The files under a folder of the set, by their paths in it.
    pub fn files(&self, folder: &str) -> Vec<String> {
        let inside = |file: PathBuf| file.strip_prefix(self.0.path()).unwrap().to_str().unwrap().to_owned();
        files_under(&self.path(folder)).into_iter().map(inside).collect()
    }
}
