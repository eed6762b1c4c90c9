//! Who has applied what, and told so (S5, two-phase setting).
//!
//! A leader settles a slot when all others have acknowledged the *go* to it and it has applied the slot itself. So a write may be answered
//! as done only when every replica but one has sent such an acknowledgement, at whatever time and in whatever life, and the one that has
//! not is a leader that has applied the slot.

use kvpaxos::status::LearnerStatus;
use kvpaxos::{Message, Outcome, ReplicaId, ReplicaSet, Slot, Status};

/// What is known of one replica.
#[derive(Clone, Copy, Default)]
struct Progress {
    /// Every slot below, it has applied at some time.
    applied: Slot,
    /// Every slot below, it has acknowledged as applied at some time.
    acknowledged: Slot,
    /// It was elected at some time.
    led: bool,
}

/// See the module.
pub(super) struct Acknowledgements {
    replicas: Vec<Progress>,
}

impl Acknowledgements {
    pub(super) fn new(replicas: usize) -> Acknowledgements {
        Acknowledgements {
            replicas: vec![Progress::default(); replicas],
        }
    }

    fn replica(&mut self, id: ReplicaId) -> &mut Progress {
        &mut self.replicas[usize::from(id.0)]
    }

    /// A life of a learner begins: it may have applied what its memory held.
    pub(super) fn begin(&mut self, id: ReplicaId, status: &Status) {
        if let LearnerStatus::Learning { applied, .. } = status.learner {
            self.applied(id, applied);
        }
    }

    /// It has applied every slot below `up_to`.
    pub(super) fn applied(&mut self, id: ReplicaId, up_to: Slot) {
        let replica = self.replica(id);
        replica.applied = replica.applied.max(up_to);
    }

    /// It is a leader.
    pub(super) fn leads(&mut self, id: ReplicaId) {
        self.replica(id).led = true;
    }

    /// A message leaves it. Tells of an acknowledgement of what it has not applied.
    pub(super) fn leaves(&mut self, id: ReplicaId, message: &Message) -> Result<(), String> {
        let Message::Applied { up_to, .. } = message else {
            return Ok(());
        };
        let replica = self.replica(id);
        replica.acknowledged = replica.acknowledged.max(*up_to);
        if replica.applied < *up_to {
            let applied = replica.applied;
            return Err(format!(
                "{id} acknowledges all below slot {up_to}, and has applied all below slot {applied}"
            ));
        }
        Ok(())
    }

    /// A write that took place in this slot is answered. Tells of those who lack an acknowledgement that must have come before.
    pub(super) fn answered(&self, slot: Slot) -> Result<(), String> {
        let unheard = (0u8..).map(ReplicaId).zip(&self.replicas);
        let mut unheard = unheard.filter(|(_, replica)| replica.acknowledged <= slot);
        let Some((first, replica)) = unheard.next() else {
            return Ok(());
        };
        let rest: ReplicaSet = unheard.map(|(id, _)| id).collect();
        if !rest.is_empty() {
            let mut all = rest;
            all.insert(first);
            Err(format!("{{{all}}} have not acknowledged the go"))
        } else if !replica.led {
            Err(format!("{first} has not acknowledged the go, and never led"))
        } else if replica.applied <= slot {
            Err(format!(
                "{first} has neither acknowledged the go nor applied the slot"
            ))
        } else {
            Ok(())
        }
    }
}

/// The slot of a write that is reported as done. An answer to a repeat names the place of the first time, which is not above the one that
/// settles it. `Closed` names none, and is not judged.
pub(super) fn written_at(outcome: &Outcome) -> Option<Slot> {
    match outcome {
        Outcome::Done { revision }
        | Outcome::Deleted { revision, .. }
        | Outcome::Swapped { revision, .. } => Some(revision.slot),
        // A session's id is the place where it was opened.
        Outcome::Opened { session } => Some(session.0.slot),
        Outcome::Closed
        | Outcome::Value { .. }
        | Outcome::Status(_)
        | Outcome::Refused(_)
        | Outcome::Unknown { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kvpaxos::Ballot;

    const R: [ReplicaId; 3] = [ReplicaId(0), ReplicaId(1), ReplicaId(2)];

    fn acknowledges(
        acknowledgements: &mut Acknowledgements,
        id: ReplicaId,
        up_to: u64,
    ) -> Result<(), String> {
        let ballot = Ballot::ZERO;
        let up_to = Slot(up_to);
        acknowledgements.leaves(id, &Message::Applied { ballot, up_to })
    }

    #[test]
    fn all_but_a_leader_must_have_acknowledged() {
        let mut acknowledgements = Acknowledgements::new(3);
        acknowledgements.leads(R[0]);
        for id in R {
            acknowledgements.applied(id, Slot(5));
        }
        acknowledges(&mut acknowledgements, R[1], 5).unwrap();
        acknowledges(&mut acknowledgements, R[2], 4).unwrap();
        acknowledgements.answered(Slot(3)).unwrap();
        acknowledgements.answered(Slot(4)).unwrap_err();
        acknowledges(&mut acknowledgements, R[2], 5).unwrap();
        acknowledgements.answered(Slot(4)).unwrap();
        acknowledgements.answered(Slot(5)).unwrap_err();
    }

    #[test]
    fn the_one_that_is_silent_must_have_led_and_applied() {
        let mut acknowledgements = Acknowledgements::new(3);
        for id in [R[1], R[2]] {
            acknowledgements.applied(id, Slot(5));
            acknowledges(&mut acknowledgements, id, 5).unwrap();
        }
        acknowledgements.applied(R[0], Slot(4));
        acknowledgements.answered(Slot(3)).unwrap_err();
        acknowledgements.leads(R[0]);
        acknowledgements.answered(Slot(3)).unwrap();
        acknowledgements.answered(Slot(4)).unwrap_err();
    }

    #[test]
    fn nobody_acknowledges_what_it_has_not_applied() {
        let mut acknowledgements = Acknowledgements::new(3);
        acknowledgements.applied(R[1], Slot(4));
        acknowledges(&mut acknowledgements, R[1], 5).unwrap_err();
    }
}
