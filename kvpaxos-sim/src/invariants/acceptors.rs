//! What each acceptor has written, and which part of it is durable (A1, A2, and what a promise must contain).

use kvpaxos::crash_vector::CrashVector;
use kvpaxos::message::Accepted;
use kvpaxos::{Ballot, Incarnation, Record, Slot};

use super::slots::slot_index;
use super::violation::{Breach, Property};

/// What the records of a replica say about its acceptor.
#[derive(Default)]
pub(super) struct Acceptor {
    /// The highest promised or accepted ballot in records that were handed to the disk.
    pub(super) promise_written: Ballot,
    /// The highest promised or accepted ballot in records that are durable.
    pub(super) promise_durable: Ballot,
    /// The highest ballot for which a promise left the replica.
    pub(super) promise_sent: Ballot,
    /// The highest ballot that the replica's own proposer has recorded durably.
    pub(super) proposed: Ballot,
    /// By slot, the ballot of the value that it accepted last, as far as that is durable.
    accepted: Vec<Option<Ballot>>,
    /// The incarnations of all acceptors that it has heard of, as far as that is durable.
    pub(super) vector_durable: CrashVector,
    /// The incarnations that it has handed to the disk, durable or not. Its votes must contain them.
    pub(super) vector_written: CrashVector,
    /// It lost its memory and has not completed its recovery.
    pub(super) memory_lost: bool,
    /// It lost its memory because it heard of a later incarnation of itself. Its role did not fail: what it said
    /// before, and what waits for the disk, still leaves.
    pub(super) outlived: bool,
    /// The loss is durable: a process that starts from this disk finds its memory lost.
    pub(super) loss_durable: bool,
    /// The number of the checkpoint that it wrote with its recovered memory. The end of any other checkpoint
    /// does not complete the recovery, since that checkpoint began before the loss.
    return_checkpoint: Option<u64>,
    /// The checkpoint of an earlier recovery whose end was not durable yet when memory was lost again. Once it is, the
    /// disk holds that recovered memory, and a crash may undo the later loss.
    overtaken_return: Option<u64>,
    /// The highest incarnation that it has announced to others.
    pub(super) incarnation_announced: Incarnation,
    /// The checkpoint whose beginning is durable and whose end is not.
    pending: Option<Pending>,
}

/// The state that a checkpoint and the records behind its beginning describe.
struct Pending {
    number: u64,
    promised: Ballot,
    vector: CrashVector,
    accepted: Vec<Option<Ballot>>,
    /// A record behind its beginning says that memory was lost.
    lost: bool,
}

impl Acceptor {
    /// A record is handed to the disk.
    ///
    /// # Errors
    /// A1 if it promises a ballot below an earlier promise, A2 if it accepts in one.
    pub(super) fn on_written(&mut self, record: &Record) -> Result<(), Breach> {
        let (ballot, property, what) = match record {
            Record::Promised { ballot } => (*ballot, Property::A1, "promises"),
            Record::Accepted { ballot, .. } => (*ballot, Property::A2, "accepts in"),
            // A1 holds within an incarnation: the promise from before the loss no longer binds it.
            Record::Checkpoint(checkpoint) if self.memory_lost => {
                self.return_checkpoint = Some(checkpoint.number);
                self.promise_written = checkpoint.promised;
                self.vector_written = checkpoint.vector.clone();
                return Ok(());
            }
            Record::Heard {
                acceptor,
                incarnation,
            } => {
                self.vector_written.raise(*acceptor, *incarnation);
                return Ok(());
            }
            _ => return Ok(()),
        };
        if ballot < self.promise_written {
            let written = self.promise_written;
            return Err(Breach {
                property,
                explanation: format!("{what} ballot {ballot} after it promised {written}"),
            });
        }
        self.promise_written = ballot;
        Ok(())
    }

