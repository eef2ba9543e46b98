//! A directory of N invented members: how long its import takes, what it needs, and how soon anybody is found in it.
//! `cargo bench --bench members` makes a million; with `-- quick` after it ten thousand, with a number so many.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout)]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use covenant::decide::facts::Standing;
use covenant::gather::learned::{Directory, MemberQuery};
use covenant::record::{MemberDirectory, import};
use jiff::Timestamp;
use jiff::ToSpan;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const LOOKUPS: usize = 20_000;
const FAMILIES: [&str; 8] =
    ["Example", "Núñez", "O'Sample", "van der Test", "Łukasik", "Invented", "Nobody", "Placeholder"];
const GIVEN: [&str; 6] = ["Ana", "Benoît", "Chloe", "Dorothea", "Émile", "Fatima"];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = arguments.iter().find_map(|argument| argument.parse().ok());
    let quick = arguments.iter().any(|argument| argument == "quick");
    let count: usize = number.unwrap_or(if quick { 10_000 } else { 1_000_000 });
    let folder = tempfile::tempdir().unwrap();
    let files = ["Patient", "Coverage", "ClaimResponse"].map(|kind| folder.path().join(format!("{kind}.ndjson")));
    write(&files[0], count, patient);
    write(&files[1], count, coverage);
    write(&files[2], count / 5, authorization);
    let bytes: u64 = files.iter().map(|file| file.metadata().unwrap().len()).sum();
    println!("{count} members, {} MB of NDJSON", bytes / 1_000_000);

    let ledger = folder.path().join("bench.ledger");
    for what in ["first import", "import in its place"] {
        let before = Instant::now();
        let imported = import(&ledger, &files, Timestamp::now(), &TimeZone::UTC, &mut |_| ()).unwrap();
        assert_eq!((imported.patients, imported.coverages), (count as u64, count as u64));
        println!(
            "  {what:20} {:7.1} s, most memory so far {} MB, file {} MB",
            before.elapsed().as_secs_f64(),
            peak_kilobytes() / 1000,
            ledger.metadata().unwrap().len() / 1_000_000
        );
    }
    let directory = MemberDirectory::open(&ledger).unwrap();
    let numbers = |it: usize| MemberQuery { numbers: vec![format!("SUB{it:09}")], ..MemberQuery::default() };
    let by_identifier = |it: usize| MemberQuery {
        identifiers: vec![("https://payer.example/id".into(), format!("{it:09}"))],
        ..numbers(it)
    };
    let by_number = |it: usize| MemberQuery { birth_date: Some(born(it)), ..numbers(it) };
    let unknown = |it: usize| MemberQuery {
        on: None,
        identifiers: vec![("https://ehr.example/mrn".into(), format!("{it}"))],
        family: vec!["Ignota".into()],
        given: vec!["Ana".into()],
        birth_date: Some(born(it)),
        numbers: vec![format!("NONE{it}")],
        member_numbers: Some(Vec::new()),
    };
    look_up(&directory, count, "by identifier", by_identifier, true);
    look_up(&directory, count, "by number and birth", by_number, true);
    look_up(&directory, count, "a person unknown", unknown, false);
}

fn look_up(
    directory: &MemberDirectory,
    count: usize,
    what: &str,
    query: impl Fn(usize) -> MemberQuery,
    is_member: bool,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut micros: Vec<f64> = (0..LOOKUPS)
        .map(|it| {
            // All over the directory, in no order that a cache would like.
            let query = query(it.wrapping_mul(2_654_435_761) % count);
            let before = Instant::now();
            let standing = runtime.block_on(directory.find(&query)).unwrap();
            let spent = before.elapsed().as_secs_f64() * 1e6;
            assert_eq!(matches!(standing, Standing::Member(_)), is_member, "{standing:?}");
            spent
        })
        .collect();
    micros.sort_by(f64::total_cmp);
    let percentile = |share: f64| micros[((LOOKUPS - 1) as f64 * share) as usize];
    let shares = [0.5, 0.9, 0.99, 0.999].map(|share| format!("{:.0}", percentile(share)));
    println!("  {what:20} p50, p90, p99, p99.9: {} µs", shares.join(", "));
}

fn write(path: &Path, count: usize, line: impl Fn(usize) -> String) {
    let mut file = BufWriter::new(File::create(path).unwrap());
    for it in 0..count {
        writeln!(file, "{}", line(it)).unwrap();
    }
    file.flush().unwrap();
}

fn born(it: usize) -> Date {
    date(1930, 1, 1) + i64::try_from(it % 33_000).unwrap().days()
}

fn patient(it: usize) -> String {
    let (family, given, other) = (FAMILIES[it % 8], GIVEN[it % 6], GIVEN[(it / 6) % 6]);
    format!(
        r#"{{"resourceType":"Patient","id":"p{it}","meta":{{"lastUpdated":"2026-11-24T00:00:00Z"}},"identifier":[{{"system":"https://payer.example/id","value":"{it:09}"}},{{"type":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MB"}}]}},"system":"https://payer.example/member","value":"MEM{it:09}"}}],"active":true,"name":[{{"use":"official","family":"{family}","given":["{given}","{other}"]}}],"telecom":[{{"system":"phone","value":"555-0100"}}],"gender":"unknown","birthDate":"{}","address":[{{"line":["{it} Example Street"],"city":"Exampleton","state":"MA","postalCode":"00000"}}]}}"#,
        born(it)
    )
}

fn coverage(it: usize) -> String {
    format!(
        r#"{{"resourceType":"Coverage","id":"c{it}","meta":{{"lastUpdated":"2026-11-24T00:00:00Z"}},"identifier":[{{"system":"https://payer.example/coverage","value":"COV{it:09}"}}],"status":"active","type":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"PPO"}}]}},"subscriberId":"SUB{it:09}","beneficiary":{{"reference":"Patient/p{it}"}},"relationship":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/subscriber-relationship","code":"self"}}]}},"period":{{"start":"2026-01-01","end":"2026-12-31"}},"payor":[{{"reference":"Organization/payer"}}],"class":[{{"type":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/coverage-class","code":"plan"}}]}},"value":"commercial-ppo-indemnity","name":"Commercial PPO and Indemnity"}}]}}"#
    )
}

fn authorization(it: usize) -> String {
    format!(
        r#"{{"resourceType":"ClaimResponse","id":"a{it}","status":"active","type":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/claim-type","code":"professional"}}]}},"use":"preauthorization","patient":{{"reference":"Patient/p{it}"}},"created":"2026-11-01","insurer":{{"reference":"Organization/payer"}},"outcome":"complete","preAuthRef":"PA{it:09}","preAuthPeriod":{{"start":"2026-11-01","end":"2027-01-31"}},"addItem":[{{"productOrService":{{"coding":[{{"system":"http://www.ama-assn.org/go/cpt","code":"47383"}}]}},"adjudication":[]}}]}}"#
    )
}

/// The most memory that this process has had, in kilobytes; 0 where the system does not say.
fn peak_kilobytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}
