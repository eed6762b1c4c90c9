//! Comparisons of logs that are written record by record.

use bytes::Bytes;
use kvpaxos::io::Checkpoint;
use kvpaxos::message::Accepted;
use kvpaxos::snapshot::{Cursor, Snapshot};
use kvpaxos::wal::Owner;
use kvpaxos::{Batch, Command, Limits, Record, ReplicaId, ReplicaSet, StateMachine, Tag, Value};
use tempfile::TempDir;

use super::*;
use crate::inspection::history::{HistoryError, read};
use crate::storage::directory::Directory;
use crate::storage::error::DirectoryError;
use crate::storage::log::Log;
use crate::storage::samples::ballot;
use crate::storage::segments;

/// Directories that each have a log.
struct Logs(TempDir);

impl Logs {
    fn new() -> Logs {
        Logs(tempfile::tempdir().unwrap())
    }

    /// Writes a directory of this replica with these records, like one that was set aside.
    fn write(&self, replica: u8, records: &[Record]) -> PathBuf {
        let path = self.0.path().join(format!("r{replica}"));
        std::fs::create_dir(&path).unwrap();
        let mut log = Log::found(&path, owner(replica), 1, &[]).unwrap();
        log.append(records);
        log.write().unwrap();
        log.sync().unwrap();
        path
    }

    fn history(&self, replica: u8, records: &[Record]) -> History {
        read(&self.write(replica, records), Limits::default()).unwrap()
    }
}

fn owner(replica: u8) -> Owner {
    Owner {
        cluster: 7,
        replica: ReplicaId(replica),
    }
}

fn value(text: &str) -> Value {
    Value::Batch(Batch::new(vec![Command::Opaque {
        tag: Tag { nonce: 1, number: 1 },
        payload: Bytes::copy_from_slice(text.as_bytes()),
    }]))
}

fn accepted(slot: u64, round: u64, text: &str) -> Record {
    Record::Accepted {
        ballot: ballot(round),
        slot: Slot(slot),
        value: value(text),
    }
}

/// Records that accept these values from slot 0 on, and say that they are chosen.
fn chosen(texts: &[&str]) -> Vec<Record> {
    let mut records: Vec<Record> = (0..)
        .zip(texts)
        .map(|(slot, text)| accepted(slot, 1, text))
        .collect();
    records.push(Record::Chosen {
        ballot: ballot(1),
        up_to: Slot(texts.len() as u64),
    });
    records
}

/// A checkpoint of the state after no-ops and, in the last slot, a session of this client; then these values,
/// learned.
fn cut(slot: u64, client: u64, texts: &[&str]) -> Vec<Record> {
    let mut machine = StateMachine::new(Limits::default());
    let open = Command::Open {
        tag: Tag {
            nonce: client,
            number: 1,
        },
    };
    machine.apply_all(Slot(slot - 1), &[open]);
    let snapshot = Snapshot::new(Slot(slot), &machine);
    let mut records = vec![Record::Checkpoint(Box::new(Checkpoint {
        number: 1,
        slot: snapshot.slot(),
        digest: snapshot.digest(),
        cut: snapshot.slot(),
        promised: ballot(1),
        members: ReplicaSet::first(5),
        ..Checkpoint::default()
    }))];
    let mut at = Some(Cursor::START);
    while let Some(here) = at {
        let (bytes, next) = snapshot.part(here, 1024);
        records.push(Record::SnapshotPart {
            at: here,
            next,
            bytes,
        });
        at = next;
    }
    records.push(Record::CheckpointEnd { number: 1 });
    for (slot, text) in (slot..).zip(texts) {
        records.push(Record::Learned {
            slot: Slot(slot),
            value: value(text),
        });
    }
    records
}

fn divergence(slot: u64, kind: DivergenceKind) -> Divergence {
    let slot = Slot(slot);
    Divergence { slot, kind }
}

