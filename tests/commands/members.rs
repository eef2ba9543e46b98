//! What a payer knows of its members: imported whole or not at all, and what orders are then answered with.

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use crate::support::{CANARY, Place, order};

const NOTHING: &str = "no members have been imported: coverages are taken as they are sent\n";

fn patient(id: &str, born: &str) -> Value {
    json!({
        "resourceType": "Patient", "id": id, "birthDate": born,
        "identifier": [{"system": "https://payer.example/person", "value": id}],
        "name": [{"family": "Canary", "given": ["Cánary-Alice"]}]
    })
}

fn coverage(patient: &str, number: &str) -> Value {
    json!({
        "resourceType": "Coverage", "id": format!("of-{patient}"), "status": "active", "subscriberId": number,
        "beneficiary": {"reference": format!("Patient/{patient}")}, "period": {"start": "2020"},
        "payor": [{"reference": "Organization/payer"}],
        "class": [{"type": {"text": "plan"}, "value": "commercial-ppo-indemnity"}]
    })
}

/// So many people, each with a coverage, one a line.
fn people(name: &str, count: usize) -> String {
    let both = |it: usize| {
        let id = format!("{name}-{it}");
        format!("{}\n{}\n", patient(&id, "1990-01-01"), coverage(&id, &format!("N-{id}")))
    };
    (0..count).map(both).collect()
}

fn import(place: &Place, name: &str, text: &str) -> String {
    let file = place.write(name, text);
    place.run(&["members".as_ref(), "import".as_ref(), file.as_os_str()]).succeeded()
}

fn status(place: &Place) -> String {
    place.run(&["members", "status"]).succeeded()
}

#[test]
fn import_and_status_say_how_many_there_are() {
    let place = Place::empty();
    place.run(&["members", "status"]).failed(1, &["there is no ledger at covenant.ledger"]);
    place.run(&["members", "import"]).failed(2, &["FILE"]);
    let mut all = people("a", 3);
    all.push_str("{\"resourceType\":\"Group\"}\n");
    let counts = "3 patients, 3 coverages, 0 authorizations; 1 passed over\n";
    assert_eq!(import(&place, "members.ndjson", &all), format!("imported {counts}"));
    let said = status(&place);
    assert!(said.starts_with(&format!("{counts}imported 20")), "{said}");
    assert_eq!(place.run(&["ledger", "verify"]).succeeded(), "0 entries, the chain holds\n");
}

#[test]
fn status_says_that_nothing_was_imported() {
    let place = Place::empty();
    drop(place.serve());
    assert_eq!(status(&place), NOTHING);
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_keeps_the_directory_as_it_was() {
    let place = Place::empty();
    import(&place, "members.ndjson", &people("a", 2));
    let before = status(&place);
    let broken = format!("{}{}\n", people("b", 2), patient(CANARY, "Canary-1957-03-14"));
    let file = place.write("broken.ndjson", broken);
    let ran = place.run(&["members".as_ref(), "import".as_ref(), file.as_os_str()]);
    let ran = ran.failed(1, &["broken.ndjson, line 5: Patient.birthDate is not a date", "nothing was imported"]);
    assert!(!ran.err.to_lowercase().contains(CANARY), "{}", ran.err);
    place.run(&["members", "import", "nowhere.ndjson"]).failed(1, &["nowhere.ndjson", "nothing was imported"]);
    assert_eq!(status(&place), before);
}

/// How many keys of the generation that is being filled are there, as another process sees it.
fn filled(place: &Place) -> i64 {
    let count = || {
        let file = Connection::open_with_flags(place.path("covenant.ledger"), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let sql =
            "SELECT count(*) FROM member_coverages JOIN member_generations USING (generation) WHERE state = 'filling'";
        file.query_row(sql, [], |row| row.get(0))
    };
    count().unwrap_or_default()
}

#[test]
fn a_kill_at_any_moment_leaves_the_old_directory_or_the_new_one_whole() {
    let place = Place::empty();
    import(&place, "old.ndjson", &people("old", 7));
    let old = status(&place);
    let new = place.write("new.ndjson", people("new", 4000));
    let arguments = ["members".as_ref(), "import".as_ref(), new.as_os_str()];
    let mut killed = 0;
    for moment in [1, 1001, 2001, 3001] {
        let was_running = place.run_until(&arguments, || filled(&place) >= moment);
        assert!(was_running, "it ended before {moment} coverages were there");
        killed += i32::from(status(&place) == old);
    }
    assert_eq!(killed, 4);
    assert!(filled(&place) > 0, "nothing was left of what was killed");
    // Kills in the last moments: what serves is one or the other.
    for wait in 0..6 {
        let mut looks = wait * 20;
        let beginning = filled(&place);
        place.run_until(&arguments, || {
            looks -= i32::from(filled(&place) != beginning);
            looks < 0
        });
        let said = status(&place);
        assert!(said == old || said.starts_with("4000 patients, 4000 coverages"), "{said}");
    }
    let said = place.run(&arguments).succeeded();
    assert!(said.starts_with("imported 4000 patients"), "{said}");
    let file = Connection::open(place.path("covenant.ledger")).unwrap();
    let left = |sql: &str| file.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(left("SELECT count(*) FROM member_generations"), 1);
    assert_eq!(left("SELECT count(*) FROM member_coverages"), 4000);
    assert_eq!(left("SELECT count(DISTINCT generation) FROM member_keys"), 1);
}

#[test]
fn an_import_beside_a_server_does_not_keep_it_from_answering() {
    let place = Place::empty();
    let server = place.serve();
    let file = place.write("members.ndjson", people("a", 5000));
    let arguments = ["members".as_ref(), "import".as_ref(), file.as_os_str()];
    let mut answers = 0;
    place.run_until(&arguments, || {
        server.sign(order("47383")).decided();
        answers += 1;
        false
    });
    assert!(answers > 10, "{answers}");
    assert!(status(&place).starts_with("5000 patients"));
}

#[test]
fn c09_c10_an_order_is_answered_with_what_the_payer_knows_of_the_member() {
    let place = Place::empty();
    let server = place.serve();
    let reasons = || server.sign(order("47383")).decided().says("reason").join(" ");
    let before = reasons();
    assert!(before.contains("investigational"), "{before}");
    let until = |word: &str| {
        // The first import is noticed within a second or two, every later one at once.
        let found = (0..100).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            reasons().contains(word)
        });
        assert!(found, "{word} is not in {}", reasons());
    };
    import(&place, "others.ndjson", &people("other", 2));
    until("no member who is this patient");
    let her = patient("1", "1957-03-14");
    import(&place, "hers.ndjson", &format!("{her}\n{}\n", coverage("1", "another number")));
    until("no single coverage of hers");
    import(&place, "hers.ndjson", &format!("{her}\n{}\n", coverage("1", "CANARY-MEMBER-0001")));
    assert_eq!(reasons(), before);
    let member = |number: &str| {
        let r#type = json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MB"}]});
        let identifier = json!({"type": r#type, "system": "https://payer.example/member", "value": number});
        let of_patient = order("47383").with("/prefetch/patient/identifier", json!([identifier]));
        let of_coverage = order("47383").covered("identifier", json!([identifier]));
        [of_patient, of_coverage].map(|request| server.sign(request).decided().says("reason").join(" "))
    };
    for said in member("CANARY-NO-SUCH-NUMBER") {
        assert!(said.contains("no member who is this patient"), "{said}");
    }
    assert_eq!(member("CANARY-MEMBER-0001"), [before.clone(), before.clone()]);
    let (_, err) = server.kill();
    assert!(!err.contains("error"), "{err}");
}
