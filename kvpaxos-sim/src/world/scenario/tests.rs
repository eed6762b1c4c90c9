use super::*;
use crate::invariants::Trace;
use crate::mutants::{self, Mutant};
use crate::world::setup::Setup;

fn recorded(seed: u64, mutant: &str) -> Recording {
    let mutant = Mutant::named(mutant).expect("a mutant");
    mutants::record(Setup::drawn(seed), Some(mutant)).expect("a drawn setup is valid")
}

fn replayed(scenario: &Scenario) -> Recording {
    mutants::replay(scenario, Trace::Off).expect("a recorded scenario can be played")
}

/// What is recorded from a seed repeats the violation when it is played, and so does the record of that run.
#[test]
fn a_recorded_run_repeats_its_violation() {
    let first = recorded(2, "unconfirmed-read");
    let again = replayed(&first.scenario);
    let why = |recording: &Recording| {
        recording
            .report
            .violation
            .clone()
            .map(|found| (found.at, found.explanation))
    };
    assert!(why(&first).is_some());
    assert_eq!(why(&first), why(&again));
    let text = first.scenario.to_string();
    let other = again.scenario.to_string();
    let differing: Vec<_> = text
        .lines()
        .zip(other.lines())
        .filter(|(one, other)| one != other)
        .take(20)
        .collect();
    std::fs::write("/tmp/sc/one", &text).unwrap();
    std::fs::write("/tmp/sc/two", &other).unwrap();
    assert!(text == other, "{differing:#?}");
}
