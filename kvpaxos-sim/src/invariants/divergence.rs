//! Histories that differ, in worlds in which disks lose synced data unnoticed: which exist, which replica
//! knows of which, and which replica serves which (D1).
//!
//! The digests that replicas report form a tree, in which each state follows from the one before. Two states
//! belong to different histories if neither follows from the other. Everything is recorded here, while
//! replicas remember only a bounded part of it.

use std::collections::BTreeMap;

use kvpaxos::agreement::StateDigest;
use kvpaxos::status::LearnerStatus;
use kvpaxos::{Effect, Message, Observation, Outcome, Quorums, ReplicaId, Slot, Status};

use super::two_phase::written_at;

/// The histories of a run, and what replicas know of them.
pub(crate) struct Divergence {
    /// How many replicas must share a history so that it may be served.
    quorum: usize,
    /// The state before each state, where a replica applied the slot between them.
    before: BTreeMap<StateDigest, StateDigest>,
    /// Each replica in its present life.
    replicas: Vec<Replica>,
    /// The state from which a client was answered last.
    served: Option<StateDigest>,
    /// How many requests were answered, refusals not counted.
    pub(crate) answers: u64,
    /// How many of them were answered from another history than the answer before.
    pub(crate) switches: u64,
    /// How many requests were refused because replicas differ.
    pub(crate) refused: u64,
    /// How often a replica reported that others begin or cease to differ from it.
    pub(crate) noticed: u64,
}

/// One replica in its present life.
struct Replica {
    state: StateDigest,
    /// The first slot whose state it knows: where its log begins.
    first: Slot,
    /// The states that each other replica has sent it.
    peers: BTreeMap<ReplicaId, PeerStates>,
    /// The states that others have sent it as leaders.
    leader_states: Vec<StateDigest>,
    /// Whether it leads.
    leads: bool,
}

/// The states that a replica has received from another, in the last life of the sender that it has heard of.
#[derive(Default)]
struct PeerStates {
    /// The nonce of the sender's life, and the number of its last heartbeat.
    life: Option<(u64, u64)>,
    states: Vec<StateDigest>,
}

impl Replica {
    fn at(state: StateDigest) -> Replica {
        Replica {
            state,
            first: state.slot,
            peers: BTreeMap::new(),
            leader_states: Vec::new(),
            leads: false,
        }
    }
}

/// The lowest slot that a state must reach to support the outcome. For a write it must include the write's
/// slot, for a read everything that was read.
fn least(outcome: &Outcome, own: StateDigest) -> Slot {
    written_at(outcome).map_or(own.slot, Slot::next)
}

impl Divergence {
    pub(super) fn new(replicas: usize, quorums: Quorums) -> Divergence {
        Divergence {
            quorum: quorums.phase1.max(quorums.phase2),
            before: BTreeMap::new(),
            replicas: (0..replicas).map(|_| Replica::at(StateDigest::NOTHING)).collect(),
            served: None,
            answers: 0,
            switches: 0,
            refused: 0,
            noticed: 0,
        }
    }

    fn replica(&mut self, id: ReplicaId) -> &mut Replica {
        &mut self.replicas[usize::from(id.0)]
    }

    /// A life begins. The replica has not heard from the others yet.
    pub(super) fn begin(&mut self, id: ReplicaId, status: &Status) {
        let state = match status.learner {
            LearnerStatus::Learning { applied, digest, .. } => StateDigest::new(applied, digest),
            LearnerStatus::Failed => StateDigest::NOTHING,
        };
        *self.replica(id) = Replica::at(state);
    }

    /// A replica receives a message, which may contain the sender's state.
    pub(super) fn on_message(&mut self, by: ReplicaId, from: ReplicaId, message: &Message) {
        let replica = self.replica(by);
        let peer = replica.peers.entry(from).or_default();
        let (state, leads) = match message {
            Message::Heartbeat(heartbeat) => {
                let (nonce, beat) = (heartbeat.nonce, heartbeat.beat);
                match peer.life {
                    Some((life, last)) if life == nonce && last >= beat => return,
                    Some((life, _)) if life == nonce => {}
                    // What an earlier life of the sender said no longer counts.
                    _ => peer.states.clear(),
                }
                peer.life = Some((nonce, beat));
                let leads = heartbeat.leader.is_some_and(|ballot| ballot.replica == from);
                (heartbeat.state, leads)
            }
            Message::Prepare { state, .. } => (*state, false),
            Message::Accept { state, .. }
            | Message::Chosen { state, .. }
            | Message::Confirm { state, .. }
            | Message::ReadIndexed { state, .. } => (*state, true),
            _ => return,
        };
        if by != from {
            peer.states.push(state);
            replica.leader_states.extend(leads.then_some(state));
        }
    }

