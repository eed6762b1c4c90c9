//! Every state that the specification reaches within small bounds.

use std::fmt;
use std::sync::Arc;

use kvpaxos::{Ballot, Incarnation, Life, Quorums, ReplicaId, Slot};

use crate::hashing::key_of;
use crate::model::{Breach, Invariant, Next, Space};

use super::condition::{Condition, Rules};
use super::state::{LifeOf, Memory, State, Votes};
use super::{Enabled, Lives};

/// A value: they differ, and nothing else matters.
type Value = u8;

/// How large the space is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exploration {
    /// How many acceptors.
    pub acceptors: usize,
    /// How many ballots; all of them are prepared from the beginning.
    pub ballots: u64,
    /// How many slots.
    pub slots: u64,
    /// How many values.
    pub values: Value,
    /// How often acceptors lose their memory, all together.
    pub losses: usize,
    /// Whether acceptors cut their logs.
    pub cuts: bool,
    /// The specification, or what is left of it without one of its conditions.
    pub rules: Rules,
}

impl Exploration {
    /// Two ballots, two values, one slot, majorities, no cuts, every condition.
    #[must_use]
    pub fn new(acceptors: usize, losses: usize) -> Exploration {
        Exploration {
            acceptors,
            ballots: 2,
            slots: 1,
            values: 2,
            losses,
            cuts: false,
            rules: Rules::new(acceptors, Quorums::majority(acceptors)),
        }
    }

    /// Small bounds within which two values are chosen for a slot if the condition is left out. `None` for a
    /// condition of which no such bounds are known: the front page of the
    /// [specification](crate::specification#what-each-condition-is-for) says what it is for.
    #[must_use]
    pub fn that_needs(condition: Condition) -> Option<Exploration> {
        let cuts = |losses| Exploration {
            cuts: true,
            ..Exploration::new(3, losses)
        };
        let bounds = match condition {
            Condition::PromiseNotLower
            | Condition::OneValue
            | Condition::PromiseQuorum
            | Condition::HighestVote
            | Condition::Proposed
            | Condition::VoteAtPromise
            | Condition::VoteQuorum => Exploration::new(3, 0),
            Condition::ReportedSlot => cuts(0),
            Condition::PromiseFromMemory
            | Condition::ConsistentPromises
            | Condition::VoteFromMemory
            | Condition::ConsistentVotes
            | Condition::NewLife
            | Condition::HeardBefore
            | Condition::AnswerQuorum
            | Condition::PromiseRecovered
            | Condition::VotesRecovered => Exploration::new(3, 1),
            Condition::CutRecovered => cuts(1),
            Condition::AnswerFromMemory => Exploration::new(3, 2),
            Condition::Prepared
            | Condition::VoteAboveCut
            | Condition::CutChosen
            | Condition::MemoryIsLost
            | Condition::Announced
            | Condition::ConsistentAnswers
            | Condition::LivesRecovered => return None,
        };
        Some(bounds.without(condition))
    }

    /// The same without one of the conditions.
    #[must_use]
    pub fn without(mut self, condition: Condition) -> Exploration {
        self.rules.without = Some(condition);
        self
    }

    fn ids(&self) -> impl Iterator<Item = ReplicaId> + use<> {
        (0..).map(ReplicaId).take(self.acceptors)
    }

    fn ballots(&self) -> impl Iterator<Item = Ballot> + use<> {
        (1..=self.ballots).map(|round| Ballot {
            round,
            replica: ReplicaId(0),
            life: Life::default(),
        })
    }

    fn slots(&self) -> impl Iterator<Item = Slot> + use<> {
        (0..self.slots).map(Slot)
    }
}

impl fmt::Display for Exploration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the specification: {} acceptors, {} ballots, {} slots, {} values, {} losses of memory{}",
            self.acceptors,
            self.ballots,
            self.slots,
            self.values,
            self.losses,
            if self.cuts { ", cuts" } else { "" }
        )?;
        let without = self.rules.without;
        without.map_or(Ok(()), |condition| write!(f, ", without {condition:?}"))
    }
}

/// A state of the space.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Explored {
    state: State<Value>,
    /// How often acceptors have lost their memory.
    losses: usize,
}

