//! Logs in files survive crashes at any point. Damage to them is detected or harmless.

use kvpaxos::io::Checkpoint;
use kvpaxos::{Ballot, ReplicaSet};

use kvpaxos::wal;
use kvpaxos::{Record, ReplicaId};

use super::ReplicaLog;
use super::bytes::BytesLog;
use crate::engine::{Damage, DamageOutcome, Decision, FileDecider, Format, Log, Recovered, Seeded};

fn promised(round: u64) -> Record {
    Record::Promised {
        ballot: Ballot {
            round,
            ..Ballot::ZERO
        },
    }
}

fn begin(number: u64) -> Record {
    Record::Checkpoint(Box::new(Checkpoint {
        number,
        members: ReplicaSet::first(5),
        ..Checkpoint::default()
    }))
}

/// A log, and the decider of its files.
fn log(seed: u64) -> (ReplicaLog, Seeded) {
    (
        ReplicaLog::found(ReplicaId(2), seed, Format::Bytes),
        Seeded::new(seed),
    )
}

/// A process that reads a part of the log finds the whole records in that part.
#[test]
fn what_is_read_are_whole_records() {
    let (mut log, _) = log(5);
    let mut ends = vec![log.len()];
    for round in 1..=9 {
        log.append(&[promised(round)]);
        ends.push(log.len());
    }
    for units in ends[0]..=log.len() {
        let whole = ends.iter().filter(|end| **end <= units).count() - 1;
        assert_eq!(log.read(units).unwrap().len(), whole, "{units} units");
    }
}

/// What `number` writes look like, with checkpoints among them.
fn write(log: &mut ReplicaLog, number: u64) -> Vec<Record> {
    let mut records = vec![promised(number)];
    match number % 5 {
        1 => records.insert(0, begin(number)),
        3 => records.push(Record::CheckpointEnd { number: number - 2 }),
        _ => {}
    }
    log.append(&records);
    records
}

/// After a crash at any point, nothing that was synced is lost and the log goes on.
#[test]
fn crashes_between_any_two_operations_lose_nothing_that_was_synced() {
    for seed in 0..300 {
        let (mut log, mut seeded) = log(seed);
        let mut decider = FileDecider {
            decider: &mut seeded,
            replica: ReplicaId(2),
        };
        let mut written: Vec<Record> = Vec::new();
        let (mut synced, mut units, mut number) = (0, log.len(), 0);
        for _ in 0..12 {
            for _ in 0..decider.below(Decision::Think, 6) {
                written.extend(write(&mut log, number));
                number += 1;
                if decider.below(Decision::Think, 2) == 0 {
                    (synced, units) = (written.len(), log.len());
                    log.synced(units);
                }
            }
            let unsynced = log.len() - units;
            let surviving = decider.below(Decision::Think, unsynced + 1);
            log.crash(units, surviving, &mut decider);
            let Recovered { records, fresh } = log.recover(units).expect("a crash does not damage the log");
            let left = synced + fresh;
            assert!(
                left <= written.len(),
                "seed {seed}: records that were never written"
            );
            written.truncate(left);
            assert!(written.ends_with(&records), "seed {seed}: not what was written");
            if records.len() < written.len() {
                assert!(matches!(records[0], Record::Checkpoint(_)), "seed {seed}");
            }
            (synced, units) = (left, log.len());
            log.synced(units);
            assert_eq!(log.read(units), Some(records), "seed {seed}");
        }
    }
}

fn bytes(log: &mut ReplicaLog) -> &mut BytesLog {
    match log {
        ReplicaLog::Bytes(log) => log,
        ReplicaLog::Plain(_) => panic!("the log is of files"),
    }
}

