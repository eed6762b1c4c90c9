//! What every learner applied (L2).

use kvpaxos::status::LearnerStatus;
use kvpaxos::{Slot, Status};

/// What is known of one learner.
#[derive(Default)]
pub(super) struct Learner {
    /// The first slot it has not applied in this life.
    pub(super) next: Slot,
}

impl Learner {
    /// A life begins: it may have applied what its memory held.
    pub(super) fn begin(&mut self, status: &Status) {
        self.next = match status.learner {
            LearnerStatus::Learning { applied, .. } => applied,
            LearnerStatus::Failed => Slot::ZERO,
        };
    }

    /// It applied a slot.
    pub(super) fn apply(&mut self, slot: Slot) -> Result<(), String> {
        if slot != self.next {
            return Err(format!("applied slot {slot} where slot {} was due", self.next));
        }
        self.next = slot.next();
        Ok(())
    }
}