#[test]
fn a_log_tells_what_is_chosen_and_behind_it_what_was_accepted() {
    let logs = Logs::new();
    let mut records = chosen(&["a", "b"]);
    records.extend([accepted(2, 1, "lost"), accepted(2, 3, "c"), accepted(9, 3, "far")]);
    let entry = |round, text| Accepted {
        slot: Slot(2),
        ballot: ballot(round),
        value: value(text),
    };
    records.push(Record::Carried(entry(2, "older")));
    let history = logs.history(1, &records);
    assert_eq!((history.from(), history.below()), (Slot(0), Slot(2)));
    assert_eq!(history.only_accepted(), Some(Slot(9)));
    let slots: Vec<u64> = history.slots_from(Slot(1)).map(|slot| slot.0).collect();
    assert_eq!(slots, [1, 2, 9]);
    let second = history.contents(Slot(1)).unwrap();
    assert_eq!(second.chosen, Some(&value("b")));
    assert_eq!(second.ballot(), Some(ballot(1)));
    let third = history.contents(Slot(2)).unwrap();
    assert_eq!((third.chosen, third.value()), (None, Some(&value("c"))));
    assert_eq!(third.ballot(), Some(ballot(3)));
    assert_eq!(history.contents(Slot(3)), None);
    assert!(history.digest(Slot(2)).is_some() && history.digest(Slot(3)).is_none());
    assert!(!history.memory_lost() && !history.torn());
}

/// A value that others told to be chosen may differ from the accepted one. Both are shown.
#[test]
fn what_was_accepted_and_lost_is_told_beside_what_is_chosen() {
    let logs = Logs::new();
    let records = [
        accepted(0, 2, "mine"),
        Record::Learned {
            slot: Slot(0),
            value: value("theirs"),
        },
    ];
    let history = logs.history(1, &records);
    let contents = history.contents(Slot(0)).unwrap();
    assert_eq!(contents.value(), Some(&value("theirs")));
    assert_eq!(contents.ballot(), None);
    assert_eq!(contents.accepted, Some((ballot(2), &value("mine"))));
}

#[test]
fn sides_part_where_different_values_are_chosen() {
    let logs = Logs::new();
    let histories = [
        logs.history(0, &chosen(&["a", "b", "c", "d"])),
        logs.history(1, &chosen(&["a", "b", "x"])),
        logs.history(2, &chosen(&["a", "b", "c"])),
        logs.history(3, &chosen(&["a", "b"])),
        logs.history(4, &chosen(&["a", "b", "x", "y"])),
    ];
    let comparison = compare(&histories).unwrap();
    assert_eq!(comparison.verdict, ComparisonVerdict::Differ);
    assert_eq!(comparison.sides, [vec![0, 2], vec![1, 4]]);
    assert_eq!(comparison.undecided, [3]);
    assert_eq!(comparison.told, Some((Slot(0), Slot(4))));
    let expected = Difference {
        divergence: divergence(2, DivergenceKind::Chosen),
        sides: [0, 1],
    };
    assert_eq!(comparison.differences, [expected]);

    let comparison = compare(&histories[2..4]).unwrap();
    assert_eq!(comparison.verdict, ComparisonVerdict::Same);
    assert_eq!(comparison.told, Some((Slot(0), Slot(2))));
    assert!(comparison.sides.is_empty() && comparison.differences.is_empty());
}

#[test]
fn three_sides_part_where_each_two_do() {
    let logs = Logs::new();
    let histories = [
        logs.history(0, &chosen(&["a", "b", "c"])),
        logs.history(1, &chosen(&["a", "x"])),
        logs.history(2, &chosen(&["a", "b", "y"])),
    ];
    let comparison = compare(&histories).unwrap();
    let divergences: Vec<(Divergence, [usize; 2])> = comparison
        .differences
        .iter()
        .map(|difference| (difference.divergence, difference.sides))
        .collect();
    let second = divergence(1, DivergenceKind::Chosen);
    assert_eq!(
        divergences,
        [
            (second, [0, 1]),
            (second, [1, 2]),
            (divergence(2, DivergenceKind::Chosen), [0, 2])
        ]
    );
}

