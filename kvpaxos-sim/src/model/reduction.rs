//! What need not be explored, and why.
//!
//! # Always
//!
//! These hold for any code whatever, as long as it looks at nothing but its state and what it hears:
//!
//! - *Who only listens, listens last.* A candidate, a leader that counts votes and an acceptor that recovers do nothing but listen until they
//!   come to a conclusion. Packets stay deliverable, so whatever they conclude, they also conclude if everything that led to it arrives
//!   right before. Their steps are conclusions; what can be concluded from a set of packets is found by delivering them in every order.
//! - *Answers that change nothing are given at once.* An answer on its way may be lost, so that one more of them takes nothing away from
//!   what can happen.
//! - *What nobody can hear any more is forgotten*: promises to a proposer that leads, votes for what it has concluded to be chosen (a
//!   conclusion stands), and refusals, which only make a proposer give up: it may as well hear nothing more.
//! - *Names do not matter*: see [`crate::model::symmetry`]. That acceptors behave the same under other names is asserted on the path.
//!
//! # Unless the search is thorough
//!
//! These rest on an argument about the protocol. In each, a run with the omitted step is compared with one without it, in which everything
//! that the first run chooses is chosen as well. A thorough search does without them; at small bounds both must agree
//! (`tests.rs` holds them together), and each shortcut in `kvpaxos-sim/mutants` must be found with them.
//!
//! 1. *Answers to earlier questions are dropped.* They change nothing: the invariant [`Fresh`](crate::model::Invariant::Fresh) is checked on each answer that
//!    counts, by bringing the very same under an older nonce.
//! 2. *The first vote or promise stands for its repeats in the same life.* A repeat differs in that its sender has heard of more lives
//!    of others; so whatever set the repeat is consistent with, the first one is too.
//! 3. *Announcements are heard as late as possible.* To have heard of a life makes an acceptor's later votes and answers go together with
//!    fewer others and makes nothing possible but the answer itself. So nobody hears an announcement unless its sender still waits for the
//!    answer, or is about to ask in which life it is; and the answer that a recovery takes in is given when the announcement is heard: the
//!    first one of a life stands for its repeats.
//! 4. *Nobody hears a prepare whose promise is of no use*, as its proposer leads already. It would only refuse lower ballots.
//! 5. *The lowest ballot is elected first.* Nothing was accepted below it, so that its proposer proposes its own value whoever promises, and a promise of it
//!    refuses nothing. If it is elected in a run, then the same run may begin with everybody's promise and its election; its Accept
//!    may still arrive at any time, or never.
//! 6. *When all ballots propose the same, nothing is left to go wrong.* The lesser invariants do not depend on values.

use crate::model::bounds::MAX_BALLOTS;
use crate::model::packet::PacketKind;
use crate::model::proposer;
use crate::model::roles::{Action, Draft, Roles, State, bit};
use crate::model::tables::{Input, Tables};

impl Roles {
    /// Whether a packet can still do anything.
    pub(super) fn is_useful(&self, tables: &Tables, draft: &Draft, packet: u32) -> bool {
        let thorough = self.bounds.thorough;
        let awaits = |place: usize, nonce: u64| {
            let node = tables.node(draft.nodes[place]);
            match node.recovery() {
                Some(_) => thorough || node.nonces == nonce,
                None => thorough && draft.losses > 0,
            }
        };
        let has_announced = |place: usize| {
            let recovery = tables.node(draft.nodes[place]).recovery();
            recovery.is_some_and(|recovery| recovery.incarnation().is_some())
        };
        let row = tables.packet(packet);
        match row.kind {
            PacketKind::Prepare { .. } | PacketKind::Accept | PacketKind::Announce { .. } => true,
            PacketKind::Recall { from: asker, nonce } | PacketKind::Recalled { to: asker, nonce } => {
                awaits(asker, nonce) && (thorough || !has_announced(asker))
            }
            PacketKind::Remembered { to, nonce } => awaits(to, nonce),
            PacketKind::Promise { to } => draft.leaders[to - self.bounds.acceptors] == 0,
            PacketKind::Vote { to } => {
                let place = to - self.bounds.acceptors;
                proposer::vote(&row.packet).is_some_and(|vote| draft.chosen & bit(place, vote.2) == 0)
            }
            PacketKind::Useless => false,
        }
    }

    /// Whether a packet was sent already, or one that stands for it.
    pub(super) fn is_sent(&self, tables: &Tables, draft: &Draft, packet: u32) -> bool {
        if self.bounds.thorough {
            return draft.packets.contains(&packet);
        }
        let class = tables.packet(packet).class;
        let mut sent = draft.packets.iter();
        sent.any(|other| tables.packet(*other).class == class)
    }

    /// Whether an acceptor need not hear a request now.
    pub(super) fn can_wait(&self, tables: &Tables, state: &State, kind: PacketKind) -> bool {
        match kind {
            _ if self.bounds.thorough => false,
            PacketKind::Prepare { from } => state.leaders[from - self.bounds.acceptors] != 0,
            PacketKind::Announce { from, incarnation } => {
                let recovery = tables.node(state.nodes[from]).recovery();
                recovery.is_none_or(|recovery| recovery.incarnation().is_some_and(|own| own != incarnation))
            }
            _ => false,
        }
    }

    /// No two values can be chosen any more.
    pub(super) fn is_settled(&self, tables: &Tables, state: &State) -> bool {
        let leaders = &state.leaders[..self.bounds.ballots];
        let proposals = |leader: &u32| {
            let leader = leader.checked_sub(1)? as usize;
            Some(&tables.leaders[leader].elected.proposals)
        };
        let first = proposals(&leaders[0]);
        !self.bounds.thorough && first.is_some() && leaders.iter().all(|leader| proposals(leader) == first)
    }

    /// What happens first, and may as well: everybody promises the lowest ballot, and its proposer leads.
    pub(super) fn prefix(&self) -> Vec<(Action, State)> {
        let mut path: Vec<(Action, State)> = Vec::new();
        let mut state = self.untouched();
        let lowest = state.packets[0];
        while !self.bounds.thorough && state.leaders == [0; MAX_BALLOTS] {
            let (mut promises, mut elections) = (Vec::new(), Vec::new());
            for action in self.actions(&state) {
                match &action {
                    Action::Acceptor { input, .. }
                        if [Some(Input::Hear(lowest)), Some(Input::Sync)].contains(input) =>
                    {
                        promises.push(action);
                    }
                    Action::Lead { place: 0, .. } => elections.push(action),
                    _ => {}
                }
            }
            let action = promises.into_iter().chain(elections).next();
            let action = action.expect("in an untouched world everything is possible");
            state = self.take(&state, &action).0;
            path.push((action, state.clone()));
        }
        path
    }
}
