//! The simulator is itself tested: replicas that are wrong in the ways that real systems were must be noticed, soon. What each gets wrong
//! stands with it in [`kvpaxos_sim::mutants`]; all of them, for as many seeds as it takes, are hunted by `kvpaxos-sim bugs`.

use kvpaxos_sim::mutants::{BUGS, Bug};
use kvpaxos_sim::{Property, Setup};

/// Plays short runs until the variant is noticed, and tells by which property.
fn noticed(name: &str, within: u64) -> Property {
    let bug = Bug::named(name).expect("there is such a bug");
    for seed in 0..within {
        let mut setup = Setup::drawn(seed);
        setup.length.events = 0;
        setup.length.operations = 0;
        if let Some(violation) = bug.play(setup) {
            println!("{name}: {violation}");
            return violation.property;
        }
    }
    panic!("{name} is not noticed within {within} seeds");
}

#[test]
fn a_promise_forgotten_at_a_restart_is_noticed() {
    assert_eq!(noticed("forgetful", 20), Property::A1);
}

#[test]
fn a_promise_sent_before_it_is_durable_is_noticed() {
    assert_eq!(noticed("hasty", 5), Property::A3);
}

#[test]
fn a_vote_without_memory_is_noticed() {
    assert_eq!(noticed("reborn", 20), Property::A4);
}

#[test]
fn a_vote_that_does_not_tell_of_lost_lives_is_noticed() {
    assert_eq!(noticed("unaware", 20), Property::P4);
}

#[test]
fn a_promise_that_leaves_out_values_is_noticed() {
    assert_eq!(noticed("paxi-promise", 20), Property::P2);
}

#[test]
fn a_vote_that_counts_twice_is_noticed() {
    assert_eq!(noticed("one-vote-for-two", 20), Property::P4);
}

#[test]
fn an_acknowledgement_that_the_log_does_not_bear_out_is_noticed() {
    assert_eq!(noticed("eager", 5), Property::S3);
}

/// Each has a name of its own, and says what it is.
#[test]
fn bugs_are_told_apart() {
    for (place, bug) in BUGS.iter().enumerate() {
        assert!(!bug.says.is_empty());
        assert!(
            BUGS[..place].iter().all(|other| other.name != bug.name),
            "{}",
            bug.name
        );
    }
}