/// A value that the remaining logs only accepted may have been acknowledged, or never chosen. The comparison
/// leaves that open.
#[test]
fn what_was_only_accepted_is_an_open_difference() {
    let logs = Logs::new();
    let mut records = chosen(&["a"]);
    records.push(accepted(1, 3, "NEW"));
    let histories = [
        logs.history(0, &chosen(&["a", "other", "more"])),
        logs.history(1, &records),
    ];
    let comparison = compare(&histories).unwrap();
    assert_eq!(comparison.verdict, ComparisonVerdict::Unknown);
    assert_eq!(
        comparison.differences[0].divergence,
        divergence(1, DivergenceKind::Accepted)
    );
    assert_eq!(comparison.sides, [[0], [1]]);

    records.pop();
    records.push(accepted(1, 2, "other"));
    let comparison = compare(&[
        logs.history(2, &chosen(&["a", "other", "more"])),
        logs.history(3, &records),
    ]);
    assert_eq!(
        comparison.unwrap().verdict,
        ComparisonVerdict::Same,
        "in another ballot"
    );
}

/// A ballot has one value for a slot. So two values of one ballot prove that there are two histories.
#[test]
fn two_values_of_one_ballot_prove_two_histories() {
    let logs = Logs::new();
    let histories = [
        logs.history(0, &chosen(&["a", "b"])),
        logs.history(1, &[accepted(0, 1, "a"), accepted(1, 1, "other")]),
    ];
    let comparison = compare(&histories).unwrap();
    assert_eq!(comparison.verdict, ComparisonVerdict::Differ);
    assert_eq!(
        comparison.differences[0].divergence,
        divergence(1, DivergenceKind::Ballot)
    );
}

/// The states at the slot where a log was cut differ, although the values from there on are equal.
#[test]
fn histories_may_have_parted_below_what_the_logs_hold() {
    let logs = Logs::new();
    let histories = [
        logs.history(0, &cut(5, 1, &["a", "b"])),
        logs.history(1, &cut(5, 2, &["a", "b"])),
        logs.history(2, &cut(5, 1, &["a"])),
    ];
    assert_eq!((histories[0].from(), histories[0].below()), (Slot(5), Slot(7)));
    let comparison = compare(&histories).unwrap();
    assert_eq!(comparison.verdict, ComparisonVerdict::Differ);
    assert_eq!(
        comparison.differences[0].divergence,
        divergence(5, DivergenceKind::Before)
    );
    assert_eq!(comparison.sides, [vec![0, 2], vec![1]]);
}

#[test]
fn logs_that_are_cut_too_far_apart_cannot_be_compared() {
    let logs = Logs::new();
    let ends_before = logs.history(0, &chosen(&["a", "b"]));
    let begins_behind = logs.history(1, &cut(5, 1, &["c"]));
    let empty = logs.history(2, &[]);
    let lost = logs.history(3, &[Record::DiskLost]);
    assert!(lost.memory_lost() && !empty.memory_lost());
    let comparison = compare(&[ends_before, begins_behind, empty, lost]).unwrap();
    assert_eq!(comparison.verdict, ComparisonVerdict::Unknown);
    assert_eq!(comparison.comparable, [[0], [1], [2], [3]]);
    assert_eq!(comparison.told, None);

    let up_to_the_cut = logs.history(4, &cut(5, 1, &[]));
    let comparison = compare(&[up_to_the_cut, logs.history(5, &cut(5, 1, &["c"]))]).unwrap();
    assert_eq!(
        comparison.verdict,
        ComparisonVerdict::Same,
        "the states at the cut are"
    );
    assert_eq!(comparison.told, Some((Slot(5), Slot(5))));
}

