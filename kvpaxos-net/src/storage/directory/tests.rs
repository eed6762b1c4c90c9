use kvpaxos::ReplicaId;
use kvpaxos::wal::HEADER;
use tempfile::TempDir;

use super::*;
use crate::storage::samples::{OWNER, ballot, begin, end, promised, since_founded};

fn formatted() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    Directory::format(dir.path(), OWNER).unwrap();
    dir
}

fn open(path: &Path) -> OpenDirectory {
    Directory::open(path, OWNER).unwrap()
}

fn refused(path: &Path, owner: Owner) -> DirectoryError {
    Directory::open(path, owner).err().expect("refused")
}

fn append(opened: &mut OpenDirectory, records: &[Record]) {
    opened.log.append(records);
    opened.log.write().unwrap();
    opened.log.sync().unwrap();
}

fn kept(path: &Path) -> Vec<Record> {
    since_founded(open(path).memory)
}

fn names(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Changes the bytes of a file.
fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn what_was_synced_is_there_again_and_only_for_its_owner() {
    let dir = formatted();
    let mut opened = open(dir.path());
    let Memory::Kept(founded) = &opened.memory else {
        panic!("a directory always has a log")
    };
    assert!(matches!(founded[..], [Record::Founded { .. }]), "{founded:?}");
    append(&mut opened, &[promised(1), promised(2)]);
    let both = vec![promised(1), promised(2)];
    assert_eq!(since_founded(opened.log.reader().memory().unwrap()), both);
    assert!(matches!(refused(dir.path(), OWNER), DirectoryError::InUse { .. }));
    drop(opened);
    assert_eq!(kept(dir.path()), both);
    for owner in [
        Owner {
            replica: ReplicaId(2),
            ..OWNER
        },
        Owner { cluster: 8, ..OWNER },
    ] {
        let error = refused(dir.path(), owner);
        assert!(matches!(error, DirectoryError::Foreign { .. }), "{error}");
        for discard in [false, true] {
            let error = Directory::recover(dir.path(), owner, discard).unwrap_err();
            assert!(matches!(error, DirectoryError::Foreign { .. }), "{error}");
        }
    }
}

#[test]
fn only_a_formatted_directory_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    for path in [&missing, dir.path()] {
        let error = refused(path, OWNER);
        assert!(matches!(error, DirectoryError::NotFormatted { .. }), "{error}");
    }
    assert!(!missing.exists());
    assert!(
        names(dir.path()).is_empty(),
        "nothing is left in a directory that is refused"
    );
    Directory::format(&missing, OWNER).unwrap();
    assert!(kept(&missing).is_empty());
    let error = Directory::format(&missing, OWNER).unwrap_err();
    assert!(
        error.to_string().contains("holds replica 1 of cluster"),
        "{error}"
    );
    // A log without its superblock.
    std::fs::remove_file(missing.join(SUPERBLOCK)).unwrap();
    let error = refused(&missing, OWNER).to_string();
    assert!(error.contains("holds a log, but no superblock"), "{error}");
    let error = Directory::format(&missing, OWNER).unwrap_err().to_string();
    assert!(error.contains("log.00000000 already"), "{error}");
    let error = Directory::recover(&missing, OWNER, false).unwrap_err();
    assert!(matches!(error, DirectoryError::Healthy { .. }), "{error}");
    let aside = Directory::recover(&missing, OWNER, true).unwrap();
    assert_eq!(aside, Some(missing.join("damaged.1")));
    assert_eq!(kept(&missing), [Record::DiskLost]);
}

#[test]
fn what_was_begun_and_not_finished_is_begun_again() {
    let dir = tempfile::tempdir().unwrap();
    let write = |lost| {
        let state = SuperblockState::Founding { lost };
        write_superblock(
            dir.path(),
            &Superblock { owner: OWNER, state },
            &ShortagePolicy::FAIL,
        )
        .unwrap();
    };
    write(false);
    assert!(!is_formatted(dir.path()).unwrap());
    assert!(matches!(
        refused(dir.path(), OWNER),
        DirectoryError::Unfinished { .. }
    ));
    Directory::format(dir.path(), OWNER).unwrap();
    assert!(is_formatted(dir.path()).unwrap());
    append(&mut open(dir.path()), &[promised(1)]);
    write(true);
    assert_eq!(kept(dir.path()), [Record::DiskLost]);
    assert!(dir.path().join("damaged.1").join("log.00000000").exists());
    assert_eq!(kept(dir.path()), [Record::DiskLost]);
}