    /// A record became durable. Returns whether it completes the acceptor's recovery.
    pub(super) fn on_durable(&mut self, record: &Record) -> bool {
        match record {
            Record::Promised { ballot } => {
                self.promise_durable = self.promise_durable.max(*ballot);
                if let Some(pending) = &mut self.pending {
                    pending.promised = pending.promised.max(*ballot);
                }
            }
            Record::Accepted { ballot, slot, .. } => {
                self.promise_durable = self.promise_durable.max(*ballot);
                note(&mut self.accepted, *slot, *ballot);
                if let Some(pending) = &mut self.pending {
                    pending.promised = pending.promised.max(*ballot);
                    note(&mut pending.accepted, *slot, *ballot);
                }
            }
            Record::Heard {
                acceptor,
                incarnation,
            } => {
                self.vector_durable.raise(*acceptor, *incarnation);
                if let Some(pending) = &mut self.pending {
                    pending.vector.raise(*acceptor, *incarnation);
                }
            }
            Record::MemoryLost | Record::DiskLost => {
                self.loss_durable = true;
                if let Some(pending) = &mut self.pending {
                    pending.lost = true;
                }
            }
            Record::Proposed { ballot } => self.proposed = self.proposed.max(*ballot),
            Record::Checkpoint(checkpoint) => {
                self.pending = Some(Pending {
                    number: checkpoint.number,
                    promised: checkpoint.promised,
                    vector: checkpoint.vector.clone(),
                    accepted: Vec::new(),
                    lost: false,
                });
            }
            Record::Carried(entry) => {
                if let Some(pending) = &mut self.pending {
                    note(&mut pending.accepted, entry.slot, entry.ballot);
                }
            }
            Record::CheckpointEnd { number } => {
                if let Some(ended) = self.pending.take_if(|pending| pending.number == *number) {
                    self.loss_durable = ended.lost;
                    return self.end_recovery(ended);
                }
            }
            Record::Chosen { .. }
            | Record::Learned { .. }
            | Record::Received(_)
            | Record::Founded { .. }
            | Record::Met { .. }
            | Record::SnapshotPart { .. } => {}
        }
        false
    }

    /// A checkpoint is complete. If the acceptor wrote it with recovered memory, that is what the disk holds now; and
    /// the recovery is complete, unless memory was lost again meanwhile. Returns whether it is.
    fn end_recovery(&mut self, pending: Pending) -> bool {
        let number = Some(pending.number);
        let is_overtaken = self.overtaken_return == number;
        if !self.memory_lost || !(is_overtaken || self.return_checkpoint == number) {
            return false;
        }
        *self = Acceptor {
            promise_written: pending.promised,
            promise_durable: pending.promised,
            proposed: self.proposed,
            accepted: pending.accepted,
            vector_durable: pending.vector,
            vector_written: std::mem::take(&mut self.vector_written),
            incarnation_announced: self.incarnation_announced,
            memory_lost: is_overtaken,
            outlived: is_overtaken && self.outlived,
            loss_durable: pending.lost,
            ..Acceptor::default()
        };
        !is_overtaken
    }

    /// The process crashed, and every record that survived has been reported as durable. From now on the disk
    /// decides. A loss of memory whose record did not become durable is undone: no one has heard of it, and
    /// the log holds everything that was revealed.
    pub(super) fn crashed(&mut self) {
        self.pending = None;
        self.return_checkpoint = None;
        self.overtaken_return = None;
        self.memory_lost = self.loss_durable;
        self.outlived = false;
        self.promise_written = self.promise_durable;
        self.vector_written = self.vector_durable.clone();
    }

    /// It lost its memory. The record of the loss is not durable yet.
    pub(super) fn lost(&mut self) {
        self.memory_lost = true;
        self.outlived = false;
        self.overtaken_return = self.return_checkpoint.take().or(self.overtaken_return);
    }

    /// It heard of a later incarnation of itself.
    pub(super) fn outlived(&mut self) {
        self.lost();
        self.outlived = true;
    }

    /// It lost its memory, and nothing that it said before is on its way to the disk: a message that leaves now
    /// was made without memory.
    pub(super) fn speaks_without_memory(&self) -> bool {
        self.memory_lost && !self.outlived
    }

    /// Its disk was replaced by an empty one, and it knows that.
    pub(super) fn wiped(&mut self) {
        *self = Acceptor {
            memory_lost: true,
            loss_durable: true,
            incarnation_announced: self.incarnation_announced,
            ..Acceptor::default()
        };
    }

    /// Whether a vote for the slot in this ballot, or a higher one, is durable.
    pub(super) fn has_accepted(&self, ballot: Ballot, slot: Slot) -> bool {
        self.at(slot) >= Some(ballot)
    }

    fn at(&self, slot: Slot) -> Option<Ballot> {
        self.accepted.get(slot_index(slot)).copied().flatten()
    }

    /// The first slot whose durable value a promise of `ballot` for the slots `from..more` should contain and
    /// does not.
    ///
    /// Values accepted in `ballot` or a higher ballot came after the promise and need not be in it.
    pub(super) fn left_out(
        &self,
        ballot: Ballot,
        from: Slot,
        more: Option<Slot>,
        entries: &[Accepted],
    ) -> Option<Slot> {
        let first = slot_index(from);
        let end = more.map_or(self.accepted.len(), slot_index);
        let mut entries = entries.iter().peekable();
        for index in first..end.min(self.accepted.len()) {
            let Some(accepted) = self.accepted[index].filter(|accepted| *accepted < ballot) else {
                continue;
            };
            let slot = Slot(index as u64);
            while entries.next_if(|entry| entry.slot < slot).is_some() {}
            let entry = entries.peek();
            if !entry.is_some_and(|entry| entry.slot == slot && entry.ballot == accepted) {
                return Some(slot);
            }
        }
        None
    }
}

