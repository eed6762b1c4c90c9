//! What a replica has written, and whether the memory of its next life is that.

use kvpaxos::{Effect, Memory, Record, Replica, ReplicaId, Slot, Time};

use super::execution::Execution;
use crate::engine::{Misbehaviour, Observer};
use crate::hashing::key_of;
use crate::world::Watch;

/// How a life begins, compared with what was written before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Beginning {
    /// The replica is new.
    New,
    /// The recording begins here, and the replica has a past that is not recorded.
    Past,
    /// The recording begins in the middle of a life.
    Resumed,
    /// The replica goes on with what it wrote. So many records of its memory, from the first, were known to be
    /// durable; and so many that it wrote are lost.
    GoesOn {
        /// How many were known to be durable.
        known: usize,
        /// How many are lost.
        lost: usize,
    },
    /// Its disk has lost records that were known to be durable, and it does not know that.
    Damaged {
        /// How many of those that were known to be durable.
        lost: usize,
    },
    /// Its memory is lost, and it knows that.
    Lost,
    /// Its directory was formatted again: it claims to be new, and is not.
    FoundedAnew,
}

impl Beginning {
    /// Tells an audit how a life begins with this memory, after the execution of the one `before`. Returns with how many
    /// records; `None` if the memory is lost.
    pub(super) fn tell(
        self,
        audit: &mut Watch,
        now: Time,
        id: ReplicaId,
        memory: &Memory,
        before: Option<&Execution>,
    ) -> Option<usize> {
        let records = match memory {
            Memory::Kept(records) => records.as_slice(),
            Memory::Lost => &[],
        };
        let unwritten = before.map_or(0, Execution::undurable);
        match self {
            Beginning::New | Beginning::Resumed => {}
            Beginning::Past => {
                for record in records {
                    Observer::<Replica>::durable(audit, now, id, record);
                }
            }
            Beginning::GoesOn { known, lost } => {
                Observer::<Replica>::crashed(audit, now, id, Some(&records[known..]), lost);
            }
            Beginning::Damaged { .. } => {
                Observer::<Replica>::crashed(audit, now, id, Some(&[]), unwritten);
                let what = Misbehaviour::DamageUndetected;
                Observer::<Replica>::misbehaved(audit, now, id, what);
            }
            Beginning::Lost => {
                if before.is_some() {
                    Observer::<Replica>::crashed(audit, now, id, Some(&[]), unwritten);
                }
                return None;
            }
            Beginning::FoundedAnew => {
                Observer::<Replica>::crashed(audit, now, id, Some(&[]), unwritten);
                Observer::<Replica>::founded_anew(audit, now, id);
            }
        }
        Some(records.len())
    }
}

/// Tells an audit that a replica goes on from a checkpoint.
pub(super) fn tell_resumed(audit: &mut Watch, now: Time, id: ReplicaId, replica: &Replica) {
    audit
        .trace
        .line(now, || format!("{id} goes on from a checkpoint"));
    // With how many records it started is not known.
    let trace = std::mem::take(&mut audit.trace);
    audit.started(now, id, replica, Some(0));
    audit.trace = trace;
}

/// The records that a replica has written in all its lives, one after the other.
#[derive(Default)]
pub(super) struct Written {
    /// What each is recognized by.
    keys: Vec<u128>,
    /// Where checkpoints begin. The log may begin there.
    checkpoints: Vec<usize>,
    /// How many are known to be durable.
    durable: usize,
    /// The highest slot that any names.
    pub(super) highest: Slot,
    lives: usize,
    earlier: Earlier,
}

/// The records that the log has before those of the recording.
#[derive(Default)]
enum Earlier {
    /// There are none.
    #[default]
    Nothing,
    /// The recording begins in the middle of a life, and has not shown them.
    Unknown,
    /// A memory has shown them.
    Learned(Vec<Record>),
}

impl Written {
    /// A life begins. Returns `None` if its memory is not what was written before. What it shows of earlier records is learned.
    pub(super) fn begin(&mut self, memory: &Memory) -> Option<Beginning> {
        self.lives += 1;
        let records = match memory {
            Memory::Kept(records) => records.as_slice(),
            Memory::Lost => {
                self.replace(&[]);
                return Some(Beginning::Lost);
            }
        };
        let is_founded = matches!(records, [Record::Founded { .. }]);
        if self.lives == 1 {
            self.replace(records);
            return Some(match records {
                _ if is_founded => Beginning::New,
                _ if records.contains(&Record::DiskLost) => Beginning::Lost,
                _ => Beginning::Past,
            });
        }
        let keys: Vec<u128> = records.iter().map(key_of).collect();
        if self.place_of(&keys).is_none() {
            self.learn_beginning(records, &keys);
        }
        // A log that was set aside is followed by one that ends so. It may look like the beginning of an earlier one.
        let is_replaced = |end: usize| end < self.durable && records.last() == Some(&Record::DiskLost);
        let place = self
            .place_of(&keys)
            .filter(|from| !is_replaced(from + keys.len()));
        if let Some(from) = place {
            let end = from + keys.len();
            let known = self.durable.saturating_sub(from).min(keys.len());
            let lost = self.keys.len() - end;
            let forgotten = self.durable.saturating_sub(end);
            self.keys.truncate(end);
            self.checkpoints.retain(|place| *place < end);
            self.durable = end;
            return Some(match forgotten {
                0 => Beginning::GoesOn { known, lost },
                lost => Beginning::Damaged { lost },
            });
        }
        let beginning = if is_founded {
            Beginning::FoundedAnew
        } else if records.contains(&Record::DiskLost) {
            Beginning::Lost
        } else {
            return None;
        };
        self.replace(records);
        Some(beginning)
    }

