use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use kvpaxos::wal::{Superblock, SuperblockState};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::mpsc::unbounded_channel;

use super::*;
use crate::storage::directory::{Directory, OpenDirectory};
use crate::storage::samples::{OWNER, begin, promised, since_founded};

fn founded(path: &Path) -> (Directory, Disk, UnboundedReceiver<DiskEvent>) {
    Directory::format(path, OWNER).unwrap();
    let OpenDirectory { directory, log, .. } = Directory::open(path, OWNER).unwrap();
    let (sender, events) = unbounded_channel();
    (directory, Disk::start(log, sender).unwrap(), events)
}

/// A disk with a promise on it. From now on the system has no memory for its next segment.
fn short(path: &Path) -> (Directory, Disk, UnboundedReceiver<DiskEvent>) {
    let (directory, mut disk, mut events) = founded(path);
    let ticket = disk.append(vec![promised(1)], true).unwrap();
    disk.flush();
    assert_eq!(settled(&mut events), ticket);
    disk.on_shortage.simulate(true);
    (directory, disk, events)
}

fn settled(events: &mut UnboundedReceiver<DiskEvent>) -> Ticket {
    match events.blocking_recv() {
        Some(DiskEvent::Settled(ticket)) => ticket,
        other => panic!("{other:?}"),
    }
}

/// Waits until a few attempts have failed.
fn wait_for_shortage(disk: &Disk) {
    let began = Instant::now();
    while disk.on_shortage.failed_attempts() < 4 {
        assert!(began.elapsed() < Duration::from_secs(20), "nothing was tried");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn kept(path: &Path) -> Vec<Record> {
    since_founded(Directory::open(path, OWNER).unwrap().memory)
}

#[test]
fn a_log_that_waits_acknowledges_nothing_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (directory, mut disk, mut events) = short(dir.path());
    // The first write needs another segment; the second comes while the log waits for it.
    let begun = disk
        .append(vec![promised(2), begin(1), promised(3)], true)
        .unwrap();
    disk.flush();
    wait_for_shortage(&disk);
    let after = disk.append(vec![promised(4)], true).unwrap();
    disk.flush();
    assert!(events.try_recv().is_err(), "nothing was written down");
    assert!(disk.backlog() > 0);
    disk.on_shortage.simulate(false);
    assert_eq!(settled(&mut events), begun);
    assert_eq!(settled(&mut events), after);
    assert_eq!(disk.backlog(), 0);
    disk.finish();
    drop(directory);
    assert_eq!(
        kept(dir.path()),
        [promised(1), promised(2), begin(1), promised(3), promised(4)]
    );
}

/// A role that restarts waits for its records during a shortage.
#[test]
fn a_role_that_restarts_waits_too() {
    let dir = tempfile::tempdir().unwrap();
    let (_directory, mut disk, mut events) = short(dir.path());
    disk.read_back(Role::Acceptor);
    wait_for_shortage(&disk);
    assert!(events.try_recv().is_err(), "nothing was read");
    disk.on_shortage.simulate(false);
    match events.blocking_recv() {
        Some(DiskEvent::ReadBack { role, memory }) => {
            assert_eq!((role, since_founded(memory)), (Role::Acceptor, vec![promised(1)]));
        }
        other => panic!("{other:?}"),
    }
}

/// A replica can be stopped during a shortage, and does not report a failure of the disk.
#[test]
fn a_log_that_waits_can_be_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let (directory, mut disk, mut events) = short(dir.path());
    disk.append(vec![begin(1), promised(2)], true);
    disk.flush();
    wait_for_shortage(&disk);
    disk.finish();
    assert!(
        events.try_recv().is_err(),
        "nothing was written, and nothing failed"
    );
    drop(directory);
    assert_eq!(kept(dir.path()), [promised(1)]);
}

/// The position of the mark in the superblock.
fn marked(path: &Path) -> u64 {
    let text = std::fs::read(path.join(crate::storage::log::SUPERBLOCK)).unwrap();
    match Superblock::parse(&text).unwrap().state {
        SuperblockState::Ready(mark) => mark.position,
        SuperblockState::Founding { .. } => panic!("it is founded"),
    }
}

fn wait_for_mark(path: &Path, what: &str, is_there: impl Fn(u64) -> bool) -> u64 {
    let began = Instant::now();
    loop {
        let mark = marked(path);
        if is_there(mark) {
            return mark;
        }
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{what}: the mark is {mark}"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn write(disk: &mut Disk, events: &mut UnboundedReceiver<DiskEvent>, round: u64) {
    let ticket = disk.append(vec![promised(round)], true).unwrap();
    disk.flush();
    assert_eq!(settled(events), ticket);
}

/// The mark covers the last sync once nothing was written for a while. So if the process is killed and the
/// end of its log is lost, that is noticed.
#[test]
fn an_idle_log_is_marked_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let (directory, mut disk, mut events) = founded(dir.path());
    let before = marked(dir.path());
    write(&mut disk, &mut events, 1);
    let first = wait_for_mark(dir.path(), "after a write", |mark| mark > before);
    write(&mut disk, &mut events, 2);
    let mark = wait_for_mark(dir.path(), "after another", |mark| mark > first);
    assert_eq!(
        mark - first,
        first - before,
        "both writes are as long, and covered as a whole"
    );
    std::mem::forget(disk);
    drop(directory);
    let log = crate::storage::segments::path(dir.path(), 0);
    let file = std::fs::File::options().write(true).open(log).unwrap();
    file.set_len(mark - 1).unwrap();
    assert_eq!(kept(dir.path()), [Record::DiskLost]);
}

/// Under load the mark is renewed too.
#[test]
fn a_busy_log_is_marked_again_and_again() {
    let dir = tempfile::tempdir().unwrap();
    let (_directory, mut disk, mut events) = founded(dir.path());
    let began = Instant::now();
    let mut marks = BTreeSet::new();
    for round in 1.. {
        write(&mut disk, &mut events, round);
        marks.insert(marked(dir.path()));
        if marks.len() >= 4 {
            break;
        }
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{round} writes, and the marks {marks:?}"
        );
    }
}
