//! The dictionary that payloads are compressed under: what it gains on requests that it was not made from, and what
//! packing costs, for sizes and levels. `cargo bench --bench dictionary`; with `-- quick` after it, only to see that it
//! runs; with `-- write 65536`, makes the next dictionary of that size and writes it beside those that are there.
#![allow(
    missing_docs,
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::print_stdout
)]

mod corpus;
#[path = "../tests/laws_support.rs"]
mod laws_support;
#[path = "../tests/policy_set"]
mod policy_set {
    pub mod ask;
}

use std::hint::black_box;

use covenant::record::{Ledger, SqliteLedger, wait};
use cpu_time::ProcessTime;
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::EncoderDictionary;

use corpus::{Chance, Example, Origin, examples, is_made_up, payload};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SIZES: [usize; 4] = [16 << 10, 32 << 10, 64 << 10, 110 << 10];
const LEVELS: [i32; 5] = [-5, -1, 1, 3, 6];
const FOLDS: usize = 5;

/// Payloads beyond this are of no ordinary request.
const LONGEST: usize = 128 << 10;

/// Patients that ask each thing: for a dictionary, and to be measured.
const TRAINED: usize = 8;
const MEASURED: usize = 2;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let quick = arguments.iter().any(|argument| argument == "quick");
    let examples = examples();
    if arguments.iter().any(|argument| argument == "write") {
        let size = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap();
        return write(&examples, size);
    }
    is_as_kept(&examples[0]);
    let (sizes, levels) = if quick { (&SIZES[1..2], &LEVELS[1..2]) } else { (&SIZES[..], &LEVELS[..]) };
    let of = |origin| examples.iter().filter(move |example| example.origin == origin);
    let (embedded, invented, clients): (Vec<_>, Vec<_>, Vec<_>) =
        (of(Origin::Embedded).collect(), of(Origin::Invented).collect(), of(Origin::Client).collect());
    let ours: Vec<&Example> = embedded.iter().chain(&invented).copied().collect();
    measure("trained on both policy sets, measured on what clients send", &[(ours.clone(), clients)], sizes, levels);
    if quick {
        return;
    }
    measure(
        "trained on the embedded policies, measured on the invented",
        &[(embedded.clone(), invented.clone())],
        sizes,
        levels,
    );
    measure("trained on the invented policies, measured on the embedded", &[(invented, embedded)], sizes, levels);
    let folds: Vec<_> = (0..FOLDS)
        .map(|fold| ours.iter().partition(|example| Chance::from(hash(example.group())).below(FOLDS) != fold))
        .collect();
    measure("five folds over both policy sets", &folds, sizes, levels);
}

