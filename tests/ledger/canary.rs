//! With keys, nothing of a patient is in any byte that is stored.

use std::fs;

use crate::support::{CANARY, Place, order, postgres};

const KEYS: (&str, &str) =
    ("COVENANT_LEDGER_KEYS", "1:0101010101010101010101010101010101010101010101010101010101010101");
const LISTEN: (&str, &str) = ("COVENANT_LISTEN", "127.0.0.1:0");

/// Serves a patient who can be recognised everywhere, and tells what became of the card.
fn serves_a_patient(place: &Place, environment: &[(&str, &str)]) {
    let server = place.serve_in(environment);
    for _ in 0..3 {
        let reply = server.sign(order("47383")).decided().json();
        let card = reply["cards"][0]["uuid"].as_str().unwrap();
        let told = format!(
            r#"{{"feedback":[{{"card":"{card}","outcome":"overridden","overrideReason":{{"userComment":"{CANARY}"}},
                "outcomeTimestamp":"2026-03-02T08:00:00Z"}}]}}"#
        );
        assert_eq!(server.tell(told).status, 200);
    }
    server.sign(order("47383").without("/prefetch"));
    server.kill();
}

/// Whether bytes have a word in them, in whatever case, or in hexadecimal digits.
fn has(bytes: &[u8], word: &str) -> bool {
    let bytes = bytes.to_ascii_lowercase();
    let hex = |word: &str| word.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let words =
        [word.to_lowercase(), hex(word), hex(&word.to_uppercase()), hex(&(word[..1].to_uppercase() + &word[1..]))];
    words.iter().any(|word| bytes.windows(word.len()).any(|window| window == word.as_bytes()))
}

#[test]
fn a_patient_is_in_no_byte_of_the_file() {
    let place = Place::empty();
    serves_a_patient(&place, &[LISTEN, KEYS]);
    let bytes = || {
        let files = fs::read_dir(&place).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap());
        files.collect::<Vec<_>>().concat()
    };
    // As it was left, and when what waited in the WAL is in the file.
    assert!(has(&bytes(), "order-sign-crd") && !has(&bytes(), CANARY));
    assert!(place.run_in(&[KEYS], &["ledger", "verify"]).succeeded().contains("the chain holds"));
    assert!(has(&bytes(), "order-sign-crd") && !has(&bytes(), CANARY));
}

#[test]
fn a_patient_is_in_no_column_of_the_database() {
    let Some(database) = postgres::shared() else { return };
    let url = database.url();
    serves_a_patient(&Place::empty(), &[LISTEN, KEYS, ("COVENANT_LEDGER_URL", &url)]);
    let tables = database.ask("SELECT relname FROM pg_class WHERE relname LIKE 'ledger%' AND relkind IN ('r', 'p')");
    let mut rows = 0;
    let mut all = Vec::new();
    for table in tables.into_iter().flatten().flatten() {
        for row in database.ask(&format!("SELECT t::text FROM {table} AS t")).into_iter().flatten().flatten() {
            rows += 1;
            all.extend(row.into_bytes());
        }
    }
    assert!(rows > 20, "only {rows} rows");
    assert!(has(&all, "order-sign-crd") && !has(&all, CANARY));
}
