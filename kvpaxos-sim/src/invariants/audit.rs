//! The audit of a run: what is known from outside, and the first thing found wrong.

use kvpaxos::{Quorums, ReplicaId, ReplicaSet, Slot, Time, Update};

use super::acceptors::Acceptor;
use super::answers::Answers;
use super::ballots::Ballots;
use super::coverage::{Coverage, Sometimes};
use super::divergence::Divergence;
use super::learners::Learner;
use super::slots::SlotTable;
use super::trace::Trace;
use super::two_phase::Acknowledgements;
use super::violation::{Finding, Property};

/// What the protocol did in a run, in numbers.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, serde::Serialize)]
pub struct ProtocolCounts {
    /// How often a proposer began phase 1 of a ballot.
    pub standing: u64,
    /// How often phase 1 was completed.
    pub elected: u64,
    /// How many slots have a chosen value.
    pub chosen: u64,
    /// How many slots were applied, counted at each replica.
    pub applied: u64,
    /// How many records became durable.
    pub records: u64,
}

/// See the module.
pub(crate) struct Audit {
    pub(super) quorums: Quorums,
    pub(super) acceptors: Vec<Acceptor>,
    pub(super) learners: Vec<Learner>,
    pub(super) ballots: Ballots,
    pub(super) slots: SlotTable,
    pub(super) answers: Answers,
    /// In the two-phase setting.
    pub(super) acknowledgements: Option<Acknowledgements>,
    /// Where disks forget in silence, so that replicas may come to differ: then that is what is judged, and nothing else.
    pub(super) divergence: Option<Divergence>,
    /// Who was founded anew, and claims to be new since: it forgot what it promised, so that nothing of it may be believed, and nothing of it is
    /// checked but that. It is to halt, and to be recovered.
    pub(super) anew: ReplicaSet,
    /// Who ever was.
    pub(super) was_anew: ReplicaSet,
    /// How often one that was founded anew halted.
    pub(crate) halted_anew: u64,
    pub(super) now: Time,
    pub(super) finding: Option<Finding>,
    /// A line for each event, if anybody wants them.
    pub(crate) trace: Trace,
    /// How often each situation occurred.
    pub(crate) coverage: Coverage,
    /// What the protocol did, in numbers.
    pub(crate) protocol: ProtocolCounts,
}

impl Audit {
    /// Nothing has happened yet.
    #[must_use]
    pub(crate) fn new(replicas: usize, quorums: Quorums, update: Update) -> Audit {
        let mut coverage = Coverage::default();
        if quorums != Quorums::majority(replicas) {
            coverage.hit(Sometimes::FlexibleQuorums);
        }
        Audit {
            quorums,
            acceptors: (0..replicas).map(|_| Acceptor::default()).collect(),
            learners: (0..replicas).map(|_| Learner::default()).collect(),
            ballots: Ballots::new(replicas),
            slots: SlotTable::new(quorums.phase2),
            answers: Answers::default(),
            acknowledgements: (update == Update::TwoPhase).then(|| Acknowledgements::new(replicas)),
            divergence: None,
            anew: ReplicaSet::EMPTY,
            was_anew: ReplicaSet::EMPTY,
            halted_anew: 0,
            now: Time(0),
            finding: None,
            trace: Trace::Off,
            coverage,
            protocol: ProtocolCounts::default(),
        }
    }

    /// Disks will forget in silence from now on: agreement cannot be had, and only what follows from that is judged (D1).
    pub(crate) fn expect_divergence(&mut self) {
        self.divergence = Some(Divergence::new(self.acceptors.len(), self.quorums));
    }

    /// What came of it, where disks forget in silence.
    pub(crate) fn divergence(&self) -> Option<&Divergence> {
        self.divergence.as_ref()
    }

    /// The first thing found wrong, if anything is.
    #[must_use]
    pub(crate) fn finding(&self) -> Option<&Finding> {
        self.finding.as_ref()
    }

    /// Notes what is found wrong; the first finding stands.
    pub(crate) fn report(&mut self, at: Time, property: Property, explanation: String) {
        if self.divergence.is_some() && property != Property::D1 {
            return;
        }
        self.finding.get_or_insert(Finding {
            property,
            at,
            explanation,
        });
    }

    pub(super) fn wrong(&mut self, property: Property, explanation: String) {
        self.report(self.now, property, explanation);
    }

    /// The first slot that is not chosen.
    #[must_use]
    pub(crate) fn prefix(&self) -> Slot {
        self.slots.prefix()
    }

    /// Whether the replica's acceptor has lost its memory.
    #[must_use]
    pub(crate) fn is_out(&self, id: ReplicaId) -> bool {
        self.acceptors[usize::from(id.0)].out
    }

    pub(super) fn acceptor(&mut self, id: ReplicaId) -> &mut Acceptor {
        &mut self.acceptors[usize::from(id.0)]
    }
}