/// An action with its parameters.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Action {
    Promise(ReplicaId, Ballot),
    Propose(Ballot, Slot, Value),
    Accept(ReplicaId, Ballot, Slot, Value),
    Cut(ReplicaId, Slot),
    Lose(ReplicaId),
    Announce(LifeOf),
    Answer(ReplicaId, LifeOf),
    /// It takes these of the answers to it, by their order.
    Recover(LifeOf, u32),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Promise(by, ballot) => write!(f, "{by} promises ballot {}", ballot.round),
            Action::Propose(ballot, slot, value) => {
                write!(
                    f,
                    "ballot {} proposes value {value} for slot {slot}",
                    ballot.round
                )
            }
            Action::Accept(by, ballot, slot, value) => {
                write!(
                    f,
                    "{by} votes for value {value} at slot {slot} in ballot {}",
                    ballot.round
                )
            }
            Action::Cut(by, slot) => write!(f, "{by} cuts its log at slot {slot}"),
            Action::Lose(acceptor) => write!(f, "{acceptor} loses its memory"),
            Action::Announce((id, life)) => write!(f, "{id} announces life {}", life.0),
            Action::Answer(by, (id, life)) => write!(f, "{by} answers life {} of {id}", life.0),
            Action::Recover((id, life), set) => {
                write!(
                    f,
                    "{id} returns in life {} with {} answers",
                    life.0,
                    set.count_ones()
                )
            }
        }
    }
}

impl Exploration {
    /// All actions whose parameters lie within the bounds, except for some of which it is plain that they are not
    /// enabled or change nothing.
    ///
    /// Two reductions lose nothing. Votes are cast only in the ballot that was promised last: an acceptor that
    /// promises first has sent one message more, and messages only enable. And the first ballot proposes
    /// value 0: values are interchangeable.
    fn actions(&self, explored: &Explored) -> Vec<Action> {
        let Explored { state, .. } = explored;
        let mut actions = Vec::new();
        for ballot in self.ballots() {
            actions.extend(self.ids().map(|by| Action::Promise(by, ballot)));
            let values = if ballot.round == 1 { 1 } else { self.values };
            for slot in self.slots() {
                let proposable = || (0..values).filter(|value| state.proposal(ballot, slot, value).is_none());
                actions.extend(proposable().map(|value| Action::Propose(ballot, slot, value)));
            }
        }
        for id in self.ids() {
            self.actions_of(id, explored, &mut actions);
        }
        actions
    }

    /// What an acceptor may do, apart from promising.
    fn actions_of(&self, id: ReplicaId, Explored { state, losses }: &Explored, actions: &mut Vec<Action>) {
        let acceptor = state.acceptor(id);
        let votes_in = match &acceptor.memory {
            Some(memory) => memory.promised,
            None if self.rules.ask_for(Condition::VoteFromMemory) => Ballot::ZERO,
            None => self.ballots().last().unwrap_or_default(),
        };
        for ballot in self.ballots().filter(|ballot| *ballot <= votes_in) {
            for slot in self.slots() {
                let votes = (0..self.values).map(|value| Action::Accept(id, ballot, slot, value));
                actions.extend(votes);
            }
        }
        if acceptor.memory.is_some() {
            if self.cuts {
                actions.extend(self.slots().map(|slot| Action::Cut(id, slot.next())));
            }
            if *losses < self.losses {
                actions.push(Action::Lose(id));
            }
            return;
        }
        let raised = u32::from(self.rules.ask_for(Condition::NewLife));
        let life = (id, Incarnation(acceptor.life.0 + raised));
        if !state.announced.contains(&life) {
            actions.push(Action::Announce(life));
        }
        actions.extend(self.ids().map(|by| Action::Answer(by, life)));
        let answers = state.answers.keys().filter(|(to, _)| *to == life).count();
        actions.extend((0..1_u32 << answers).map(|set| Action::Recover(life, set)));
    }

