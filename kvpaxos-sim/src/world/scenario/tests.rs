use std::ops::ControlFlow;

use super::*;
use crate::invariants::{Sometimes, Trace, Violation};
use crate::mutants::{self, Mutant};
use crate::shrinking::{Limits, Progress};
use crate::world::phases;

fn recorded(seed: u64, mutant: &str) -> Recording {
    let mutant = Mutant::named(mutant).expect("a mutant");
    mutants::record(Setup::drawn(seed), Some(mutant)).expect("a drawn setup is valid")
}

fn replayed(scenario: &Scenario) -> Recording {
    mutants::replay(scenario, Trace::Off).expect("a recorded scenario can be played")
}

/// What is recorded from a seed repeats the run when it is played, also after it was text.
#[test]
fn a_recorded_run_repeats_its_violation() {
    let first = recorded(2, "unconfirmed-read");
    let text = first.scenario.to_string();
    let read = Scenario::read(&text).expect("what was written can be read");
    assert_eq!(read, first.scenario);
    let again = replayed(&read);
    let why = |recording: &Recording| {
        let violation = recording.report.violation.clone().expect("a violation");
        (violation.property, violation.at, violation.explanation)
    };
    assert_eq!(why(&first), why(&again));
    assert_eq!(again.scenario.to_string(), text);
}

/// What a search in a test plays at most.
const SOME: Limits = Limits {
    runs: 2_000,
    events: 60_000,
};

/// The smallest scenario violates the same property, and nothing of it can be left out.
#[test]
fn a_misplaced_answer_shrinks_to_one_write() {
    let first = recorded(1, "misplaced-answer");
    let play = |scenario: &Scenario| mutants::replay(scenario, Trace::Off);
    let shrunk_with = |limits, progress: fn(&Progress<'_, Recording>) -> ControlFlow<()>| {
        let shrunk = shrink(first.clone(), limits, play, progress);
        shrunk.expect("candidates are valid").expect("a violation")
    };
    let shrunk = shrunk_with(SOME, |_| ControlFlow::Continue(()));
    assert!(shrunk.is_complete);
    assert!(shrunk.before.decisions() > 200, "{}", shrunk.before);
    assert!(shrunk.size.decisions() <= 2, "{}", shrunk.size);
    assert_eq!(shrunk.smallest.scenario.calls.len(), 1);
    let scenario = &shrunk.smallest.scenario;
    assert_eq!(scenario.violates, first.scenario.violates);
    let nothing_asked = Scenario {
        calls: Vec::new(),
        ..scenario.clone()
    };
    assert_eq!(replayed(&nothing_asked).report.violation, None);
    // Correct replicas hold what the mutant breaks.
    let correct = Scenario {
        mutant: None,
        ..scenario.clone()
    };
    assert_eq!(replayed(&correct).report.violation, None);
    // The file says the same as the scenario: nothing that only the search knows is needed.
    let read = Scenario::read(&scenario.to_string()).expect("what was written can be read");
    assert_eq!(replayed(&read).scenario, *scenario);
    // A search that is stopped at once, or comes to its limit, keeps what it has.
    let stopped = shrunk_with(SOME, |_| ControlFlow::Break(()));
    assert_eq!((stopped.runs, stopped.is_complete), (1, false));
    assert!(stopped.smallest.report.violation.is_some());
    let limited = shrunk_with(Limits { runs: 3, ..SOME }, |_| ControlFlow::Continue(()));
    assert_eq!((limited.runs, limited.is_complete), (3, false));
}

/// A run in which everything holds has nothing to shrink, and is good when it is played again.
#[test]
fn a_good_run_is_good_again() {
    let good = mutants::record(Setup::drawn(1), None).expect("a drawn setup is valid");
    assert_eq!(good.report.violation, None);
    assert!(matches!(good.scenario.end, End::Heal(_)));
    let again = replayed(&good.scenario);
    assert_eq!(again.report.violation, None);
    assert_eq!(again.report.protocol, good.report.protocol);
    assert_eq!(again.report.operations, good.report.operations);
    let nothing = shrink(
        good,
        SOME,
        |scenario| mutants::replay(scenario, Trace::Off),
        |_| ControlFlow::Continue(()),
    );
    assert!(nothing.expect("no error").is_none());
}

