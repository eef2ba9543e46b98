//! A policy set in a folder, to be changed and broken.

use std::fs;
use std::path::{Path, PathBuf};

use covenant::policy;
use covenant::policy::model::PolicySet;
use serde_json::Value;
use tempfile::TempDir;

/// The file of the rules of policy 633.
pub const RULES: &str = "policies/633/PlanDefinition-633.json";

/// A copy of the embedded set.
pub struct PolicyFolder(TempDir);

impl PolicyFolder {
    /// As it is embedded.
    pub fn copy() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for file in fhir_resources::embedded() {
            let path = folder.path().join(file.path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file.bytes).unwrap();
        }
        Self(folder)
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// With a file of other text.
    pub fn writing(self, file: &str, text: &str) -> Self {
        fs::write(self.file(file), text).unwrap();
        self
    }

    /// With a file in which a text is replaced, which must be there.
    pub fn replacing(self, file: &str, old: &str, new: &str) -> Self {
        let text = fs::read_to_string(self.file(file)).unwrap();
        assert!(text.contains(old), "{file} has no {old}");
        self.writing(file, &text.replace(old, new))
    }

    /// With a change to the rules of policy 633.
    pub fn changing_rules(self, change: impl FnOnce(&mut Value)) -> Self {
        self.changing(RULES, change)
    }

    /// With a change to a file of JSON.
    pub fn changing(self, file: &str, change: impl FnOnce(&mut Value)) -> Self {
        let mut value = serde_json::from_slice(&fs::read(self.file(file)).unwrap()).unwrap();
        change(&mut value);
        self.writing(file, &value.to_string())
    }

    /// The set, proved.
    pub fn proved(&self) -> PolicySet {
        policy::open(Some(self.path())).unwrap().set
    }

    fn file(&self, file: &str) -> PathBuf {
        self.path().join(file)
    }
}
