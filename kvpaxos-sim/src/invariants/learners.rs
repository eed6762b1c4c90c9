//! What every learner applied (L2).

use kvpaxos::status::LearnerStatus;
use kvpaxos::{Slot, Status};

/// What is known of one learner.
#[derive(Default)]
pub(super) struct Learner {
    /// The first slot it has not applied in this life; `None` if it has just begun, from wherever its memory reaches.
    pub(super) next: Option<Slot>,
}

impl Learner {
    /// A life begins: it may have applied what its memory held.
    pub(super) fn begin(&mut self, status: &Status) {
        self.next = match status.learner {
            LearnerStatus::Learning { applied, .. } => Some(applied),
            LearnerStatus::Failed => None,
        };
    }

    /// It goes on from a snapshot.
    pub(super) fn install(&mut self, slot: Slot) {
        self.next = Some(slot);
    }

    /// It applied a slot.
    pub(super) fn apply(&mut self, slot: Slot) -> Result<(), String> {
        if let Some(next) = self.next.filter(|next| *next != slot) {
            return Err(format!("applied slot {slot} where slot {next} was due"));
        }
        self.next = Some(slot.next());
        Ok(())
    }
}
