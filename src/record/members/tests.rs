//! The directory's promises, on files as a payer would write them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod finding;

use std::path::PathBuf;

use futures_util::future::join_all;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::decide::facts::{Authorization, InForce, Membership, Standing};

const CARD: &str = "https://payer.example/card";

/// A folder with files to import and the ledger to import them into.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn ledger(&self) -> PathBuf {
        self.0.path().join("ledger.db")
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn import(&self, files: &[PathBuf]) -> Result<Imported, ImportError> {
        let zone = TimeZone::get("America/New_York").unwrap();
        import(&self.ledger(), files, "2026-11-24T12:00:00Z".parse().unwrap(), &zone, &mut |_| ())
    }

    /// Imports resources, one a line.
    fn imports(&self, resources: &[Value]) -> Imported {
        self.import(&[self.write("members.ndjson", lines(resources))]).unwrap()
    }

    async fn find(&self, query: MemberQuery) -> MemberReply {
        MemberDirectory::open(&self.ledger()).unwrap().find(&query).await
    }

    fn rows(&self, table: &str) -> i64 {
        let file = Connection::open(self.ledger()).unwrap();
        file.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    }
}

fn lines(resources: &[Value]) -> String {
    resources.iter().map(|resource| format!("{resource}\n")).collect()
}

fn patient(id: &str) -> Value {
    json!({
        "resourceType": "Patient", "id": id, "birthDate": "1957-03-14",
        "identifier": [{"system": CARD, "value": format!("card-{id}")}],
        "name": [{"family": "Núñez", "given": ["Ana", "María"]}, {"use": "maiden", "family": "Pérez", "given": [null, "Ana"]}]
    })
}

fn coverage(id: &str, patient: &str, number: &str) -> Value {
    json!({
        "resourceType": "Coverage", "id": id, "status": "active", "subscriberId": number,
        "identifier": [{"value": format!("id-{number}")}],
        "beneficiary": {"reference": format!("Patient/{patient}")}, "period": {"start": "2026-01", "end": "2026"}
    })
}

fn authorization(patient: &str, number: &str) -> Value {
    json!({
        "resourceType": "ClaimResponse", "status": "active", "use": "preauthorization", "outcome": "complete",
        "preAuthRef": number, "preAuthPeriod": {"start": "2026-11-01", "end": "2027-01"},
        "patient": {"reference": format!("https://payer.example/fhir/Patient/{patient}/_history/1")},
        "addItem": [{
            "itemSequence": [1],
            "productOrService": {"coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": "47383"}]}
        }]
    })
}

fn by_card(id: &str, numbers: &[&str]) -> MemberQuery {
    let numbers = numbers.iter().map(ToString::to_string).collect();
    MemberQuery { identifiers: vec![(CARD.to_owned(), format!("card-{id}"))], numbers, ..MemberQuery::default() }
}

fn by_name(family: &str, given: &[&str], born: &str) -> MemberQuery {
    MemberQuery {
        family: vec![family.to_owned()],
        given: given.iter().map(ToString::to_string).collect(),
        birth_date: Some(born.parse().unwrap()),
        ..MemberQuery::default()
    }
}

fn member(reply: MemberReply) -> Membership {
    match reply {
        Ok(Standing::Member(membership)) => membership,
        other => panic!("not a member: {other:?}"),
    }
}

#[tokio::test]
async fn only_what_was_granted_is_an_authorization() {
    let place = Place::new();
    let granted = authorization("1", "A-1");
    let with = |pointer: &str, value: Value| {
        let mut other = granted.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        other.pointer_mut(parent).unwrap()[name] = value;
        other
    };
    let action = |code: &str| {
        let pas = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition";
        json!([{"extension": [{"url": format!("{pas}/extension-reviewAction"), "extension": [{
            "url": format!("{pas}/extension-reviewActionCode"),
            "valueCodeableConcept": {"coding": [{"system": "https://codesystem.x12.org/005010/306", "code": code}]}
        }]}]}])
    };
    let reviewed = |code: &str| with("/item", json!([{"itemSequence": 1, "adjudication": action(code)}]));
    let none = [
        with("/status", json!("cancelled")),
        with("/use", json!("claim")),
        with("/outcome", json!("queued")),
        with("/preAuthRef", Value::Null),
        with("/addItem", json!([])),
        with("/error", json!([{"code": {"text": "no"}}])),
        reviewed("A3"),
        reviewed("A4"),
        reviewed("CT"),
    ];
    let mut all = vec![patient("1"), coverage("c1", "1", "N1"), reviewed("A1"), reviewed("A6")];
    let passed_over = none.len() as u64;
    all.extend(none);
    let counts = place.imports(&all);
    assert_eq!((counts.authorizations, counts.passed_over), (2, passed_over));
    assert_eq!(member(place.find(by_card("1", &[])).await).authorizations.len(), 2);
}

