//! The example `paxos` in worlds of its own: its bug is found, written down, played again and made smaller.

#[allow(dead_code, reason = "nobody calls its main")]
#[path = "../../examples/paxos.rs"]
mod paxos;

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use kvpaxos_sim::explain::Plan;
use kvpaxos_sim::protocol::{assert_scenario, explain, find, record, replay, shrink, timeline};
use kvpaxos_sim::shrinking::Limits;
use paxos::Paxos;

const BROKEN: Paxos = Paxos { broken: true };
const RIGHT: Paxos = Paxos { broken: false };

/// The smallest run that violates something: two proposals, and a promise that is forgotten.
const SMALLEST: &str = "\
protocol-scenario 1 paxos
violates the history is linearizable
seed 68
call 0.021982s c2 r2 0
call 0.025257s c0 r0 1
stop 0.036657s
";

#[test]
fn the_planted_bug_is_found_and_shrinks_to_two_calls() {
    assert!(find(&RIGHT, 0..40).is_none());
    let found = find(&BROKEN, 0..1_000).expect("some seed finds it");
    assert_eq!(found.scenario.setup.seed, 68);
    let limits = Limits {
        runs: 1_000,
        events: 1_000_000,
    };
    let smallest = shrink(&BROKEN, found, limits, |_| ControlFlow::Continue(())).expect("it fails");
    assert_eq!(smallest.scenario.to_string(), SMALLEST);
    assert_scenario(&BROKEN, SMALLEST);
    let right = replay(&RIGHT, SMALLEST).expect("it is a scenario");
    assert!(right.violation.is_none() && right.calls.iter().any(|call| call.reply.is_some()));
}

#[test]
fn a_scenario_repeats_a_run_event_by_event() {
    for seed in [3, 68] {
        let recorded = record(&BROKEN, seed);
        assert!(!recorded.scenario.faults.is_empty() && !recorded.scenario.deviations.is_empty());
        let replayed = replay(&BROKEN, &recorded.scenario.to_string()).expect("it is a scenario");
        assert_eq!(replayed.digest, recorded.digest);
        assert_eq!(replayed.violation, recorded.violation);
        assert_eq!(replayed.scenario, recorded.scenario);
    }
}

#[test]
fn a_run_is_drawn_with_its_states_and_its_violation() {
    let run = replay(&BROKEN, SMALLEST).expect("it is a scenario");
    let drawn = timeline(&BROKEN, &run);
    let names: BTreeSet<&str> = drawn
        .messages
        .iter()
        .map(|message| message.name.as_str())
        .collect();
    let all = ["Accept", "Accepted", "Prepare", "Promise", "reply", "request"];
    assert!(names.into_iter().eq(all), "{:?}", drawn.messages);
    assert_eq!(drawn.calls.len(), 2);
    let found = drawn.violation.expect("it is violated");
    assert_eq!(found.says, "the history is linearizable");
    let changes = drawn.events.iter().flat_map(|event| &event.changes);
    assert!(changes.count() > 4, "states are shown");
    assert_eq!(drawn.scenario.as_deref(), Some(SMALLEST));
}

#[test]
fn the_event_that_made_it_certain_is_named() {
    let explained = explain(&BROKEN, 68, &Plan::new(1, 4, 2), |_| ()).expect("it fails");
    let certain = explained.explanation.certain.expect("an event");
    assert!(explained.explanation.from_the_start().failing < 4);
    assert!(certain.after.is_all() && certain.event < 100, "{certain:?}");
    assert!(explained.certain.is_some_and(|text| text.contains(" r")));
    assert!(explain(&RIGHT, 68, &Plan::new(1, 4, 2), |_| ()).is_none());
}

#[test]
#[should_panic(expected = "nothing is violated, although the scenario says")]
fn a_scenario_that_is_not_violated_any_more_says_so() {
    assert_scenario(&RIGHT, SMALLEST);
}

#[test]
fn bad_lines_are_named() {
    for (text, why) in [
        ("", "line 1 must be \"protocol-scenario 1 paxos\""),
        ("protocol-scenario 2 paxos", "another version or protocol"),
        ("protocol-scenario 1 raft", "another version or protocol"),
        ("protocol-scenario 1 paxos\nseed 1", "cut off"),
        (
            "protocol-scenario 1 paxos\nstop 1s\nseed 1",
            "line 3: nothing may follow",
        ),
        ("protocol-scenario 1 paxos\nseed x", "line 2: \"x\" is no seed"),
        (
            "protocol-scenario 1 paxos\nset clients 99",
            "line 2: clients is 99",
        ),
        (
            "protocol-scenario 1 paxos\nset clientele 9",
            "line 2: \"clientele\" names no part",
        ),
        (
            "protocol-scenario 1 paxos\ncall 1s c0 r0 x",
            "line 2: \"x\" is no request in JSON",
        ),
        (
            "protocol-scenario 1 paxos\ncall 1s c0 r0",
            "line 2: \"\" is no request in JSON",
        ),
        (
            "protocol-scenario 1 paxos\ncall 1s c7 r0 1",
            "line 2: there is no client c7",
        ),
        (
            "protocol-scenario 1 paxos\ncall 1s c0 r3 1",
            "line 2: there is no replica r3",
        ),
        (
            "protocol-scenario 1 paxos\ncall 2s c0 r0 1\ncall 1s c0 r0 1",
            "line 3: this call begins before",
        ),
        (
            "protocol-scenario 1 paxos\nfault 0 1s +1s crash r9",
            "line 2: there is no replica r9",
        ),
        (
            "protocol-scenario 1 paxos\nlose r0->r1 Prepare",
            "line 2: \"r0->r1 Prepare\" names no message",
        ),
        (
            "protocol-scenario 1 paxos\nstop 1s # end\nstop 2s",
            "line 3: nothing may follow",
        ),
        (
            "protocol-scenario 1 paxos\nlose r0->r1 Prepare 1 #1\nseed 4",
            "line 3: \"seed 4\" must stand before",
        ),
        (
            "protocol-scenario 1 paxos\nhelp",
            "line 2: \"help\" begins no line",
        ),
    ] {
        let error = replay(&RIGHT, text).expect_err(text).to_string();
        assert!(error.contains(why), "{text:?}: {error}");
    }
}
