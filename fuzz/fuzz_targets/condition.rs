//! A small policy set and facts, by choices: the order of files and rules does not matter, the answer is the one that trying
//! all that could be gives, and a definite one stays when what is missing arrives.
#![no_main]

use covenant::decide::decide;
use covenant::decide::determination::{Determination, PaNeeded};
use covenant::policy::model::PolicySet;
use covenant::request::version::Version;
use covenant_fuzz::choices;
use covenant_fuzz::decide_laws::files::{facts, files, load, prove, shuffled};
use covenant_fuzz::decide_laws::guide::{broken, repetitions, sorted, written};
use covenant_fuzz::decide_laws::model::{Given, Model};
use covenant_fuzz::decide_laws::naive;
use covenant_fuzz::laws_support::Draw;
use libfuzzer_sys::fuzz_target;

/// Facts that are tried on each set.
const ORDERS: usize = 30;

fn only<'p>(given: &Given, set: &'p PolicySet) -> Determination<'p> {
    let mut decided = decide(&facts(given, set), set);
    assert_eq!(decided.len(), 1);
    decided.remove(0)
}

fn pa_needed(determination: &Determination<'_>) -> Option<&'static str> {
    determination.pa_needed.as_ref().map(PaNeeded::code)
}

fuzz_target!(|data: &[u8]| {
    let choices = choices(data);
    let mut draw = Draw::new(&choices);
    // No check would let a rough one pass, and it still has to be decided from.
    let rough = draw.one_in(2);
    let model = if rough { Model::rough(&mut draw) } else { Model::proved(&mut draw) };
    let written_files = files(&model);
    let set = if rough { load(&written_files) } else { prove(&written_files) }.unwrap();
    let other = load(&shuffled(&written_files, &mut draw)).unwrap();
    for _ in 0..ORDERS {
        let given = Given::any(&mut draw);
        for version in [Version::V2_0, Version::V2_2] {
            let one = written(&facts(&given, &set), &set, version);
            for repetition in repetitions(&one) {
                assert_eq!(broken(&repetition, version), None, "{given:?}");
            }
            // Where two rules speak at once, their sentences come in the order of the rules.
            if !rough {
                let two = written(&facts(&given, &other), &other, version);
                assert_eq!(sorted(&one), sorted(&two), "{given:?}");
            }
        }
        let (found, expected) = (only(&given, &set), naive::decide(&model, &given));
        assert_eq!((found.covered.code(), pa_needed(&found)), (expected.covered, expected.pa_needed), "{given:?}");
        if let code @ ("covered" | "not-covered") = found.covered.code() {
            let completions = given.completions();
            let full = &completions[draw.below(completions.len())];
            assert_eq!(only(full, &set).covered.code(), code, "{given:?} {full:?}");
        }
    }
});