#[tokio::test]
async fn a_bundle_is_read_as_well_with_what_it_calls_its_resources() {
    let place = Place::new();
    let mut covered = coverage("c1", "1", "N1");
    covered["beneficiary"]["reference"] = "urn:uuid:6a0d3a11-0000-4000-8000-000000000000".into();
    let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": [
        {"resource": covered},
        {"fullUrl": "urn:uuid:6a0d3a11-0000-4000-8000-000000000000", "resource": patient("1")},
        {"fullUrl": "urn:uuid:6a0d3a11-0000-4000-8000-000000000001"}
    ]});
    for text in [bundle.to_string(), serde_json::to_string_pretty(&bundle).unwrap()] {
        place.import(&[place.write("bundle.json", text)]).unwrap();
        member(place.find(by_card("1", &["N1"])).await);
    }
    let single = place.write("patient.json", serde_json::to_string_pretty(&patient("1")).unwrap());
    assert_eq!(place.import(&[single]).unwrap().patients, 1);
}

#[tokio::test]
async fn what_cannot_be_read_is_named_and_the_directory_stays_as_it_was() {
    let place = Place::new();
    let before = place.imports(&[patient("1"), coverage("c1", "1", "N1")]);
    let with = |mut resource: Value, name: &str, value: Value| {
        resource[name] = value;
        resource
    };
    let secret = json!("Doe");
    for (broken, said) in [
        (with(patient("2"), "birthDate", secret.clone()), "Patient.birthDate is not a date that exists"),
        (with(patient("2"), "birthDate", json!("1957-02-30")), "Patient.birthDate is not a date that exists"),
        (with(patient("2"), "id", Value::Null), "Patient.id is not there"),
        (with(patient("2"), "id", json!("1")), "Patient.id is there a second time"),
        (with(patient("2"), "name", json!([{"given": "Doe"}])), "Patient.name[0].given is not what FHIR R4 has there"),
        (with(coverage("c2", "1", "N"), "status", Value::Null), "Coverage.status is not there"),
        (with(coverage("c2", "1", "N"), "beneficiary", json!({})), "Coverage.beneficiary.reference is not there"),
        (with(coverage("c2", "1", "N"), "subscriberId", json!(7)), "Coverage.subscriberId is not what FHIR R4 has"),
        (with(coverage("c2", "1", "N"), "period", json!({"end": "Doe"})), "Coverage.period.end is not a date"),
        (coverage("c2", "Doe", "N"), "Coverage.beneficiary.reference names a Patient who is in none of the files"),
        (authorization("Doe", "A"), "ClaimResponse.patient.reference names a Patient who is in none"),
        (json!({"id": "Doe"}), "resourceType is not there"),
        (secret, "is no FHIR resource"),
    ] {
        let file = place.write("broken.ndjson", lines(&[patient("1"), json!({"resourceType": "Group"}), broken]));
        let error = place.import(&[file]).unwrap_err().to_string();
        assert!(error.contains("broken.ndjson, line 3: ") && error.contains(said), "{error}\n{said}");
        assert!(!error.contains("Doe"), "{error}");
    }
    for (text, said) in [
        (format!("{}\n\n{{\"resourceType\":\n", patient("1")), "line 3: is not JSON"),
        (format!("{}\n{}", patient("1"), " ".repeat(2 * 1024 * 1024)), "line 2: is too long"),
        ("{\n\"resourceType\": \"Bundle\",\n\"entry\": [}".to_owned(), "line 3: is not JSON"),
        (
            format!(
                "{{\"resourceType\":\"Bundle\",\n\"entry\":[\n{{\"resource\":{}}},\n{{\"resource\":{{}}}}]}}",
                patient("1")
            ),
            "line 4: resourceType is not there",
        ),
    ] {
        let error = place.import(&[place.write("broken.json", text)]).unwrap_err().to_string();
        assert!(error.contains(said), "{error}\n{said}");
    }
    let nowhere = place.import(&[place.0.path().join("nowhere.ndjson")]).unwrap_err().to_string();
    assert!(nowhere.ends_with("nowhere.ndjson: entity not found"), "{nowhere}");
    assert_eq!(members(&place.ledger()).unwrap(), Some(before));
    member(place.find(by_card("1", &["N1"])).await);
    // Nor is anything left of what was begun.
    assert_eq!((place.rows("member_generations"), place.rows("member_coverages")), (1, 1));
}

