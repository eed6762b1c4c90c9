//! The log over many segments: a test for each moment of a rotation and each kind of damage in the tables of
//! `kvpaxos::wal`, and random schedules of both.

#![allow(clippy::unwrap_used, reason = "an assertion like any other")]

#[path = "wal_segments/random.rs"]
mod random;
mod support_wal;

use kvpaxos::founding::KnownFounding;
use kvpaxos::wal::{Damage, HEADER, LogState, ReadError, counters};
use kvpaxos::{Founding, Incarnation, Record, ReplicaId};
use support_wal::{Files, OTHER, OWNER, SEED, begin, end, record};

/// Three segments. Segment 0 holds records 0 and 1, segment 1 a checkpoint without its end, and segment 2 a
/// complete checkpoint. Everything is synced, and no segment is deleted.
fn three() -> Files {
    let mut files = Files::new(SEED, 1 << 20);
    files.write(&[record(0)]);
    files.sync();
    files.write(&[record(1)]);
    files.sync();
    files.write(&[begin(7), record(2)]);
    files.sync();
    files.write(&[begin(8), record(3)]);
    files.sync();
    files.write(&[end(8), record(4)]);
    files.sync();
    files.write(&[record(5)]);
    files.sync();
    files
}

#[test]
fn a_checkpoint_begins_a_segment_and_its_end_makes_those_before_obsolete() {
    let mut files = Files::new(SEED, 1 << 20);
    files.write(&[record(0), begin(7), record(1)]);
    assert_eq!(files.numbers(), [0, 1]);
    files.write(&[end(7)]);
    assert_eq!(files.writer.keep_from(), 0, "the end is not durable yet");
    files.sync();
    assert_eq!(files.writer.keep_from(), 1);
    let (records, obsolete) = files.kept();
    assert_eq!(records, [begin(7), record(1), end(7)]);
    assert_eq!(obsolete, [0]);
    files.delete_obsolete();
    assert_eq!(files.numbers(), [1]);
    assert_eq!(files.kept(), (records, vec![]));
    // The next checkpoint begins while the last one still counts.
    files.write(&[record(2), begin(8)]);
    files.sync();
    assert_eq!(files.writer.keep_from(), 1);
    assert_eq!(files.kept().0, [begin(7), record(1), end(7), record(2), begin(8)]);
    // A later checkpoint has begun, so the end of the earlier one has no effect.
    files.write(&[begin(9), end(8)]);
    files.sync();
    assert_eq!(files.writer.keep_from(), 1);
    files.write(&[end(9)]);
    files.sync();
    assert_eq!(files.writer.keep_from(), 3);
}

#[test]
fn a_full_segment_ends() {
    let mut files = Files::new(SEED, 1000);
    for number in 0..20 {
        files.write(&[record(number)]);
    }
    files.sync();
    assert!(files.numbers().len() > 3, "{:?}", files.numbers());
    assert_eq!(files.kept().0, (0..20).map(record).collect::<Vec<_>>());
    let sizes = files.segments.values().map(Vec::len);
    assert!(
        sizes.max() < Some(1000 + 1000),
        "a segment exceeds the limit by at most one group"
    );
    assert_eq!(
        files.writer.keep_from(),
        0,
        "without a checkpoint no segment is obsolete"
    );
}

/// The writer that the reader returns continues like the one that wrote the log.
#[test]
fn a_reader_hands_out_the_same_writer() {
    let mut files = three();
    let Ok(LogState::Kept { mut writer, .. }) = files.read() else {
        panic!("the log is damaged")
    };
    assert_eq!(writer.keep_from(), 0, "the end may not be durable yet");
    writer.on_synced(writer.position());
    assert_eq!(writer.keep_from(), 2);
    files.delete_obsolete();
    let Ok(LogState::Kept { mut writer, .. }) = files.read() else {
        panic!("the log is damaged")
    };
    writer.on_synced(writer.position());
    assert_eq!(writer.with_limit(1 << 20), files.writer);
}

// The moments of a rotation

/// Rows: the next segment is missing, or has only its header.
#[test]
fn a_segment_that_was_just_begun_is_gone_on_with() {
    let mut files = Files::new(SEED, 1 << 20);
    files.write(&[record(0)]);
    files.sync();
    let before = files.clone();
    files.write(&[begin(7)]);
    let mut just_begun = files.clone();
    just_begun.segments.get_mut(&1).unwrap().truncate(HEADER);
    for (mut files, number) in [(before, 0), (just_begun, 1)] {
        files.reopen();
        assert_eq!(files.writer.segment(), number);
        files.write(&[record(1), begin(7), record(2)]);
        files.sync();
        assert_eq!(files.kept().0, [record(0), record(1), begin(7), record(2)]);
    }
}

