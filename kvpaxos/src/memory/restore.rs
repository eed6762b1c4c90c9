//! The sum of a log's records, for roles that restart with their memory.

use std::collections::BTreeMap;

use crate::command::Value;
use crate::config::Limits;
use crate::crash_vector::CrashVector;
use crate::founding::KnownFoundings;
use crate::io::{Checkpoint, Record};
use crate::message::SnapshotPart;
use crate::roles::acceptor::{AcceptedValues, Acceptor};
use crate::roles::chosen_log::ChosenLog;
use crate::state::snapshot::{Builder, Cursor, Snapshot};
use crate::types::{Ballot, Founding, Incarnation, Life, ReplicaId, Slot};

/// The sum of a log's records.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct LogSummary {
    /// The highest ballot promised.
    pub(crate) promised: Ballot,
    /// The highest known incarnation of each acceptor.
    pub(crate) vector: CrashVector,
    /// Every slot below is chosen, and what was accepted there is dropped.
    pub(crate) cut: Slot,
    /// The last value accepted for each slot from the cut on.
    pub(crate) accepted: AcceptedValues,
    /// The snapshot at which the log was cut, if it was.
    pub(crate) snapshot: Option<Snapshot>,
    /// The chosen values since the snapshot.
    pub(crate) chosen: ChosenLog,
    /// Chosen values of later slots: those of a checkpoint come after newer records.
    ahead: BTreeMap<Slot, Value>,
    /// The highest ballot that the proposer used.
    pub(crate) proposed: Ballot,
    /// Whether the acceptor lost its memory and has not recovered.
    pub(crate) memory_lost: bool,
    /// Whether ballots that the proposer used may be missing, so that its next life is not known.
    pub(crate) ballots_lost: bool,
    /// The highest number of a checkpoint.
    pub(crate) checkpoints: u64,
    /// The founding of the replica, unless it has lost its disk since.
    pub(crate) founding: Option<Founding>,
    /// The known foundings of other replicas.
    pub(crate) met: KnownFoundings,
    /// The received parts of another replica's snapshot.
    pub(crate) incoming: Option<Builder>,
}

/// A checkpoint whose end is not read yet.
struct UnfinishedCheckpoint {
    /// The sum of the log if the end follows: the checkpoint, and all records since it began.
    sum: LogSummary,
    /// Builds its snapshot, if that is not held already.
    builder: Option<Builder>,
    /// Its parts do not make up its snapshot: only a disk that returns wrong records causes that.
    broken: bool,
}

impl LogSummary {
    /// The sum of these records. Those before the last complete checkpoint are replaced by it, and are not read.
    ///
    /// The snapshot of that checkpoint is not built if `held` has it. A snapshot in memory is the one of the checkpoint if
    /// slot and digest are the same, which is what its parts are checked against as well.
    pub(crate) fn new(records: &[Record], limits: &Limits, held: &[Snapshot]) -> LogSummary {
        let (mut sum, rest) = match last_complete(records) {
            Some((checkpoint, until_end, rest)) => {
                let mut unfinished = UnfinishedCheckpoint::new(checkpoint, limits, held);
                until_end.iter().for_each(|record| unfinished.add(record, limits));
                (unfinished.finish(), rest)
            }
            None => (LogSummary::default(), records),
        };
        rest.iter().for_each(|record| sum.add(record, limits));
        sum.checkpoints = records.iter().filter_map(checkpoint_number).max().unwrap_or(0);
        sum
    }

    fn add(&mut self, record: &Record, limits: &Limits) {
        match record {
            Record::Proposed { ballot } => self.proposed = self.proposed.max(*ballot),
            Record::Promised { ballot } => self.promised = self.promised.max(*ballot),
            Record::Accepted { ballot, slot, value } => {
                self.promised = self.promised.max(*ballot);
                self.accepted.insert(*slot, (*ballot, value.clone()));
            }
            Record::Chosen { ballot, up_to } => self.add_chosen(*ballot, *up_to),
            Record::Learned { slot, value } => self.add_learned(*slot, value),
            Record::MemoryLost => self.memory_lost = true,
            Record::DiskLost => {
                self.memory_lost = true;
                self.ballots_lost = true;
                self.founding = None;
            }
            Record::Heard {
                acceptor,
                incarnation,
            } => _ = self.vector.raise(*acceptor, *incarnation),
            Record::Received(part) => self.add_received(part, limits),
            Record::Founded { founding } => self.founding = Some(*founding),
            Record::Met { replica, known } => _ = self.met.note(*replica, *known),
            Record::Checkpoint(_)
            | Record::Carried(_)
            | Record::SnapshotPart { .. }
            | Record::CheckpointEnd { .. } => {}
        }
    }

