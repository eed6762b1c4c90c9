//! Many client processes at once, on one key and on many. Their exit codes and their output make a history.

use std::thread;

use crate::common::load::{Draw, Ended, Recorder};
use crate::common::{ProcessCluster, run, runtime, text};
use kvpaxos_sim::history::{Action, Answer, Datum, Operation};

const PROCESSES: u64 = 8;
const OPERATIONS: usize = 12;

fn hammer(keys: u64) {
    let cluster = ProcessCluster::start(5, &[]);
    runtime().block_on(cluster.leader());
    let recorder = Recorder::new();
    thread::scope(|scope| {
        for process in 0..PROCESSES {
            let (recorder, servers) = (recorder.clone(), cluster.servers());
            scope.spawn(move || {
                let mut draw = Draw::new(process, keys);
                for _ in 0..OPERATIONS {
                    let operation = draw.operation();
                    recorder.invoke(process, operation.clone());
                    let ended = one_shot(&operation, &servers);
                    draw.saw(&ended);
                    recorder.end(process, ended);
                }
            });
        }
    });
    let report = recorder.judge();
    assert_eq!(report.unknown, 0, "nothing failed, so every outcome is known");
    assert_eq!(recorder.done(), PROCESSES * OPERATIONS as u64);
}

/// Runs the program for one operation, and reads the result from its exit code and its output.
fn one_shot(operation: &Operation, servers: &str) -> Ended {
    let key = operation.key.as_str();
    let arguments = match &operation.action {
        Action::Get => vec!["get", key],
        Action::Put(Datum::Text(value)) => vec!["put", key, value],
        Action::Delete => vec!["delete", key],
        Action::Cas {
            expect: Datum::Text(expect),
            value: Datum::Text(value),
        } => vec!["cas", key, expect, value],
        Action::Cas {
            expect: Datum::Null,
            value: Datum::Text(value),
        } => vec!["cas", key, "--absent", value],
        other => unreachable!("{other:?} is not drawn"),
    };
    let output = run(&[&arguments[..], &["--servers", servers]].concat(), "");
    let code = output.status.code();
    match (&operation.action, code) {
        (Action::Get, Some(0)) => {
            let value = text(&output.stdout);
            Ended::Ok(Answer::Value(value.trim_end_matches('\n').into()))
        }
        (Action::Get, Some(1)) => Ended::Ok(Answer::Value(().into())),
        (Action::Cas { .. }, Some(code @ (0 | 1))) => Ended::Ok(Answer::Swapped { applied: code == 0 }),
        (Action::Put(_), Some(0)) | (Action::Delete, Some(0 | 1)) => Ended::Ok(Answer::Done),
        (_, Some(3 | 4)) => Ended::Fail,
        (_, Some(5)) => Ended::Info,
        _ => panic!("{operation} ended with {code:?}: {}", text(&output.stderr)),
    }
}

#[test]
fn on_one_key() {
    hammer(1);
}

#[test]
fn on_many_keys() {
    hammer(20);
}
