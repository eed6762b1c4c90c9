//! The disk of a replica: a log of records, whose last records may not be synced yet.

use std::collections::{BTreeSet, VecDeque};

use kvpaxos::{Ballot, Envelope, Record, Role, Slot};

/// A log that is synced write by write.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    /// Whether every write is synced at once.
    pub(crate) auto: bool,
    records: Vec<Record>,
    on_the_way: VecDeque<Write>,
    durable: Durable,
    /// This disk replaces a lost one, and no durable record says so yet.
    replaced: bool,
}

/// A `Persist` that is not synced yet.
#[derive(Clone, Debug)]
struct Write {
    role: Role,
    records: Vec<Record>,
    then: Vec<Envelope>,
    /// The role has failed since: the records may still reach the disk, but `then` is not sent.
    void: bool,
}

/// A summary of the synced records, for quick checks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Durable {
    pub(crate) promised: Ballot,
    pub(crate) accepted: BTreeSet<(Ballot, Slot)>,
    pub(crate) proposed: BTreeSet<Ballot>,
    pub(crate) memory_lost: bool,
    /// The number of a checkpoint without its end, and a summary of the records since it began. It becomes
    /// the whole summary when the checkpoint ends.
    pending: Option<(u64, Box<Durable>)>,
}

impl Durable {
    fn keep(&mut self, record: &Record) {
        if let Some((_, pending)) = &mut self.pending {
            pending.keep(record);
        }
        match record {
            Record::Proposed { ballot } => {
                self.proposed.insert(*ballot);
            }
            Record::Promised { ballot } => self.promised = self.promised.max(*ballot),
            Record::Accepted { ballot, slot, .. } => {
                self.promised = self.promised.max(*ballot);
                self.accepted.insert((*ballot, *slot));
            }
            Record::Carried(entry) => {
                self.accepted.insert((entry.ballot, entry.slot));
            }
            Record::MemoryLost | Record::DiskLost => self.memory_lost = true,
            Record::Checkpoint(checkpoint) => {
                let pending = Durable {
                    promised: checkpoint.promised,
                    proposed: self.proposed.clone(),
                    ..Durable::default()
                };
                self.pending = Some((checkpoint.number, Box::new(pending)));
            }
            Record::CheckpointEnd { number } => {
                let ended = self.pending.take_if(|(pending, _)| pending == number);
                if let Some((_, sum)) = ended {
                    *self = *sum;
                }
            }
            Record::Chosen { .. }
            | Record::Learned { .. }
            | Record::Heard { .. }
            | Record::Received(_)
            | Record::Founded { .. }
            | Record::Met { .. }
            | Record::SnapshotPart { .. } => {}
        }
    }
}

impl Disk {
    pub(crate) fn new(auto: bool) -> Disk {
        Disk {
            auto,
            ..Disk::default()
        }
    }

    pub(crate) fn records(&self) -> &[Record] {
        &self.records
    }

    pub(crate) fn durable(&self) -> &Durable {
        &self.durable
    }

    /// The number of unsynced records.
    pub(crate) fn unsynced(&self) -> usize {
        self.on_the_way.iter().map(|write| write.records.len()).sum()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.on_the_way.is_empty()
    }

    pub(crate) fn write(&mut self, role: Role, records: Vec<Record>, then: Vec<Envelope>) {
        self.on_the_way.push_back(Write {
            role,
            records,
            then,
            void: false,
        });
    }

    /// Syncs the oldest write. Returns the messages that now leave.
    pub(crate) fn sync_one(&mut self) -> Option<Vec<Envelope>> {
        let write = self.on_the_way.pop_front()?;
        write.records.iter().for_each(|record| self.keep(record));
        Some(if write.void { Vec::new() } else { write.then })
    }

    /// A role fails: the messages that wait for its writes are void. Returns them.
    pub(crate) fn fail(&mut self, role: Role) -> Vec<Envelope> {
        let mut voided = Vec::new();
        for write in self.on_the_way.iter_mut().filter(|write| write.role == role) {
            write.void = true;
            voided.append(&mut write.then);
        }
        voided
    }

    /// The last writes of the log may fail to reach the disk if their roles have failed. Removes up to
    /// `count` such writes.
    pub(crate) fn lose_void(&mut self, count: usize) {
        for _ in 0..count {
            if self.on_the_way.back().is_none_or(|write| !write.void) {
                return;
            }
            self.on_the_way.pop_back();
        }
    }

    /// The replica stops. The first `keep` unsynced records reach the disk.
    pub(crate) fn crash(&mut self, keep: usize) {
        let records: Vec<Record> = self
            .on_the_way
            .drain(..)
            .flat_map(|write| write.records)
            .take(keep)
            .collect();
        records.iter().for_each(|record| self.keep(record));
    }

    /// Whether the disk replaces a lost one without a record of the loss. It must not be taken for the disk
    /// of a new replica.
    pub(crate) fn is_unmarked(&self) -> bool {
        self.replaced
    }

    /// Replaces the disk by a new, empty one.
    pub(crate) fn wipe(&mut self) {
        *self = Disk::new(self.auto);
        self.replaced = true;
    }

    fn keep(&mut self, record: &Record) {
        self.durable.keep(record);
        // The log now has a record of the loss, or a complete checkpoint of the recovered memory.
        self.replaced &= !self.durable.memory_lost;
        self.records.push(record.clone());
    }
}
