//! The laws of deciding (DESIGN, section 3), tried on made-up policy sets that are written and loaded as files.

mod files;
mod guide;
mod model;
mod naive;

use std::collections::BTreeSet;

use covenant::decide::decide;
use covenant::decide::determination::{Determination, InfoNeeded, Needs, PaNeeded};
use covenant::policy::model::{Coding, PolicySet};
use covenant::request::version::Version;
use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::laws_support::{Draw, SET};
use files::{facts, load, prove, shuffled};
use guide::{broken, repetitions, sorted, written};
use model::{CLINICAL, COVERED, Given, Model, PA_NEEDED, UNKNOWN};

/// Facts that are tried on each set.
const ORDERS: usize = 40;

fn choices() -> impl Strategy<Value = Vec<u16>> {
    prop::collection::vec(any::<u16>(), 0..1_300)
}

fn config(cases: u32) -> Config {
    Config { cases, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() }
}

fn only<'p>(given: &Given, set: &'p PolicySet) -> Determination<'p> {
    let mut decided = decide(&facts(given, set), set);
    assert_eq!(decided.len(), 1);
    decided.remove(0)
}

fn pa_needed(determination: &Determination<'_>) -> Option<&'static str> {
    determination.pa_needed.as_ref().map(PaNeeded::code)
}

fn info(determination: &Determination<'_>) -> BTreeSet<&'static str> {
    let documents = determination.documentation.as_ref().and_then(|documents| documents.needs.as_ref());
    let needs = [determination.covered.needs(), determination.pa_needed.as_ref().and_then(PaNeeded::needs), documents];
    needs.into_iter().flatten().flat_map(Needs::iter).map(InfoNeeded::code).collect()
}

/// Sets of both kinds, one after the other.
fn model(draw: &mut Draw<'_>) -> Model {
    if draw.one_in(2) { Model::rough(draw) } else { Model::proved(draw) }
}

proptest! {
    #![proptest_config(config(250))]

    #[test]
    fn law_1_the_order_of_files_and_of_rules_does_not_matter(choices in choices()) {
        let mut draw = Draw::new(&choices);
        let model = Model::proved(&mut draw);
        let files = files::files(&model);
        let set = prove(&files).unwrap();
        let other = prove(&shuffled(&files, &mut draw)).unwrap();
        for _ in 0..ORDERS {
            let given = Given::any(&mut draw);
            for version in [Version::V2_0, Version::V2_2] {
                let one = sorted(&written(&facts(&given, &set), &set, version));
                let two = sorted(&written(&facts(&given, &other), &other, version));
                prop_assert_eq!(one, two, "{:?}", given);
            }
        }
    }

    #[test]
    fn law_2_where_no_rule_speaks_the_answer_is_neither_covered_nor_free(choices in choices()) {
        let mut draw = Draw::new(&choices);
        let model = model(&mut draw);
        let set = load(&files::files(&model)).unwrap();
        for _ in 0..ORDERS {
            let given = Given { code: [UNKNOWN, CLINICAL, 0, 1, 2, 3][draw.below(6)], ..Given::any(&mut draw) };
            let (first, last) = given.days;
            // A policy that may speak of the order on some day.
            let speaks = model.versions.iter().any(|version| {
                let (starts, ends) = version.days;
                let on_a_day = starts.is_none_or(|starts| starts <= last) && ends.is_none_or(|ends| first <= ends);
                version.codes.contains(&given.code) && on_a_day
            });
            let found = only(&given, &set);
            if !speaks {
                prop_assert_ne!(found.covered.code(), "covered", "{:?}", given);
                prop_assert_ne!(pa_needed(&found), Some("no-auth"), "{:?}", given);
            }
        }
    }

    #[test]
    fn law_4_a_stricter_rule_never_loosens_an_answer(choices in choices()) {
        let mut draw = Draw::new(&choices);
        let before = model(&mut draw);
        let mut after = before.clone();
        let version = draw.below(after.versions.len());
        let cases = &mut after.versions[version].cases;
        let case = draw.below(cases.len());
        cases[case].outcome = cases[case].outcome.stricter(&mut draw);
        let [before, after] = [before, after].map(|model| load(&files::files(&model)).unwrap());
        for _ in 0..ORDERS {
            let given = Given::full(&mut draw);
            let [before, after] = [only(&given, &before), only(&given, &after)];
            let rank = |it: &Determination<'_>| COVERED.iter().position(|code| *code == it.covered.code());
            prop_assert!(rank(&before) <= rank(&after), "{:?}", given);
            let rank = |it: &Determination<'_>| PA_NEEDED.iter().position(|code| *code == pa_needed(it));
            prop_assert!(before.covered != after.covered || rank(&before) <= rank(&after), "{:?}", given);
        }
    }

    #[test]
    fn law_5_what_is_asked_for_is_exactly_what_would_tell_answers_apart(choices in choices()) {
        let mut draw = Draw::new(&choices);
        let model = model(&mut draw);
        let set = load(&files::files(&model)).unwrap();
        for _ in 0..ORDERS {
            let given = Given::any(&mut draw);
            let (found, expected) = (only(&given, &set), naive::decide(&model, &given));
            prop_assert_eq!(found.covered.code(), expected.covered, "{:?} of {:#?}", given, model);
            prop_assert_eq!(pa_needed(&found), expected.pa_needed, "{:?} of {:#?}", given, model);
            let mut asked = info(&found);
            if expected.said_conditional && !expected.info.contains("OTH") {
                asked.remove("OTH");
            }
            prop_assert_eq!(asked, expected.info, "{:?} of {:#?}", given, model);
        }
    }

    #[test]
    fn law_5_a_definite_answer_stays_when_what_is_missing_arrives(choices in choices()) {
        let mut draw = Draw::new(&choices);
        let model = model(&mut draw);
        let set = load(&files::files(&model)).unwrap();
        for _ in 0..ORDERS {
            let given = Given::any(&mut draw);
            let found = only(&given, &set);
            let definite = matches!(found.covered.code(), "covered" | "not-covered");
            let settled = matches!(pa_needed(&found), Some("no-auth" | "auth-needed"));
            if !definite && !settled {
                continue;
            }
            for full in given.completions() {
                let then = only(&full, &set);
                prop_assert!(!definite || then.covered == found.covered, "{:?} then {:?}", given, full);
                // Whether a service that is no benefit after all needs authorisation is another question.
                let asked = definite || then.covered.code() != "not-covered";
                prop_assert!(!settled || !asked || then.pa_needed == found.pa_needed, "{:?} then {:?}", given, full);
            }
        }
    }

    #[test]
    fn p10_of_two_policies_that_meet_the_answer_is_what_both_say_or_conditional(choices in choices()) {
        let mut draw = Draw::new(&choices);
        // Exactly one case of each policy holds, so each says something of its own.
        let mut model = Model::proved(&mut draw);
        // Policies that share no code, and of which none is written to come first.
        model.versions.iter_mut().for_each(|version| version.codes = vec![version.policy]);
        let set = load(&files::clinical(&files::files(&model))).unwrap();
        for _ in 0..ORDERS {
            let given = Given::full(&mut draw);
            let mut both = facts(&given, &set);
            let system = set.system(files::SNOMED).unwrap();
            let coding = |number: usize| Coding { system, code: files::code(number).1.into() };
            let [one, other] = [0, 1].map(|number| {
                let mut facts = facts(&given, &set);
                facts.codes = vec![coding(number)];
                decide(&facts, &set).remove(0)
            });
            both.codes = vec![coding(0), coding(1)];
            let both = decide(&both, &set).remove(0);
            let speaks = |it: &Determination<'_>| it.trace.candidates.iter().any(|it| it.policy != "default");
            match (speaks(&one), speaks(&other)) {
                (true, false) => prop_assert_eq!((&both.covered, pa_needed(&both)), (&one.covered, pa_needed(&one))),
                (false, true) => prop_assert_eq!((&both.covered, pa_needed(&both)), (&other.covered, pa_needed(&other))),
                (false, false) => prop_assert_eq!(&both.covered, &one.covered),
                (true, true) if one.covered.code() == other.covered.code() => {
                    prop_assert_eq!(both.covered.code(), one.covered.code());
                    let same = pa_needed(&one) == pa_needed(&other);
                    let expected = if same { pa_needed(&one) } else { Some("conditional") };
                    prop_assert_eq!(pa_needed(&both), expected, "{:?} of {:#?}", given, model);
                }
                (true, true) => {
                    prop_assert_eq!(both.covered.code(), "conditional", "{:?} of {:#?}", given, model);
                    prop_assert!(info(&both).contains("detail-code"));
                }
            }
        }
    }

    #[test]
    fn law_6_the_same_facts_and_policies_make_the_same_bytes(choices in choices()) {
        let mut draw = Draw::new(&choices);
        let files = files::files(&model(&mut draw));
        let (set, again) = (load(&files).unwrap(), load(&files).unwrap());
        for _ in 0..ORDERS {
            let given = Given::any(&mut draw);
            for version in [Version::V2_0, Version::V2_2] {
                let (one, two) = (facts(&given, &set), facts(&given, &again));
                prop_assert_eq!(written(&one, &set, version), written(&two, &again, version));
            }
        }
    }

    #[test]
    fn law_7_every_answer_from_made_up_policies_satisfies_the_guide(choices in choices()) {
        let mut draw = Draw::new(&choices);
        let set = load(&files::files(&model(&mut draw))).unwrap();
        for _ in 0..2 * ORDERS {
            satisfies_the_guide(&facts(&Given::any(&mut draw), &set), &set);
        }
    }
}

fn satisfies_the_guide(facts: &covenant::decide::facts::Facts, set: &PolicySet) {
    for version in [Version::V2_0, Version::V2_2] {
        for repetition in repetitions(&written(facts, set, version)) {
            assert_eq!(broken(&repetition, version), None, "{version:?} {facts:?}\n{repetition:#}");
        }
    }
}

#[test]
fn law_7_every_answer_from_the_default_policies_satisfies_the_guide() {
    let mut codes: Vec<&Coding> = SET.index.keys().collect();
    codes.sort();
    let mut state = 633_u64;
    let mut next = move |count: usize| {
        // Any full-period generator will do (Knuth's MMIX).
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % count
    };
    for _ in 0..80_000 {
        let numbers: Vec<u16> = (0..24).map(|_| u16::try_from(next(1 << 16)).unwrap()).collect();
        let given = Given::any(&mut Draw::new(&numbers));
        let mut facts = facts(&given, &SET);
        let mut code = |kept: usize| (next(kept) == 0).then(|| codes[next(codes.len())].clone());
        facts.billing_options = code(4).into_iter().chain(code(4)).collect();
        facts.codes = code(1).into_iter().chain(code(3)).collect();
        facts.to_be_performed = next(20) > 0;
        satisfies_the_guide(&facts, &SET);
    }
}
