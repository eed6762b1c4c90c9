//! Which histories there are where disks forget in silence, who has been told of which, and who serves which (D1).
//!
//! The digests that replicas tell of make a tree: each state follows from the one before. Two states of which neither follows from the
//! other are of two histories. All of it is known here from outside, without the bounds that replicas have.

use std::collections::BTreeMap;

use kvpaxos::agreement::StateDigest;
use kvpaxos::status::LearnerStatus;
use kvpaxos::{Effect, Message, Observation, Outcome, Quorums, ReplicaId, Slot, Status};

use super::two_phase::written_at;

/// See the module.
pub(crate) struct Divergence {
    quorum: usize,
    /// What each state followed from, as far as anybody applied it slot by slot.
    before: BTreeMap<StateDigest, StateDigest>,
    /// Of each replica, in its last life.
    replicas: Vec<Replica>,
    /// The state that was served last.
    served: Option<StateDigest>,
    /// How many answers were given.
    pub(crate) answers: u64,
    /// How many of them were given in another history than the one before.
    pub(crate) switches: u64,
    /// How many requests were refused because replicas differ.
    pub(crate) refused: u64,
    /// How often a replica found that others begin or cease to differ from it.
    pub(crate) noticed: u64,
}

struct Replica {
    state: StateDigest,
    /// The first slot at which it can tell its state: where its log begins.
    first: Slot,
    /// What each other has told it.
    peers: BTreeMap<ReplicaId, PeerStates>,
    /// What others have told it as leaders.
    leader_states: Vec<StateDigest>,
    /// Whether it leads.
    leads: bool,
}

/// What a replica was told by another, in the last life of that one that it has heard of.
#[derive(Default)]
struct PeerStates {
    /// That life, as heartbeats name it, and its last heartbeat.
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

/// The first slot that a state may have which vouches for the outcome: of a write it must hold the slot, of a read all that was read.
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

    /// A life begins: nobody has told it anything.
    pub(super) fn begin(&mut self, id: ReplicaId, status: &Status) {
        let state = match status.learner {
            LearnerStatus::Learning { applied, digest, .. } => StateDigest::new(applied, digest),
            LearnerStatus::Failed => StateDigest::NOTHING,
        };
        *self.replica(id) = Replica::at(state);
    }

    /// A replica hears a message, which may tell of another's state.
    pub(super) fn heard(&mut self, by: ReplicaId, from: ReplicaId, message: &Message) {
        let replica = self.replica(by);
        let peer = replica.peers.entry(from).or_default();
        let (state, leads) = match message {
            Message::Heartbeat(heartbeat) => {
                let (nonce, beat) = (heartbeat.nonce, heartbeat.beat);
                match peer.life {
                    Some((life, last)) if life == nonce && last >= beat => return,
                    Some((life, _)) if life == nonce => {}
                    // A new life of a peer is compared anew.
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

    /// A replica was stepped. An answer counts in the state that it was given in.
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
                        // Its learner began again, from where its log begins.
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
        let told_by_leader =
            |state: &StateDigest| state.slot >= least(outcome, own) && self.are_in_line(*state, own);
        // At slot 0 all states are the same.
        if !leads && least(outcome, own) > Slot::ZERO && !leader_states.iter().rev().any(told_by_leader) {
            return Err(format!(
                "{id} answers {outcome:?} in the state below slot {}, and no leader has told it of one that follows from it",
                own.slot
            ));
        }
        // What it was told of slots that its log does not go back to, or that it has not reached, it cannot compare; of several that lie
        // ahead it remembers the last.
        let comparable = |state: &&StateDigest| (base..=own.slot).contains(&state.slot);
        let parts_from = |from: &ReplicaId| self.fork(*peers[from].states.last().filter(comparable)?, own);
        let forks: Vec<(ReplicaId, Slot)> = peers
            .keys()
            .filter_map(|from| Some((*from, parts_from(from)?)))
            .collect();
        let Some(first) = forks.iter().map(|(_, fork)| *fork).min() else {
            return Ok(());
        };
        // What it has compared before its learner began again counts, too.
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
            "{id} answers {outcome:?} in the state below slot {}, but {} told it of another history, which parts after slot {first}, and {sharing} of \
             {} share its own",
            own.slot,
            others.join(", "),
            self.quorum
        ))
    }

    /// Whether two replicas that are up are known to hold two histories.
    pub(crate) fn differ(&self, one: ReplicaId, other: ReplicaId) -> bool {
        let state = |id: ReplicaId| self.replicas[usize::from(id.0)].state;
        self.fork(state(one), state(other)).is_some()
    }

    /// Whether one state is known to follow from the other.
    fn are_in_line(&self, one: StateDigest, other: StateDigest) -> bool {
        let (earlier, mut later) = (one.min(other), one.max(other));
        while later.slot > earlier.slot
            && let Some(before) = self.before.get(&later)
        {
            later = *before;
        }
        later == earlier
    }

    /// Where two states have parted: the last slot below which they were the same; `None` if one follows from the other.
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
            // The later one goes back; both, where they stand side by side. What nobody applied slot by slot cannot be told apart.
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
