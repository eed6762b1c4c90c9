//! Checkpoints: how a log is cut, and how a lost memory is replaced. A checkpoint is written in pieces, one
//! after the other.
//!
//! A checkpoint holds the sum of all earlier records of the log: the acceptor's promise, crash vector and
//! accepted values, the highest ballot that was used, the known foundings, the chosen values since the
//! snapshot, and the snapshot itself. It describes one moment; records that are written later follow its
//! first record in the log. Once its last piece is durable, and not before, everything in front of it may be
//! dropped. A crash in between leaves the old records, which are complete, and a checkpoint without an end,
//! which is ignored. The snapshot and its position are written together, so that neither can be newer than
//! the other. The mutants of the simulator (`kvpaxos-sim/mutants`) show what goes wrong otherwise: other
//! systems dropped a log before the new one was safe, cut it too early, or restored a state ahead of its
//! position.

use std::collections::VecDeque;

use crate::export::export_fields;
use crate::founding::KnownFoundings;
use crate::io::{Checkpoint, Record};
use crate::message::Accepted;
use crate::roles::acceptor::Acceptor;
use crate::roles::chosen_log::ChosenLog;
use crate::state::snapshot::{Cursor, Snapshot};
use crate::types::{Ballot, Founding, ReplicaSet, Slot};

/// A checkpoint that is being written.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct CheckpointWriter {
    number: u64,
    /// The records that are written before the snapshot.
    first: VecDeque<Record>,
    snapshot: Option<Snapshot>,
    /// The chosen values that it holds and the acceptor's archive lacks.
    missed: ChosenLog,
    /// Where the next part of the snapshot begins.
    cursor: Option<Cursor>,
    /// The number of pieces handed out.
    pieces: u64,
    complete: bool,
    /// Ticks since a piece was handed out.
    age: u32,
}

export_fields!(CheckpointWriter {
    number,
    first,
    snapshot,
    missed,
    cursor,
    pieces,
    complete,
    age
});

/// The content of a checkpoint.
pub(crate) struct CheckpointContent<'a> {
    pub(crate) acceptor: &'a Acceptor,
    pub(crate) snapshot: Option<Snapshot>,
    /// Must hold every slot from that of the snapshot to the acceptor's cut.
    pub(crate) chosen: &'a ChosenLog,
    /// Chosen values from this slot on are not in the acceptor's archive.
    pub(crate) archived: Slot,
    pub(crate) proposed: Ballot,
    pub(crate) members: ReplicaSet,
    pub(crate) founding: Option<Founding>,
    pub(crate) met: KnownFoundings,
}

/// The effect of a piece that has become durable.
pub(crate) enum CheckpointProgress {
    /// None: it is of another checkpoint, or not the last piece.
    Nothing,
    /// The next piece can be written.
    Next,
    /// All of it is durable.
    Complete,
}

impl CheckpointWriter {
    /// Begins a checkpoint of this content.
    pub(crate) fn new(number: u64, content: CheckpointContent) -> CheckpointWriter {
        let CheckpointContent {
            acceptor,
            snapshot,
            chosen,
            archived,
            proposed,
            members,
            founding,
            met,
        } = content;
        let slot = snapshot.as_ref().map_or(Slot::ZERO, Snapshot::slot);
        let cut = acceptor.cut().max(slot);
        assert!(
            chosen.next() >= cut && chosen.base() <= slot,
            "a checkpoint holds all that was chosen from {slot:?} to its cut {cut:?}"
        );
        let head = Checkpoint {
            number,
            slot,
            digest: snapshot.as_ref().map_or(0, Snapshot::digest),
            cut,
            promised: acceptor.promised(),
            vector: acceptor.vector().clone(),
            proposed,
            members,
            founding,
            met,
        };
        let mut first = VecDeque::from([Record::Checkpoint(Box::new(head))]);
        first.extend(acceptor.accepted().range(cut..).map(|(slot, (ballot, value))| {
            Record::Carried(Accepted {
                slot: *slot,
                ballot: *ballot,
                value: value.clone(),
            })
        }));
        first.extend(chosen.iter_from(slot).map(|(slot, value)| Record::Learned {
            slot,
            value: value.clone(),
        }));
        let mut missed = ChosenLog::new(archived.max(slot));
        let values = chosen.iter_from(missed.base());
        values.for_each(|(_, value)| missed.push(value.clone()));
        CheckpointWriter {
            number,
            first,
            missed,
            cursor: snapshot.as_ref().map(|_| Cursor::START),
            snapshot,
            pieces: 0,
            complete: false,
            age: 0,
        }
    }

    /// The next piece, of about `bytes` bytes, and its number, which [`on_saved`](CheckpointWriter::on_saved)
    /// gets once it is durable.
    pub(crate) fn next_piece(&mut self, bytes: usize) -> (Vec<Record>, u64) {
        let mut records = Vec::new();
        let mut taken = 0;
        while taken < bytes
            && let Some(record) = self.first.pop_front()
        {
            taken += match &record {
                Record::Carried(Accepted { value, .. }) | Record::Learned { value, .. } => value.size(),
                _ => 64,
            };
            records.push(record);
        }
        if records.is_empty() {
            records.push(self.next_part(bytes));
        }
        self.pieces += 1;
        self.age = 0;
        (records, self.pieces)
    }

    fn next_part(&mut self, bytes: usize) -> Record {
        match (&self.snapshot, self.cursor) {
            (Some(snapshot), Some(at)) => {
                let (bytes, next) = snapshot.part(at, bytes);
                self.cursor = next;
                Record::SnapshotPart { at, next, bytes }
            }
            _ => {
                self.complete = true;
                Record::CheckpointEnd { number: self.number }
            }
        }
    }

    /// A piece is durable, and so are all pieces before it.
    pub(crate) fn on_saved(&mut self, number: u64, pieces: u64) -> CheckpointProgress {
        if number != self.number || pieces != self.pieces {
            CheckpointProgress::Nothing
        } else if self.complete {
            CheckpointProgress::Complete
        } else {
            CheckpointProgress::Next
        }
    }

    /// A tick has passed. Returns the numbers of the checkpoint and of the last piece, if nothing was heard
    /// of that piece for too long.
    pub(crate) fn on_tick(&mut self, patience: u32) -> Option<(u64, u64)> {
        self.age = self.age.saturating_add(1);
        if self.age < patience {
            return None;
        }
        self.age = 0;
        Some((self.number, self.pieces))
    }

    /// The snapshot that it holds.
    pub(crate) fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
    }

    /// The snapshot that it held, and the chosen values that the acceptor's archive lacked when it began.
    pub(crate) fn into_content(self) -> (Option<Snapshot>, ChosenLog) {
        (self.snapshot, self.missed)
    }
}