/// Every kind of line, as people write it.
const EVERYTHING: &str = "\
kvpaxos-scenario 1
mutant unconfirmed-read
violates S2 # the history is linearizable
seed 7
set clients.count 3
set clients.lanes 2
set cluster.limits.window 3
set links.delay \"region\"
fault 0 0s speed r0 900000
fault 0 0.25s +0.1s crash r1
fault 1 0.25s +0.1s crash r2 lost
fault 2 0.25s +0.1s crash r3 lost flip-bit
fault 3 0.3s +1.5s stop r1 0.25s
fault 4 0.3s +1s pause r1
fault 5 0.3s +1s fail r0 acceptor
fault 6 0.3s +1s fail r0 learner lost
call 0.5s c0 put k v
call 0.5s c1.1 cas k%20 none %
call 0.5s c2 get-many a b
call 0.6s c0 scan 0 10
fault 7 1s +0.000001s cut r0->r1 c2->r0
fault 8 1s +1s drift r0 250000
fault 9 1s +1s slow-disk r0
fault 10 1s +1s full-disk r0
fault 11 1s +1s crash-at-sync r0
fault 12 1s +1s corrupt-parts r0
fault 13 1s +1s degrade-links r0
fault 14 1s jump r0 2s
fault 14 1s hang-up c1 r0
delay r0->r1 Heartbeat 0 #2 0.5s
twice r0->r2 Accept 7 #3 0.001s 0.002s
lose c0->r2 Request 5 #1
sync r1 #12 0.04s
draw - r1 visible-writes #2 1
draw fault 3 r1 torn-sector #1 2
stop 4.5s
";

#[test]
fn every_kind_of_line_is_read_and_written() {
    let scenario = Scenario::read(EVERYTHING).expect("it is a scenario");
    assert_eq!(scenario.to_string(), EVERYTHING);
}

/// A part of the scenario above, what takes its place, and how the error begins.
const WRONG: [(&str, &str, &str); 29] = [
    ("seed 7", "seed x", "line 4: \"x\" is no seed"),
    (
        "violates S2",
        "violates S9",
        "line 3: there is no property \"S9\"",
    ),
    (
        "set clients.count 3",
        "set clients.counts 3",
        "line 5: \"clients.counts\" names no part of a setup: \"counts\" is none of",
    ),
    (
        "set clients.count 3",
        "set clients.count -3",
        "line 5: clients.count cannot be -3",
    ),
    (
        "set clients.count 3",
        "set clients 3",
        "line 5: clients has parts",
    ),
    (
        "set clients.count 3",
        "set clients.count 300",
        "a world has at most 47 clients, not 300",
    ),
    (
        "\"region\"",
        "\"moon\"",
        "line 8: links.delay cannot be \"moon\": there is no table \"moon\"; there are lan",
    ),
    (
        "crash r1\n",
        "crash r5\n",
        "line 10: there is no replica r5: the cluster has 5",
    ),
    (
        "crash r1\n",
        "crush r1\n",
        "line 10: \"crush r1\" is no fault that lasts",
    ),
    (
        "fault 1 0.25s",
        "fault 0 0.25s",
        "line 11: there is a fault 0 above",
    ),
    (
        "fault 1 0.25s",
        "fault 1 0.2s",
        "line 11: this fault begins before the one above",
    ),
    (
        "lost flip-bit",
        "lost flap-bit",
        "line 12: \"flap-bit\" is no kind of damage",
    ),
    (
        "call 0.6s c0",
        "call 0.4s c0",
        "line 20: this call begins before the one above it",
    ),
    (
        "c1.1 cas",
        "c1.2 cas",
        "line 18: there is no lane 2: clients.lanes is 2",
    ),
    ("put k v", "put k", "line 17: \"put k\" is no call"),
    (
        "put k v",
        "put k %4",
        "line 17: \"%4\" has a % that is not followed",
    ),
    (
        "drift r0 250000",
        "drift r0 0",
        "line 22: a clock cannot run at speed 0",
    ),
    (
        "0.5s\ntwice",
        "0.1234567s\ntwice",
        "line 30: \"0.1234567s\" is no time",
    ),
    (
        "0.5s\ntwice",
        "99999999999s\ntwice",
        "line 30: \"99999999999s\" is too long",
    ),
    (
        "Accept 7 #3",
        "Except 7 #3",
        "line 31: no message is called \"Except\"",
    ),
    ("Accept 7 #3", "Accept 7 #0", "line 31: \"#0\" is no count"),
    (
        "c0->r2",
        "c3->r2",
        "line 32: there is no client c3: clients.count is 3",
    ),
    (
        "torn-sector",
        "torn",
        "line 35: nothing that is drawn is called \"torn\"",
    ),
    ("stop 4.5s\n", "", "the last line must say how the scenario ends"),
    (
        "stop 4.5s\n",
        "stop 4.5s\nstop 5s\n",
        "line 37: nothing may follow",
    ),
    (
        "sync r1 #12 0.04s\n",
        "sync r1 #12 0.04s\nsync r1 #12 0.04s\n",
        "line 34: r1 #12 is decided above",
    ),
    (
        "sync r1 #12 0.04s\n",
        "seed 8\n",
        "line 33: \"seed\" must stand before",
    ),
    (
        "sync r1 #12 0.04s\n",
        "sing r1\n",
        "line 33: \"sing\" begins no line",
    ),
    (
        "kvpaxos-scenario 1",
        "kvpaxos-scenario 2",
        "line 1 must be \"kvpaxos-scenario 1\", not \"kvpaxos-scenario 2\"",
    ),
];