/// Row: the new segment is torn, right after its header or anywhere else.
#[test]
fn a_torn_segment_is_cut_after_its_header() {
    let mut files = Files::new(SEED, 1 << 20);
    files.write(&[record(0)]);
    files.sync();
    files.write(&[begin(7), record(1)]);
    let length = files.segments[&1].len();
    for cut in HEADER..length {
        let mut torn = files.clone();
        torn.segments.get_mut(&1).unwrap().truncate(cut);
        torn.reopen();
        assert_eq!(torn.segments[&1].len(), HEADER, "cut to {cut}");
        assert_eq!(torn.kept().0, [record(0)]);
        torn.write(&[begin(7)]);
        assert_eq!(torn.numbers(), [0, 1], "an empty segment is used again");
    }
}

/// Row: the end of the checkpoint is torn. The records that the checkpoint would replace are still there, and
/// still needed.
#[test]
fn a_checkpoint_without_its_end_counts_for_nothing() {
    let mut files = Files::new(SEED, 1 << 20);
    files.write(&[record(0), begin(7), record(1)]);
    files.sync();
    let synced = files.segments[&1].len();
    files.write(&[end(7)]);
    let length = files.segments[&1].len();
    for cut in synced..length {
        let mut torn = files.clone();
        torn.segments.get_mut(&1).unwrap().truncate(cut);
        torn.reopen();
        assert_eq!(torn.kept(), (vec![record(0), begin(7), record(1)], vec![]));
        assert_eq!(torn.writer.keep_from(), 0);
    }
}

/// Rows: obsolete segments. Any of them may be missing, because unsynced deletions reach the disk in any
/// combination. The others may hold any bytes.
#[test]
fn obsolete_segments_may_have_holes_and_flaws() {
    let whole = three();
    let expected = [begin(8), record(3), end(8), record(4), record(5)];
    for deleted in [vec![], vec![0], vec![1], vec![0, 1]] {
        let mut files = whole.clone();
        deleted
            .iter()
            .for_each(|number| drop(files.segments.remove(number)));
        assert_eq!(files.kept().0, expected);
    }
    for number in [0, 1] {
        for at in 0..whole.segments[&number].len() {
            let mut files = whole.clone();
            files.segments.get_mut(&number).unwrap()[at] ^= 1;
            assert_eq!(files.kept().0, expected, "byte {at} of {number}");
        }
    }
}

// Damage

/// Rows: missing segments.
#[test]
fn missing_segments_are_lost_memory() {
    let mut files = Files::new(SEED, 600);
    for number in 0..8 {
        files.write(&[record(number)]);
        files.sync();
    }
    let last = files.writer.segment();
    assert!(last >= 3);
    for number in 0..=last {
        let mut damaged = files.clone();
        damaged.segments.remove(&number);
        let (segment, why) = damaged.damage();
        if number == 0 {
            assert_eq!((segment, why), (1, Damage::Beginning));
        } else if number == last {
            // The mark kept elsewhere was renewed when the last segment began.
            assert!(matches!(why, Damage::LostTail { .. }), "{why}");
            damaged.known_synced = None;
            damaged.kept();
        } else {
            assert_eq!((segment, why), (number, Damage::Missing));
        }
    }
    files.segments.clear();
    assert_eq!(files.damage().1, Damage::Gone);
    // The log begins with a complete checkpoint, and loses the segment in which it begins.
    let mut files = three();
    files.delete_obsolete();
    files.write(&[begin(9), record(9)]);
    files.sync();
    files.segments.remove(&2);
    assert_eq!(files.damage(), (3, Damage::Beginning));
}

