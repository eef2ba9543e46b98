//! Policies, and what is known of an order, as few plain numbers: what the laws are tried on.
//!
//! From here they are written as FHIR files ([`super::files`]) and, apart from that, decided a second time
//! ([`super::naive`]).

use crate::laws_support::Draw;

/// Codes that policies may speak of.
pub const NARROW: [&str; 4] = ["90001", "90002", "90003", "90004"];
/// Codes that policies never name: one that may be wider and is billed, one that may be wider, one that is neither.
pub const UNLISTED: usize = 4;
pub const CLINICAL: usize = 5;
pub const UNKNOWN: usize = 6;
pub const SETTINGS: [&str; 2] = ["inpatient", "outpatient"];
pub const PLANS: [&str; 4] =
    ["commercial-managed-care", "commercial-ppo-indemnity", "medicare-hmo-blue", "medicare-ppo-blue"];
/// The last is in no policy.
pub const DIAGNOSES: [&str; 4] = ["C22.0", "C78.7", "C18.9", "Z00.0"];
/// The last is in no policy.
pub const PERFORMERS: [&str; 3] = ["0000000001", "0000000002", "0000000009"];
/// Patients are younger than this, and bounds of rules lie between.
pub const AGES: usize = 6;
/// Days after the first of December.
pub const DAYS: usize = 10;

pub const COVERED: [&str; 4] = ["covered", "conditional", "indeterminate", "not-covered"];
pub const PA_NEEDED: [Option<&str>; 6] =
    [None, Some("no-auth"), Some("performpa"), Some("conditional"), Some("indeterminate"), Some("auth-needed")];
pub const DOC_NEEDED: [&str; 5] = ["clinical", "admin", "patient", "conditional", "indeterminate"];

/// What a case decides, each by its place in the lists above, which go from lenient to strict.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    pub covered: usize,
    pub pa_needed: usize,
    pub doc_needed: Vec<usize>,
}

/// What a case wants of a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted<T> {
    pub what: T,
    /// Whether it must not be so.
    pub not: bool,
}

/// A case; a fact that it does not name may have any value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Case {
    pub setting: Option<usize>,
    pub plan: Option<Vec<usize>>,
    pub diagnosis: Option<Wanted<Vec<usize>>>,
    pub performer: Option<Wanted<Vec<usize>>>,
    /// From and to, both meant; one of them may be left out.
    pub age: Option<Wanted<(Option<usize>, Option<usize>)>>,
    pub outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The policy it is a version of.
    pub policy: usize,
    /// The codes it speaks of.
    pub codes: Vec<usize>,
    /// First and last day.
    pub days: (Option<usize>, Option<usize>),
    pub cases: Vec<Case>,
}

/// A policy set. Where two policies speak of a code, the one with the lower number is written to come first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    pub versions: Vec<Version>,
    /// Codes that [`UNLISTED`] and [`CLINICAL`] are wider than.
    pub wider: [Vec<usize>; 2],
}

/// A fact that may be missing, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known<T> {
    Known(T),
    Absent,
    Unavailable,
}

/// What is known of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    pub code: usize,
    /// First and last day on which it may be done.
    pub days: (usize, usize),
    pub active: bool,
    pub coverage: (Option<usize>, Option<usize>),
    pub setting: Known<usize>,
    pub plan: Known<usize>,
    /// A bit for each diagnosis; never none.
    pub diagnosis: Known<usize>,
    /// A bit for each performer; none for one whom no rule could name.
    pub performer: Known<usize>,
    pub age: Known<usize>,
}

impl Model {
    /// A set whose cases are exactly one for all facts.
    pub fn proved(draw: &mut Draw<'_>) -> Self {
        Self::of(draw, exactly_one)
    }