    /// The recording begins in the middle of a life. What was durable then is this log, if that is known; these records were not.
    pub(super) fn resume<'a>(&mut self, log: Option<&[Record]>, undurable: impl Iterator<Item = &'a Record>) {
        self.lives += 1;
        self.replace(log.unwrap_or_default());
        if log.is_none() {
            self.earlier = Earlier::Unknown;
        }
        undurable.for_each(|record| self.add(record));
    }

    /// What was durable when the recording began in the middle of a life, if a memory has shown it.
    pub(super) fn learned(&self) -> Option<&[Record]> {
        match &self.earlier {
            Earlier::Learned(records) => Some(records),
            Earlier::Nothing | Earlier::Unknown => None,
        }
    }

    fn is_late(&self) -> bool {
        matches!(self.earlier, Earlier::Unknown)
    }

    /// A memory is found that may have records from before the recording. Returns whether it has, and then they are learned.
    fn learn_beginning(&mut self, records: &[Record], keys: &[u128]) -> bool {
        if !self.is_late() {
            return false;
        }
        let Some(unknown) = self.unknown_in(keys) else {
            return false;
        };
        let unknown = &records[..unknown];
        let known = std::mem::take(&mut self.keys);
        let checkpoints = std::mem::take(&mut self.checkpoints);
        let durable = self.durable;
        unknown.iter().for_each(|record| self.add(record));
        let before = self.keys.len();
        self.keys.extend(known);
        self.checkpoints
            .extend(checkpoints.into_iter().map(|place| place + before));
        self.durable = durable + before;
        self.earlier = Earlier::Learned(unknown.to_vec());
        true
    }

    /// How many records of a memory are from before the recording: the rest is the beginning of what is known, as much
    /// of it as can be. `None` if the memory lacks everything of it that was durable.
    fn unknown_in(&self, keys: &[u128]) -> Option<usize> {
        let rest = |from: &usize| self.keys.starts_with(&keys[*from..]);
        let from = (0..=keys.len()).find(rest)?;
        (from < keys.len() || self.durable == 0).then_some(from)
    }

    /// A role restarts. Returns whether its memory is what was written. What it shows of earlier records is learned.
    pub(super) fn restart(&mut self, memory: &Memory) -> bool {
        match memory {
            Memory::Lost => true,
            Memory::Kept(records) => {
                let keys: Vec<u128> = records.iter().map(key_of).collect();
                self.place_of(&keys).is_some() || self.learn_beginning(records, &keys)
            }
        }
    }

    /// Whether a memory that is not lost is what was written, as far as that is known.
    pub(super) fn holds(&self, memory: &Memory) -> bool {
        match memory {
            Memory::Lost => false,
            Memory::Kept(records) => {
                let keys: Vec<u128> = records.iter().map(key_of).collect();
                self.place_of(&keys).is_some()
            }
        }
    }

    /// Whether these records are the end of the log, but for the last `lost` durable ones, and for any that are not
    /// known to be durable.
    pub(super) fn ends_with(&self, records: &[Record], lost: usize) -> bool {
        let keys: Vec<u128> = records.iter().map(key_of).collect();
        let end = self.place_of(&keys).map(|from| from + keys.len());
        end.is_some_and(|end| self.durable.saturating_sub(end) == lost)
    }

    /// So many more records are known to be durable.
    pub(super) fn settle(&mut self, count: usize) {
        self.durable += count;
    }

    /// Where these records stand, if the log may begin there.
    fn place_of(&self, keys: &[u128]) -> Option<usize> {
        let first = (!self.is_late()).then_some(0);
        let starts = self.checkpoints.iter().rev().copied().chain(first);
        let mut starts = starts.filter(|from| self.keys[*from..].starts_with(keys));
        starts.next()
    }

    /// The log is another one, with these records.
    fn replace(&mut self, records: &[Record]) {
        self.keys.clear();
        self.checkpoints.clear();
        if self.is_late() {
            self.earlier = Earlier::Nothing;
        }
        for record in records {
            self.add(record);
        }
        self.durable = self.keys.len();
    }

    /// A record is written.
    pub(super) fn add(&mut self, record: &Record) {
        if let Record::Checkpoint(checkpoint) = record {
            self.checkpoints.push(self.keys.len());
            self.highest = self.highest.max(checkpoint.slot);
        }
        if let Record::Accepted { slot, .. } | Record::Learned { slot, .. } = record {
            self.highest = self.highest.max(*slot);
        }
        self.keys.push(key_of(record));
    }
}

impl Observer<Replica> for Written {
    fn stepped(&mut self, _: Time, _: ReplicaId, _: &Replica, effects: &[Effect]) {
        for effect in effects {
            if let Effect::Persist { records, .. } = effect {
                records.iter().for_each(|record| self.add(record));
            }
        }
    }

    fn durable(&mut self, _: Time, _: ReplicaId, _: &Record) {
        self.durable += 1;
    }
}
