//! The state of a learner as bytes. The state machine is not among them: it is the last snapshot, or the empty state, and the
//! values after it, which the log holds.

use super::Learner;
use crate::export::{Export, Exporter, ImportError, Importer};
use crate::state::machine::StateMachine;
use crate::state::snapshot::Snapshot;
use crate::types::Slot;

impl Export for Learner {
    fn export_to(&self, to: &mut Exporter) {
        let Learner {
            // Both ends have the same ones.
            limits: _,
            log,
            snapshot,
            since,
            helped,
            // Nothing is exported while there is one.
            incoming: _,
            proposed,
            machine,
            applied,
            backlog,
            digests,
            known,
            behind,
            before,
            asked,
            unanswered,
        } = self;
        log.export_to(to);
        snapshot.export_to(to);
        since.export_to(to);
        helped.export_to(to);
        proposed.export_to(to);
        machine.digest().export_to(to);
        applied.export_to(to);
        backlog.export_to(to);
        digests.export_to(to);
        known.export_to(to);
        behind.export_to(to);
        before.export_to(to);
        asked.export_to(to);
        unanswered.export_to(to);
    }

    fn import_from(from: &mut Importer<'_>) -> Result<Learner, ImportError> {
        let mut learner = Learner {
            limits: from.limits(),
            log: Export::import_from(from)?,
            snapshot: Export::import_from(from)?,
            since: Export::import_from(from)?,
            helped: Export::import_from(from)?,
            incoming: None,
            proposed: Export::import_from(from)?,
            machine: StateMachine::new(from.limits()),
            applied: Slot::ZERO,
            backlog: false,
            digests: crate::agreement::DigestHistory::default(),
            known: Slot::ZERO,
            behind: 0,
            before: (Slot::ZERO, None),
            asked: None,
            unanswered: 0,
        };
        let digest = u128::import_from(from)?;
        learner.applied = Export::import_from(from)?;
        learner.backlog = Export::import_from(from)?;
        learner.digests = Export::import_from(from)?;
        learner.known = Export::import_from(from)?;
        learner.behind = Export::import_from(from)?;
        learner.before = Export::import_from(from)?;
        learner.asked = Export::import_from(from)?;
        learner.unanswered = Export::import_from(from)?;
        learner.machine = learner.replayed()?;
        if learner.machine.digest() != digest {
            let why = "the snapshot and the values after it do not give the state that was applied";
            return Err(ImportError::Inconsistent { why });
        }
        Ok(learner)
    }
}

impl Learner {
    /// The last snapshot with the values after it.
    fn replayed(&self) -> Result<StateMachine, ImportError> {
        let first = self.snapshot.as_ref().map_or(Slot::ZERO, Snapshot::slot);
        if first < self.log.base() || first > self.applied || self.applied > self.log.next() {
            let why = "the log does not hold the values between the snapshot and what was applied";
            return Err(ImportError::Inconsistent { why });
        }
        let machine = self.snapshot.as_ref().map(|snapshot| snapshot.machine().clone());
        let mut machine = machine.unwrap_or_else(|| StateMachine::new(self.limits));
        for (slot, value) in self
            .log
            .iter_from(first)
            .take_while(|(slot, _)| *slot < self.applied)
        {
            machine.apply_each(slot, value.commands(), drop);
        }
        Ok(machine)
    }
}
