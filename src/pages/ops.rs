//! The operators' page: how a server does, in figures. Nothing of a patient is in it, and the clients' names are.

mod chart;
mod judged;
mod rows;
mod words;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::auth::ClientKeys;
use crate::pages::{self, PageError};
use crate::policy::Served;
use crate::telemetry::counters::Count;
use crate::telemetry::recent::{Minute, Seen};
use chart::Chart;
use judged::Judged;
use rows::{KeysRow, MinuteRow, OutcomeRow, RefusedRow, TimesRow};
use words::{count, lasting, minute, moment, took};

/// What a server knows of itself at one moment.
#[derive(Debug)]
pub struct Operations<'a> {
    /// The moment.
    pub taken: Timestamp,
    /// Whose clock the page tells time by: the payer's.
    pub zone: &'a TimeZone,
    /// Since when it runs.
    pub began: Timestamp,
    /// Calls being answered now.
    pub in_flight: usize,
    /// How many there may be.
    pub most_in_flight: usize,
    /// The last hour; none where nothing is counted.
    pub recent: Option<Seen>,
    /// What was decided since the start, by `covered`, `policy` and `product`.
    pub determinations: Vec<Count>,
    /// What was refused since the start, by `issue`, `status` and `fault`.
    pub refusals: Vec<Count>,
    /// Where answers are kept.
    pub ledger: Ledger,
    /// The policies that serve.
    pub served: &'a Served,
    /// Whether the policy folder has changed and cannot be served.
    pub reload_failed: bool,
    /// Whether the registrations of clients have changed and cannot be served.
    pub clients_reload_failed: bool,
    /// The origins of EHRs that keep failing and are not asked now.
    pub left_alone: Vec<String>,
    /// The keys of the registered clients; none where no clients are registered at all.
    pub clients: Option<Vec<ClientKeys>>,
}

/// How the ledger stands.
#[derive(Debug)]
pub struct Ledger {
    /// What the engine is called.
    pub engine: &'static str,
    /// Whether answers can be kept, or why not.
    pub ready: Result<(), String>,
    /// Since when that is so, where it is known.
    pub since: Option<Timestamp>,
    /// Who writes to it; none where it does not say.
    pub nodes: Option<Vec<Node>>,
    /// What it did not keep since the start, by `kind`.
    pub failures: Vec<Count>,
}

/// Who writes to a ledger.
#[derive(Debug)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Records that it has kept.
    pub kept: u64,
    /// How many of them were removed but for their hashes.
    pub pruned: u64,
}

/// What the template says.
#[derive(Serialize)]
struct Page<'a> {
    title: &'static str,
    payer: &'a str,
    version: &'static str,
    taken: String,
    zone: &'a str,
    judged: Judged,
    up: String,
    began: String,
    in_flight: String,
    most_in_flight: String,
    answered: String,
    refused: String,
    charts: Vec<Chart>,
    axis: Vec<String>,
    minutes: Vec<MinuteRow>,
    times: Vec<TimesRow>,
    outcomes: Vec<OutcomeRow>,
    refusals: Vec<RefusedRow>,
    engine: &'static str,
    ready: bool,
    why_not: &'a str,
    since: Option<String>,
    nodes: Vec<(&'a str, String, String)>,
    failures: Vec<(&'a str, String)>,
    set: &'a str,
    serves_since: String,
    proof: [String; 3],
    reload_failed: bool,
    clients_reload_failed: bool,
    asked: String,
    unanswered: String,
    left_alone: &'a [String],
    clients: Option<Vec<KeysRow>>,
}

/// Writes the page.
///
/// # Errors
/// [`PageError`]
pub fn page(said: &Operations<'_>) -> Result<String, PageError> {
    let (set, proof, zone) = (&said.served.set, said.served.proof, said.zone);
    let nothing = Seen::default();
    let recent = said.recent.as_ref().unwrap_or(&nothing);
    let clients = said.clients.as_ref().map(|all| all.iter().map(|it| KeysRow::of(it, said)).collect());
    let page = Page {
        title: "Operations",
        payer: &set.payer.name,
        version: env!("CARGO_PKG_VERSION"),
        taken: moment(said.taken, zone),
        zone: zone.iana_name().unwrap_or("the payer's time zone"),
        judged: Judged::of(said),
        up: lasting(said.taken.duration_since(said.began).try_into().unwrap_or_default()),
        began: moment(said.began, zone),
        in_flight: said.in_flight.to_string(),
        most_in_flight: said.most_in_flight.to_string(),
        answered: count(recent.minutes.iter().map(|minute| minute.tally.answered).sum()),
        refused: count(recent.minutes.iter().map(|minute| minute.tally.refused()).sum()),
        charts: charts(recent, zone),
        axis: recent.minutes.iter().step_by(15).chain(recent.minutes.last()).map(|it| minute(it.began, zone)).collect(),
        minutes: recent.minutes.iter().rev().map(|it| MinuteRow::of(it, zone)).collect(),
        times: vec![TimesRow::of("Last hour", &recent.hour), TimesRow::of("Since the start", &recent.ever)],
        outcomes: rows::outcomes(&said.determinations, said.served),
        refusals: rows::refusals(&said.refusals),
        engine: said.ledger.engine,
        ready: said.ledger.ready.is_ok(),
        why_not: said.ledger.ready.as_ref().err().map_or("", String::as_str),
        since: said.ledger.since.map(|at| moment(at, zone)),
        nodes: said.ledger.nodes.iter().flatten().map(|it| (&*it.name, count(it.kept), count(it.pruned))).collect(),
        failures: said.ledger.failures.iter().map(|it| (it.label("kind"), count(it.count))).collect(),
        set: &set.hash,
        serves_since: moment(said.served.since, zone),
        proof: [proof.policies, proof.combinations, proof.cases].map(|it| count(it.try_into().unwrap_or(u64::MAX))),
        reload_failed: said.reload_failed,
        clients_reload_failed: said.clients_reload_failed,
        asked: count(recent.last.asked),
        unanswered: count(recent.last.unanswered),
        left_alone: &said.left_alone,
        clients,
    };
    pages::write("ops.html", &page)
}

/// What is drawn of the hour.
fn charts(recent: &Seen, zone: &TimeZone) -> Vec<Chart> {
    let values = |of: fn(&Minute) -> u64| -> Vec<(String, u64)> {
        recent.minutes.iter().map(|it| (minute(it.began, zone), of(it))).collect()
    };
    let counted = |id, title, of: fn(&Minute) -> u64| {
        let values = values(of);
        let (all, most) = values.iter().fold((0, 0), |(all, most), (_, value)| (all + value, most.max(*value)));
        let about = format!("{} in the hour, at most {} in a minute.", count(all), count(most));
        Chart::of(id, title, about, &values, count)
    };
    let longest = values(|it| it.times.p95);
    let most = longest.iter().map(|(_, value)| *value).max().unwrap_or_default();
    let about = match most {
        0 => "No answers in the hour.".to_owned(),
        _ => format!("In the slowest minute 95 of 100 answers took at most {}; refusals are left out.", took(most)),
    };
    vec![
        counted("answered", "Answered, a minute", |it| it.tally.answered),
        counted("refused", "Refused, a minute", |it| it.tally.refused()),
        Chart::of("slow", "Time of an answer, p95 of a minute", about, &longest, took),
    ]
}
