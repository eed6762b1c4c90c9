//! Acknowledgements of the *go* in the two-phase setting (S5).
//!
//! A leader settles a slot once it has applied the slot itself and all others have acknowledged to it that
//! they did. So a write may be acknowledged only if every replica but one has sent such an acknowledgement,
//! in whichever of its lives, and the remaining one is a leader that has applied the slot.

use kvpaxos::status::LearnerStatus;
use kvpaxos::{Message, Outcome, ReplicaId, ReplicaSet, Slot, Status};

/// How far one replica has come, in all its lives together.
#[derive(Clone, Copy, Default)]
struct Progress {
    /// It has applied every slot below this one.
    applied: Slot,
    /// It has acknowledged that it applied every slot below this one.
    acknowledged: Slot,
    /// It has been elected.
    led: bool,
}

/// What all replicas have applied and acknowledged.
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

    /// A life of a learner begins. It may have applied what its memory held.
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

    /// It was elected.
    pub(super) fn leads(&mut self, id: ReplicaId) {
        self.replica(id).led = true;
    }

    /// A message leaves it.
    ///
    /// # Errors
    /// If it acknowledges a slot that it has not applied.
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

    /// A write of this slot is acknowledged to its client.
    ///
    /// # Errors
    /// If a replica has not acknowledged the slot that must have.
    pub(super) fn answered(&self, slot: Slot) -> Result<(), String> {
        let silent = (0u8..).map(ReplicaId).zip(&self.replicas);
        let mut silent = silent.filter(|(_, replica)| replica.acknowledged <= slot);
        let Some((first, replica)) = silent.next() else {
            return Ok(());
        };
        let rest: ReplicaSet = silent.map(|(id, _)| id).collect();
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

/// The slot of an acknowledged write. The answer to a repeated request names the slot in which the request
/// took effect first, which does not lie above the slot of the repeat. `Closed` names no slot and is not
/// checked.
pub(super) fn written_at(outcome: &Outcome) -> Option<Slot> {
    match outcome {
        Outcome::Done { revision }
        | Outcome::Deleted { revision, .. }
        | Outcome::Swapped { revision, .. }
        | Outcome::Executed { revision, .. } => Some(revision.slot),
        // The id of a session is the place in the log where it was opened.
        Outcome::Opened { session } => Some(session.0.slot),
        Outcome::Closed
        | Outcome::Value { .. }
        | Outcome::Values { .. }
        | Outcome::Lengths { .. }
        | Outcome::Page { .. }
        | Outcome::Count { .. }
        | Outcome::Authenticated
        | Outcome::DriverStatus { .. }
        | Outcome::SnapshotPart(_)
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
    fn every_replica_but_the_leader_must_have_acknowledged() {
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
    fn a_replica_without_acknowledgement_must_have_led_and_applied() {
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
    fn an_acknowledgement_of_a_slot_that_was_not_applied_is_found() {
        let mut acknowledgements = Acknowledgements::new(3);
        acknowledgements.applied(R[1], Slot(4));
        acknowledges(&mut acknowledgements, R[1], 5).unwrap_err();
    }
}
