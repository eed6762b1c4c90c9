//! Scenario files as tests, as the page on scenarios shows them.

use kvpaxos_sim::assert_scenario;

const STALE_READ: &str = include_str!("scenario_files/stale-read.txt");

#[test]
fn a_deposed_leader_that_asks_nobody_answers_a_stale_read() {
    assert_scenario(STALE_READ);
}

/// Correct replicas hold in the same run what the mutant breaks.
#[test]
fn a_deposed_leader_answers_no_read() {
    let head = |line: &&str| !line.starts_with("mutant") && !line.starts_with("violates");
    let correct: Vec<&str> = STALE_READ.lines().filter(head).collect();
    assert_scenario(&correct.join("\n"));
}

#[test]
#[should_panic(expected = "it says that it violates S2, and everything held")]
fn a_scenario_that_violates_nothing_is_noticed() {
    assert_scenario(&STALE_READ.replacen("mutant unconfirmed-read\n", "", 1));
}

#[test]
#[should_panic(expected = "S2 is violated")]
fn an_unexpected_violation_is_noticed() {
    assert_scenario(&STALE_READ.replacen("violates S2 # the history is linearizable\n", "", 1));
}
