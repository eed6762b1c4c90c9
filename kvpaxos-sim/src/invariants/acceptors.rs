//! What every acceptor wrote down, and what of it is durable (A1 to A4, and what a Promise must tell).

use kvpaxos::crash_vector::CrashVector;
use kvpaxos::message::Accepted;
use kvpaxos::{Ballot, Incarnation, Record, Slot};

/// What is known of one acceptor from the records of its replica.
#[derive(Default)]
pub(super) struct Acceptor {
    /// The highest ballot in records handed to the disk.
    pub(super) written: Ballot,
    /// The highest ballot in records that are durable.
    pub(super) durable: Ballot,
    /// The highest ballot that it told anybody it promised.
    pub(super) told: Ballot,
    /// The highest ballot that the replica's own proposer has durably recorded.
    pub(super) proposed: Ballot,
    /// Per slot, the ballot of the value it durably accepted last.
    accepted: Vec<Option<Ballot>>,
    /// Which lives of acceptors it durably knows to have begun.
    pub(super) vector: CrashVector,
    /// The same of what is on its way to the disk too: what it says from now on must show it.
    pub(super) heard: CrashVector,
    /// It lost its memory, and has not got back what counts.
    pub(super) out: bool,
    /// Its disk says so: a process that starts finds its memory lost.
    pub(super) marked: bool,
    /// The checkpoint that it wrote with the memory that it got back. Another one began before the loss, and gives nothing back.
    returning: Option<u64>,
    /// The highest incarnation that it has announced.
    pub(super) announced: Incarnation,
    /// The checkpoint that has begun and not ended, as far as it is durable.
    pending: Option<Pending>,
}

/// What a checkpoint and the records after its beginning come to.
struct Pending {
    number: u64,
    promised: Ballot,
    vector: CrashVector,
    accepted: Vec<Option<Ballot>>,
    /// A mark of lost memory stands behind its beginning.
    lost: bool,
}

impl Acceptor {
    /// A record is handed to the disk. Tells of one that breaks A1 (`true`) or A2 (`false`).
    pub(super) fn write(&mut self, record: &Record) -> Result<(), (bool, String)> {
        let (ballot, promise) = match record {
            Record::Promised { ballot } => (*ballot, true),
            Record::Accepted { ballot, .. } => (*ballot, false),
            // Its promise before it lost its memory is no longer its own (A1 holds within an incarnation).
            Record::Checkpoint(checkpoint) if self.out => {
                self.returning = Some(checkpoint.number);
                self.written = checkpoint.promised;
                self.heard = checkpoint.vector.clone();
                return Ok(());
            }
            Record::Heard {
                acceptor,
                incarnation,
            } => {
                self.heard.raise(*acceptor, *incarnation);
                return Ok(());
            }
            _ => return Ok(()),
        };
        if ballot < self.written {
            let what = if promise { "promises" } else { "accepts in" };
            let written = self.written;
            return Err((
                promise,
                format!("{what} ballot {ballot} after it promised {written}"),
            ));
        }
        self.written = ballot;
        Ok(())
    }

