//! The state of the specification: what each acceptor remembers, and every message that was ever sent.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use kvpaxos::{Ballot, Incarnation, ReplicaId, Slot};

use super::condition::Rules;
use super::lives::Lives;

/// For each slot the ballot in which an acceptor voted last, and the value.
pub type Votes<V> = BTreeMap<Slot, (Ballot, V)>;

/// What an acceptor remembers. A promise and an answer to an acceptor that recovers are copies of it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Memory<V> {
    /// The highest ballot that it promised or voted in.
    pub promised: Ballot,
    /// Its last vote for each slot from the cut on. Copies share them.
    pub votes: Arc<Votes<V>>,
    /// Everything below this slot is chosen, and what it voted for there is dropped.
    pub cut: Slot,
    /// The lives of acceptors that it has heard of. Its own is the one in which it votes.
    pub lives: Lives,
}

impl<V> Default for Memory<V> {
    fn default() -> Memory<V> {
        Memory {
            promised: Ballot::ZERO,
            votes: Arc::new(Votes::new()),
            cut: Slot::ZERO,
            lives: Lives::default(),
        }
    }
}

impl<V> Memory<V> {
    /// The ballot of its last vote for the slot.
    #[must_use]
    pub fn voted(&self, slot: Slot) -> Option<Ballot> {
        self.votes.get(&slot).map(|(ballot, _)| *ballot)
    }
}

/// An acceptor.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Acceptor<V> {
    /// `None` if it lost it and has not recovered.
    pub memory: Option<Memory<V>>,
    /// The last life in which it had its memory.
    pub life: Incarnation,
}

/// A proposal (message 2a) and the votes for it (messages 2b).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Proposal<V> {
    /// Its ballot.
    pub ballot: Ballot,
    /// Its value.
    pub value: V,
    /// Who voted for it, with the lives that the voter had heard of when it voted first in this life.
    pub votes: Vec<(ReplicaId, Lives)>,
}

/// One instance of Paxos.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Instance<V> {
    /// What was proposed.
    pub proposals: Vec<Proposal<V>>,
    /// What was chosen. One value, if the specification is right.
    pub chosen: Vec<V>,
}

impl<V> Default for Instance<V> {
    fn default() -> Instance<V> {
        Instance {
            proposals: Vec::new(),
            chosen: Vec::new(),
        }
    }
}

/// Which life of which acceptor.
pub type LifeOf = (ReplicaId, Incarnation);

/// The state of the specification. Messages are facts: what was sent stays sent, and may arrive at any time,
/// any number of times, or never.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct State<V> {
    /// Quorum sizes, and which conditions hold.
    pub rules: Rules,
    /// By number.
    pub acceptors: Vec<Acceptor<V>>,
    /// Messages 1a.
    pub prepared: BTreeSet<Ballot>,
    /// Messages 1b: the first in each ballot and life, with the memory at that time. Later ones of that life
    /// say the same.
    pub promises: BTreeMap<(Ballot, LifeOf), Memory<V>>,
    /// The first slot that is kept: see [`State::forget_below`].
    pub(super) first: Slot,
    pub(super) instances: VecDeque<Instance<V>>,
    /// Lives that acceptors without memory have announced.
    pub announced: BTreeSet<LifeOf>,
    /// Answers to an announced life, with the memory of the life that answers.
    pub answers: BTreeMap<(LifeOf, LifeOf), Memory<V>>,
}

impl<V: Clone + Eq> State<V> {
    /// Nothing has happened.
    #[must_use]
    pub fn new(replicas: usize, rules: Rules) -> State<V> {
        let acceptor = Acceptor {
            memory: Some(Memory::default()),
            life: Incarnation::default(),
        };
        State {
            rules,
            acceptors: vec![acceptor; replicas],
            prepared: BTreeSet::new(),
            promises: BTreeMap::new(),
            first: Slot::ZERO,
            instances: VecDeque::new(),
            announced: BTreeSet::new(),
            answers: BTreeMap::new(),
        }
    }

    /// An acceptor.
    #[must_use]
    pub fn acceptor(&self, id: ReplicaId) -> &Acceptor<V> {
        &self.acceptors[usize::from(id.0)]
    }

    /// The instance of a slot, if anything was proposed there and it is not forgotten.
    #[must_use]
    pub fn instance(&self, slot: Slot) -> Option<&Instance<V>> {
        let place = slot.0.checked_sub(self.first.0)?;
        self.instances.get(usize::try_from(place).ok()?)
    }

    /// The instance of a slot that is not forgotten.
    pub(super) fn instance_mut(&mut self, slot: Slot) -> &mut Instance<V> {
        let place = usize::try_from(slot.0 - self.first.0).expect("no run reaches so many slots");
        if self.instances.len() <= place {
            self.instances.resize_with(place + 1, Instance::default);
        }
        &mut self.instances[place]
    }

    /// The proposal of this value in this ballot.
    #[must_use]
    pub fn proposal(&self, ballot: Ballot, slot: Slot, value: &V) -> Option<&Proposal<V>> {
        let proposals = self.instance(slot)?.proposals.iter().rev();
        proposals
            .filter(|proposal| proposal.ballot == ballot)
            .find(|proposal| proposal.value == *value)
    }

    /// Whether a value is chosen for every slot below.
    #[must_use]
    pub fn all_chosen_below(&self, slot: Slot) -> bool {
        let count = usize::try_from(slot.0.saturating_sub(self.first.0)).unwrap_or(usize::MAX);
        count <= self.instances.len()
            && self
                .instances
                .range(..count)
                .all(|instance| !instance.chosen.is_empty())
    }

    /// The first slot for which two values are chosen. There must be none (*Paxos Made Simple*, section 2.1:
    /// "only a single value is chosen").
    #[must_use]
    pub fn disagreement(&self) -> Option<Slot> {
        let two = |(_, instance): &(u64, &Instance<V>)| instance.chosen.len() > 1;
        let found = (self.first.0..).zip(&self.instances).find(two);
        found.map(|(slot, _)| Slot(slot))
    }

    /// The first slot that is kept.
    #[must_use]
    pub fn first(&self) -> Slot {
        self.first
    }

    /// Forgets every slot below, to save room. Nothing can happen there any more once all acceptors have cut
    /// their logs above: no vote is cast there, and no promise reports one.
    pub fn forget_below(&mut self, slot: Slot) {
        while self.first < slot && self.instances.pop_front().is_some() {
            self.first = self.first.next();
        }
    }

    /// Forgets the promises of a ballot, to save room. Its proposer proposes nothing more in it.
    pub fn retire(&mut self, ballot: Ballot) {
        self.promises.retain(|(promised, _), _| *promised != ballot);
    }

    /// Forgets the answers to lives of an acceptor up to this one, to save room. It has recovered.
    pub fn forget_answers(&mut self, (id, life): LifeOf) {
        self.answers
            .retain(|((to, announced), _), _| *to != id || *announced > life);
    }
}