/// Notes that the acceptor accepted a value for the slot in this ballot.
fn note(accepted: &mut Vec<Option<Ballot>>, slot: Slot, ballot: Ballot) {
    let index = slot_index(slot);
    if accepted.len() <= index {
        accepted.resize(index + 1, None);
    }
    let last = &mut accepted[index];
    *last = (*last).max(Some(ballot));
}

#[cfg(test)]
mod tests {

    use kvpaxos::io::Checkpoint;
    use kvpaxos::{ReplicaId, ReplicaSet};

    use super::*;

    const OWN: ReplicaId = ReplicaId(1);

    fn checkpoint(number: u64, incarnation: u32) -> Record {
        Record::Checkpoint(Box::new(Checkpoint {
            number,
            vector: CrashVector::from_iter([(OWN, Incarnation(incarnation))]),
            members: ReplicaSet::first(3),
            ..Checkpoint::default()
        }))
    }

    fn write(acceptor: &mut Acceptor, record: &Record) -> bool {
        acceptor.on_written(record).unwrap();
        acceptor.on_durable(record)
    }

    /// Found with seeds 7001736, 7006209 and 7008221. An acceptor loses its memory while a checkpoint is on
    /// its way to a slow disk. The end of that checkpoint becomes durable before the record of the loss, and
    /// does not complete the recovery. The checkpoint that the acceptor writes after its recovery does.
    #[test]
    fn a_checkpoint_from_before_the_loss_does_not_complete_the_recovery() {
        let mut acceptor = Acceptor::default();
        write(&mut acceptor, &checkpoint(1, 0));
        acceptor.lost();
        assert!(!write(&mut acceptor, &Record::CheckpointEnd { number: 1 }));
        write(&mut acceptor, &Record::MemoryLost);
        assert!(acceptor.memory_lost && acceptor.loss_durable);
        write(&mut acceptor, &checkpoint(2, 1));
        assert!(write(&mut acceptor, &Record::CheckpointEnd { number: 2 }));
        assert!(!acceptor.memory_lost && !acceptor.loss_durable);
        assert_eq!(acceptor.vector_durable.get(OWN), Incarnation(1));
    }

    /// Found with seeds 339654463814 and 339654465066. An acceptor has recovered, and loses its memory again before the end
    /// of its checkpoint is durable. The end becomes durable, the record of the second loss does not, and
    /// the process crashes: it starts with the memory that was recovered.
    #[test]
    fn a_crash_undoes_a_loss_after_a_recovery_that_became_durable() {
        let mut acceptor = Acceptor::default();
        acceptor.lost();
        write(&mut acceptor, &Record::MemoryLost);
        write(&mut acceptor, &checkpoint(1, 4));
        acceptor.lost();
        assert!(!write(&mut acceptor, &Record::CheckpointEnd { number: 1 }));
        assert!(acceptor.memory_lost && !acceptor.loss_durable);
        acceptor.crashed();
        assert!(!acceptor.memory_lost);
        assert_eq!(acceptor.vector_durable.get(OWN), Incarnation(4));
        assert_eq!(acceptor.vector_written.get(OWN), Incarnation(4));
    }

    /// As before, but the record of the second loss becomes durable: the loss stands.
    #[test]
    fn a_durable_loss_after_a_recovery_stands() {
        let mut acceptor = Acceptor::default();
        acceptor.lost();
        write(&mut acceptor, &Record::MemoryLost);
        write(&mut acceptor, &checkpoint(1, 4));
        acceptor.lost();
        write(&mut acceptor, &Record::CheckpointEnd { number: 1 });
        write(&mut acceptor, &Record::MemoryLost);
        acceptor.crashed();
        assert!(acceptor.memory_lost);
    }

    /// If the record of a loss did not become durable, the log that is read back is whole and no one has
    /// heard of the loss. A loss that was durable before stays one.
    #[test]
    fn a_crash_undoes_a_loss_that_is_not_durable() {
        let mut acceptor = Acceptor::default();
        acceptor.lost();
        acceptor.crashed();
        assert!(!acceptor.memory_lost);

        acceptor.lost();
        write(&mut acceptor, &Record::MemoryLost);
        acceptor.lost();
        acceptor.crashed();
        assert!(acceptor.memory_lost);
    }
}