#[test]
fn a_replica_recovers_on_a_new_disk() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new");
    assert_eq!(Directory::recover(&path, OWNER, false).unwrap(), None);
    assert_eq!(kept(&path), [Record::DiskLost]);
    assert_eq!(kept(&path), [Record::DiskLost], "and again");
    let error = Directory::recover(&path, OWNER, false).unwrap_err();
    assert!(matches!(error, DirectoryError::Healthy { .. }), "{error}");
    append(&mut open(&path), &[Record::Proposed { ballot: ballot(5) }]);
    Directory::recover(&path, OWNER, true).unwrap();
    let proposed = Record::Proposed { ballot: ballot(5) };
    assert_eq!(
        kept(&path),
        [proposed, Record::DiskLost],
        "ballots are not used again"
    );
}

#[test]
fn a_torn_tail_is_cut_and_the_log_goes_on() {
    let dir = formatted();
    let mut opened = open(dir.path());
    append(&mut opened, &[promised(1)]);
    append(&mut opened, &[promised(2)]);
    drop(opened);
    let log = segments::path(dir.path(), 0);
    change(&log, |bytes| {
        assert!(bytes.len() > 2000, "room is made beforehand");
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        bytes.truncate(end - 2);
    });
    let mut opened = open(dir.path());
    assert_eq!(since_founded(opened.memory.clone()), [promised(1)]);
    append(&mut opened, &[promised(3)]);
    opened.log.close().unwrap();
    drop(opened);
    assert!(
        std::fs::metadata(&log).unwrap().len() < 1000,
        "and given back in the end"
    );
    assert_eq!(kept(dir.path()), [promised(1), promised(3)]);
}

#[test]
fn damage_and_missing_logs_are_lost_memory_for_good() {
    let dir = formatted();
    let log = segments::path(dir.path(), 0);
    let mut opened = open(dir.path());
    append(&mut opened, &[Record::Proposed { ballot: ballot(9) }]);
    append(&mut opened, &[promised(2)]);
    append(&mut opened, &[promised(3)]);
    drop(opened);
    // In the write after that of the ballot.
    let flip = |bytes: &mut Vec<u8>| {
        let scan = wal::scan(bytes).unwrap();
        let at = scan.groups[2].position - scan.header.base;
        bytes[usize::try_from(at).unwrap() + 40] ^= 1;
    };
    change(&log, flip);
    let damaged = std::fs::read(&log).unwrap();
    let proposed = Record::Proposed { ballot: ballot(9) };
    assert_eq!(kept(dir.path()), [proposed.clone(), Record::DiskLost]);
    let aside = dir.path().join("damaged.1");
    assert_eq!(std::fs::read(segments::path(&aside, 0)).unwrap(), damaged);
    assert_eq!(kept(dir.path()), [proposed, Record::DiskLost]);
    std::fs::remove_file(&log).unwrap();
    assert_eq!(kept(dir.path()), [Record::DiskLost]);
    assert_eq!(kept(dir.path()), [Record::DiskLost]);
    // The log that was set aside is not used again.
    std::fs::copy(segments::path(&aside, 0), &log).unwrap();
    change(&log, |bytes| bytes[HEADER + 44 + 40] ^= 1);
    assert!(kept(dir.path()).contains(&Record::DiskLost));
    assert!(dir.path().join("damaged.2").exists());
}

/// An older copy of the log is noticed, because the superblock has a later mark.
#[test]
fn an_older_log_is_lost_memory() {
    let dir = formatted();
    let log = segments::path(dir.path(), 0);
    append(&mut open(dir.path()), &[promised(1)]);
    let older = std::fs::read(&log).unwrap();
    let mut opened = open(dir.path());
    append(&mut opened, &[promised(2)]);
    opened.log.close().unwrap();
    drop(opened);
    std::fs::write(&log, older).unwrap();
    assert_eq!(kept(dir.path()), [Record::DiskLost]);
}

/// The loss of the last segment is noticed, whenever it happens: its records had been promised.
#[test]
fn the_loss_of_the_last_segment_is_seen_wherever_the_log_stands() {
    let writes: [&[Record]; 6] = [
        &[promised(1)],
        &[begin(1), promised(2)],
        &[end(1)],
        &[begin(2)],
        &[end(2), promised(3)],
        &[begin(3), end(3), begin(4)],
    ];
    for count in 0..=writes.len() {
        for reopened in [false, true] {
            let dir = formatted();
            let mut opened = open(dir.path());
            for write in &writes[..count] {
                append(&mut opened, write);
                if reopened {
                    drop(opened);
                    opened = open(dir.path());
                }
            }
            let last = opened.log.segment();
            drop(opened);
            std::fs::remove_file(segments::path(dir.path(), last)).unwrap();
            assert_eq!(
                kept(dir.path()).last(),
                Some(&Record::DiskLost),
                "after {count} writes, segment {last} is lost"
            );
        }
    }
}