    fn apply(&self, action: &Action, to: &mut Explored) -> Enabled {
        let Explored { state, losses } = to;
        match action {
            Action::Promise(by, ballot) => state.promise(*by, *ballot),
            Action::Propose(ballot, slot, value) => state.propose(*ballot, *slot, *value),
            Action::Accept(by, ballot, slot, value) => state.accept(*by, *ballot, *slot, value),
            Action::Cut(by, slot) => state.cut(*by, *slot),
            Action::Lose(id) => {
                *losses += 1;
                state.lose_memory(*id);
                Ok(())
            }
            Action::Announce(life) => state.announce(*life),
            Action::Answer(by, life) => state.answer(*by, *life),
            Action::Recover(life, set) => {
                let memory = self.recovered(state, *life, *set);
                state.recover(life.0, memory)
            }
        }
    }

    /// What an acceptor remembers that takes these answers over. It leaves out what it is not asked to keep.
    fn recovered(&self, state: &State<Value>, life: LifeOf, set: u32) -> Memory<Value> {
        let answers = state.answers.iter().filter(|((to, _), _)| *to == life);
        let taken = answers.enumerate().filter(|(place, _)| set & 1 << place != 0);
        let mut memory = Memory {
            lives: Lives::from_iter([life]),
            ..Memory::default()
        };
        let mut votes = Votes::new();
        let keeps = |condition| self.rules.ask_for(condition);
        for (_, (_, answer)) in taken {
            if keeps(Condition::PromiseRecovered) {
                memory.promised = memory.promised.max(answer.promised);
            }
            if keeps(Condition::CutRecovered) {
                memory.cut = memory.cut.max(answer.cut);
            }
            if keeps(Condition::LivesRecovered) {
                memory.lives.merge(&answer.lives);
            }
            let reported = answer.votes.iter().filter(|_| keeps(Condition::VotesRecovered));
            for (slot, vote) in reported {
                let highest = votes.entry(*slot).or_insert(*vote);
                *highest = (*highest).max(*vote);
            }
        }
        memory.votes = Arc::new(votes.split_off(&memory.cut));
        memory
    }

    /// The steps on a path that a search has found, and the one that leads to a breach.
    #[must_use]
    pub fn steps(&self, path: &[u128]) -> Vec<String> {
        let mut lines = Vec::new();
        let mut at = self.initial();
        for print in path.iter().skip(1) {
            let found = self.next(&at).find(|(_, next)| self.fingerprint(next) == *print);
            let (action, next) = found.expect("the search took this step");
            lines.push(action.to_string());
            at = next;
        }
        let last = self
            .next(&at)
            .find(|(_, next)| next.state.disagreement().is_some());
        lines.extend(last.map(|(action, _)| action.to_string()));
        lines
    }

    fn next(&self, from: &Explored) -> impl Iterator<Item = (Action, Explored)> {
        self.actions(from).into_iter().filter_map(|action| {
            let mut next = from.clone();
            self.apply(&action, &mut next).ok()?;
            (next != *from).then_some((action, next))
        })
    }
}

impl Space for Exploration {
    type State = Explored;

    fn initial(&self) -> Explored {
        let mut state = State::new(self.acceptors, self.rules);
        self.ballots().for_each(|ballot| state.prepare(ballot));
        Explored { state, losses: 0 }
    }

    fn expand(
        &self,
        explored: &Explored,
        is_known: &dyn Fn(u128) -> bool,
        visit: &mut dyn FnMut(Next<Explored>),
    ) {
        for (_, next) in self.next(explored) {
            if let Some(slot) = next.state.disagreement() {
                let explanation = format!("two values are chosen for slot {slot}");
                let invariant = Invariant::Agreement;
                visit(Next::Breach(Box::new(Breach {
                    invariant,
                    explanation,
                })));
                continue;
            }
            let print = self.fingerprint(&next);
            if !is_known(print) {
                visit(Next::State(print, next));
            }
        }
    }

    /// Acceptors are interchangeable. They are renamed in the order of what they did, so that most states which
    /// differ only in their names count as one; those in which the order leaves a choice may count twice.
    fn fingerprint(&self, explored: &Explored) -> u128 {
        let state = &explored.state;
        let mut order: Vec<ReplicaId> = self.ids().collect();
        order.sort_by_cached_key(|id| state.traces_of(*id));
        let name = |id: ReplicaId| {
            let place = order.iter().position(|other| *other == id);
            ReplicaId(u8::try_from(place.unwrap_or_default()).expect("there are few acceptors"))
        };
        key_of(&(state.renamed(name), explored.losses))
    }
}
