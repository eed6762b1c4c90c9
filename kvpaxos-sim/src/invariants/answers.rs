//! What clients were answered, held against the log (S1, S2, S3).
//!
//! Every answer names a revision, the place in the log that it made or saw. That gives a check of linearizability that
//! costs next to nothing and strikes at once: an answer must lie after every answer that came before it was asked for.
//! The history at the end is judged without trusting revisions.

use std::collections::BTreeSet;

use kvpaxos::{Command, Revision, Sequence, SessionId};

/// See the module.
#[derive(Default)]
pub(super) struct Answers {
    /// The highest revision that any client has been told.
    pub(super) highest: Option<Revision>,
    /// The revisions of all acknowledged writes.
    pub(super) writes: BTreeSet<Revision>,
    /// Writes that were chosen somewhere.
    chosen: BTreeSet<(SessionId, Sequence)>,
}

impl Answers {
    /// Notes a command of a chosen slot; tells whether the same request was chosen in an earlier place.
    pub(super) fn was_chosen_before(&mut self, command: &Command) -> bool {
        match command {
            Command::Apply {
                session, sequence, ..
            } => !self.chosen.insert((*session, *sequence)),
            _ => false,
        }
    }
}

/// What was known when an operation was invoked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Floor(pub(super) Option<Revision>);