/// A wrong line is named, with what is wrong with it.
#[test]
fn bad_lines_are_named() {
    for (part, by, says) in WRONG {
        let text = EVERYTHING.replacen(part, by, 1);
        assert_ne!(text, EVERYTHING, "{part:?} is in it");
        let error = Scenario::read(&text).expect_err(says).to_string();
        assert!(error.starts_with(says), "{error}\nnot\n{says}");
    }
    for end in 0..EVERYTHING.len() {
        assert!(
            Scenario::read(&EVERYTHING[..end]).is_err() || end == EVERYTHING.len() - 1,
            "cut at {end}"
        );
    }
}

/// An edited scenario cannot lose more memories than its setup allows: that would accuse replicas that are right.
#[test]
fn a_plan_loses_no_more_memories_than_allowed() {
    let lost = |allowed: usize| {
        let mut text = format!("kvpaxos-scenario 1\nset faults.losses {allowed}\nset clients.count 1\n");
        for id in 0..4 {
            text += &format!("fault {id} 1s +0.1s crash r{id} lost\n");
        }
        let scenario = Scenario::read(&(text + "stop 1.15s\n")).expect("it is a scenario");
        let report = replayed(&scenario).report;
        assert_eq!(report.violation, None, "{allowed} may be lost");
        report.coverage.count(Sometimes::AcceptorLost)
    };
    assert_eq!([0, 1, 2].map(lost), [0, 1, 2]);
}

#[test]
fn a_scenario_names_a_mutant_that_there_is() {
    let text = EVERYTHING.replacen("unconfirmed-read", "no-such", 1);
    let scenario = Scenario::read(&text).expect("the reader knows no mutants");
    let error = mutants::replay(&scenario, Trace::Off).expect_err("there is none");
    assert!(
        error.to_string().contains("there is no mutant \"no-such\""),
        "{error}"
    );
}

/// Runs in which calls are not answered, and runs in which replicas do not agree, both violate S4, each in its way.
/// Unfairness is another way, which cannot be played again.
#[test]
fn liveness_is_violated_in_several_ways() {
    let violation = |explanation: String| Violation {
        property: Property::S4,
        seed: 1,
        at: Time(7),
        explanation,
        history: Vec::new(),
    };
    let unanswered = violation("{r0, r1} healed and are connected, but after 40 rounds".to_owned());
    let apart = violation(format!(
        "all replicas healed, but after 40 rounds {}",
        phases::DISAGREE
    ));
    let unfair = violation(format!("{{r0, r1}} healed, and {} 201 done", phases::UNFAIR));
    assert_ne!(Manner::of(&unanswered), Manner::of(&apart));
    assert_eq!(
        [&unanswered, &apart, &unfair].map(is_replayable),
        [true, true, false]
    );
}

