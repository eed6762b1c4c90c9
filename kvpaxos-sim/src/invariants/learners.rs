//! What each learner has applied (L2).

use kvpaxos::status::LearnerStatus;
use kvpaxos::{Slot, Status};

/// What one learner has applied in its present life.
#[derive(Default)]
pub(super) struct Learner {
    /// The slot that it must apply next. `None` if it has just begun: it may begin wherever its memory ends.
    pub(super) next: Option<Slot>,
}

impl Learner {
    /// A life begins. The learner may have applied what its memory held.
    pub(super) fn begin(&mut self, status: &Status) {
        self.next = match status.learner {
            LearnerStatus::Learning { applied, .. } => Some(applied),
            LearnerStatus::Failed => None,
        };
    }

    /// It continues from a snapshot of everything below `slot`.
    pub(super) fn install(&mut self, slot: Slot) {
        self.next = Some(slot);
    }

    /// It applied a slot.
    ///
    /// # Errors
    /// If another slot was due.
    pub(super) fn apply(&mut self, slot: Slot) -> Result<(), String> {
        if let Some(next) = self.next.filter(|next| *next != slot) {
            return Err(format!("applied slot {slot} where slot {next} was due"));
        }
        self.next = Some(slot.next());
        Ok(())
    }
}
