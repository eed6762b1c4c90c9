//! Which histories there are where disks forget in silence, who has been told of which, and who serves which (D1).
//!
//! The digests that replicas tell of make a tree: each state follows from the one before. Two states of which neither follows from the
//! other are of two histories. All of it is known here from outside, without the bounds that replicas have.

use std::collections::BTreeMap;

use kvpaxos::status::LearnerStatus;
use kvpaxos::{Message, Observation, Outcome, Quorums, ReplicaId, Slot, Status};

use crate::machine::Effect;
use crate::subject::Subject;

/// A state: the first slot that is not applied, and the digest.
type State = (Slot, u64);

/// See the module.
pub(crate) struct Sides {
    quorum: usize,
    /// What each state followed from, as far as anybody applied it slot by slot.
    before: BTreeMap<State, State>,
    /// Of each replica that is up, what its state is, and what it was told.
    replicas: Vec<Replica>,
    /// The states that were served last.
    served: Option<State>,
    /// How often another history was served than the time before, and how often a client was refused because of it.
    pub(crate) switches: u64,
    pub(crate) refused: u64,
    /// How many answers were given.
    pub(crate) answers: u64,
    /// How often a replica noticed that others differ.
    pub(crate) noticed: u64,
}

#[derive(Default)]
struct Replica {
    state: State,
    /// The first slot at which it can tell its state: where its log begins.
    first: Slot,
    /// The states that each other told of, and in which life of it.
    told: BTreeMap<ReplicaId, Vec<State>>,
    lives: BTreeMap<ReplicaId, u64>,
}

fn short(digest: u128) -> u64 {
    let bytes = digest.to_le_bytes();
    u64::from_le_bytes(std::array::from_fn(|place| bytes[place]))
}

impl Sides {
    pub(super) fn new(replicas: usize, quorums: Quorums) -> Sides {
        Sides {
            quorum: quorums.phase1.max(quorums.phase2),
            before: BTreeMap::new(),
            replicas: (0..replicas).map(|_| Replica::default()).collect(),
            served: None,
            switches: 0,
            refused: 0,
            answers: 0,
            noticed: 0,
        }
    }

    fn replica(&mut self, id: ReplicaId) -> &mut Replica {
        &mut self.replicas[usize::from(id.0)]
    }

    /// A life begins: nobody has told it anything.
    pub(super) fn begin(&mut self, id: ReplicaId, status: &Status) {
        let state = match status.learner {
            LearnerStatus::Learning { applied, digest, .. } => (applied, short(digest)),
            LearnerStatus::Failed => State::default(),
        };
        *self.replica(id) = Replica {
            state,
            first: state.0,
            told: BTreeMap::new(),
            lives: BTreeMap::new(),
        };
    }

    /// A replica hears a message, which may tell of another's state.
    pub(super) fn heard(&mut self, by: ReplicaId, from: ReplicaId, message: &Message) {
        let state = match message {
            Message::Heartbeat(heartbeat) => {
                let replica = self.replica(by);
                // A new life of a peer is compared anew.
                if replica.lives.insert(from, heartbeat.nonce) != Some(heartbeat.nonce) {
                    replica.told.remove(&from);
                }
                heartbeat.state
            }
            Message::Prepare { state, .. }
            | Message::Accept { state, .. }
            | Message::Chosen { state, .. }
            | Message::Confirm { state, .. }
            | Message::ReadIndexed { state, .. } => *state,
            _ => return,
        };
        if state.slot > Slot::ZERO && by != from {
            let told = self.replica(by).told.entry(from).or_default();
            told.push((state.slot, state.digest));
        }
    }

    /// A replica was stepped. An answer counts in the state that it was given in.
    pub(super) fn stepped<M: Subject>(&mut self, id: ReplicaId, effects: &[Effect<M>]) -> Result<(), String> {
        for effect in effects {
            match effect {
                Effect::Note(Observation::Applied { slot, digest }) => {
                    let after = (slot.next(), short(*digest));
                    let replica = self.replica(id);
                    let before = std::mem::replace(&mut replica.state, after);
                    if before.0 == *slot {
                        self.before.entry(after).or_insert(before);
                    } else {
                        // Its learner began again, from where its log begins.
                        replica.first = *slot;
                    }
                }
                Effect::Note(Observation::Installed { slot, digest }) => {
                    let replica = self.replica(id);
                    replica.state = (*slot, short(*digest));
                    replica.first = *slot;
                }
                Effect::Note(Observation::Differs { .. }) => self.noticed += 1,
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
            state: own,
            first,
            told,
            ..
        } = &self.replicas[usize::from(id.0)];
        let (own, base) = (*own, *first);
        if let Some(last) = self.served.replace(own) {
            self.switches += u64::from(self.fork(last, own).is_some());
        }
        // What it was told of slots that its log does not go back to, or that it has not reached, it cannot compare; of several that lie
        // ahead it remembers the last.
        let comparable = |state: &&State| state.0 <= own.0 && state.0 >= base;
        let parts_from = |from: &ReplicaId| self.fork(*told[from].last().filter(comparable)?, own);
        let forks: Vec<(ReplicaId, Slot)> = told
            .keys()
            .filter_map(|from| Some((*from, parts_from(from)?)))
            .collect();
        let Some(first) = forks.iter().map(|(_, fork)| *fork).min() else {
            return Ok(());
        };
        // What it has compared before its learner began again counts, too.
        let shares = |from: &&ReplicaId| {
            let further_on = |state: &State| state.0 > first && self.fork(*state, own).is_none();
            parts_from(from).is_none() && told[from].iter().any(further_on)
        };
        let sharing = 1 + told.keys().filter(shares).count();
        if sharing >= self.quorum {
            return Ok(());
        }
        let others: Vec<String> = forks.iter().map(|(from, _)| from.to_string()).collect();
        Err(format!(
            "{id} answers {outcome:?} in the state below slot {}, but {} told it of another history, which parts after slot {first}, and {sharing} of \
             {} share its own",
            own.0,
            others.join(", "),
            self.quorum
        ))
    }

    /// Whether two replicas that are up are known to hold two histories.
    pub(crate) fn differ(&self, one: ReplicaId, other: ReplicaId) -> bool {
        let state = |id: ReplicaId| self.replicas[usize::from(id.0)].state;
        self.fork(state(one), state(other)).is_some()
    }

    /// Where two states have parted: the last slot below which they were the same; `None` if one follows from the other.
    fn fork(&self, one: State, other: State) -> Option<Slot> {
        let (mut one, mut other) = (one, other);
        let mut parted = false;
        loop {
            if one == other {
                return parted.then_some(one.0);
            }
            if one.0 == other.0 {
                parted = true;
            }
            // The later one goes back; both, where they stand side by side. What nobody applied slot by slot cannot be told apart.
            let (back_one, back_other) = (one.0 >= other.0, other.0 >= one.0);
            if back_one {
                one = *self.before.get(&one)?;
            }
            if back_other {
                other = *self.before.get(&other)?;
            }
        }
    }
}
