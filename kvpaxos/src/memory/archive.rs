//! What an acceptor's side of a replica keeps of what was chosen, so that learners are rebuilt from it (design 4.7): losing every
//! learner loses nothing.

use crate::command::Value;
use crate::io::Record;
use crate::roles::chosen_log::ChosenLog;
use crate::state::snapshot::Snapshot;
use crate::types::{Ballot, Slot};

/// The last snapshot of which a checkpoint is durable, and the values chosen since.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Archive {
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) chosen: ChosenLog,
    /// What of `chosen` is not written down yet, if it follows from accepted values.
    unwritten: Option<(Ballot, Slot)>,
}

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

    /// Remembers a value that is chosen, if it is the next one. If a leader's watermark of `ballot` told so, one record for
    /// many slots will do; if it came from another replica (`None`), the value itself must be written down.
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

    /// The record that says how far the log is known to be chosen, if that has changed. Nobody waits for it.
    pub(crate) fn take_unwritten(&mut self) -> Option<Record> {
        self.unwritten
            .take()
            .map(|(ballot, up_to)| Record::Chosen { ballot, up_to })
    }

    /// A checkpoint with this snapshot is durable. Returns the one before, which nothing needs any more.
    pub(crate) fn replace(&mut self, snapshot: Snapshot) -> Option<Snapshot> {
        self.chosen.cut(snapshot.slot());
        self.snapshot.replace(snapshot)
    }
}
