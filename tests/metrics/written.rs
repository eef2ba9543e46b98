//! The ways in which measures are written.

use covenant::metrics::Tally;
use covenant::record::Entry;

use super::entries::{data, entry, every, refused};
use crate::support::order;

/// A tally of all examples, of three clients.
fn tally() -> Tally {
    let mut tally = Tally::default();
    for (index, (_, entry)) in every().into_iter().enumerate() {
        let client = ["general-hospital", "harbor-clinic", "ehr.example.org"][index % 3];
        let took_micros = 1500 + index as u64 * 17;
        tally.add(&data(&Entry { took_micros, ..entry }), client);
    }
    for (status, issue) in [(400, "required"), (422, "not-supported"), (400, "required")] {
        tally.add(&data(&refused(status, issue, "No.")), "harbor-clinic");
    }
    tally
}

/// A tally of one answer, to a client of this name.
fn of(client: &str) -> Tally {
    let mut tally = Tally::default();
    tally.add(&data(&entry(&order("47383").text())), client);
    tally
}

/// What a few answers of known duration and two refusals are written as. Whoever changes it reads it.
const TABLE: &str = include_str!("table.txt");

#[test]
fn the_table_reads_as_it_is_meant_to() {
    let names = ["order-sign-47383", "order-sign-two-orders", "order-select-two-orders", "ex-101-authorized"];
    let names = [&names[..], &["ex-101-prior-authorization", "ex-102-limits"]].concat();
    let mut tally = Tally::default();
    for (name, entry) in every() {
        if let Some(index) = names.iter().position(|it| *it == name) {
            let took_micros = [1_250, 1_900, 2_040, 2_500_000, 5_100_000, 880][index];
            tally.add(&data(&Entry { took_micros, ..entry }), ["general-hospital", "harbor-clinic"][index % 2]);
        }
    }
    tally.add(&data(&refused(400, "required", "No.")), "general-hospital");
    tally.add(&data(&refused(422, "not-supported", "No.")), "general-hospital");
    let table = tally.table();
    assert_eq!(table, TABLE.trim_end(), "\n{table}");
}

#[test]
fn the_table_fits_a_wide_terminal() {
    let table = tally().table();
    let widest = table.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(widest <= 120, "{widest}: {table}");
}

/// The rows of a CSV text, without the first.
fn rows(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn the_rows_for_a_spreadsheet_hold_every_measure_of_every_segment() {
    let tally = tally();
    let text = tally.csv().unwrap();
    assert!(text.starts_with("by,segment,metric,measure,value,of,percent\n"), "{text}");
    let rows = rows(&text);
    let segments = 1 + tally.hooks.len() + tally.clients.len() + tally.policies.len();
    for share in tally.total.shares() {
        let of_it: Vec<_> = rows.iter().filter(|row| row[3] == share.name).collect();
        assert_eq!(of_it.len(), segments, "{}", share.name);
        assert_eq!(of_it[0][..2], ["total", ""]);
        assert_eq!(of_it[0][2], share.number.to_string());
        assert_eq!([&of_it[0][4], &of_it[0][5]], [&share.volume.to_string(), &share.of.to_string()]);
    }
    let refused: Vec<_> =
        rows.iter().filter(|row| row[1] == "harbor-clinic" && row[3].starts_with("refused: ")).collect();
    assert_eq!(refused.len(), 2);
    assert_eq!(rows.iter().filter(|row| row[3] == "p99-micros").count(), segments);
}

#[test]
fn a_clients_name_is_text_to_a_spreadsheet_whatever_it_is() {
    for name in ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", " =1+1", "\t=1", "\r=1", "＝1+1"] {
        let rows = rows(&of(name).csv().unwrap());
        let names: Vec<&String> = rows.iter().filter(|row| row[0] == "client").map(|row| &row[1]).collect();
        assert!(!names.is_empty() && names.iter().all(|it| **it == format!("'{name}")), "{names:?}");
    }
    for name in ["a, b", "\"quoted\"", "two\nlines", "ordinary", "a=b"] {
        let rows = rows(&of(name).csv().unwrap());
        assert!(rows.iter().filter(|row| row[0] == "client").all(|row| row[1] == name), "{name}");
        assert!(rows.iter().all(|row| row.len() == 7), "{name}");
    }
}

#[test]
fn a_clients_name_moves_no_cursor() {
    let table = of("red\u{1b}[31m\r\nlines\u{7}\u{9b}2J").table();
    assert!(table.chars().all(|it| it == '\n' || !it.is_control()), "{table:?}");
    assert_eq!(table.lines().filter(|line| line.contains("lines")).count(), 3, "{table}");
}

#[test]
fn a_program_reads_the_same_figures() {
    let tally = tally();
    let json = tally.json();
    assert_eq!(json["total"]["invocations"], tally.total.invocations);
    assert_eq!(json["total"]["issues"], serde_json::json!({"not-supported": 1, "required": 2}));
    let results = &json["total"]["metrics"][0];
    let share = tally.total.shares()[0];
    assert_eq!([&results["volume"], &results["of"]], [share.volume, share.of]);
    assert_eq!(results["measure"], "results");
    assert!(results["percent"].as_f64().unwrap() > 90.0, "{results}");
    assert!(json["total"]["p50-micros"].as_u64().unwrap() > 1500);
    assert_eq!(json["hook"].as_object().unwrap().len(), tally.hooks.len());
    assert_eq!(json["client"]["harbor-clinic"]["refused"], 3);
    assert!(json["policy"]["633"]["orders"].as_u64().unwrap() > 0);
}

#[test]
fn a_percentage_is_rounded_and_none_of_nothing() {
    let share = |volume, of| covenant::metrics::Share { number: 1, name: "", volume, of }.permille();
    assert_eq!(
        [share(1, 3), share(2, 3), share(1, 8), share(7, 7), share(0, 7), share(0, 0)]
            .map(|it| it.map_or(-1, |it| it as i64)),
        [333, 667, 125, 1000, 0, -1]
    );
    assert_eq!(share(u64::MAX, u64::MAX), Some(1000));
}
