//! One file of a policy set: it loads, or every problem names a file; nothing panics or hangs, whatever is in it.
#![no_main]

use std::sync::LazyLock;

use covenant::config::Limits;
use covenant::policy::check;
use covenant::policy::load::{self, Problem};
use covenant::request::json::Json;
use fhir_resources::File;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

static DEFAULT: LazyLock<Vec<File>> = LazyLock::new(fhir_resources::embedded);

/// What proofs say instead of a file: what they are about is not in one file alone.
const ABOUT: [&str; 3] = ["payer", "policy ", "the default rule"];

/// Where the file would stand: in the place of one of its name, or beside the others.
fn place(bytes: &[u8]) -> String {
    let value: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let text = |member: &str| value[member].as_str().unwrap_or_default();
    let name = format!("/{}-{}.json", text("resourceType"), text("id"));
    let known = DEFAULT.iter().find(|file| file.path.ends_with(&name));
    let table = DEFAULT.iter().find(|file| file.path.contains("/cases/") && value["cases"].is_array());
    known.or(table).map_or("policies/1/new.json".to_owned(), |file| file.path.clone())
}

fn opens(files: &[File]) -> Result<(), Vec<Problem>> {
    check::prove(load::load(files)?).map(drop)
}

fuzz_target!(|data: &[u8]| {
    let file = File { path: place(data), bytes: data.to_vec() };
    // To read the others each time is slow, and for nothing where this one does not read.
    let is_scanned = Json::scan(data, &Limits::of_text(32, 10_000_000)).is_ok();
    let is_read = is_scanned && (file.path.contains("/cases/") || fhir_resources::read(data).is_ok());
    let others: Vec<File> = DEFAULT.iter().filter(|other| is_read && other.path != file.path).cloned().collect();
    let files = [others, vec![file]].concat();
    if let Err(problems) = opens(&files) {
        assert!(!problems.is_empty());
        for problem in problems {
            let names = |start: &&str| problem.file.starts_with(start);
            let is_named = ABOUT.iter().any(names) || files.iter().any(|file| file.path == problem.file);
            assert!(is_named && !problem.what.is_empty(), "{problem:?}");
        }
    }
});
