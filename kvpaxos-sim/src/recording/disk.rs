//! The disk of a replica of a script: what it has written, and what a restart finds of it.

use kvpaxos::{Effect, Memory, Record};

use super::memory::{Beginning, Written};

/// What a replica has written.
#[derive(Default)]
pub(super) struct Disk {
    written: Written,
    /// The log, from its last start on, or as far as it is known.
    records: Vec<Record>,
    /// It has records before these that are not known. [`Written`] may lack even earlier ones: once a start has shown a
    /// log that begins with a later checkpoint, what was before that is gone, and this log is known.
    is_late: bool,
    /// How many of them are known to be durable.
    durable: usize,
}

impl Disk {
    /// The log.
    pub(super) fn records(&self) -> &[Record] {
        &self.records
    }

    /// What is durable, if everything of that is known.
    pub(super) fn durable(&self) -> Option<&[Record]> {
        self.is_known().then(|| &self.records[..self.durable])
    }

    /// Whether everything is known that is on the disk.
    pub(super) fn is_known(&self) -> bool {
        !self.is_late
    }

    /// A replica goes on from a checkpoint. The `log` was durable then, if it is known, and these records were not.
    pub(super) fn resume(&mut self, log: Option<&[Record]>, undurable: &[Record]) {
        self.written.resume(log, undurable.iter());
        self.is_late = log.is_none();
        self.records = log.unwrap_or_default().to_vec();
        self.durable = self.records.len();
        self.records.extend_from_slice(undurable);
    }

    /// A process starts. Returns how, and with what memory: the one that was recorded if that is still what a start can
    /// find, else what it would have found in its place. `None` if there is no such, or nobody knows what that is.
    pub(super) fn start(&mut self, beginning: Beginning, memory: &Memory) -> Option<(Beginning, Memory)> {
        let found = match (beginning, memory) {
            (Beginning::GoesOn { known, .. }, Memory::Kept(records)) => {
                let end = self.durable + records.len().saturating_sub(known);
                self.found(records, 0, end.min(self.records.len()))?
            }
            (Beginning::Damaged { lost }, Memory::Kept(records)) => {
                // The first record says who the replica is.
                let lost = lost.min(self.durable.saturating_sub(1));
                if lost == 0 {
                    return None;
                }
                self.found(records, lost, self.durable - lost)?
            }
            _ => memory.clone(),
        };
        let beginning = self.written.begin(&found)?;
        self.records = match &found {
            Memory::Kept(records) => records.clone(),
            Memory::Lost => Vec::new(),
        };
        self.is_late = false;
        self.durable = self.records.len();
        Some((beginning, found))
    }

    /// These records, if the log ends with them but for so many durable ones that are lost; else its beginning up to `end`, if that
    /// is known.
    fn found(&self, records: &[Record], lost: usize, end: usize) -> Option<Memory> {
        if self.written.ends_with(records, lost) {
            return Some(Memory::Kept(records.to_vec()));
        }
        self.is_known()
            .then(|| Memory::Kept(self.records[..end].to_vec()))
    }

    /// The memory with which a role restarts that failed when the log had `failed` records: the recorded one, if that is
    /// what stands on the disk. `None` if not everything is durable that was written before it failed, or nobody knows what is.
    pub(super) fn restart(&self, memory: &Memory, failed: usize) -> Option<Memory> {
        if *memory == Memory::Lost {
            return Some(Memory::Lost);
        }
        if self.durable < failed {
            return None;
        }
        if self.written.holds(memory) {
            return Some(memory.clone());
        }
        self.is_known()
            .then(|| Memory::Kept(self.records[..self.durable].to_vec()))
    }

    /// The replica has stepped: it may have written.
    pub(super) fn stepped(&mut self, effects: &[Effect]) {
        for effect in effects {
            if let Effect::Persist { records, .. } = effect {
                records.iter().for_each(|record| self.written.add(record));
                self.records.extend_from_slice(records);
            }
        }
    }

    /// So many records are not durable.
    pub(super) fn settle(&mut self, undurable: usize) {
        let durable = self.records.len() - undurable;
        self.written.settle(durable - self.durable);
        self.durable = durable;
    }
}