    /// A set whose cases may overlap or leave gaps: no check would let it pass, and it still has to be decided from.
    pub fn rough(draw: &mut Draw<'_>) -> Self {
        Self::of(draw, |draw| {
            let case = |draw: &mut Draw<'_>| Case {
                setting: draw.one_in(2).then(|| draw.below(2)),
                plan: draw.one_in(2).then(|| draw.some_of(PLANS.len())),
                diagnosis: draw.one_in(2).then(|| wanted(draw, diagnoses)),
                performer: draw.one_in(3).then(|| wanted(draw, performers)),
                age: draw.one_in(3).then(|| wanted(draw, ages)),
                outcome: Outcome::any(draw),
            };
            (0..=draw.below(4)).map(|_| case(draw)).collect()
        })
    }

    fn of(draw: &mut Draw<'_>, cases: impl Fn(&mut Draw<'_>) -> Vec<Case>) -> Self {
        let mut versions = Vec::new();
        for policy in 0..=draw.below(3) {
            // Sometimes a second version follows the first, sometimes after days without any.
            let turn = draw.one_in(2).then(|| 1 + draw.below(DAYS - 2));
            let gap = draw.below(2);
            let ends = turn.map(|turn| turn - 1).or_else(|| draw.one_in(4).then(|| draw.below(DAYS)));
            let starts = draw.one_in(4).then(|| draw.below(DAYS)).filter(|start| ends.is_none_or(|end| *start <= end));
            versions.push(Version {
                policy,
                codes: draw.some_of(NARROW.len()),
                days: (starts, ends),
                cases: cases(draw),
            });
            versions.extend(turn.map(|turn| Version {
                policy,
                codes: draw.some_of(NARROW.len()),
                days: (Some(turn + gap), None),
                cases: cases(draw),
            }));
        }
        let mut wider = || if draw.one_in(2) { draw.some_of(NARROW.len()) } else { Vec::new() };
        Self { versions, wider: [wider(), wider()] }
    }
}

fn wanted<T>(draw: &mut Draw<'_>, of: fn(&mut Draw<'_>) -> T) -> Wanted<T> {
    Wanted { what: of(draw), not: draw.one_in(2) }
}

fn diagnoses(draw: &mut Draw<'_>) -> Vec<usize> {
    draw.some_of(DIAGNOSES.len() - 1)
}

fn performers(draw: &mut Draw<'_>) -> Vec<usize> {
    draw.some_of(PERFORMERS.len() - 1)
}

fn ages(draw: &mut Draw<'_>) -> (Option<usize>, Option<usize>) {
    let (low, high) = (1 + draw.below(AGES - 2), 1 + draw.below(AGES - 2));
    [(Some(low.min(high)), Some(low.max(high))), (Some(low), None), (None, Some(high))][draw.below(3)]
}

/// A case, or two that share out what else one fact may be.
fn split(draw: &mut Draw<'_>, case: Case) -> Vec<Case> {
    fn two<T: Clone>(what: T) -> [Option<Wanted<T>>; 2] {
        [false, true].map(|not| Some(Wanted { what: what.clone(), not }))
    }
    let other = Outcome::any(draw);
    let both = |first: Case, second: Case| vec![first, Case { outcome: other, ..second }];
    match draw.below(5) {
        0 => {
            let [is, not] = two(diagnoses(draw));
            both(Case { diagnosis: is, ..case.clone() }, Case { diagnosis: not, ..case })
        }
        1 => {
            let [is, not] = two(performers(draw));
            both(Case { performer: is, ..case.clone() }, Case { performer: not, ..case })
        }
        2 => {
            let [is, not] = two(ages(draw));
            both(Case { age: is, ..case.clone() }, Case { age: not, ..case })
        }
        _ => vec![case],
    }
}

/// Cases that share out all settings and plans, and some of them another fact too.
fn exactly_one(draw: &mut Draw<'_>) -> Vec<Case> {
    let settings = if draw.one_in(2) { vec![Some(0), Some(1)] } else { vec![None] };
    let mut cases = Vec::new();
    for setting in settings {
        let groups: Vec<usize> = PLANS.iter().map(|_| draw.below(3)).collect();
        for group in 0..3 {
            let plans: Vec<usize> = (0..PLANS.len()).filter(|plan| groups[*plan] == group).collect();
            if !plans.is_empty() {
                let plan = (plans.len() < PLANS.len()).then_some(plans);
                let case = Case { setting, plan, outcome: Outcome::any(draw), ..Case::default() };
                cases.extend(split(draw, case));
            }
        }
    }
    cases
}

