//! Decides a second time, slowly and from the model alone: it tries whatever the missing facts could turn out to be.
//!
//! It shares no line with `decide`, so that a slip of thought would have to be made twice.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{COVERED, Case, Given, Known, Model, NARROW, Outcome, PA_NEEDED, Version};

/// What is decided, as far as the laws look at it.
#[derive(Debug, PartialEq, Eq)]
pub struct Decided {
    pub covered: &'static str,
    pub pa_needed: Option<&'static str>,
    /// What would tell possible answers apart.
    pub info: BTreeSet<&'static str>,
    /// A rule itself says `conditional`, so that something else may be asked for.
    pub said_conditional: bool,
}

/// Day, setting, plan, diagnosis, performer, age and speaking policy of a world.
type Place = [usize; 7];

/// What is asked for where one of them makes a difference.
const ASKED: [&str; 7] = ["timeframe", "location", "OTH", "OTH", "performer", "OTH", "detail-code"];

const NOBODY: usize = usize::MAX;
const CONDITIONAL: usize = 1;
const NOT_COVERED: usize = 3;
const PA_CONDITIONAL: usize = 3;
const PA_INDETERMINATE: usize = 4;

pub fn decide(model: &Model, given: &Given) -> Decided {
    let mut worlds: Vec<(Place, Outcome)> = Vec::new();
    for full in given.completions() {
        let known = |fact: Known<usize>| if let Known::Known(value) = fact { value } else { unreachable!() };
        let facts = [full.setting, full.plan, full.diagnosis, full.performer, full.age].map(known);
        for speaker in speakers(model, given, full.days.0) {
            let outcome = outcome(model, &full, speaker, facts);
            // Who speaks of a policy's own code follows from the day, so it is no open question of its own.
            let open = if given.code < NARROW.len() { 0 } else { speaker };
            let [setting, plan, diagnosis, performer, age] = facts;
            worlds.push(([full.days.0, setting, plan, diagnosis, performer, age, open], outcome));
        }
    }
    let covered: Vec<_> = worlds.iter().map(|(place, it)| (*place, Some(it.covered))).collect();
    let never = worlds.iter().all(|(_, it)| it.covered == NOT_COVERED);
    let matters = |it: &Outcome| never || it.covered != NOT_COVERED;
    let pa_needed: Vec<_> = worlds.iter().map(|(place, it)| (*place, matters(it).then_some(it.pa_needed))).collect();
    let documents: Vec<_> = worlds.iter().map(|(place, it)| (*place, Some(it.doc_needed.clone()))).collect();
    let (one_covered, covered_by) = agreed(&covered);
    let (one_pa_needed, pa_needed_by) = agreed(&pa_needed);
    let (_, documents_by) = agreed(&documents);
    let lost = [(1, given.setting), (2, given.plan), (3, given.diagnosis), (4, given.performer), (5, given.age)];
    let lost =
        |by: &BTreeSet<usize>| lost.iter().any(|(fact, known)| by.contains(fact) && *known == Known::Unavailable);
    if lost(&covered_by) {
        return Decided { covered: "indeterminate", pa_needed: None, info: BTreeSet::new(), said_conditional: false };
    }
    // What could not be had is not asked for; it leaves what rests on it indeterminate.
    let pa_needed = if lost(&pa_needed_by) { PA_INDETERMINATE } else { one_pa_needed.unwrap_or(PA_CONDITIONAL) };
    let open: Vec<usize> =
        [&covered_by, &pa_needed_by, &documents_by].into_iter().filter(|by| !lost(by)).flatten().copied().collect();
    let said_conditional = worlds.iter().any(|(_, it)| {
        // The fourth of the documents is `conditional` too.
        it.covered == CONDITIONAL || it.pa_needed == PA_CONDITIONAL || it.doc_needed.contains(&3)
    });
    Decided {
        covered: COVERED[one_covered.unwrap_or(CONDITIONAL)],
        pa_needed: PA_NEEDED[pa_needed],
        info: open.into_iter().map(|fact| ASKED[fact]).collect(),
        said_conditional,
    }
}

