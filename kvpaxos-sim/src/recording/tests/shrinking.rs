//! What is left of recordings that violate a property, and when that became unavoidable.

use std::ops::ControlFlow;

use kvpaxos::{Message, Micros, Value};

use super::*;
use crate::explain::{Explanation, Plan, explain};
use crate::shrinking::Limits;

const LIMITS: Limits = Limits {
    runs: 2_000,
    events: 500_000,
};

/// How long futures go on. It takes long without optimization.
pub(super) const GRACE: Micros = Micros(200_000);

pub(super) fn failing(directory: &Directory) -> FailingRecording {
    let read = FailingRecording::read(&[directory.0.path()]).expect("it can be read");
    read.expect("a property is violated")
}

pub(super) fn shrunk(directory: &Directory) -> RecordingShrinking {
    let failing = failing(directory);
    let shrunk = shrink(&failing, LIMITS, |_| ControlFlow::Continue(())).expect("it can be read");
    shrunk.expect("the violation is found again")
}

/// What was left, as files that are read again.
pub(super) fn written(shrunk: &RecordingShrinking) -> Directory {
    let directory = Directory(tempfile::tempdir().unwrap());
    for (name, bytes) in &shrunk.smallest.files {
        fs::write(directory.0.path().join(name.to_string()), bytes).unwrap();
    }
    directory
}

/// A replica whose disk loses records that it had synced. Another one restarts and loses nothing.
fn forgetful() -> Directory {
    let mut cluster = Cluster::start();
    cluster.write(5);
    cluster.restart(2, |log| log);
    cluster.rest(30);
    cluster.write(5);
    cluster.restart(1, |mut log| {
        log.truncate(log.len() - 3);
        log
    });
    cluster.write(5);
    Directory::with(cluster)
}

/// Replica 1 leads. From some point on it proposes something else to replica 2 than to replica 0; it is not recorded.
fn lying() -> Directory {
    let mut cluster = Cluster::start();
    cluster.write(4);
    cluster.tamper(|from, envelope| {
        if let Message::Accept { value, .. } = &mut envelope.message
            && (from, envelope.to) == (ReplicaId(1), ReplicaId(2))
        {
            *value = Value::Noop;
        }
    });
    cluster.write(4);
    let directory = Directory::with(cluster);
    fs::remove_file(directory.file(1, 1)).unwrap();
    directory
}

#[test]
fn of_a_disk_that_loses_records_a_record_and_a_restart_are_left() {
    let directory = forgetful();
    let before = directory.replay().unwrap().violation.unwrap();
    let shrunk = shrunk(&directory);
    assert!(shrunk.is_complete);
    assert!(
        shrunk.before.inputs > 60 && shrunk.before.failures == 2,
        "{}",
        shrunk.before
    );
    let size = shrunk.smallest.size;
    assert!(
        size.inputs <= 6 && size.failures == 1 && size.syncs == 1,
        "{size}"
    );
    assert_eq!(size.requests, 0, "{size}");

    let left = written(&shrunk);
    let report = left.replay().unwrap();
    let after = report.violation.clone().unwrap();
    assert_eq!(after.property, before.property);
    assert_eq!(after.explanation, before.explanation);
    assert_eq!(
        report.judged,
        directory.replay().unwrap().judged,
        "as much is judged"
    );
    let again = self::shrunk(&left);
    assert_eq!(again.smallest.size, size, "nothing more can be left out");
}

#[test]
fn of_a_leader_that_lies_what_it_says_to_one_replica_is_left() {
    let directory = lying();
    let before = directory.replay().unwrap().violation.unwrap();
    assert_eq!(before.property, Property::L3);
    let shrunk = shrunk(&directory);
    assert!(shrunk.before.messages > 40, "{}", shrunk.before);
    let size = shrunk.smallest.size;
    assert!(size.messages < 10 && size.requests == 0, "{size}");
    let after = written(&shrunk).replay().unwrap().violation.unwrap();
    assert_eq!(after.property, Property::L3);
}

#[test]
fn shrinking_twice_gives_the_same_files() {
    let directory = forgetful();
    assert_eq!(
        shrunk(&directory).smallest.files,
        shrunk(&directory).smallest.files
    );
}

#[test]
fn a_recording_in_which_everything_holds_has_nothing_to_shrink() {
    let directory = Directory::of_a_cluster();
    let read = FailingRecording::read(&[directory.0.path()]).unwrap();
    assert!(read.unwrap_err().violation.is_none());
}

/// What is played without leaving anything out is what was recorded, file by file.
#[test]
fn a_whole_script_is_the_recording() {
    let directory = forgetful();
    let failing = failing(&directory);
    let mut play = play::Play::new(&failing.script, failing.audit(), true);
    play.run(&failing.script.items, u64::MAX);
    let (script, files) = play.end();
    assert_eq!(script.size(), failing.script.size());
    for (name, bytes) in &files {
        let recorded = fs::read(directory.0.path().join(name.to_string())).unwrap();
        let entries = |bytes: &[u8]| {
            let (mut reader, header) = kvpaxos::recording::Reader::new(bytes).unwrap();
            let mut entries = Vec::new();
            while let Some(block) = reader.next_block().unwrap() {
                entries.extend(block.entries);
            }
            (header, entries)
        };
        let ((ours, played), (theirs, recorded)) = (entries(bytes), entries(&recorded));
        assert_eq!(ours, theirs);
        assert!(
            recorded.starts_with(&played),
            "{name}: it ends with the violation"
        );
    }
}

pub(super) fn explained(directory: &Directory) -> (Explanation, String) {
    let failing = failing(directory);
    let run = RecordedRun::new(&failing, GRACE).unwrap();
    let plan = Plan::new(0, 2, 1);
    let explanation = explain(run.steps, &plan, |fork| run.play_future(fork), |_| ());
    let event = explanation.likely.map_or(0, |turn| turn.event);
    let lines = run.lines(&[event]);
    let line = lines.at(event).1.first().cloned().unwrap_or_default();
    (explanation, line)
}

#[test]
fn a_disk_that_loses_records_is_the_event_that_is_named() {
    let (explanation, line) = explained(&forgetful());
    let likely = explanation.likely.expect("an event is named");
    assert_eq!(likely.before.failing, 0, "{explanation:?}");
    assert!(likely.after.is_all(), "{explanation:?}");
    assert_eq!(explanation.certain.map(|turn| turn.event), Some(likely.event));
    assert!(line.contains("r1 crashes"), "{line}");
    assert_eq!(explanation.from_the_start().failing, 0, "{explanation:?}");
}

/// Futures go on where the recording was, and no audit finds anything in them before the lie has had its effect.
#[test]
fn futures_with_a_liar_fail_once_its_lie_is_applied() {
    let (explanation, line) = explained(&lying());
    assert_eq!(explanation.otherwise, 0, "{explanation:?}");
    let certain = explanation.certain.expect("an event is named");
    assert_eq!(certain.before.failing, 0, "{explanation:?}");
    assert!(line.contains("r2 <- r1: "), "{line}");
}
