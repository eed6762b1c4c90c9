//! Reductions: what need not be explored, and why.
//!
//! # Always
//!
//! These hold for any code whose behaviour depends on its state and on the packets that it receives, and on
//! nothing else:
//!
//! - *Packets for a listener arrive right before its conclusion.* A candidate, a leader that counts votes and
//!   an acceptor that recovers only listen until they conclude something. Packets stay deliverable, so they
//!   conclude the same if everything that led to the conclusion arrives right before it. Their actions are
//!   conclusions, found by delivering a set of packets in every order.
//! - *Answers that change nothing are given at once.* An answer on its way may be lost, so one more of them
//!   only adds to what can happen.
//! - *Packets without effect are dropped*: promises to a proposer that leads, votes for a slot that it has
//!   concluded to be chosen (a conclusion stands), and refusals. A refusal only makes a proposer give up, and
//!   a proposer may as well receive nothing more.
//! - *Acceptors are interchangeable*: see [`crate::model::symmetry`]. The search asserts that they behave the
//!   same under other names.
//!
//! # Unless the search is thorough
//!
//! These rest on an argument about the protocol. Each argument compares a run that has the omitted action
//! with one that does not, and in which everything is chosen that the first run chooses. A thorough search
//! does without these reductions. At small bounds both searches must agree (`tests.rs` compares them), and
//! every patch in `kvpaxos-sim/mutants/recovery` must be found with the reductions.
//!
//! 1. *Answers to earlier questions are dropped.* They change nothing. The invariant
//!    [`Fresh`](crate::model::Invariant::Fresh) checks that for each answer that counts, by delivering the
//!    same answer with an older nonce.
//! 2. *The first vote or promise stands for its repeats in the same life.* A repeat differs only in that its
//!    sender has heard of more lives of others. So the first one is consistent with every set of votes that
//!    the repeat is consistent with.
//! 3. *Announcements arrive as late as possible.* An acceptor that has heard of a life casts votes and
//!    answers that are consistent with fewer others, and gains nothing but the ability to answer. So an
//!    announcement arrives only while its sender waits for the answer, or is about to ask which life comes
//!    next. The answer that counts is the one given when the announcement arrives: the first answer of a life
//!    stands for its repeats.
//! 4. *A Prepare of a proposer that leads already does not arrive.* The promise would have no effect but to
//!    refuse lower ballots.
//! 5. *The lowest ballot is elected first.* Nothing was accepted below it, so its proposer proposes its own
//!    value whichever acceptors promise, and a promise of it refuses nothing. If it is elected in a run, the
//!    same run may begin with the promises of all acceptors and with its election. Its Accept may still
//!    arrive at any time, or never.
//! 6. *Once all ballots propose the same values, the search stops there.* No two values can be chosen any
//!    more, and the other invariants do not depend on values.

use crate::model::bounds::MAX_BALLOTS;
use crate::model::packet::PacketKind;
use crate::model::proposer;
use crate::model::roles::{Action, Draft, Roles, State, bit};
use crate::model::tables::{Input, Tables};

impl Roles {
    /// Whether a packet can still have an effect.
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

    /// Whether the packet, or one that stands for it, was sent already.
    pub(super) fn is_sent(&self, tables: &Tables, draft: &Draft, packet: u32) -> bool {
        if self.bounds.thorough {
            return draft.packets.contains(&packet);
        }
        let class = tables.packet(packet).class;
        let mut sent = draft.packets.iter();
        sent.any(|other| tables.packet(*other).class == class)
    }

    /// Whether a request need not arrive in this state (reductions 3 and 4).
    pub(super) fn is_deferred(&self, tables: &Tables, state: &State, kind: PacketKind) -> bool {
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

    /// Whether all ballots propose the same values (reduction 6).
    pub(super) fn all_propose_the_same(&self, tables: &Tables, state: &State) -> bool {
        let leaders = &state.leaders[..self.bounds.ballots];
        let proposals = |leader: &u32| {
            let leader = leader.checked_sub(1)? as usize;
            Some(&tables.leaders[leader].elected.proposals)
        };
        let first = proposals(&leaders[0]);
        !self.bounds.thorough && first.is_some() && leaders.iter().all(|leader| proposals(leader) == first)
    }

    /// The actions with which every run may begin, and the states that they lead to: all acceptors promise
    /// the lowest ballot, and its proposer leads (reduction 5).
    pub(super) fn prefix(&self) -> Vec<(Action, State)> {
        let mut path: Vec<(Action, State)> = Vec::new();
        let mut state = self.blank();
        let lowest = state.packets[0];
        while !self.bounds.thorough && state.leaders == [0; MAX_BALLOTS] {
            let (mut promises, mut elections) = (Vec::new(), Vec::new());
            for action in self.actions(&state) {
                match &action {
                    Action::Acceptor { input, .. }
                        if [Some(Input::Receive(lowest)), Some(Input::Sync)].contains(input) =>
                    {
                        promises.push(action);
                    }
                    Action::Lead { place: 0, .. } => elections.push(action),
                    _ => {}
                }
            }
            let action = promises.into_iter().chain(elections).next();
            let action = action.expect("acceptors can promise in a state in which nothing has happened");
            state = self.take(&state, &action).0;
            path.push((action, state.clone()));
        }
        path
    }
}