/// Rows: bit flips and missing blocks in a segment that another one follows, and in headers.
#[test]
fn any_flaw_in_an_earlier_segment_is_lost_memory() {
    let mut files = Files::new(SEED, 700);
    for number in 0..6 {
        files.write(&[record(number)]);
    }
    files.sync();
    let last = files.writer.segment();
    for number in 0..last {
        let length = files.segments[&number].len();
        for at in 0..length {
            let mut damaged = files.clone();
            damaged.segments.get_mut(&number).unwrap()[at] ^= 0x40;
            let (segment, why) = damaged.damage();
            let expected = if at < HEADER {
                Damage::Header
            } else {
                Damage::Followed
            };
            assert_eq!((segment, why), (number, expected), "byte {at}");
            let mut damaged = files.clone();
            damaged.segments.get_mut(&number).unwrap()[at..].fill(0);
            assert_eq!(damaged.damage().0, number, "zeros from {at}");
            damaged.segments.get_mut(&number).unwrap().truncate(at);
            assert_eq!(damaged.damage().0, number, "cut to {at}");
        }
        let mut longer = files.clone();
        longer.segments.get_mut(&number).unwrap().extend([0; 5]);
        longer.kept();
        longer.segments.get_mut(&number).unwrap().push(1);
        assert_eq!(longer.damage(), (number, Damage::Followed));
    }
}

/// Rows: segments of another log, copied segments, and segments of another replica.
#[test]
fn segments_that_do_not_belong_are_told_apart() {
    let files = three();
    let mut copied = files.clone();
    copied.segments.insert(3, files.segments[&2].clone());
    assert_eq!(copied.damage(), (3, Damage::Number { found: 2 }));
    let mut swapped = files.clone();
    swapped.segments.insert(1, files.segments[&2].clone());
    swapped.segments.insert(2, files.segments[&1].clone());
    assert_eq!(swapped.damage(), (1, Damage::Number { found: 2 }));

    let mut other = Files::new(OTHER, 1 << 20);
    for number in 0..4 {
        other.write(&[begin(number), record(number), end(number)]);
    }
    other.sync();
    let mut mixed = files.clone();
    mixed.segments.insert(3, other.segments[&3].clone());
    assert_eq!(mixed.damage(), (3, Damage::History));
    // All segments are of the other log. Only a mark that names the log shows that.
    let mut replaced = files.clone();
    replaced.segments = other.segments.clone();
    assert_eq!(replaced.damage(), (0, Damage::History));

    // The same log, continued differently after it lost its last segment.
    let mut branch = files.clone();
    branch.write(&[record(90)]);
    branch.write(&[begin(9), record(91)]);
    let mut trunk = files.clone();
    trunk.write(&[record(80)]);
    trunk.write(&[begin(9), record(81)]);
    trunk.segments.insert(3, branch.segments[&3].clone());
    assert_eq!(trunk.damage(), (3, Damage::Chain));

    let mut stranger = files.clone();
    stranger.owner.replica = ReplicaId(4);
    assert!(matches!(stranger.read(), Err(ReadError::Owner { found, .. }) if found == OWNER));
}

/// Row: an older version of the last segment. It is noticed as far as the mark kept elsewhere goes.
#[test]
fn an_older_copy_is_seen_up_to_the_mark_kept_elsewhere() {
    let mut files = three();
    let older = files.clone();
    files.shut_down();
    assert!(files.known_synced != older.known_synced);
    let mut damaged = files.clone();
    damaged.segments = older.segments.clone();
    assert!(matches!(damaged.damage().1, Damage::LostTail { .. }));
    damaged.known_synced = older.known_synced;
    assert_eq!(damaged.kept().0, older.kept().0);
}

/// A new log that replaces a damaged one begins with the counters that must not repeat, and with no other
/// record.
#[test]
fn counters_are_salvaged() {
    let mut files = three();
    files.write(&[
        Record::Proposed {
            ballot: support_wal::ballot(5),
        },
        record(6),
    ]);
    files.sync();
    files.write(&[record(7)]);
    files.sync();
    let (acceptor, incarnation) = (ReplicaId(3), Incarnation(2));
    let known = KnownFounding::Founded(Founding(2));
    files.write(&[
        Record::Heard {
            acceptor,
            incarnation: Incarnation(1),
        },
        Record::Heard {
            acceptor,
            incarnation,
        },
        Record::Founded {
            founding: Founding(1),
        },
        Record::Met {
            replica: acceptor,
            known,
        },
    ]);
    files.sync();
    files.segments.get_mut(&2).unwrap()[HEADER + 40] ^= 1;
    let Ok(LogState::Damaged(damaged)) = files.read() else {
        panic!("damage is not noticed")
    };
    let ballot = support_wal::ballot(5);
    assert_eq!(
        counters(&damaged.salvaged),
        [
            Record::Heard {
                acceptor,
                incarnation
            },
            Record::Met {
                replica: acceptor,
                known
            },
            Record::Proposed { ballot }
        ]
    );
}
