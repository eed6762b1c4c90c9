//! Recordings that begin with checkpoints: what is left of a violation in them, and when it became unavoidable.

use std::ops::ControlFlow;

use kvpaxos::recording::{Checkpoint, Entry, Reader};
use kvpaxos::{Memory, Message, Micros, Role, Value};

use super::shrinking::{GRACE, explained, failing, shrunk, written};
use super::*;
use crate::engine::Fork;
use crate::explain::Future;
use crate::shrinking::Limits;

/// A cluster whose recordings have segments of so many inputs, and in which messages take time.
fn recording(inputs: u64) -> Cluster {
    let mut cluster = Cluster::in_segments(inputs);
    cluster.slow_down();
    cluster
}

/// A replica whose disk loses records that it had synced. The oldest segments of all replicas are gone.
fn forgetful() -> Directory {
    forgetful_in(recording(7))
}

fn forgetful_in(mut cluster: Cluster) -> Directory {
    cluster.write(8);
    cluster.restart(1, |mut log| {
        log.truncate(log.len() - 1);
        log
    });
    cluster.write(3);
    let directory = Directory::with(cluster);
    directory.forget(2);
    directory
}

/// Replica 1 leads. From some point on it proposes something else to replica 2 than to replica 0; it is not recorded.
fn lying() -> Directory {
    let mut cluster = recording(7);
    cluster.write(8);
    cluster.tamper(|from, envelope| {
        if let Message::Accept { value, .. } = &mut envelope.message
            && (from, envelope.to) == (ReplicaId(1), ReplicaId(2))
        {
            *value = Value::Noop;
        }
    });
    cluster.write(4);
    let directory = Directory::with(cluster);
    directory.forget(2);
    for path in directory.segments(1, 1) {
        fs::remove_file(path).unwrap();
    }
    directory
}

