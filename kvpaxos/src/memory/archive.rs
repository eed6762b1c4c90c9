//! The chosen values and the snapshot that the acceptor's side of a replica keeps. Learners are rebuilt from
//! them, so that losing every learner loses nothing.

use crate::command::Value;
use crate::export::export_fields;
use crate::io::Record;
use crate::roles::chosen_log::ChosenLog;
use crate::state::snapshot::Snapshot;
use crate::types::{Ballot, Slot};

/// The snapshot of the last durable checkpoint, and the values chosen since.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Archive {
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) chosen: ChosenLog,
    /// The watermark that the next [`Record::Chosen`] will report, if one is due.
    unwritten: Option<(Ballot, Slot)>,
}

export_fields!(Archive {
    snapshot,
    chosen,
    unwritten
});

impl Archive {
    pub(crate) fn new(snapshot: Option<Snapshot>, chosen: ChosenLog) -> Archive {
        Archive {
            snapshot,
            chosen,
            unwritten: None,
        }
    }

    /// The slot that the snapshot was taken at.
    pub(crate) fn slot(&self) -> Slot {
        self.snapshot.as_ref().map_or(Slot::ZERO, Snapshot::slot)
    }

    /// Adds a chosen value, if it is the next one. If a watermark of `ballot` reported it, one record for
    /// many slots is enough. If it came from another replica (`None`), the value itself must be written.
    pub(crate) fn remember(&mut self, slot: Slot, value: &Value, ballot: Option<Ballot>) -> Option<Record> {
        if slot != self.chosen.next() {
            return None;
        }
        self.chosen.push(value.clone());
        if let Some(ballot) = ballot {
            self.unwritten = Some((ballot, slot.next()));
            return None;
        }
        Some(Record::Learned {
            slot,
            value: value.clone(),
        })
    }

    /// The record of how far the log is known to be chosen, if that has changed. Nothing waits for it.
    pub(crate) fn take_unwritten(&mut self) -> Option<Record> {
        self.unwritten
            .take()
            .map(|(ballot, up_to)| Record::Chosen { ballot, up_to })
    }

    /// A checkpoint with this snapshot and these chosen values is durable. Returns the snapshot before, which is no longer
    /// needed.
    pub(crate) fn replace(&mut self, snapshot: Option<Snapshot>, chosen: &ChosenLog) -> Option<Snapshot> {
        if let Some(snapshot) = &snapshot {
            self.chosen.cut(snapshot.slot());
        }
        let next = self.chosen.next();
        let values = chosen.iter_from(next);
        values.for_each(|(_, value)| self.chosen.push(value.clone()));
        snapshot.and_then(|snapshot| self.snapshot.replace(snapshot))
    }
}
