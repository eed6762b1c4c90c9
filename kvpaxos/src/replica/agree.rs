//! Digests of the others' states, and what may be answered because of them: see [`crate::agreement`].

use crate::agreement::{DigestHistory, Doubt, StateDigest};
use crate::config::Update;
use crate::io::{Effect, Observation};
use crate::message::{Heartbeat, Message};
use crate::replica::{Replica, observe};
use crate::roles::learner::Learner;
use crate::roles::proposer::Proposer;
use crate::types::{ReplicaId, ReplicaSet, Slot};

impl Replica {
    fn digests(&self) -> Option<&DigestHistory> {
        self.learner.as_ref().map(Learner::digests)
    }

    /// The digest of this replica's state, for messages.
    pub(super) fn state(&self) -> StateDigest {
        self.digests().map_or(StateDigest::NOTHING, DigestHistory::last)
    }

    /// The digest of its state at that slot, or at the last slot that it has applied if that is lower.
    pub(super) fn state_at(&self, slot: Slot) -> StateDigest {
        let at_slot = self.digests().and_then(|digests| digests.at(slot));
        at_slot.unwrap_or_else(|| self.state())
    }

    /// A candidate or a leader has sent the digest of its state.
    pub(super) fn on_state_sent(&mut self, from: ReplicaId, message: &Message) {
        let (state, leads) = match message {
            Message::Prepare { state, .. } => (*state, false),
            Message::Accept { state, .. }
            | Message::Chosen { state, .. }
            | Message::Confirm { state, .. }
            | Message::ReadIndexed { state, .. } => (*state, true),
            _ => return,
        };
        if let Some(learner) = self.learner.as_ref().filter(|_| from != self.config.id) {
            self.agreement.on_state(from, state, leads, learner.digests());
        }
    }

    /// A heartbeat carries the digest of the peer's state, and whether the peer has found a difference from
    /// this replica. A difference from an earlier life of this replica does not count.
    pub(super) fn on_state_of(&mut self, from: ReplicaId, heartbeat: &Heartbeat) {
        let of_this_life = heartbeat.echo.is_some_and(|(nonce, _)| nonce == self.nonce);
        let differs = heartbeat.differs.filter(|_| of_this_life);
        self.agreement.on_heartbeat(from, heartbeat.nonce, differs);
        let leads = heartbeat.leader.is_some_and(|ballot| ballot.replica == from);
        if let Some(learner) = &self.learner {
            self.agreement
                .on_state(from, heartbeat.state, leads, learner.digests());
        }
    }

    /// Set if this replica must not serve: others differ from it, and no quorum is known to share its state.
    pub(super) fn doubt(&self) -> Option<Doubt> {
        let quorums = self.config.quorums;
        self.agreement.doubt(quorums.phase1.max(quorums.phase2))
    }

    /// The connected peers whose acceptors vote, and whose states are not known to differ.
    pub(super) fn voters(&self) -> ReplicaSet {
        self.peers
            .voters(&self.config.timing)
            .without(self.agreement.differing())
    }

    /// A leader has vouched for the state after every slot below this one; if this replica leads, it vouches
    /// for itself. 0 while this replica must not serve.
    pub(super) fn vouched(&self) -> Slot {
        if self.doubt().is_some() {
            return Slot::ZERO;
        }
        let leads = self.proposer.as_ref().and_then(Proposer::leading).is_some();
        match &self.learner {
            Some(learner) if leads => learner.applied(),
            _ => self.agreement.vouched(),
        }
    }

    /// Clients may be answered about slots below this one.
    pub(super) fn answerable(&self) -> Slot {
        match self.config.update {
            Update::TwoPhase => self.vouched().min(self.settled),
            Update::Quorum => self.vouched(),
        }
    }

    /// Observes when the set of differing replicas, or whether this replica serves, changes.
    pub(super) fn note_who_differs(&mut self, out: &mut Vec<Effect>) {
        let (with, doubt) = (self.agreement.differing(), self.doubt());
        let now = (with, doubt.is_none());
        if now == self.observed {
            return;
        }
        self.observed = now;
        let first = with.iter().filter_map(|id| self.agreement.differs(id)).min();
        observe(
            Observation::Differs {
                with,
                slot: first.unwrap_or_default(),
                serves: doubt.is_none(),
            },
            out,
        );
    }
}