    /// An accepted value below the watermark is the chosen one if it was accepted in the same ballot, because
    /// a leader proposes one value per slot. A value of another ballot need not be.
    fn add_chosen(&mut self, ballot: Ballot, up_to: Slot) {
        loop {
            let slot = self.chosen.next();
            match self.accepted.get(&slot) {
                Some((accepted_in, value)) if slot < up_to && *accepted_in == ballot => {
                    self.chosen.push(value.clone());
                }
                _ => break,
            }
        }
        self.take_ahead();
    }

    fn add_learned(&mut self, slot: Slot, value: &Value) {
        if slot >= self.chosen.next() {
            self.ahead.insert(slot, value.clone());
            self.take_ahead();
        }
    }

    fn take_ahead(&mut self) {
        while let Some(entry) = self.ahead.first_entry() {
            if *entry.key() > self.chosen.next() {
                break;
            }
            let (slot, value) = entry.remove_entry();
            if slot == self.chosen.next() {
                self.chosen.push(value);
            }
        }
    }

    /// A part of a snapshot was received. The first part of a snapshot replaces an earlier transfer.
    fn add_received(&mut self, part: &SnapshotPart, limits: &Limits) {
        let SnapshotPart {
            slot,
            digest,
            at,
            next,
            bytes,
        } = part;
        if *at == Cursor::START {
            self.incoming = Some(Builder::new(*limits, *slot, *digest));
        }
        let incoming = self.incoming.as_mut().filter(|incoming| incoming.slot() == *slot);
        if incoming.is_some_and(|incoming| incoming.add(*at, bytes, *next).is_err()) {
            self.incoming = None;
        }
    }

    /// The received parts of a snapshot that is ahead of all known slots and not complete.
    pub(crate) fn take_incoming(&mut self) -> Option<Builder> {
        let next = self.chosen.next();
        self.incoming.take().filter(|incoming| is_useful(incoming, next))
    }

    /// The life that follows all lives whose ballots are in the log. A life that used no ballot may be
    /// repeated: nothing of it can be confused. `None` if used ballots may be missing from the log.
    pub(crate) fn next_life(&self, id: ReplicaId) -> Option<Life> {
        if self.ballots_lost {
            return None;
        }
        let last = self.proposed.life;
        let incarnation = self.vector.get(id);
        Some(if incarnation > last.incarnation {
            // The incarnation began after the loss, and no ballot of it was used.
            Life {
                incarnation,
                restarts: 0,
            }
        } else {
            let restarts = last.restarts + u32::from(self.proposed != Ballot::ZERO);
            Life { restarts, ..last }
        })
    }

    /// The highest incarnation of the replica's own acceptor.
    pub(crate) fn incarnation(&self, id: ReplicaId) -> Incarnation {
        self.vector.get(id)
    }

    pub(crate) fn acceptor(&self, id: ReplicaId) -> Acceptor {
        Acceptor::recovered(
            id,
            self.promised,
            self.vector.clone(),
            self.cut,
            self.accepted.clone(),
        )
    }
}

/// The received parts of a snapshot in these records, if it is ahead of `next` and not complete.
pub(crate) fn received_parts(records: &[Record], limits: &Limits, next: Slot) -> Option<Builder> {
    let first = |record: &Record| matches!(record, Record::Received(part) if part.at == Cursor::START && part.slot > next);
    // Nothing is built of a snapshot that is known already: its state may be large.
    let of_last_transfer = &records[records.iter().rposition(first)?..];
    let mut sum = LogSummary::default();
    for record in of_last_transfer {
        if let Record::Received(part) = record {
            sum.add_received(part, limits);
        }
    }
    sum.incoming.filter(|incoming| is_useful(incoming, next))
}