#[tokio::test]
async fn a_new_directory_replaces_the_old_one_whole() {
    let place = Place::new();
    let people = |from: usize| {
        let all = (from..from + 3000).flat_map(|it| {
            let id = it.to_string();
            [patient(&id), coverage(&id, &id, &format!("N{id}"))]
        });
        all.collect::<Vec<_>>()
    };
    place.imports(&people(0));
    let directory = MemberDirectory::open(&place.ledger()).unwrap();
    let (old, new) = (by_card("5", &["N5"]), by_card("5005", &["N5005"]));
    member(directory.find(&old).await);
    place.imports(&people(5000));
    assert_eq!(directory.find(&old).await, Ok(Standing::PersonUnknown));
    member(directory.find(&new).await);
    assert_eq!((place.rows("member_generations"), place.rows("member_coverages")), (1, 3000));
}

#[tokio::test]
async fn an_import_that_another_one_overtakes_gives_up() {
    let place = Place::new();
    let first = store::Filling::begin(&place.ledger()).unwrap();
    let counts = place.imports(&[patient("1"), coverage("c1", "1", "N1")]);
    assert_eq!(first.serve(&counts), Err(ImportError::Superseded));
    assert_eq!(members(&place.ledger()).unwrap(), Some(counts));
}

#[tokio::test]
async fn a_ledger_without_an_import_has_no_directory_and_says_nothing_of_anybody() {
    let place = Place::new();
    let ledger = crate::record::SqliteLedger::open(&place.ledger()).unwrap();
    assert_eq!(members(&place.ledger()).unwrap(), None);
    let directory = MemberDirectory::open(&place.ledger()).unwrap();
    assert!(!directory.is_there());
    assert_eq!(directory.find(&by_card("1", &[])).await, Err(LookupFailed));
    // The first import is seen by a server that runs.
    place.imports(&[patient("1"), coverage("c1", "1", "N1")]);
    while !directory.is_there() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    member(directory.find(&by_card("1", &[])).await);
    drop(ledger);
}

#[tokio::test]
async fn a_directory_that_cannot_be_read_fails_and_does_not_say_unknown() {
    let place = Place::new();
    place.imports(&[patient("1"), coverage("c1", "1", "N1")]);
    let directory = MemberDirectory::open(&place.ledger()).unwrap();
    let file = Connection::open(place.ledger()).unwrap();
    file.execute_batch("UPDATE member_coverages SET coverage = x'00'").unwrap();
    assert_eq!(directory.find(&by_card("1", &[])).await, Err(LookupFailed));
    file.execute_batch("DROP TABLE member_keys").unwrap();
    assert_eq!(directory.find(&by_card("2", &[])).await, Err(LookupFailed));
}

#[tokio::test]
async fn a_thousand_look_ups_at_once_are_all_answered() {
    let place = Place::new();
    place.imports(&[patient("1"), coverage("c1", "1", "N1")]);
    let directory = MemberDirectory::open(&place.ledger()).unwrap();
    let query = by_card("1", &["N1"]);
    for reply in join_all((0..1000).map(|_| directory.find(&query))).await {
        member(reply);
    }
}
