//! The audit of a run: the state that all checks share, and the first violation.

use std::fmt;

use kvpaxos::{Command, Quorums, ReplicaId, ReplicaSet, Slot, Time, Update};

use super::acceptors::Acceptor;
use super::answers::Answers;
use super::ballots::Ballots;
use super::coverage::{Coverage, Sometimes};
use super::divergence::Divergence;
use super::learners::Learner;
use super::refinement::Refinement;
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

impl fmt::Display for ProtocolCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ProtocolCounts {
            standing,
            elected,
            chosen,
            applied,
            records,
        } = self;
        write!(
            f,
            "{standing} candidacies, {elected} elections won, {chosen} slots chosen, {applied} applied, {records} records durable"
        )
    }
}

/// Watches a run from outside and keeps the first violation that it finds.
pub(crate) struct Audit {
    pub(super) quorums: Quorums,
    pub(super) acceptors: Vec<Acceptor>,
    pub(super) learners: Vec<Learner>,
    pub(super) ballots: Ballots,
    pub(super) slots: SlotTable,
    pub(super) answers: Answers,
    /// Only in the two-phase setting.
    pub(super) acknowledgements: Option<Acknowledgements>,
    /// Only in worlds in which disks lose synced data unnoticed, so that replicas may come to differ. There
    /// D1 alone is judged.
    pub(super) divergence: Option<Divergence>,
    /// Replicas whose directory was formatted again and that now claim to be new. They have forgotten their
    /// promises, so nothing that they say is believed or checked. The others must not listen to them, and
    /// they must halt until they are recovered.
    pub(super) refounded: ReplicaSet,
    /// Replicas that were ever founded anew.
    pub(super) ever_refounded: ReplicaSet,
    /// How often a replica that was founded anew halted, as it must.
    pub(crate) refounded_halts: u64,
    /// Whether the event of this step is a leader's request to stand.
    pub(super) asked_to_stand: bool,
    /// The replicas whose last candidacy began with such a request.
    pub(super) stood_when_asked: ReplicaSet,
    /// The run as the specification sees it, if that is judged.
    pub(super) refinement: Option<Refinement>,
    /// Properties that cannot be judged. What contradicts them is not reported.
    unjudged: Vec<Property>,
    pub(super) now: Time,
    pub(super) finding: Option<Finding>,
    /// Receives a line for each event.
    pub(crate) trace: Trace,
    /// How often each situation occurred.
    pub(crate) coverage: Coverage,
    /// What the protocol did, in numbers.
    pub(crate) protocol: ProtocolCounts,
}

impl Audit {
    /// The audit of a run that has not begun.
    #[must_use]
    pub(crate) fn new(replicas: usize, quorums: Quorums, update: Update) -> Audit {
        Audit::of(replicas, replicas, quorums, update)
    }

    /// The audit of a path of acceptors, and of proposers that are numbered behind them.
    #[must_use]
    pub(crate) fn of_roles(acceptors: usize, proposers: usize, quorums: Quorums) -> Audit {
        Audit::of(acceptors + proposers, acceptors, quorums, Update::Quorum)
    }

    /// The audit of so many replicas, the first of which have acceptors.
    fn of(replicas: usize, acceptors: usize, quorums: Quorums, update: Update) -> Audit {
        let mut coverage = Coverage::default();
        if quorums != Quorums::majority(acceptors) {
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
            refounded: ReplicaSet::EMPTY,
            ever_refounded: ReplicaSet::EMPTY,
            refounded_halts: 0,
            asked_to_stand: false,
            stood_when_asked: ReplicaSet::EMPTY,
            refinement: Some(Refinement::new(replicas, acceptors, quorums)),
            unjudged: Vec::new(),
            now: Time(0),
            finding: None,
            trace: Trace::Off,
            coverage,
            protocol: ProtocolCounts::default(),
        }
    }

    /// From now on disks lose synced data unnoticed. Agreement can no longer be expected, and D1 alone is
    /// judged.
    pub(crate) fn expect_divergence(&mut self) {
        self.refinement = None;
        self.divergence = Some(Divergence::new(self.acceptors.len(), self.quorums));
    }

    /// Judges recordings of real replicas: they may reach a higher slot than any run of the simulator, and some
    /// properties cannot be judged. If part of the past is unknown, any replica may have been founded anew in it.
    pub(crate) fn judge_recordings(
        &mut self,
        highest: u64,
        unjudged: impl Iterator<Item = Property>,
        has_unknown_past: bool,
    ) {
        self.slots.allow_up_to(highest);
        self.unjudged = unjudged.collect();
        if self.unjudged.contains(&Property::R1) {
            self.refinement = None;
        }
        if has_unknown_past {
            let replicas = (0_u8..).take(self.acceptors.len()).map(ReplicaId);
            self.ever_refounded = replicas.collect();
        }
    }

    /// From now on only this property is judged.
    #[cfg(test)]
    pub(crate) fn judge_only(&mut self, property: Property) {
        self.unjudged = Property::ALL
            .into_iter()
            .filter(|other| *other != property)
            .collect();
    }

    /// The histories that exist, in worlds in which disks lose synced data unnoticed.
    pub(crate) fn divergence(&self) -> Option<&Divergence> {
        self.divergence.as_ref()
    }

    /// The first violation, if there is one.
    #[must_use]
    pub(crate) fn finding(&self) -> Option<&Finding> {
        self.finding.as_ref()
    }

    /// Reports a violation. Only the first one is kept.
    pub(crate) fn report(&mut self, at: Time, property: Property, explanation: String) {
        let is_left_out = self.unjudged.contains(&property);
        if is_left_out || self.divergence.is_some() && property != Property::D1 {
            return;
        }
        self.finding.get_or_insert(Finding {
            property,
            at,
            explanation,
        });
    }

    /// Reports a violation at the time of the present event.
    pub(super) fn violated(&mut self, property: Property, explanation: String) {
        self.report(self.now, property, explanation);
    }

    /// The first slot without a chosen value.
    #[must_use]
    pub(crate) fn prefix(&self) -> Slot {
        self.slots.prefix()
    }

    /// The commands of each slot, from the first slot on, as far as all are known to be chosen.
    pub(crate) fn log(&self) -> impl Iterator<Item = &[Command]> {
        let slots = (0..self.slots.prefix().0).map(Slot);
        slots.map_while(|slot| Some(self.slots.chosen(slot)?.commands()))
    }

    /// Whether the replica's acceptor has lost its memory and not yet recovered.
    #[must_use]
    pub(crate) fn lacks_memory(&self, id: ReplicaId) -> bool {
        self.acceptors[usize::from(id.0)].memory_lost
    }

    pub(super) fn acceptor(&mut self, id: ReplicaId) -> &mut Acceptor {
        &mut self.acceptors[usize::from(id.0)]
    }
}