#[test]
fn a_damaged_superblock_is_refused() {
    let dir = formatted();
    append(&mut open(dir.path()), &[promised(1)]);
    change(&dir.path().join(SUPERBLOCK), |bytes| bytes[60] ^= 1);
    let error = refused(dir.path(), OWNER);
    assert!(matches!(error, DirectoryError::Superblock { .. }), "{error}");
    assert!(is_formatted(dir.path()).unwrap(), "it is not for anybody new");
    assert!(Directory::format(dir.path(), OWNER).is_err());
    Directory::recover(dir.path(), OWNER, true).unwrap();
    assert_eq!(kept(dir.path()), [Record::DiskLost]);
}

/// A checkpoint begins a segment. The segments that it replaces are deleted, but not while they are being
/// read.
#[test]
fn checkpoints_cut_the_log() {
    let dir = formatted();
    let mut opened = open(dir.path());
    append(&mut opened, &[promised(1), begin(1), promised(2)]);
    append(&mut opened, &[promised(3)]);
    let reader = opened.log.reader();
    append(&mut opened, &[end(1), promised(4)]);
    let segments = |from: u64, to: u64| {
        (from..=to)
            .map(|number| format!("log.{number:08}"))
            .collect::<Vec<_>>()
    };
    let logs = || {
        let mut names = names(dir.path());
        names.retain(|name| name.starts_with("log."));
        names
    };
    assert_eq!(logs(), segments(0, 1), "somebody reads");
    let all = vec![promised(1), begin(1), promised(2), promised(3)];
    assert_eq!(since_founded(reader.memory().unwrap()), all);
    drop(reader);
    append(&mut opened, &[promised(5)]);
    assert_eq!(logs(), segments(1, 1));
    let left = vec![
        begin(1),
        promised(2),
        promised(3),
        end(1),
        promised(4),
        promised(5),
    ];
    assert_eq!(opened.log.reader().memory().unwrap(), Memory::Kept(left.clone()));
    drop(opened);
    assert_eq!(kept(dir.path()), left);
    // The process is killed during the next checkpoint, and leaves incomplete files.
    append(&mut open(dir.path()), &[begin(2), promised(6)]);
    std::fs::write(dir.path().join("log.00000007.new"), "half a head").unwrap();
    assert_eq!(
        kept(dir.path()),
        [left.clone(), vec![begin(2), promised(6)]].concat()
    );
    append(&mut open(dir.path()), &[begin(3), promised(7), end(3)]);
    assert_eq!(logs(), segments(3, 3));
    assert_eq!(kept(dir.path()), [begin(3), promised(7), end(3)]);
    // The segment with the last complete checkpoint is missing.
    std::fs::remove_file(segments::path(dir.path(), 3)).unwrap();
    assert_eq!(kept(dir.path()), [Record::DiskLost]);
}

/// Roles can read back while the writer begins and deletes segments.
#[test]
fn readers_and_the_writer_do_not_meet() {
    let dir = formatted();
    let mut opened = open(dir.path());
    std::thread::scope(|scope| {
        let mut readers = Vec::new();
        for number in 1..60 {
            append(&mut opened, &[begin(number), promised(number)]);
            append(&mut opened, &[end(number)]);
            let reader = opened.log.reader();
            readers.push(scope.spawn(move || (number, reader.memory())));
        }
        for reader in readers {
            let (number, memory) = reader.join().unwrap();
            let expected = vec![begin(number), promised(number), end(number)];
            assert_eq!(memory.unwrap(), Memory::Kept(expected));
        }
    });
    append(&mut opened, &[promised(100)]);
    assert_eq!(segments::list(dir.path()).unwrap(), [59]);
}

/// A write or a sync that fails is reported and never repeated.
#[test]
#[cfg(unix)]
fn a_failed_write_or_sync_is_reported() {
    let failing = |file: &str| {
        let dir = formatted();
        let mut opened = open(dir.path());
        append(&mut opened, &[promised(1)]);
        opened
            .log
            .redirect(File::options().write(true).open(file).unwrap());
        opened.log.append(&[promised(2)]);
        let failed = opened.log.write().and_then(|()| opened.log.sync()).unwrap_err();
        let still = opened.log.reader().memory().unwrap();
        assert_eq!(since_founded(still), [promised(1)], "what was durable is");
        drop(opened);
        assert_eq!(kept(dir.path()), [promised(1)]);
        failed.to_string()
    };
    // The first file has no room; the second takes everything and cannot be synced.
    let full = failing("/dev/full");
    assert!(
        full.contains("cannot append to the log") && full.contains("space"),
        "{full}"
    );
    let unsynced = failing("/dev/null");
    assert!(unsynced.contains("cannot sync the log"), "{unsynced}");
}
