//! Tests of the simulator itself: its checks must find mutants within a few short runs.
//! [`kvpaxos_sim::mutants`] says what each mutant does wrong; `kvpaxos-sim mutants` hunts all of them, for as
//! many seeds as it takes.

use kvpaxos_sim::mutants::{MUTANTS, Mutant};
use kvpaxos_sim::{Property, Setup};

/// Plays short runs until a check finds the mutant. Returns the property that was violated.
fn found_by(name: &str, within: u64) -> Property {
    let mutant = Mutant::named(name).expect("there is such a mutant");
    for seed in 0..within {
        let mut setup = Setup::drawn(seed);
        setup.length.events = 0;
        setup.length.operations = 0;
        if let Some(violation) = mutant.play(setup) {
            println!("{name}: {violation}");
            return violation.property;
        }
    }
    panic!("{name} is not found within {within} seeds");
}

#[test]
fn a_promise_forgotten_at_a_restart_is_found() {
    assert_eq!(found_by("forgetful-acceptor", 20), Property::A1);
}

#[test]
fn a_promise_sent_before_it_is_durable_is_found() {
    assert_eq!(found_by("hasty-sender", 5), Property::A3);
}

#[test]
fn a_vote_without_memory_is_found() {
    assert_eq!(found_by("amnesiac-voter", 20), Property::A4);
}

#[test]
fn a_vote_without_crash_vector_is_found() {
    assert_eq!(found_by("vectorless-voter", 20), Property::P4);
}

#[test]
fn a_promise_that_leaves_out_values_is_found() {
    // The specification sees it in the first chunk of a promise, P2 once the promise is complete.
    let property = found_by("partial-promise", 20);
    assert!(matches!(property, Property::P2 | Property::R1), "{property:?}");
}

#[test]
fn a_vote_that_counts_twice_is_found() {
    assert_eq!(found_by("one-vote-for-two", 20), Property::P4);
}

#[test]
fn an_acknowledgement_at_a_wrong_place_in_the_log_is_found() {
    assert_eq!(found_by("misplaced-answer", 5), Property::S3);
}

/// Each mutant has a name of its own and says what it does wrong.
#[test]
fn mutants_have_names_of_their_own() {
    for (place, mutant) in MUTANTS.iter().enumerate() {
        assert!(!mutant.says.is_empty());
        let mut others = MUTANTS[..place].iter();
        assert!(others.all(|other| other.name != mutant.name), "{}", mutant.name);
    }
}