fn hash(text: &str) -> u64 {
    text.bytes().fold(0, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The payloads of examples, each as several patients would ask.
fn payloads(examples: &[&Example], times: usize, seed: u64) -> Vec<Vec<u8>> {
    let mut chance = Chance::from(seed);
    let mut found = Vec::new();
    for example in examples {
        found.extend((0..times).filter_map(|_| example.entry(&mut chance)).map(|entry| payload(&entry)));
    }
    found.retain(|payload| payload.len() <= LONGEST);
    found
}

/// A dictionary of examples, without anything in it that only one patient has.
fn trained(examples: &[&Example], size: usize) -> Vec<u8> {
    let samples = payloads(examples, TRAINED, 1);
    let sizes: Vec<usize> = samples.iter().map(Vec::len).collect();
    without_ids(&zstd::dict::from_continuous(&samples.concat(), &sizes, size).unwrap())
}

/// Takes out the made-up words that stand between what is common. What is left is a dictionary: its text is at its end.
fn without_ids(dictionary: &[u8]) -> Vec<u8> {
    let is_of_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    let words = dictionary.chunk_by(|one, other| is_of_word(one) == is_of_word(other));
    words.filter(|word| !is_made_up(word)).flatten().copied().collect()
}

fn measure(what: &str, splits: &[(Vec<&Example>, Vec<&Example>)], sizes: &[usize], levels: &[i32]) {
    let tests: Vec<Vec<Vec<u8>>> = splits.iter().map(|(_, test)| payloads(test, MEASURED, 2)).collect();
    let (count, bytes) = tests.iter().flatten().fold((0, 0), |(count, bytes), test| (count + 1, bytes + test.len()));
    println!("{what}: {count} payloads of {} bytes", bytes / count);
    println!("  dictionary, and for each level: ratio, bytes an entry, µs CPU a pack");
    let head: String = levels.iter().map(|level| format!("{level:>24}")).collect();
    println!("  {:10}{head}", "level");
    for size in std::iter::once(0).chain(sizes.iter().copied()) {
        let dictionaries: Vec<Vec<u8>> =
            splits.iter().map(|(train, _)| if size == 0 { Vec::new() } else { trained(train, size) }).collect();
        let columns = levels.iter().map(|level| {
            let (mut packed, mut micros) = (0, 0.0);
            for (dictionary, test) in dictionaries.iter().zip(&tests) {
                let prepared = EncoderDictionary::copy(dictionary, *level);
                let mut compressor = if size == 0 {
                    Compressor::new(*level).unwrap()
                } else {
                    Compressor::with_prepared_dictionary(&prepared).unwrap()
                };
                let mut pack =
                    || test.iter().map(|it| compressor.compress(black_box(it)).unwrap().len()).sum::<usize>();
                packed += pack();
                // The quickest of some: others use the machine too.
                let spent = (0..7).map(|_| {
                    let before = ProcessTime::now();
                    black_box(pack());
                    before.elapsed().as_secs_f64() * 1e6
                });
                micros += spent.fold(f64::INFINITY, f64::min);
            }
            let (ratio, each) = (bytes as f64 / packed as f64, packed / count);
            format!("{:>24}", format!("{ratio:.2} {each:>6} {:>6.1} µs", micros / count as f64))
        });
        let name = if size == 0 { "none".to_owned() } else { format!("{} KB", size >> 10) };
        println!("  {name:10}{}", columns.collect::<String>());
    }
}

/// What is measured here is what the ledger keeps.
fn is_as_kept(example: &Example) {
    let entry = example.entry(&mut Chance::from(0)).unwrap();
    let expected = payload(&entry);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bench.ledger");
    wait(SqliteLedger::open(&file).unwrap().append(entry)).unwrap();
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let kept = rusqlite::Connection::open(&file).unwrap();
    let (number, body): (u32, Vec<u8>) = kept.query_row("SELECT dictionary, body FROM records", [], read).unwrap();
    let dictionary = std::fs::read(path(number as usize)).unwrap();
    let unpacked = Decompressor::with_dictionary(&dictionary).unwrap().decompress(&body, expected.len()).unwrap();
    assert_eq!(unpacked, expected);
}

/// Makes the next dictionary, of all that is not a client's.
fn write(examples: &[Example], size: usize) {
    let ours: Vec<&Example> = examples.iter().filter(|example| example.origin != Origin::Client).collect();
    let dictionary = trained(&ours, size);
    let text = String::from_utf8_lossy(&dictionary);
    // The policies say some numbers themselves, as those of the providers of a network.
    let folders = ["tests/policies/policies", "fhir-resources/policies"].map(laws_support::repository);
    let files = folders.iter().flat_map(|folder| laws_support::files_under(folder));
    let policies: String = files.map(|file| String::from_utf8(std::fs::read(file).unwrap()).unwrap()).collect();
    for example in examples {
        for own in example.own().iter().filter(|own| own.len() >= 6) {
            assert!(!text.contains(own) || policies.contains(own), "{own} of {} is in the dictionary", example.name);
        }
    }
    let number = (1..).find(|number| !path(*number).exists()).unwrap();
    std::fs::create_dir_all(path(number).parent().unwrap()).unwrap();
    std::fs::write(path(number), &dictionary).unwrap();
    println!("{}: {} bytes", path(number).display(), dictionary.len());
}

fn path(number: usize) -> std::path::PathBuf {
    laws_support::repository(&format!("src/record/dictionary/{number}.zdict"))
}