/// Crashes that follow moments are faults of a scenario like all others: nothing draws them again when it is played.
#[test]
fn crashes_that_follow_moments_are_repeated_by_the_scenario() {
    use crate::world::Moment;

    let mut setup = Setup::strained(3);
    setup.cluster = crate::world::Cluster::new(5);
    setup.cluster.limits.log_slots = 3;
    setup.faults.weights.clear();
    setup.faults.moments = Moment::ALL.map(|moment| (moment, 60)).to_vec();
    setup.faults.losses = setup.cluster.losable();
    setup.length = Setup::quiet(0).length;
    setup.length.faults = kvpaxos::Micros(3_000_000);
    let first = mutants::record(setup.clone(), None).expect("a valid setup");
    assert_eq!(first.report.violation, None);
    for moment in Moment::ALL {
        assert!(first.report.coverage.count(moment.situation()) > 0, "{moment:?}");
    }
    let scenario = &first.scenario;
    assert!(scenario.faults.len() >= 8, "{}", scenario.faults.len());
    assert!(scenario.setup.faults.moments.is_empty());
    let read = Scenario::read(&scenario.to_string()).expect("what was written can be read");
    let again = replayed(&read);
    assert_eq!(again.scenario, *scenario);
    assert_eq!(again.report.protocol, first.report.protocol);
    assert_eq!(again.report.operations, first.report.operations);
    // After none of a hundred moments nothing crashes.
    setup.faults.moments = Moment::ALL.map(|moment| (moment, 0)).to_vec();
    let quiet = mutants::record(setup.clone(), None).expect("a valid setup");
    assert_eq!(quiet.scenario.faults, []);
    setup.faults.moments = vec![(Moment::Recovery, 101)];
    let error = setup.check().expect_err("101 of a hundred").to_string();
    assert!(
        error.contains("at most 100 of a hundred moments, not 101"),
        "{error}"
    );
}

/// Bytes decide a whole run, and the scenario that is written down repeats it.
#[test]
fn a_run_that_bytes_decide_is_repeated_by_its_scenario() {
    use kvpaxos::Micros;

    use crate::engine::BytesDecider;
    use crate::world::{Cluster, FaultKind, Faults, Workload};

    let mut setup = Setup::quiet(5);
    setup.cluster = Cluster::new(3);
    setup.clients = Workload::some(2);
    setup.links.drop = 1;
    setup.faults = Faults {
        weights: vec![
            (FaultKind::Crash, 1),
            (FaultKind::FailRole, 1),
            (FaultKind::Isolate, 1),
        ],
        pause: Micros(200_000),
        length: Micros(200_000),
        ..Faults::none()
    };
    let bytes: Vec<u8> = (0..4_000u32)
        .map(|n| (n * n * 7 % 251).to_le_bytes()[0])
        .collect();
    let played = |mutant, bytes: &[u8]| {
        let decider = Box::new(BytesDecider::new(bytes.to_vec(), setup.seed));
        mutants::record_decided(setup.clone(), mutant, decider, Time(2_000_000)).expect("a valid setup")
    };
    let quiet = played(None, &[]);
    assert_eq!(quiet.report.violation, None);
    let disturbed = played(None, &bytes);
    assert_eq!(disturbed.report.violation, None);
    let lost = |recording: &Recording| recording.report.traffic.dropped;
    assert_eq!(lost(&quiet), 0);
    assert!(lost(&disturbed) > 10 && !disturbed.scenario.faults.is_empty());

    let failing = played(Mutant::named("forgetful-acceptor"), &bytes);
    let violation = failing.report.violation.clone().expect("the mutant is found");
    let again = replayed(&Scenario::read(&failing.scenario.to_string()).expect("it was written"));
    let again = again.report.violation.expect("the same violation");
    assert_eq!(
        (again.at, again.explanation),
        (violation.at, violation.explanation)
    );
}