    /// A record became durable. Tells whether the acceptor has got back its memory by it.
    pub(super) fn durable(&mut self, record: &Record) -> bool {
        match record {
            Record::Promised { ballot } => {
                self.durable = self.durable.max(*ballot);
                if let Some(pending) = &mut self.pending {
                    pending.promised = pending.promised.max(*ballot);
                }
            }
            Record::Accepted { ballot, slot, .. } => {
                self.durable = self.durable.max(*ballot);
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
                self.vector.raise(*acceptor, *incarnation);
                if let Some(pending) = &mut self.pending {
                    pending.vector.raise(*acceptor, *incarnation);
                }
            }
            Record::MemoryLost | Record::DiskLost => {
                self.marked = true;
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
                    self.marked = ended.lost;
                    return self.returns(ended);
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

    /// A checkpoint is complete. If the acceptor wrote it with the memory that it got back, what stands in it is its memory from now on.
    fn returns(&mut self, pending: Pending) -> bool {
        if !self.out || self.returning != Some(pending.number) {
            return false;
        }
        *self = Acceptor {
            written: pending.promised,
            durable: pending.promised,
            proposed: self.proposed,
            accepted: pending.accepted,
            vector: pending.vector,
            heard: std::mem::take(&mut self.heard),
            announced: self.announced,
            ..Acceptor::default()
        };
        true
    }

    /// The process is gone, and what survived has been noted as durable. What counts from now on is what the disk says: a loss of which
    /// the mark did not become durable did not happen, for nobody has heard of it and the log holds all that was revealed.
    pub(super) fn crashed(&mut self) {
        self.pending = None;
        self.returning = None;
        self.out = self.marked;
        self.written = self.durable;
        self.heard = self.vector.clone();
    }

    /// It lost its memory. Its mark of that is on its way to the disk.
    pub(super) fn lost(&mut self) {
        self.out = true;
        self.returning = None;
    }

    /// The disk is empty now, and is known to replace one that was lost.
    pub(super) fn wiped(&mut self) {
        *self = Acceptor {
            out: true,
            marked: true,
            announced: self.announced,
            ..Acceptor::default()
        };
    }

    /// Whether the acceptor durably accepted something at the slot in this ballot or a later one.
    pub(super) fn has_accepted(&self, ballot: Ballot, slot: Slot) -> bool {
        self.at(slot) >= Some(ballot)
    }

    fn at(&self, slot: Slot) -> Option<Ballot> {
        let index = usize::try_from(slot.0).ok()?;
        self.accepted.get(index).copied().flatten()
    }

    /// The first slot in what a Promise of `ballot` covers whose durable value the Promise leaves out.
    ///
    /// What was accepted in `ballot` itself or later came after the promise and need not be in it.
    pub(super) fn left_out(
        &self,
        ballot: Ballot,
        from: Slot,
        more: Option<Slot>,
        told: &[Accepted],
    ) -> Option<Slot> {
        let first = usize::try_from(from.0).unwrap_or(usize::MAX);
        let end = more.map_or(self.accepted.len(), |more| {
            usize::try_from(more.0).unwrap_or(usize::MAX)
        });
        let mut told = told.iter().peekable();
        for index in first..end.min(self.accepted.len()) {
            let Some(accepted) = self.accepted[index].filter(|accepted| *accepted < ballot) else {
                continue;
            };
            let slot = Slot(index as u64);
            while told.next_if(|entry| entry.slot < slot).is_some() {}
            let entry = told.peek();
            if !entry.is_some_and(|entry| entry.slot == slot && entry.ballot == accepted) {
                return Some(slot);
            }
        }
        None
    }
}

/// The acceptor accepted something for the slot in this ballot.
fn note(accepted: &mut Vec<Option<Ballot>>, slot: Slot, ballot: Ballot) {
    let index = usize::try_from(slot.0).unwrap_or(0);
    if accepted.len() <= index {
        accepted.resize(index + 1, None);
    }
    let last = &mut accepted[index];
    *last = (*last).max(Some(ballot));
}

#[cfg(test)]
mod tests {
    use kvpaxos::founding::Met;
    use kvpaxos::io::Checkpoint;
    use kvpaxos::{ReplicaId, ReplicaSet};

    use super::*;

    const OWN: ReplicaId = ReplicaId(1);

    fn checkpoint(number: u64, incarnation: u32) -> Record {
        Record::Checkpoint(Box::new(Checkpoint {
            number,
            slot: Slot::ZERO,
            digest: 0,
            cut: Slot::ZERO,
            promised: Ballot::ZERO,
            vector: CrashVector::from_iter([(OWN, Incarnation(incarnation))]),
            proposed: Ballot::ZERO,
            members: ReplicaSet::first(3),
            founding: None,
            met: Met::default(),
        }))
    }

    fn write(acceptor: &mut Acceptor, record: &Record) -> bool {
        acceptor.write(record).unwrap();
        acceptor.durable(record)
    }

    /// Of seeds 7001736, 7006209 and 7008221. A checkpoint is on its way to a slow disk when its acceptor loses its memory. Its end becomes
    /// durable before the mark of the loss: that gives nothing back. The checkpoint that the acceptor writes afterwards does.
    #[test]
    fn a_checkpoint_from_before_the_loss_gives_nothing_back() {
        let mut acceptor = Acceptor::default();
        write(&mut acceptor, &checkpoint(1, 0));
        acceptor.lost();
        assert!(!write(&mut acceptor, &Record::CheckpointEnd { number: 1 }));
        write(&mut acceptor, &Record::MemoryLost);
        assert!(acceptor.out && acceptor.marked);
        write(&mut acceptor, &checkpoint(2, 1));
        assert!(write(&mut acceptor, &Record::CheckpointEnd { number: 2 }));
        assert!(!acceptor.out && !acceptor.marked);
        assert_eq!(acceptor.vector.get(OWN), Incarnation(1));
    }

    /// The mark of a loss did not become durable: the log that is read back is whole, and nobody has heard of the loss. Where an earlier mark
    /// stands, the memory is as lost as it was.
    #[test]
    fn a_loss_without_a_mark_is_undone_by_a_crash() {
        let mut acceptor = Acceptor::default();
        acceptor.lost();
        acceptor.crashed();
        assert!(!acceptor.out);

        acceptor.lost();
        write(&mut acceptor, &Record::MemoryLost);
        acceptor.lost();
        acceptor.crashed();
        assert!(acceptor.out);
    }
}