/// What all worlds say that say anything; or the facts of which each alone makes a difference somewhere.
fn agreed<T: PartialEq + Clone>(worlds: &[(Place, Option<T>)]) -> (Option<T>, BTreeSet<usize>) {
    let mut said = worlds.iter().filter_map(|(_, said)| said.as_ref());
    let first = said.next();
    if first.is_some() && said.all(|other| Some(other) == first) {
        return (first.cloned(), BTreeSet::new());
    }
    let matters = |fact: &usize| {
        let mut rest_alike: BTreeMap<Place, &Option<T>> = BTreeMap::new();
        worlds.iter().any(|(place, said)| {
            let mut rest = *place;
            rest[*fact] = 0;
            *rest_alike.entry(rest).or_insert(said) != said
        })
    };
    (None, (0..7).filter(matters).collect())
}

/// The policies that may speak of the code.
fn speakers(model: &Model, given: &Given, day: usize) -> Vec<usize> {
    if given.code < NARROW.len() {
        let speaking = model.versions.iter().filter(|it| in_force(it, day) && it.codes.contains(&given.code));
        return vec![speaking.map(|it| it.policy).min().unwrap_or(NOBODY)];
    }
    let policies: BTreeSet<usize> = model.versions.iter().map(|it| it.policy).collect();
    policies.into_iter().chain([NOBODY]).collect()
}

fn in_force(version: &Version, day: usize) -> bool {
    version.days.0.is_none_or(|first| first <= day) && version.days.1.is_none_or(|last| day <= last)
}

/// What is said when everything is known.
fn outcome(model: &Model, full: &Given, speaker: usize, facts: [usize; 5]) -> Outcome {
    let day = full.days.0;
    let before = full.coverage.0.is_some_and(|first| day < first);
    let after = full.coverage.1.is_some_and(|last| last < day);
    if !full.active || before || after {
        return Outcome { covered: NOT_COVERED, pa_needed: PA_CONDITIONAL, doc_needed: Vec::new() };
    }
    let meant = |code: &usize| match full.code {
        narrow if narrow < NARROW.len() => *code == narrow,
        wide => model.wider.get(wide - NARROW.len()).is_some_and(|narrower| narrower.contains(code)),
    };
    let speaks = |it: &&Version| it.policy == speaker && in_force(it, day) && it.codes.iter().any(meant);
    let Some(version) = model.versions.iter().find(speaks) else {
        return Outcome { covered: CONDITIONAL, pa_needed: PA_CONDITIONAL, doc_needed: Vec::new() };
    };
    let mut strictest: Option<&Outcome> = None;
    for case in &version.cases {
        let holds = holds(case, facts);
        let rank = |outcome: &Outcome| (outcome.covered, outcome.pa_needed);
        if holds && strictest.is_none_or(|other| rank(&case.outcome) >= rank(other)) {
            strictest = Some(&case.outcome);
        }
    }
    // A technical answer, where no case holds.
    strictest.cloned().unwrap_or(Outcome { covered: 2, pa_needed: 0, doc_needed: Vec::new() })
}

fn holds(case: &Case, [setting, plan, diagnosis, performer, age]: [usize; 5]) -> bool {
    let among = |bits: usize, named: &[usize]| named.iter().any(|it| bits & (1 << it) != 0);
    if case.setting.is_some_and(|named| named != setting) || case.plan.as_ref().is_some_and(|it| !it.contains(&plan)) {
        return false;
    }
    // Whether something is there, and whether it must not be, are never the same.
    let diagnosed = case.diagnosis.as_ref().is_none_or(|it| among(diagnosis, &it.what) != it.not);
    let performed = case.performer.as_ref().is_none_or(|it| among(performer, &it.what) != it.not);
    let old = case.age.as_ref().is_none_or(|it| {
        let (from, to) = it.what;
        (from.is_none_or(|from| age >= from) && to.is_none_or(|to| age <= to)) != it.not
    });
    diagnosed && performed && old
}
