//! A replica's disk: one log of records, of which a suffix may not be synced yet.

use std::collections::{BTreeSet, VecDeque};

use kvpaxos::{Ballot, Envelope, Record, Role, Slot};

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    /// Whether every write is synced at once.
    pub(crate) auto: bool,
    records: Vec<Record>,
    on_the_way: VecDeque<Write>,
    durable: Durable,
    /// It replaces a disk that was lost.
    replaced: bool,
}

/// A `Persist` that is not synced.
#[derive(Clone, Debug)]
struct Write {
    role: Role,
    records: Vec<Record>,
    then: Vec<Envelope>,
    /// The role's life has ended: the records may still arrive, what waits for them will not leave.
    void: bool,
}

/// What the synced records promise, in a form that is quick to ask.
#[derive(Clone, Debug, Default)]
pub(crate) struct Durable {
    pub(crate) promised: Ballot,
    pub(crate) accepted: BTreeSet<(Ballot, Slot)>,
    pub(crate) proposed: BTreeSet<Ballot>,
    pub(crate) memory_lost: bool,
    /// What the records since a checkpoint began promise, which counts from its end on.
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

    /// How many records are on their way.
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

    /// Syncs the oldest write. Returns what leaves by that.
    pub(crate) fn sync_one(&mut self) -> Option<Vec<Envelope>> {
        let write = self.on_the_way.pop_front()?;
        write.records.iter().for_each(|record| self.keep(record));
        Some(if write.void { Vec::new() } else { write.then })
    }

    /// A role fails: what waits for its writes is void. Returns what will not leave.
    pub(crate) fn fail(&mut self, role: Role) -> Vec<Envelope> {
        let mut voided = Vec::new();
        for write in self.on_the_way.iter_mut().filter(|write| write.role == role) {
            write.void = true;
            voided.append(&mut write.then);
        }
        voided
    }

    /// Writes of ended lives at the end of the log may never arrive: takes out up to `count`, all of them void.
    pub(crate) fn lose_void(&mut self, count: usize) {
        for _ in 0..count {
            if self.on_the_way.back().is_none_or(|write| !write.void) {
                return;
            }
            self.on_the_way.pop_back();
        }
    }

    /// The replica stops. Of what was not synced, the first `keep` records are there all the same.
    pub(crate) fn crash(&mut self, keep: usize) {
        let records: Vec<Record> = self
            .on_the_way
            .drain(..)
            .flat_map(|write| write.records)
            .take(keep)
            .collect();
        records.iter().for_each(|record| self.keep(record));
    }

    /// It replaces a lost disk, and does not say so yet: it must not be taken for that of a new replica.
    pub(crate) fn is_unmarked(&self) -> bool {
        self.replaced
    }

    /// A new, empty disk.
    pub(crate) fn wipe(&mut self) {
        *self = Disk::new(self.auto);
        self.replaced = true;
    }

    fn keep(&mut self, record: &Record) {
        self.durable.keep(record);
        // Once it says so itself, or holds what was got back since, it speaks for itself.
        self.replaced &= !self.durable.memory_lost;
        self.records.push(record.clone());
    }
}
