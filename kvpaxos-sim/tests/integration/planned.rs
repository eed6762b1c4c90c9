//! Scenarios that proptest draws and makes smaller: faults, calls, and messages that are lost or late, on three
//! replicas.

use std::collections::BTreeMap;

use kvpaxos_sim::mutants;
use kvpaxos_sim::world::scenario::Scenario;
use kvpaxos_sim::{Trace, Violation};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};

const HEAD: &str = "kvpaxos-scenario 1
seed 7
set clients.count 2
set cluster.quorums.phase1 2
set cluster.quorums.phase2 2
set cluster.replicas 3
set faults.losses 1
";

/// A time in milliseconds as a word of a scenario.
fn seconds(millis: u32) -> String {
    format!("{}.{:03}s", millis / 1_000, millis % 1_000)
}

/// What a fault does, without its number and times.
fn fault() -> impl Strategy<Value = String> {
    let replica = 0..3u8;
    let kinds = [
        "crash r{}",
        "crash r{} lost",
        "pause r{}",
        "fail r{} proposer",
        "fail r{} acceptor",
        "fail r{} acceptor lost",
        "fail r{} learner",
        "slow-disk r{}",
        "drift r{} 3000000",
        "crash-at-sync r{}",
    ];
    let at_one = (proptest::sample::select(kinds.to_vec()), replica.clone());
    let link = (replica.clone(), 1..3u8).prop_map(|(from, by)| format!("cut r{from}->r{}", (from + by) % 3));
    prop_oneof![
        3 => at_one.prop_map(|(kind, id)| kind.replace("{}", &id.to_string())),
        1 => link,
        1 => replica.prop_map(|id| {
            let [one, two] = [(id + 1) % 3, (id + 2) % 3];
            format!("cut r{id}->r{one} r{id}->r{two} r{one}->r{id} r{two}->r{id}")
        }),
    ]
}

fn faults() -> impl Strategy<Value = String> {
    let fault = (0..1_500u32, 1..800u32, fault());
    proptest::collection::vec(fault, 0..4).prop_map(|mut faults| {
        faults.sort();
        let numbered = faults.iter().enumerate();
        let line = |(number, (at, lasts, what)): (usize, &(u32, u32, String))| {
            format!("fault {number} {} +{} {what}\n", seconds(*at), seconds(*lasts))
        };
        numbered.map(line).collect()
    })
}

fn calls() -> impl Strategy<Value = String> {
    let words = ["put k v", "put k w", "get k", "delete k", "cas k v w"];
    let call = (0..1_500u32, 0..2u8, proptest::sample::select(words.to_vec()));
    proptest::collection::vec(call, 0..6).prop_map(|mut calls| {
        calls.sort();
        let line =
            |(at, client, words): &(u32, u8, &str)| format!("call {} c{client} {words}\n", seconds(*at));
        calls.iter().map(line).collect()
    })
}

/// Messages between replicas that are lost or late.
fn messages() -> impl Strategy<Value = String> {
    let kinds = ["Prepare", "Promise", "Accept", "Accepted", "Confirm", "Confirmed"];
    let name = (
        0..3u8,
        1..3u8,
        proptest::sample::select(kinds.to_vec()),
        0..4u8,
        1..3u8,
    );
    let late = proptest::option::of(1..600u32);
    proptest::collection::btree_map(name, late, 0..6).prop_map(|messages: BTreeMap<_, _>| {
        let line = |((from, by, kind, about, count), late): (&(u8, u8, &str, u8, u8), &Option<u32>)| {
            let name = format!("r{from}->r{} {kind} {about} #{count}", (from + by) % 3);
            match late {
                None => format!("lose {name}\n"),
                Some(after) => format!("delay {name} {}\n", seconds(*after)),
            }
        };
        messages.iter().map(line).collect()
    })
}

/// Scenarios in which faults stop after 1.6 s.
fn scenarios() -> impl Strategy<Value = Scenario> {
    (faults(), calls(), messages()).prop_map(|(faults, calls, messages)| {
        let text = format!("{HEAD}{faults}{calls}{messages}heal 1.6s\n");
        Scenario::read(&text).unwrap_or_else(|why| panic!("{why}:\n{text}"))
    })
}

fn violation(scenario: &Scenario) -> Option<Violation> {
    let recording = mutants::replay(scenario, Trace::Off).unwrap();
    recording.report.violation
}

proptest! {
    #![proptest_config(Config { cases: 24, failure_persistence: None, ..Config::default() })]

    #[test]
    fn no_scenario_breaks_a_promise(scenario in scenarios()) {
        let violation = violation(&scenario);
        prop_assert!(violation.is_none(), "{}\n{scenario}", violation.unwrap());
    }
}

/// What proptest finds, it makes as small as the bug allows: one fault.
#[test]
fn a_mutant_is_found_and_its_scenario_made_small() {
    let config = Config {
        cases: 64,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRunner::deterministic().rng().clone());
    let outcome = runner.run(&scenarios(), |mut scenario| {
        scenario.mutant = Some("forgetful-acceptor".to_owned());
        prop_assert!(violation(&scenario).is_none());
        Ok(())
    });
    let Err(TestError::Fail(_, smallest)) = outcome else {
        panic!("the mutant is not found: {outcome:?}");
    };
    assert_eq!(smallest.faults.len(), 1, "{smallest}");
    assert!(
        smallest.calls.is_empty() && smallest.deviations.is_empty(),
        "{smallest}"
    );
}
