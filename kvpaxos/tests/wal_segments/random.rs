//! Random schedules of writes, syncs, crashes and damage, compared with a model.

use crate::support_wal::{Files, SEED, begin, checkpoint_number, end, record};
use kvpaxos::Record;
use kvpaxos::wal::{LogState, SECTOR};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Action {
    Write(u8),
    Begin,
    End,
    Sync,
    SyncedPosition,
    Delete(u8),
    /// A crash. `length` decides how many of the unsynced bytes are left. `missing` decides which of their
    /// sectors are zeros, and whether a segment that has just begun is missing.
    Crash {
        length: u16,
        missing: u64,
    },
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => (0..4_u8).prop_map(Action::Write),
        2 => Just(Action::Begin),
        2 => Just(Action::End),
        4 => Just(Action::Sync),
        1 => Just(Action::SyncedPosition),
        1 => any::<u8>().prop_map(Action::Delete),
        2 => (any::<u16>(), any::<u64>()).prop_map(|(length, missing)| Action::Crash { length, missing }),
    ]
}

#[derive(Clone, Debug)]
enum Harm {
    Flip,
    LoseSector,
    Misdirect(usize),
    LoseSegment,
    CopySegment(usize),
    OlderEnd(usize),
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        Just(Harm::Flip),
        Just(Harm::LoseSector),
        any::<usize>().prop_map(Harm::Misdirect),
        Just(Harm::LoseSegment),
        any::<usize>().prop_map(Harm::CopySegment),
        any::<usize>().prop_map(Harm::OlderEnd),
    ]
}

/// The log, all records in the order in which they were written, and how many of them are synced.
struct Model {
    files: Files,
    written: Vec<Record>,
    synced: usize,
    checkpoint: u64,
    numbers: u64,
}

impl Model {
    fn new(limit: u64) -> Model {
        Model {
            files: Files::new(SEED, limit),
            written: Vec::new(),
            synced: 0,
            checkpoint: 0,
            numbers: 0,
        }
    }

    fn write(&mut self, records: &[Record]) {
        self.files.write(records);
        self.written.extend_from_slice(records);
    }

    fn act(&mut self, action: &Action) {
        match action {
            Action::Write(count) => {
                let records: Vec<_> = (0..u64::from(*count))
                    .map(|more| record(self.numbers + more))
                    .collect();
                self.numbers += u64::from(*count);
                self.write(&records);
            }
            Action::Begin => {
                self.checkpoint += 1;
                self.write(&[begin(self.checkpoint)]);
            }
            Action::End => self.write(&[end(self.checkpoint)]),
            Action::Sync => {
                self.files.sync();
                self.synced = self.written.len();
            }
            Action::SyncedPosition => self.files.mark(),
            Action::Delete(which) => self.files.delete_some_obsolete(*which),
            Action::Crash { length, missing } => {
                self.files.crash(*length, *missing);
                let left = self.check();
                self.written.truncate(left);
                self.files.reopen();
                self.synced = left;
            }
        }
    }

    /// Asserts that the log holds all synced records from the last complete checkpoint on, and no record that
    /// was not written. Returns the number of written records up to the last one in the log.
    fn check(&self) -> usize {
        let (records, _) = self.files.kept();
        let Some(first) = records.first() else {
            assert_eq!(self.synced, 0, "synced records are lost");
            return 0;
        };
        // All records differ, except for the ends of checkpoints, and a log never begins with one of those.
        let start = self
            .written
            .iter()
            .position(|record| record == first)
            .expect("the first record was written");
        let end = start + records.len();
        assert_eq!(
            self.written.get(start..end),
            Some(&records[..]),
            "the records are not those that were written"
        );
        assert!(end >= self.synced, "synced records are lost");
        if start > 0 {
            let number = checkpoint_number(first).expect("a log begins with a checkpoint");
            assert!(
                records.contains(&crate::support_wal::end(number)),
                "the first checkpoint is complete"
            );
        }
        end
    }

    /// Damages synced bytes that a mark covers. `None` if there are none, or if this harm does not fit.
    fn damage(&mut self, harm: &Harm, at: usize) -> Option<()> {
        let marked = self.files.marked();
        let places: Vec<_> = self.files.places_below(marked).collect();
        let (number, offset) = *places.get(at.checked_rem(places.len())?)?;
        let sector = offset / SECTOR * SECTOR;
        let base = self.files.base(number);
        let room = usize::try_from(marked - base)
            .unwrap()
            .min(self.files.segments[&number].len());
        let numbers = self.files.numbers();
        let segments = &mut self.files.segments;
        let bytes = segments.get_mut(&number).unwrap();
        match harm {
            Harm::Flip => bytes[offset] ^= 1 << (at % 8),
            Harm::LoseSector => bytes[sector..room.min(sector + SECTOR)].fill(0),
            Harm::Misdirect(from) => {
                let from = from % room / SECTOR * SECTOR;
                let length = SECTOR.min(room - from).min(room - sector);
                bytes.copy_within(from..from + length, sector);
            }
            Harm::LoseSegment => drop(segments.remove(&number)),
            Harm::CopySegment(from) => {
                let from = numbers[from % numbers.len()];
                let copy = segments[&from].clone();
                segments.insert(number, copy);
            }
            Harm::OlderEnd(length) => {
                // A lost end of the last segment is noticed only if a mark kept elsewhere is above it.
                let known = self.files.known_synced.map_or(0, |mark| mark.position);
                let is_last = number == *numbers.last()?;
                let least = if is_last {
                    usize::try_from(known.checked_sub(base)?).unwrap()
                } else {
                    room
                };
                bytes.truncate(length % least.max(1));
            }
        }
        Some(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    /// In any schedule all synced records are kept, and no record is invented.
    #[test]
    fn crashes_lose_nothing_that_was_synced(
        limit in 200..3000_u64,
        actions in proptest::collection::vec(action(), 0..60),
    ) {
        let mut model = Model::new(limit);
        for action in &actions {
            model.act(action);
        }
        model.check();
    }

    /// Damage of synced bytes after any schedule is noticed, or changes no record.
    #[test]
    fn damage_is_seen_or_harmless(
        limit in 200..3000_u64,
        actions in proptest::collection::vec(action(), 1..40),
        harm in harm(),
        at in any::<usize>(),
    ) {
        let mut model = Model::new(limit);
        for action in &actions {
            model.act(action);
        }
        model.act(&Action::Sync);
        let before = model.files.kept().0;
        if model.damage(&harm, at).is_some() {
            match model.files.read() {
                Ok(LogState::Kept { records, .. }) => prop_assert_eq!(records, before),
                Ok(LogState::Damaged(damaged)) => {
                    let mut written = model.written.iter();
                    prop_assert!(damaged.salvaged.iter().all(|record| written.any(|other| other == record)));
                }
                Err(error) => prop_assert!(false, "{}", error),
            }
        }
    }
}