/// From seed 7009313. A new segment sets a mark behind its header. The end of a checkpoint before the segment
/// is known to be durable only later, and sets a mark too. That lower mark must not replace the higher one:
/// otherwise the loss of the segment could not be detected.
#[test]
fn a_mark_never_goes_back() {
    let (mut log, _) = log(0);
    log.append(&[promised(1)]);
    log.append(&[begin(1)]);
    log.append(&[Record::CheckpointEnd { number: 1 }]);
    let end = log.len();
    log.append(&[begin(2)]);
    log.synced(end);
    log.synced(log.len());
    let log = bytes(&mut log);
    assert_eq!(log.files.segments.pop_last().map(|(number, _)| number), Some(2));
    assert_eq!(log.recover(end as u64), None, "the last segment is gone");
}

/// From seed 7000238. A crash comes between the beginning of a segment and its mark. The next process
/// continues in that segment, and must set the mark first: otherwise the loss of the segment, with what was
/// appended to it, could not be detected.
#[test]
fn a_start_renews_the_mark() {
    let mut met = 0;
    for seed in 0..400 {
        let (mut log, mut seeded) = log(seed);
        let mut decider = FileDecider {
            decider: &mut seeded,
            replica: ReplicaId(2),
        };
        log.append(&[promised(1)]);
        let synced = log.len();
        log.synced(synced);
        log.append(&[begin(1)]);
        log.crash(synced, log.len() - synced, &mut decider);
        let files = &bytes(&mut log).files;
        let is_marked = files
            .known_synced
            .is_some_and(|mark| mark.position > synced as u64);
        let is_begun = files.segments.len() == 2;
        log.recover(synced).expect("a crash does not damage the log");
        log.mark();
        if is_begun && !is_marked {
            met += 1;
            log.append(&[promised(2)]);
            log.synced(log.len());
            let log = bytes(&mut log);
            log.files.segments.pop_last();
            assert_eq!(
                log.recover(synced as u64),
                None,
                "seed {seed}: the last segment is gone"
            );
        }
    }
    assert!(met > 10, "a crash comes there in {met} of 400 seeds");
}

/// From seed 540608640501. The mark covers only the header of the first segment, and the last byte of the
/// header is zero. Zeros from that byte on look like a crash, so a reader need not detect them.
#[test]
fn an_end_that_no_mark_covers_is_left_alone() {
    let ends_in_zero = |seed: &u64| {
        let (mut log, _) = log(*seed);
        bytes(&mut log).files.segments[&0][wal::HEADER - 1] == 0
    };
    for seed in (0..3000).filter(ends_in_zero).take(3) {
        for draw in 0..300 {
            let mut seeded = Seeded::new(draw);
            let mut decider = FileDecider {
                decider: &mut seeded,
                replica: ReplicaId(2),
            };
            let (mut log, _) = log(seed);
            log.append(&[promised(1), promised(2)]);
            log.synced(log.len());
            let outcome = log.damage(Damage::LoseTail, &mut decider);
            assert_ne!(outcome, DamageOutcome::Undetected, "seed {seed}, draw {draw}");
        }
    }
}

/// Damage of each kind is detected in most places, and harmless in the others.
#[test]
fn damage_is_seen_or_harmless() {
    for how in [
        Damage::FlipBit,
        Damage::LoseBlock,
        Damage::MisdirectWrite,
        Damage::StaleBlock,
        Damage::LoseTail,
    ] {
        let mut outcomes = [0; 3];
        for seed in 0..300 {
            let (mut log, mut seeded) = log(seed);
            let mut decider = FileDecider {
                decider: &mut seeded,
                replica: ReplicaId(2),
            };
            for number in 0..decider.below(Decision::Think, 60) as u64 {
                write(&mut log, number);
                if decider.below(Decision::Think, 3) > 0 {
                    log.synced(log.len());
                }
                if decider.below(Decision::Think, 10) == 0 {
                    log.mark();
                }
            }
            log.synced(log.len());
            outcomes[log.damage(how, &mut decider) as usize] += 1;
        }
        println!("{how:?}: harmless, detected, undetected: {outcomes:?}");
        assert_eq!(
            outcomes[DamageOutcome::Undetected as usize],
            0,
            "{how:?} is not detected"
        );
        assert!(
            outcomes[DamageOutcome::Detected as usize] > 30,
            "{how:?} rarely damages anything: {outcomes:?}"
        );
    }
}
