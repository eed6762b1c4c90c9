//! What the records of a log add up to, for roles that restart with their memory.

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
    /// Which lives of acceptors are known to have begun.
    pub(crate) vector: CrashVector,
    /// Every slot below is chosen, and what was accepted there is not told.
    pub(crate) cut: Slot,
    /// The last value accepted for each slot from the cut on.
    pub(crate) accepted: AcceptedValues,
    /// The state that the log was cut at, if it was.
    pub(crate) snapshot: Option<Snapshot>,
    /// Chosen values, from where the snapshot ends.
    pub(crate) chosen: ChosenLog,
    /// Chosen values further on: a checkpoint's come after newer ones.
    ahead: BTreeMap<Slot, Value>,
    /// The highest ballot that the proposer used.
    pub(crate) proposed: Ballot,
    /// Whether the acceptor lost its memory, and did not get back what counts.
    pub(crate) memory_lost: bool,
    /// Whether the ballots that the proposer used are not all known, so that it must use none of its first life.
    pub(crate) ballots_lost: bool,
    /// The highest number of a checkpoint.
    pub(crate) checkpoints: u64,
    /// The founding of the replica, unless it lost its disk since.
    pub(crate) founding: Option<Founding>,
    /// Which foundings of others are known.
    pub(crate) met: KnownFoundings,
    /// What has come of another replica's snapshot.
    pub(crate) incoming: Option<Builder>,
}

/// A checkpoint of which the end has not come.
struct UnfinishedCheckpoint {
    number: u64,
    /// What the log adds up to if the end comes: the checkpoint, and all records since it began.
    sum: LogSummary,
    builder: Option<Builder>,
    /// It does not hold what it says: only a disk that lies about whole records does that.
    broken: bool,
}

impl LogSummary {
    pub(crate) fn new(records: &[Record], limits: &Limits) -> LogSummary {
        let mut restored = LogSummary::default();
        let mut pending: Option<UnfinishedCheckpoint> = None;
        for record in records {
            restored.add(record, limits);
            match record {
                Record::Checkpoint(checkpoint) => {
                    restored.checkpoints = restored.checkpoints.max(checkpoint.number);
                    pending = Some(UnfinishedCheckpoint::new(checkpoint, limits));
                }
                Record::CheckpointEnd { number } => {
                    let ended = pending.take_if(|pending| pending.number == *number);
                    if let Some(ended) = ended {
                        let checkpoints = restored.checkpoints;
                        restored = ended.finish();
                        restored.checkpoints = checkpoints;
                    }
                }
                other => {
                    if let Some(pending) = &mut pending {
                        pending.add(other, limits);
                    }
                }
            }
        }
        restored
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

    /// An accepted value below the mark is the chosen one if it was accepted in the ballot of the leader that set the
    /// mark: that leader proposed one value for the slot. Of another ballot it may be a value that lost.
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

    /// A part of a snapshot that was taken in: one of a newer snapshot took the place of the last.
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

    /// What has come of a snapshot that is ahead of all that is known, and has not come in full.
    pub(crate) fn take_incoming(&mut self) -> Option<Builder> {
        let next = self.chosen.next();
        let incoming = self.incoming.take();
        incoming.filter(|incoming| incoming.slot() > next && !incoming.is_complete())
    }

    /// The life that follows all lives whose ballots stand in the log. A life that used no ballot left no trace and may
    /// be had again: there is nothing of it that could be repeated. `None` if the log does not hold all ballots that were used.
    pub(crate) fn next_life(&self, id: ReplicaId) -> Option<Life> {
        if self.ballots_lost {
            return None;
        }
        let last = self.proposed.life;
        let incarnation = self.vector.get(id);
        Some(if incarnation > last.incarnation {
            // Nobody ever was in this incarnation but what began after the loss, and that has used no ballot of it.
            Life {
                incarnation,
                restarts: 0,
            }
        } else {
            let restarts = last.restarts + u32::from(self.proposed != Ballot::ZERO);
            Life { restarts, ..last }
        })
    }

    /// The last of its incarnations that it knows of.
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

impl UnfinishedCheckpoint {
    fn new(checkpoint: &Checkpoint, limits: &Limits) -> UnfinishedCheckpoint {
        let Checkpoint {
            number,
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
        let sum = LogSummary {
            promised,
            vector,
            cut,
            chosen: ChosenLog::new(slot),
            proposed,
            founding,
            met,
            ..LogSummary::default()
        };
        let builder = (slot > Slot::ZERO).then(|| Builder::new(*limits, slot, digest));
        UnfinishedCheckpoint {
            number,
            sum,
            builder,
            broken: false,
        }
    }

    fn add(&mut self, record: &Record, limits: &Limits) {
        match record {
            // What was accepted since is newer.
            Record::Carried(entry) => {
                let known = self.sum.accepted.get(&entry.slot);
                if known.is_none_or(|(ballot, _)| *ballot < entry.ballot) {
                    let accepted = (entry.ballot, entry.value.clone());
                    self.sum.accepted.insert(entry.slot, accepted);
                }
            }
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

    /// The sum of the log, now that the end has come.
    fn finish(self) -> LogSummary {
        let mut sum = self.sum;
        let snapshot = self.builder.map(Builder::finish).transpose();
        let broken = self.broken || snapshot.is_err();
        sum.snapshot = snapshot.unwrap_or_default();
        if sum.snapshot.is_some() {
            sum.accepted = sum.accepted.split_off(&sum.cut);
        }
        if broken || sum.chosen.next() < sum.cut {
            // It stands in for what may be dropped already.
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
