//! The rows of the tables: counts brought together, in the words of people.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::Operations;
use super::words::{count, lasting, minute, moment, took};
use crate::auth::{ClientKeys, Standing};
use crate::policy::Served;
use crate::telemetry::counters::Count;
use crate::telemetry::recent::{Minute, Times};

/// What can be said of an order, in the order of the columns.
const SAID: [&str; 4] = ["covered", "conditional", "not-covered", "indeterminate"];

/// Units that the bar of a row is wide.
const WIDE: u64 = 200;

/// A minute of the hour.
#[derive(Serialize)]
pub(super) struct MinuteRow {
    began: String,
    answered: String,
    refused: String,
    p95: String,
}

impl MinuteRow {
    pub(super) fn of(it: &Minute, zone: &TimeZone) -> Self {
        let (answered, refused) = (count(it.tally.answered), count(it.tally.refused()));
        Self { began: minute(it.began, zone), answered, refused, p95: taken(&it.times, it.times.p95) }
    }
}

/// How long answers took in a span of time.
#[derive(Serialize)]
pub(super) struct TimesRow {
    span: &'static str,
    answers: String,
    times: [String; 4],
}

impl TimesRow {
    pub(super) fn of(span: &'static str, it: &Times) -> Self {
        let times = [it.p50, it.p95, it.p99, it.longest].map(|micros| taken(it, micros));
        Self { span, answers: count(it.answers), times }
    }
}

/// A time of answers; of no answers there is none.
fn taken(times: &Times, micros: u64) -> String {
    if times.answers == 0 { "–".to_owned() } else { took(micros) }
}

/// What a policy said to members of a product line.
#[derive(Serialize)]
pub(super) struct OutcomeRow {
    policy: String,
    product: String,
    counts: [String; 4],
    all: String,
    parts: Vec<Part>,
}

/// A part of a row's bar.
#[derive(Serialize)]
struct Part {
    said: &'static str,
    x: u64,
    width: u64,
}

/// What was decided, by policy and product line.
pub(super) fn outcomes(counts: &[Count], served: &Served) -> Vec<OutcomeRow> {
    let mut rows: BTreeMap<(&str, &str), [u64; 4]> = BTreeMap::new();
    for it in counts {
        let row = rows.entry((it.label("policy"), it.label("product"))).or_default();
        let place = row.iter_mut().zip(SAID).find(|(_, said)| *said == it.label("covered"));
        if let Some((said, _)) = place {
            *said += it.count;
        }
    }
    let most = rows.values().map(|row| row.iter().sum()).max().unwrap_or(1);
    let row = |((policy, product), counts): ((&str, &str), [u64; 4])| OutcomeRow {
        policy: match policy {
            "default" | "none" => "no policy speaks".to_owned(),
            "several" => "several policies".to_owned(),
            number => number.to_owned(),
        },
        product: product_name(product, served),
        all: count(counts.iter().sum()),
        parts: parts(counts, most),
        counts: counts.map(count),
    };
    rows.into_iter().map(row).collect()
}

fn product_name(code: &str, served: &Served) -> String {
    let plan = served.set.plans.iter().find(|plan| *plan.coding.code == *code);
    // A set that served before may have had other product lines.
    plan.map_or_else(|| if code == "unknown" { "not known" } else { code }.to_owned(), |plan| plan.name.to_string())
}

fn parts(counts: [u64; 4], most: u64) -> Vec<Part> {
    let mut x = 0;
    let mut part = |(count, said): (u64, &'static str)| {
        let part = Part { said, x, width: (count * WIDE).div_ceil(most.max(1)) };
        x += part.width;
        part
    };
    counts.into_iter().zip(SAID).filter(|(count, _)| *count > 0).map(&mut part).collect()
}

/// Refusals of one kind.
#[derive(Serialize)]
pub(super) struct RefusedRow {
    issue: String,
    status: String,
    fault: &'static str,
    count: String,
}

/// What was refused, of all services, the most frequent first.
pub(super) fn refusals(counts: &[Count]) -> Vec<RefusedRow> {
    let mut kinds: BTreeMap<[&str; 3], u64> = BTreeMap::new();
    for it in counts {
        *kinds.entry(["issue", "status", "fault"].map(|name| it.label(name))).or_default() += it.count;
    }
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let row = |([issue, status, fault], number): ([&str; 3], u64)| RefusedRow {
        issue: issue.to_owned(),
        status: status.to_owned(),
        fault: match fault {
            "client" => "the client’s",
            "ehr" => "the EHR’s",
            _ => "ours",
        },
        count: count(number),
    };
    kinds.into_iter().map(row).collect()
}

/// The keys of a client.
#[derive(Serialize)]
pub(super) struct KeysRow {
    client: String,
    usable: usize,
    from: &'static str,
    fetched: String,
    failed: bool,
    went: String,
}

impl KeysRow {
    pub(super) fn of(it: &ClientKeys, said: &Operations<'_>) -> Self {
        let ago = |ago: Duration| {
            let at = said.taken.saturating_sub(ago).unwrap_or(Timestamp::UNIX_EPOCH);
            format!("{} ago, {}", lasting(ago), moment(at, said.zone))
        };
        let (from, fetched, went) = match &it.standing {
            Standing::Registered => ("registration", "–".to_owned(), "–".to_owned()),
            Standing::Fetched { fetched, failed } => {
                let fetched_at = fetched.map_or_else(|| "never".to_owned(), ago);
                let went = match (failed, fetched) {
                    (Some((why, when)), _) => format!("failed {}: {why}", ago(*when)),
                    (None, Some(_)) => "succeeded".to_owned(),
                    (None, None) => "not needed yet".to_owned(),
                };
                ("its URL", fetched_at, went)
            }
        };
        Self { client: it.client.clone(), usable: it.usable, from, fetched, failed: has_failed(it), went }
    }
}

/// Whether the last fetch of a client's keys failed.
pub(super) fn has_failed(it: &ClientKeys) -> bool {
    matches!(it.standing, Standing::Fetched { failed: Some(_), .. })
}