/// The name of the first file of a replica.
fn first_file(directory: &Directory, replica: u8) -> String {
    let first = directory.segments(replica, 1).remove(0);
    first.file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn of_a_disk_that_loses_records_little_is_left_after_the_checkpoints() {
    let directory = forgetful();
    let before = directory.replay().unwrap();
    let shrunk = shrunk(&directory);
    assert!(shrunk.is_complete);
    let size = shrunk.smallest.size;
    assert!(size.inputs < 12, "{size} of {}", shrunk.before);
    assert!(size.failures == 1 && size.syncs == 1, "{size}");

    let left = written(&shrunk);
    for replica in 0..3 {
        let name = format!("r{replica}-000001-000003.recording");
        assert_eq!(first_file(&left, replica), name, "it begins with a checkpoint");
    }
    let after = left.replay().unwrap();
    let explanation = |report: &Report| report.violation.clone().unwrap().explanation;
    assert_eq!(explanation(&after), explanation(&before));
    assert_eq!(after.judged, before.judged, "as much is judged");
    let again = shrinking::shrunk(&left);
    assert!(
        again.smallest.size.inputs <= size.inputs,
        "it can be shrunk again"
    );
}

#[test]
fn of_a_leader_that_lies_what_it_says_to_one_replica_is_left_after_the_checkpoints() {
    let directory = lying();
    let before = directory.replay().unwrap().violation.unwrap();
    assert_eq!(before.property, Property::L3);
    let shrunk = shrunk(&directory);
    let size = shrunk.smallest.size;
    assert!(
        size.messages < shrunk.before.messages && size.requests == 0,
        "{size}"
    );
    let after = written(&shrunk).replay().unwrap().violation.unwrap();
    assert_eq!(after.property, Property::L3);
}

/// What is played without leaving anything out is what was recorded, entry by entry.
#[test]
fn a_whole_script_is_the_recording_from_the_checkpoints_on() {
    let directory = forgetful();
    let failing = failing(&directory);
    let mut play = play::Play::new(&failing.script, failing.audit(), true);
    play.run(&failing.script.items, u64::MAX);
    let (script, files) = play.end();
    assert_eq!(script.size(), failing.script.size());
    assert_eq!(files.len(), 4, "one of each life");
    let entries = |bytes: &[u8]| {
        let (mut reader, _) = Reader::new(bytes).unwrap();
        let mut entries = Vec::new();
        while let Some(block) = reader.next_block().unwrap() {
            entries.extend(block.entries);
        }
        entries
    };
    let is_checkpoint = |entry: &Entry| matches!(entry, Entry::Checkpoint { .. });
    for (name, bytes) in &files {
        let mut recorded = Vec::new();
        for path in directory.segments(name.replica.0, name.life) {
            let checkpoint = path.with_extension("checkpoint");
            if recorded.is_empty() && checkpoint.exists() {
                recorded.extend(entries(&fs::read(checkpoint).unwrap()));
            }
            recorded.extend(entries(&fs::read(path).unwrap()));
        }
        let played = entries(bytes);
        assert_eq!(is_checkpoint(&played[0]), name.segment > 1);
        assert!(
            recorded.starts_with(&played),
            "{name}: it ends with the violation"
        );
    }
}

/// Checkpoints that are made while a script is played lead to the same, wherever they are made.
#[test]
fn a_script_that_begins_later_ends_in_the_same_way() {
    let directory = forgetful();
    let failing = failing(&directory);
    let mut whole = play::Play::new(&failing.script, failing.audit(), false);
    whole.run(&failing.script.items, u64::MAX);
    let found = whole.audit.finding().map(|found| found.explanation.clone());
    let (whole, _) = whole.end();
    let least = whole.common_beginning();
    assert!(0 < least && least < whole.items.len() / 2, "{least}");
    let mut beginnings = 0;
    for place in least..whole.items.len() {
        let Some(later) = whole.beginning_at(place, failing.audit()) else {
            continue;
        };
        beginnings += 1;
        let mut play = play::Play::new(&later, failing.audit(), false);
        play.run(&later.items, u64::MAX);
        let explained = play.audit.finding().map(|found| found.explanation.clone());
        assert_eq!(explained, found, "{place}");
    }
    assert!(beginnings > 10, "{beginnings}");
}

#[test]
fn a_disk_that_loses_records_after_a_checkpoint_is_the_event_that_is_named() {
    let directory = forgetful();
    let (explanation, line) = explained(&directory);
    let likely = explanation.likely.expect("an event is named");
    assert!(line.contains("r1 crashes"), "{line}");
    assert!(likely.after.is_all(), "{explanation:?}");
    assert_eq!(explanation.from_the_start().failing, 0, "{explanation:?}");
    assert_eq!(explanation.otherwise, 0, "{explanation:?}");
}

/// Where messages take no time, the checkpoints are as late as the violation. Then nothing can be left out or drawn.
#[test]
fn a_violation_before_a_common_beginning_is_kept_as_it_is() {
    let directory = forgetful_in(Cluster::in_segments(7));
    let failing = failing(&directory);
    let run = RecordedRun::new(&failing, GRACE);
    assert!(matches!(run, Err(NoFuture::TooEarly)));
    let shrunk = shrunk(&directory);
    assert_eq!(shrunk.smallest.size, shrunk.before);
}

/// What was written before the recordings begin is no violation for whoever reads it in a future.
#[test]
fn futures_with_a_liar_fail_once_its_lie_is_applied_after_a_checkpoint() {
    let (explanation, line) = explained(&lying());
    assert_eq!(explanation.otherwise, 0, "{explanation:?}");
    assert_eq!(explanation.from_the_start().failing, 0, "{explanation:?}");
    assert!(explanation.certain.is_some(), "{explanation:?}");
    assert!(line.contains("r2 <- r1: "), "{line}");
}

/// Clients of a recording do not go on in its future: not even those of which only a checkpoint knows.
#[test]
fn clients_from_before_the_checkpoint_get_no_answer_in_a_future() {
    let mut cluster = recording(1);
    cluster.write(8);
    cluster.restart(1, |mut log| {
        log.truncate(log.len() - 1);
        log
    });
    cluster.write(3);
    let directory = Directory::with(cluster);
    let waits = |path: &Path| {
        let Ok(file) = fs::File::open(path.with_extension("checkpoint")) else {
            return false;
        };
        let (mut reader, header) = Reader::new(file).unwrap();
        let mut bytes = Vec::new();
        for entry in reader.next_block().unwrap().unwrap().entries {
            let Entry::Checkpoint { piece, is_last: true } = entry else {
                return false;
            };
            bytes.extend(piece);
        }
        let replica = Checkpoint::decode(&bytes).unwrap().replica(&header.config);
        !replica.unwrap().waiting_clients().is_empty()
    };
    // The recording of replica 0 begins while a client waits.
    let own = directory.segments(0, 1);
    let first = own.iter().position(|path| waits(path)).unwrap();
    for path in &own[..first] {
        fs::remove_file(path).unwrap();
    }
    let failing = failing(&directory);
    let id = ReplicaId(0);
    let waiting = |play: &play::Play| {
        let execution = play.machines[&id].execution.as_ref().unwrap();
        execution.replica().waiting_clients().len()
    };
    let items = &failing.script.items;
    let begins = items.iter().position(|item| item.replica == id).unwrap();
    let mut play = play::Play::new(&failing.script, failing.audit(), false);
    play.run(&items[..=begins], u64::MAX);
    assert_eq!(waiting(&play), 1);
    play.leave_clients();
    assert_eq!(waiting(&play), 0);

    let run = RecordedRun::new(&failing, GRACE).unwrap();
    assert!(run.begun > 0);
    for seed in 0..4 {
        let fork = Fork {
            after: run.begun,
            seed,
        };
        assert_eq!(run.play_future(fork), Future::Holds);
    }
}

/// A role that has failed when the recording begins restarts in it.
#[test]
fn a_role_that_failed_before_the_checkpoint_restarts() {
    let mut cluster = recording(7);
    cluster.write(6);
    cluster.fail(2, Role::Learner);
    cluster.write(4);
    cluster.restart_role(2, Role::Learner);
    cluster.write(4);
    cluster.restart(1, |mut log| {
        log.truncate(log.len() - 1);
        log
    });
    cluster.write(2);
    let directory = Directory::with(cluster);
    for oldest in 1..directory.segments(2, 1).len() {
        fs::remove_file(&directory.segments(2, 1)[0]).unwrap();
        let failing = failing(&directory);
        let mut play = play::Play::new(&failing.script, failing.audit(), false);
        play.run(&failing.script.items, u64::MAX);
        let (script, _) = play.end();
        assert_eq!(script.size(), failing.script.size(), "{oldest} are gone");
    }
}

/// Nobody knows with what a replica would start whose log was never seen.
#[test]
fn an_unknown_log_is_not_found() {
    let mut disk = disk::Disk::default();
    let founding = kvpaxos::Founding(1);
    let ballot = kvpaxos::Ballot::ZERO;
    let (founded, promised) = (Record::Founded { founding }, Record::Promised { ballot });
    let goes_on = memory::Beginning::GoesOn { known: 1, lost: 0 };
    let memory = Memory::Kept(vec![founded.clone(), promised.clone()]);
    disk.resume(None, std::slice::from_ref(&promised));
    assert!(!disk.is_known());
    assert_eq!(disk.start(goes_on, &memory), None);
    assert_eq!(disk.restart(&memory, 0), None);

    disk.resume(Some(&[founded]), &[promised]);
    assert!(disk.is_known());
    let found = disk.start(goes_on, &memory);
    assert_eq!(found.map(|(_, found)| found), Some(memory));
}

/// Whatever a checkpoint holds, it is refused or executed.
#[test]
fn a_checkpoint_that_was_changed_is_refused_or_executed() {
    let directory = forgetful();
    let path = directory.segments(1, 1).remove(0);
    let whole = fs::read(&path).unwrap();
    let (from, length) = blocks(&whole)[0];
    // The last 8 bytes are the digest.
    for place in (from..from + length - 8).step_by(length / 40 + 1) {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        seal(&mut bytes, (from, length));
        fs::write(&path, bytes).unwrap();
        let Ok(Ok(failing)) = FailingRecording::read(&[directory.0.path()]) else {
            continue;
        };
        let limits = Limits {
            runs: 20,
            events: 5_000,
        };
        let _ = shrink(&failing, limits, |_| ControlFlow::Continue(()));
        if let Ok(run) = RecordedRun::new(&failing, Micros(20_000)) {
            let after = run.steps / 2;
            let _ = run.play_future(Fork { after, seed: 1 });
        }
    }
}