    /// A replica was stepped.
    ///
    /// # Errors
    /// D1, if it answered a client though it must not.
    pub(super) fn stepped(&mut self, id: ReplicaId, effects: &[Effect]) -> Result<(), String> {
        for effect in effects {
            match effect {
                Effect::Observe(Observation::Applied { slot, digest }) => {
                    let after = StateDigest::new(slot.next(), *digest);
                    let replica = self.replica(id);
                    let before = std::mem::replace(&mut replica.state, after);
                    if before.slot == *slot {
                        self.before.entry(after).or_insert(before);
                    } else {
                        // Its learner started again, at the beginning of its log.
                        replica.first = *slot;
                    }
                }
                Effect::Observe(Observation::Installed { slot, digest }) => {
                    let replica = self.replica(id);
                    replica.state = StateDigest::new(*slot, *digest);
                    replica.first = *slot;
                }
                Effect::Observe(Observation::Elected { .. }) => self.replica(id).leads = true,
                Effect::Observe(Observation::Deposed { .. }) => self.replica(id).leads = false,
                Effect::Observe(Observation::Differs { .. }) => self.noticed += 1,
                Effect::Reply { reply, .. } => self.answered(id, &reply.outcome)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn answered(&mut self, id: ReplicaId, outcome: &Outcome) -> Result<(), String> {
        match outcome {
            Outcome::Refused(kvpaxos::Refusal::Differs(_)) => {
                self.refused += 1;
                return Ok(());
            }
            Outcome::Refused(_) | Outcome::Unknown { .. } | Outcome::Status(_) => return Ok(()),
            _ => self.answers += 1,
        }
        let Replica {
            state,
            first,
            peers,
            leader_states,
            leads,
        } = &self.replicas[usize::from(id.0)];
        let (own, base, leads) = (*state, *first, *leads);
        if let Some(last) = self.served.replace(own) {
            self.switches += u64::from(self.fork(last, own).is_some());
        }
        let sent_by_leader =
            |state: &StateDigest| state.slot >= least(outcome, own) && self.are_in_line(*state, own);
        // At slot 0 all histories are the same.
        if !leads && least(outcome, own) > Slot::ZERO && !leader_states.iter().rev().any(sent_by_leader) {
            return Err(format!(
                "{id} answers {outcome} in the state below slot {}, and no leader has sent it a state that follows from that",
                own.slot
            ));
        }
        // The replica cannot compare states from before its log begins, or from slots that it has not
        // reached. Of those ahead of it, it remembers the last.
        let comparable = |state: &&StateDigest| (base..=own.slot).contains(&state.slot);
        let parts_from = |from: &ReplicaId| self.fork(*peers[from].states.last().filter(comparable)?, own);
        let forks: Vec<(ReplicaId, Slot)> = peers
            .keys()
            .filter_map(|from| Some((*from, parts_from(from)?)))
            .collect();
        let Some(first) = forks.iter().map(|(_, fork)| *fork).min() else {
            return Ok(());
        };
        // Comparisons from before its learner started again count as well.
        let shares = |from: &&ReplicaId| {
            let further_on = |state: &StateDigest| state.slot > first && self.fork(*state, own).is_none();
            parts_from(from).is_none() && peers[from].states.iter().any(further_on)
        };
        let sharing = 1 + peers.keys().filter(shares).count();
        if sharing >= self.quorum {
            return Ok(());
        }
        let others: Vec<String> = forks.iter().map(|(from, _)| from.to_string()).collect();
        Err(format!(
            "{id} answers {outcome} in the state below slot {}, but {} sent it a state of another history, which parts from its own after slot {first}, and {sharing} of the {} replicas that are \
             needed share its own",
            own.slot,
            others.join(", "),
            self.quorum
        ))
    }

    /// Whether two replicas that are up have different histories, as far as that is known.
    pub(crate) fn differ(&self, one: ReplicaId, other: ReplicaId) -> bool {
        let state = |id: ReplicaId| self.replicas[usize::from(id.0)].state;
        self.fork(state(one), state(other)).is_some()
    }

    /// Whether one of two states is known to follow from the other.
    fn are_in_line(&self, one: StateDigest, other: StateDigest) -> bool {
        let (earlier, mut later) = (one.min(other), one.max(other));
        while later.slot > earlier.slot
            && let Some(before) = self.before.get(&later)
        {
            later = *before;
        }
        later == earlier
    }

    /// The slot below which two states share their history and from which on they differ. `None` if one
    /// follows from the other.
    fn fork(&self, one: StateDigest, other: StateDigest) -> Option<Slot> {
        let (mut one, mut other) = (one, other);
        let mut parted = false;
        loop {
            if one == other {
                return parted.then_some(one.slot);
            }
            if one.slot == other.slot {
                parted = true;
            }
            // Go back from the later state, or from both if they are at the same slot. States that no one
            // applied slot by slot cannot be compared.
            let (back_one, back_other) = (one.slot >= other.slot, other.slot >= one.slot);
            if back_one {
                one = *self.before.get(&one)?;
            }
            if back_other {
                other = *self.before.get(&other)?;
            }
        }
    }
}
