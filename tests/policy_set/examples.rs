//! The examples of the invented set: each request of `tests/policies/examples` has the one answer beside it. What the EHR
//! and the member directory say is in `<name>.learned.json`, where they are asked. `TEST_BLESS=1` writes the answers
//! anew; people then read the difference.

use std::fs;

use covenant::request::schema;

use super::ask::{FOLDER, Said, Says};
use crate::laws_support::{files_under, repository, value_of};

/// An example with our answer.
pub struct Example {
    pub name: String,
    pub request: String,
    pub says: Says,
    pub said: Said,
}

impl Example {
    /// Whether it is asked in CRD 2.0.
    pub fn is_first(&self) -> bool {
        value_of(value_of(&self.request, "extension").unwrap(), "davinci-crd.requestedVersion") == Some("\"2.0\"")
    }
}

pub fn examples() -> Vec<Example> {
    let folder = repository(FOLDER).join("examples");
    let found = files_under(&folder).into_iter().filter_map(|path| {
        let name = path.file_name()?.to_str()?.strip_suffix(".request.json")?.to_owned();
        let request = fs::read_to_string(&path).unwrap();
        let learned = fs::read(folder.join(format!("{name}.learned.json")));
        let says: Says = learned.map(|text| serde_json::from_slice(&text).unwrap()).unwrap_or_default();
        let said = Said::to(&name, &request, says.clone());
        Some(Example { name, request, says, said })
    });
    let found: Vec<Example> = found.collect();
    assert!(found.len() >= 60, "only {} examples were found", found.len());
    found
}

#[test]
fn the_answer_to_every_example_of_the_invented_set_is_the_one_beside_it() {
    let bless = std::env::var_os("TEST_BLESS").is_some();
    let mut differ = Vec::new();
    for Example { name, said, .. } in examples() {
        let path = repository(FOLDER).join(format!("examples/{name}.response.json"));
        let pretty = serde_json::to_string_pretty(&said.body).unwrap() + "\n";
        if bless {
            fs::write(&path, pretty).unwrap();
        } else if fs::read_to_string(&path).unwrap_or_default() != pretty {
            differ.push(name);
        }
    }
    assert!(differ.is_empty(), "answered otherwise than recorded: {}", differ.join(", "));
}

#[test]
fn every_file_beside_a_request_of_the_invented_set_belongs_to_one() {
    for path in files_under(&repository(FOLDER).join("examples")) {
        let name = path.to_str().unwrap();
        let stem = name.strip_suffix(".response.json").or_else(|| name.strip_suffix(".learned.json"));
        assert!(stem.is_none_or(|stem| fs::exists(format!("{stem}.request.json")).unwrap()), "{name} is of no request");
    }
}

#[test]
fn every_answer_under_the_invented_set_fits_the_response_schema() {
    for Example { name, said, .. } in examples() {
        assert_eq!(schema::RESPONSE.check(&said.body, ""), Ok(()), "{name}");
    }
}
