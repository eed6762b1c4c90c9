use std::path::Path;
use std::time::{Duration, Instant};

use kvpaxos::crash_vector::CrashVector;
use kvpaxos::io::Checkpoint;
use kvpaxos::wal::Owner;
use kvpaxos::{Ballot, ReplicaId, ReplicaSet, Slot};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::mpsc::unbounded_channel;

use super::*;
use crate::directory::{Directory, Opened};

const OWNER: Owner = Owner {
    cluster: 7,
    replica: ReplicaId(1),
};

fn promised(round: u64) -> Record {
    let ballot = Ballot {
        round,
        ..Ballot::ZERO
    };
    Record::Promised { ballot }
}

/// A checkpoint begins, and with it another segment.
fn begins() -> Record {
    Record::Checkpoint(Box::new(Checkpoint {
        number: 1,
        slot: Slot::ZERO,
        digest: 0,
        cut: Slot::ZERO,
        promised: Ballot::ZERO,
        vector: CrashVector::default(),
        proposed: Ballot::ZERO,
        members: ReplicaSet::first(5),
    }))
}

/// A disk with a promise on it, which the system lacks memory to go on with from now on.
fn short(path: &Path) -> (Directory, Disk, UnboundedReceiver<DiskEvent>) {
    Directory::format(path, OWNER).unwrap();
    let Opened { directory, log, .. } = Directory::open(path, OWNER).unwrap();
    let (sender, mut events) = unbounded_channel();
    let mut disk = Disk::start(log, sender).unwrap();
    let ticket = disk.append(vec![promised(1)], true).unwrap();
    disk.flush();
    assert_eq!(settled(&mut events), ticket);
    disk.patience.lack(true);
    (directory, disk, events)
}

fn settled(events: &mut UnboundedReceiver<DiskEvent>) -> Ticket {
    match events.blocking_recv() {
        Some(DiskEvent::Settled(ticket)) => ticket,
        other => panic!("{other:?}"),
    }
}

/// Waits until the log has tried in vain a few times.
fn wait_for_lack(disk: &Disk) {
    let began = Instant::now();
    while disk.patience.felt() < 4 {
        assert!(began.elapsed() < Duration::from_secs(20), "nothing was tried");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn kept(path: &Path) -> Vec<Record> {
    match Directory::open(path, OWNER).unwrap().memory {
        Memory::Kept(records) => records,
        Memory::Lost => panic!("a directory always has a log"),
    }
}

#[test]
fn a_log_that_waits_acknowledges_nothing_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (directory, mut disk, mut events) = short(dir.path());
    // The first needs another segment, the second comes while the log waits for that one.
    let begun = disk
        .append(vec![promised(2), begins(), promised(3)], true)
        .unwrap();
    disk.flush();
    wait_for_lack(&disk);
    let after = disk.append(vec![promised(4)], true).unwrap();
    disk.flush();
    assert!(events.try_recv().is_err(), "nothing was written down");
    assert!(disk.backlog() > 0);
    disk.patience.lack(false);
    assert_eq!(settled(&mut events), begun);
    assert_eq!(settled(&mut events), after);
    assert_eq!(disk.backlog(), 0);
    disk.finish();
    drop(directory);
    assert_eq!(
        kept(dir.path()),
        [promised(1), promised(2), begins(), promised(3), promised(4)]
    );
}

/// A role that restarts waits for its records as the log does for a segment.
#[test]
fn a_role_that_restarts_waits_too() {
    let dir = tempfile::tempdir().unwrap();
    let (_directory, mut disk, mut events) = short(dir.path());
    disk.read_back(Role::Acceptor);
    wait_for_lack(&disk);
    assert!(events.try_recv().is_err(), "nothing was read");
    disk.patience.lack(false);
    match events.blocking_recv() {
        Some(DiskEvent::ReadBack { role, memory }) => {
            assert_eq!((role, memory), (Role::Acceptor, Memory::Kept(vec![promised(1)])));
        }
        other => panic!("{other:?}"),
    }
}

/// Whoever stops does not wait, and does not take it for a failure of the disk.
#[test]
fn a_log_that_waits_can_be_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let (directory, mut disk, mut events) = short(dir.path());
    disk.append(vec![begins(), promised(2)], true);
    disk.flush();
    wait_for_lack(&disk);
    disk.finish();
    assert!(
        events.try_recv().is_err(),
        "nothing was written, and nothing failed"
    );
    drop(directory);
    assert_eq!(kept(dir.path()), [promised(1)]);
}