#[test]
fn only_directories_of_one_cluster_are_compared_and_each_once() {
    let logs = Logs::new();
    let one = logs.write(0, &chosen(&["a"]));
    let roundabout = one.join("../r0");
    let histories = [&one, &roundabout].map(|path| read(path, Limits::default()).unwrap());
    assert!(matches!(
        compare(&histories),
        Err(CompareError::SameDirectory { .. })
    ));

    let other = logs.0.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let stranger = Owner {
        cluster: 8,
        ..owner(0)
    };
    drop(Log::found(&other, stranger, 1, &[]).unwrap());
    let histories = [&one, &other].map(|path| read(path, Limits::default()).unwrap());
    let error = compare(&histories).unwrap_err();
    assert!(matches!(error, CompareError::Clusters { clusters: [7, 8], .. }));
}

#[test]
fn what_is_in_use_or_holds_nothing_is_refused_and_nothing_is_changed() {
    let logs = Logs::new();
    let path = logs.0.path().join("formatted");
    Directory::format(&path, owner(1)).unwrap();
    let empty = read(&path, Limits::default()).unwrap();
    assert_eq!((empty.from(), empty.below()), (Slot(0), Slot(0)));
    let twice = read(&path, Limits::default());
    assert!(twice.is_ok(), "two may look at once");
    let serving = Directory::open(&path, owner(1));
    assert!(
        matches!(serving, Err(DirectoryError::InUse { .. })),
        "but not change it meanwhile"
    );
    drop((empty, twice));
    let serving = Directory::open(&path, owner(1)).unwrap();
    assert!(matches!(
        read(&path, Limits::default()),
        Err(HistoryError::Directory(DirectoryError::InUse { .. }))
    ));
    drop(serving);

    let nothing = logs.0.path().join("nothing");
    std::fs::create_dir(&nothing).unwrap();
    assert!(matches!(
        read(&nothing, Limits::default()),
        Err(HistoryError::NoLog { .. })
    ));
    assert_eq!(
        std::fs::read_dir(&nothing).unwrap().count(),
        0,
        "no lock is left there"
    );
    assert!(read(&nothing.join("missing"), Limits::default()).is_err());
}

/// Records that can be read but that no replica writes are refused, without a panic.
#[test]
fn records_that_make_no_sense_are_refused() {
    let logs = Logs::new();
    let beyond = read(&logs.write(0, &[accepted(u64::MAX, 1, "a")]), Limits::default());
    assert!(
        matches!(beyond, Err(HistoryError::Unreadable { .. })),
        "{beyond:?}"
    );
    let stranger = read(&logs.write(200, &chosen(&["a"])), Limits::default());
    assert!(
        matches!(stranger, Err(HistoryError::NoLog { .. })),
        "{stranger:?}"
    );
    // A log that ends at the highest slot can be read too.
    let far = accepted((1 << 62) - 1, 1, "a");
    let histories = [
        logs.history(1, std::slice::from_ref(&far)),
        logs.history(2, &[far]),
    ];
    assert_eq!(compare(&histories).unwrap().verdict, ComparisonVerdict::Same);
}

/// A log with arbitrary changes is read or refused, without a panic.
#[test]
fn no_bytes_make_it_panic() {
    let logs = Logs::new();
    let mut records = chosen(&["a", "b"]);
    records.extend([accepted(2, 2, "c"), Record::MemoryLost]);
    let path = logs.write(1, &records);
    let segment = segments::path(&path, 0);
    let whole = std::fs::read(&segment).unwrap();
    let end = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let (mut read_so_far, mut refused) = (0, 0);
    for at in 0..end {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x41;
        for bytes in [&flipped[..], &whole[..at]] {
            std::fs::write(&segment, bytes).unwrap();
            match read(&path, Limits::default()) {
                Ok(_) => read_so_far += 1,
                Err(_) => refused += 1,
            }
        }
    }
    assert!(
        read_so_far > 0 && refused > end,
        "{read_so_far} read, {refused} refused"
    );
}