impl Outcome {
    fn any(draw: &mut Draw<'_>) -> Self {
        // Plain answers are more common than conditional ones, so that definite answers are.
        let covered = [0, 3, 0, 3, 0, 3, 1, 2][draw.below(8)];
        let pa_needed = [1, 5, 1, 5, 0, 2, 3, 4][draw.below(8)];
        let doc_needed = if draw.one_in(3) { draw.some_of(DOC_NEEDED.len()) } else { Vec::new() };
        Self { covered, pa_needed, doc_needed }
    }

    /// The next outcome that is stricter in one thing, or this one if there is none.
    pub fn stricter(&self, draw: &mut Draw<'_>) -> Self {
        let mut stricter = self.clone();
        if draw.one_in(2) {
            stricter.covered = self.covered + draw.below(COVERED.len() - self.covered);
        } else {
            stricter.pa_needed = self.pa_needed + draw.below(PA_NEEDED.len() - self.pa_needed);
        }
        stricter
    }
}

impl Given {
    /// Facts of which some may be missing.
    pub fn any(draw: &mut Draw<'_>) -> Self {
        let mut given = Self::full(draw);
        given.days.1 = (given.days.0 + [0, 0, 0, 1, 3, 5][draw.below(6)]).min(DAYS - 1);
        // Not all at once: there are only so many ways that things could turn out.
        let of_the_patient = draw.one_in(2);
        let mut missing = |known: &mut Known<usize>| match draw.below(8) {
            0..4 => {}
            4..7 => *known = Known::Absent,
            _ => *known = Known::Unavailable,
        };
        missing(&mut given.setting);
        missing(&mut given.plan);
        if of_the_patient {
            missing(&mut given.diagnosis);
        } else {
            missing(&mut given.performer);
            missing(&mut given.age);
        }
        given
    }

    /// Facts of which none is missing.
    pub fn full(draw: &mut Draw<'_>) -> Self {
        let day = draw.below(DAYS);
        Self {
            code: [0, 1, 2, 3, 0, 1, 2, 3, UNLISTED, CLINICAL, UNKNOWN][draw.below(11)],
            days: (day, day),
            active: !draw.one_in(12),
            coverage: (draw.one_in(6).then(|| draw.below(DAYS)), draw.one_in(6).then(|| draw.below(DAYS))),
            setting: Known::Known(draw.below(SETTINGS.len())),
            plan: Known::Known(draw.below(PLANS.len())),
            diagnosis: Known::Known(1 + draw.below((1 << DIAGNOSES.len()) - 1)),
            performer: Known::Known(draw.below(1 << PERFORMERS.len())),
            age: Known::Known(draw.below(AGES)),
        }
    }

    /// Every way in which what is missing could turn out, the code left as it is.
    pub fn completions(&self) -> Vec<Self> {
        fn values(known: Known<usize>, all: std::ops::Range<usize>) -> Vec<usize> {
            match known {
                Known::Known(value) => vec![value],
                Known::Absent | Known::Unavailable => all.collect(),
            }
        }
        let mut all: Vec<Self> =
            (self.days.0..=self.days.1).map(|day| Self { days: (day, day), ..self.clone() }).collect();
        type Place = fn(&mut Given) -> &mut Known<usize>;
        let facts: [(Place, std::ops::Range<usize>); 5] = [
            (|given| &mut given.setting, 0..SETTINGS.len()),
            (|given| &mut given.plan, 0..PLANS.len()),
            (|given| &mut given.diagnosis, 1..1 << DIAGNOSES.len()),
            (|given| &mut given.performer, 0..1 << PERFORMERS.len()),
            (|given| &mut given.age, 0..AGES),
        ];
        for (place, range) in facts {
            let known = *place(&mut self.clone());
            let with = |given: &Self, value: usize| {
                let mut given = given.clone();
                *place(&mut given) = Known::Known(value);
                given
            };
            let values = values(known, range);
            all = all
                .iter()
                .flat_map(|given| values.iter().map(|value| with(given, *value)).collect::<Vec<_>>())
                .collect();
        }
        all
    }
}
