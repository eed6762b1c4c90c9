//! The answers that clients have received.
//!
//! Every answer names a revision: the place in the log that the operation made or saw. That allows a cheap
//! check of linearizability after every answer: its revision must not lie before that of any answer that was
//! given before the operation began. The history at the end of a run is judged without revisions.

use std::collections::BTreeSet;

use kvpaxos::{Command, Revision, Sequence, SessionId};

/// The answers of a run, as far as later answers are compared with them.
#[derive(Default)]
pub(super) struct Answers {
    /// The highest revision in any answer.
    pub(super) highest: Option<Revision>,
    /// The revisions of all acknowledged writes; each write has its own.
    pub(super) writes: BTreeSet<Revision>,
    /// The writes that have been chosen in some slot.
    chosen: BTreeSet<(SessionId, Sequence)>,
}

impl Answers {
    /// Notes a command of a chosen slot. Returns whether the same request was chosen before, in another
    /// place.
    pub(super) fn was_chosen_before(&mut self, command: &Command) -> bool {
        match command {
            Command::Apply {
                session, sequence, ..
            } => !self.chosen.insert((*session, *sequence)),
            _ => false,
        }
    }
}

/// The highest revision that had been answered when an operation was invoked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Floor(pub(super) Option<Revision>);