fn is_useful(incoming: &Builder, next: Slot) -> bool {
    incoming.slot() > next && !incoming.is_complete()
}

/// A ballot that is as high as every one that these records promise or use.
pub(crate) fn highest_ballot(records: &[Record]) -> Ballot {
    let ballots = records.iter().filter_map(|record| match record {
        Record::Proposed { ballot } | Record::Promised { ballot } | Record::Accepted { ballot, .. } => {
            Some(*ballot)
        }
        Record::Checkpoint(checkpoint) => Some(checkpoint.promised.max(checkpoint.proposed)),
        _ => None,
    });
    ballots.max().unwrap_or_default()
}

fn checkpoint_number(record: &Record) -> Option<u64> {
    match record {
        Record::Checkpoint(checkpoint) => Some(checkpoint.number),
        _ => None,
    }
}

/// The last checkpoint that ends, with the records between its beginning and its end, and those after its end. A checkpoint
/// that begins before another has ended replaces it.
fn last_complete(records: &[Record]) -> Option<(&Checkpoint, &[Record], &[Record])> {
    let mut begun: Option<(usize, &Checkpoint)> = None;
    let mut complete = None;
    for (place, record) in records.iter().enumerate() {
        match record {
            Record::Checkpoint(checkpoint) => begun = Some((place, checkpoint)),
            Record::CheckpointEnd { number } => {
                if let Some((start, checkpoint)) = begun.take_if(|(_, begun)| begun.number == *number) {
                    complete = Some((checkpoint, &records[start + 1..place], &records[place + 1..]));
                }
            }
            _ => {}
        }
    }
    complete
}

impl UnfinishedCheckpoint {
    fn new(checkpoint: &Checkpoint, limits: &Limits, held: &[Snapshot]) -> UnfinishedCheckpoint {
        let Checkpoint {
            slot,
            digest,
            cut,
            promised,
            vector,
            proposed,
            founding,
            met,
            ..
        } = checkpoint.clone();
        let named = |snapshot: &&Snapshot| (snapshot.slot(), snapshot.digest()) == (slot, digest);
        let snapshot = held.iter().find(named).cloned();
        let builder = (slot > Slot::ZERO && snapshot.is_none()).then(|| Builder::new(*limits, slot, digest));
        let sum = LogSummary {
            promised,
            vector,
            cut,
            snapshot,
            chosen: ChosenLog::new(slot),
            proposed,
            founding,
            met,
            ..LogSummary::default()
        };
        UnfinishedCheckpoint {
            sum,
            builder,
            broken: false,
        }
    }

    fn add(&mut self, record: &Record, limits: &Limits) {
        match record {
            // A value that was accepted since is newer.
            Record::Carried(entry) => {
                let known = self.sum.accepted.get(&entry.slot);
                if known.is_none_or(|(ballot, _)| *ballot < entry.ballot) {
                    let accepted = (entry.ballot, entry.value.clone());
                    self.sum.accepted.insert(entry.slot, accepted);
                }
            }
            Record::SnapshotPart { .. } if self.sum.snapshot.is_some() => {}
            Record::SnapshotPart { at, next, bytes } => {
                let added = self
                    .builder
                    .as_mut()
                    .map(|builder| builder.add(*at, bytes, *next));
                self.broken |= !matches!(added, Some(Ok(_)));
            }
            other => self.sum.add(other, limits),
        }
    }

    /// The sum of the log, now that the end of the checkpoint is read.
    fn finish(self) -> LogSummary {
        let mut sum = self.sum;
        let built = self.builder.map(Builder::finish).transpose();
        let broken = self.broken || built.is_err();
        sum.snapshot = sum.snapshot.or(built.unwrap_or_default());
        if sum.snapshot.is_some() {
            sum.accepted = sum.accepted.split_off(&sum.cut);
        }
        if broken || sum.chosen.next() < sum.cut {
            // The records that it replaces may be dropped already.
            sum = LogSummary {
                memory_lost: true,
                ballots_lost: true,
                met: sum.met,
                ..LogSummary::default()
            };
        }
        sum
    }
}

#[cfg(test)]
mod tests;
