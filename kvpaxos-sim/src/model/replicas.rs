//! Replicas replicas as a space to search: [`Replica`] itself is the state.
//!
//! Heartbeats and clocks make this space far larger than that of single roles. It is not explored to its end
//! but as deep as the limits allow, from a state in which a leader has been elected. It covers what lies
//! between the roles: routing, elections and learners.
//!
//! Messages arrive in any order, each once or never. Messages of a replica to itself arrive at once. Records
//! are durable at once.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{PoisonError, RwLock};

use kvpaxos::{Config, Entropy, Memory, Replica, ReplicaId, Slot, Time, Timing};

use crate::engine::Observer;
use crate::hashing::{key_of, spread};
use crate::model::invariant::{Breach, Invariant};
use crate::model::replica_tables::{Action, ReplicaTables, SentMessage, Transition};
use crate::model::search::{Next, Space};
use crate::model::watch::{Watched, Watcher};

/// How much of whole replicas is explored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReplicaBounds {
    /// How many replicas.
    pub replicas: u8,
    /// How often each replica's clock reaches its deadline.
    pub ticks: u8,
    /// How many commands of clients, each to any replica.
    pub commands: u8,
    /// How often acceptors lose their memory, all together; only one lacks it at a time.
    pub losses: u8,
    /// How many times a replica hears that it is to stop, which makes a leader ask another to stand.
    pub hand_overs: u8,
}

impl fmt::Display for ReplicaBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ReplicaBounds {
            replicas,
            ticks,
            commands,
            losses,
            hand_overs,
        } = self;
        write!(
            f,
            "{replicas} whole replicas, {ticks} ticks each, {commands} commands, {losses} losses of an acceptor's memory (one at a time), \
             {hand_overs} replicas that are to stop, each message delivered once or never"
        )
    }
}

/// A state of all replicas, and the messages on their path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReplicasState {
    /// The number of each replica's state.
    replicas: Vec<u32>,
    /// The numbers of the messages on their path, in ascending order.
    messages: Vec<u32>,
    /// What is left of each bound.
    ticks: Vec<u8>,
    commands: u8,
    losses: u8,
    hand_overs: u8,
    /// The key of the value that is known to be chosen, by slot.
    chosen: Vec<u128>,
}

/// Whole replicas within bounds, as a [`Space`].
pub struct Replicas {
    bounds: ReplicaBounds,
    tables: RwLock<ReplicaTables>,
}

impl Replicas {
    /// Replicas of the core, with short timeouts and majorities as quorums.
    #[must_use]
    pub fn new(bounds: ReplicaBounds) -> Replicas {
        Replicas {
            bounds,
            tables: RwLock::new(ReplicaTables::default()),
        }
    }

    /// The bounds within which they are explored.
    #[must_use]
    pub fn bounds(&self) -> &ReplicaBounds {
        &self.bounds
    }

    fn learn<T>(&self, change: impl FnOnce(&mut ReplicaTables) -> T) -> T {
        change(&mut self.tables.write().unwrap_or_else(PoisonError::into_inner))
    }

    fn read<T>(&self, look: impl FnOnce(&ReplicaTables) -> T) -> T {
        look(&self.tables.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What can happen in a state, each with the place of the replica that it happens to.
    fn actions(&self, state: &ReplicasState) -> Vec<(usize, Action)> {
        let mut all = Vec::new();
        self.read(|tables| {
            for id in &state.messages {
                all.push((tables.receiver(*id), Action::Deliver(*id)));
            }
        });
        let has_lost = |replica: &u32| self.read(|tables| tables.has_lost_memory(*replica));
        let may_lose = state.losses > 0 && !state.replicas.iter().any(has_lost);
        for place in 0..state.replicas.len() {
            if state.ticks[place] > 0 {
                all.push((place, Action::Tick));
            }
            if state.commands > 0 {
                all.push((place, Action::Command(state.commands)));
            }
            if may_lose {
                all.push((place, Action::Loss(state.losses)));
            }
            if state.hand_overs > 0 {
                all.push((place, Action::HandOver));
            }
        }
        all
    }

    fn take(&self, state: &ReplicasState, place: usize, what: &Action) -> Result<ReplicasState, Box<Breach>> {
        let outcome = self.outcome(state.replicas[place], what)?;
        let mut next = state.clone();
        next.replicas[place] = outcome.replica;
        match what {
            Action::Tick => next.ticks[place] -= 1,
            Action::Command(_) => next.commands -= 1,
            Action::Loss(_) => next.losses -= 1,
            Action::HandOver => next.hand_overs -= 1,
            Action::Deliver(id) => next.messages.retain(|other| other != id),
        }
        next.messages.extend(outcome.sent);
        next.messages.sort_unstable();
        next.messages.dedup();
        self.note_chosen(&mut next, place)?;
        Ok(next)
    }

    fn outcome(&self, replica: u32, what: &Action) -> Result<Transition, Box<Breach>> {
        let key = key_of(&(replica, what));
        let known = self.read(|tables| tables.transitions.get(&key).cloned());
        known.unwrap_or_else(|| {
            self.learn(|tables| {
                let learned = tables.take(replica, what, &mut ());
                tables.transitions.insert(key, learned.clone());
                learned
            })
        })
    }

    /// L1: every replica has the same value for a chosen slot.
    fn note_chosen(&self, state: &mut ReplicasState, place: usize) -> Result<(), Box<Breach>> {
        self.read(|tables| {
            let (replica, ..) = &tables.replicas[state.replicas[place] as usize];
            for slot in 0..state.chosen.len() as u64 + 1 {
                let Some(value) = replica.chosen(Slot(slot)) else {
                    continue;
                };
                let key = key_of(value);
                match state
                    .chosen
                    .get(usize::try_from(slot).expect("few slots are explored"))
                {
                    Some(known) if *known != key => {
                        let what = format!(
                            "{} has {value} for slot {slot}, and another replica had another value",
                            replica.config().id
                        );
                        return Err(Box::new(Breach::new(Invariant::Agreement, what)));
                    }
                    Some(_) => {}
                    None => state.chosen.push(key),
                }
            }
            Ok(())
        })
    }

    /// The actions along a path that a search found, a line for each. The last one leads to the breach.
    #[must_use]
    pub fn counterexample(&self, path: &[u128], breach: &Breach) -> Vec<String> {
        let mut lines = Vec::new();
        let mut state = self.initial();
        for print in path.iter().skip(1).map(Some).chain([None]) {
            for (place, what) in self.actions(&state) {
                let end = self.take(&state, place, &what);
                let is_next = match (&end, print) {
                    (Ok(next), Some(print)) => self.fingerprint(next) == *print,
                    (Err(wrong), None) => **wrong == *breach,
                    _ => false,
                };
                if is_next {
                    lines.push(self.line(place, &what));
                    state = end.unwrap_or(state);
                    break;
                }
            }
        }
        lines
    }

    /// An action in words.
    fn line(&self, place: usize, what: &Action) -> String {
        let what = match what {
            Action::Deliver(id) => self.read(|tables| {
                let SentMessage { from, message, .. } = &tables.messages[*id as usize].0;
                format!("receives from {from}: {message}")
            }),
            Action::Tick => "a tick passes".to_owned(),
            Action::Command(number) => format!("a client sends command {number}"),
            Action::Loss(_) => "the acceptor loses its memory".to_owned(),
            Action::HandOver => "it is to stop".to_owned(),
        };
        format!("r{place}: {what}")
    }

    /// Delivers every message in order, and lets the next clock tick when none is on its path, until all
    /// replicas know the same leader. The observer is told.
    fn warm_up<O: Observer<Replica>>(&self, tables: &mut ReplicaTables, observer: &mut O) -> Vec<u32> {
        // With short timeouts, a few ticks depose a leader.
        let timing = Timing {
            heartbeat: 1,
            patience: 2,
            jitter: 1,
            resend: 1,
            ..Timing::default()
        };
        let config = |id| Config {
            timing,
            ..Config::new(ReplicaId(id), usize::from(self.bounds.replicas))
        };
        let found = |id| Replica::new(config(id), Memory::Kept(Vec::new()), Entropy([id; 32]), Time(0));
        let mut ids = Vec::new();
        for id in 0..self.bounds.replicas {
            let replica = found(id).expect("the default settings are fine");
            observer.started(Time(0), ReplicaId(id), &replica, Some(0));
            ids.push(tables.replica_id(replica, Time(0)));
        }
        let mut messages: VecDeque<u32> = VecDeque::new();
        loop {
            let (place, what) = match messages.pop_front() {
                Some(id) => (tables.receiver(id), Action::Deliver(id)),
                None if tables.all_follow(&ids) => return ids,
                None => {
                    let due = |place: &usize| tables.replicas[ids[*place] as usize].0.deadline();
                    let place = (0..ids.len()).min_by_key(due).expect("there are replicas");
                    (place, Action::Tick)
                }
            };
            let outcome = tables
                .take(ids[place], &what, observer)
                .expect("no invariant breaks while nothing fails");
            ids[place] = outcome.replica;
            messages.extend(outcome.sent);
        }
    }
}

impl Space for Replicas {
    type State = ReplicasState;

    fn initial(&self) -> ReplicasState {
        let replicas = self.learn(|tables| self.warm_up(tables, &mut ()));
        ReplicasState {
            ticks: vec![self.bounds.ticks; replicas.len()],
            replicas,
            messages: Vec::new(),
            commands: self.bounds.commands,
            losses: self.bounds.losses,
            hand_overs: self.bounds.hand_overs,
            chosen: Vec::new(),
        }
    }

    fn expand(
        &self,
        state: &ReplicasState,
        is_known: &dyn Fn(u128) -> bool,
        visit: &mut dyn FnMut(Next<ReplicasState>),
    ) {
        for (place, what) in self.actions(state) {
            match self.take(state, place, &what) {
                Ok(next) => {
                    let print = self.fingerprint(&next);
                    if !is_known(print) {
                        visit(Next::State(print, next));
                    }
                }
                Err(breach) => visit(Next::Breach(breach)),
            }
        }
    }

    fn fingerprint(&self, state: &ReplicasState) -> u128 {
        self.read(|tables| {
            let replicas = state.replicas.iter().map(|id| tables.replicas[*id as usize].2);
            let messages = state.messages.iter().map(|id| tables.messages[*id as usize].1);
            let parts = replicas.chain(messages).chain(state.chosen.iter().copied());
            let sum = parts.fold(0u128, u128::wrapping_add);
            let ticks = state
                .ticks
                .iter()
                .fold(0u64, |sum, ticks| sum << 8 | u64::from(*ticks));
            let left =
                u64::from(state.hand_overs) << 16 | u64::from(state.commands) << 8 | u64::from(state.losses);
            sum.wrapping_add(spread(ticks)).wrapping_add(spread(left) >> 1)
        })
    }
}

impl Watched for Replicas {
    type Step = (usize, Action);
    type Path = ();

    fn begin<W: Watcher>(&self, watcher: &mut W) {
        self.learn(|tables| self.warm_up(tables, watcher));
    }

    fn steps(&self, state: &ReplicasState) -> Vec<((usize, Action), ReplicasState)> {
        let actions = self.actions(state).into_iter();
        actions
            .filter_map(|(place, what)| {
                let after = self.take(state, place, &what).ok()?;
                Some(((place, what), after))
            })
            .collect()
    }

    fn tell<W: Watcher>(
        &self,
        (): &mut (),
        before: &ReplicasState,
        (place, what): &(usize, Action),
        _: &ReplicasState,
        watcher: &mut W,
    ) {
        let replica = before.replicas[*place];
        let outcome = self.learn(|tables| tables.take(replica, what, watcher));
        outcome.expect("the core does again what it did");
    }

    fn words(&self, _: &ReplicasState, (place, what): &(usize, Action), _: &ReplicasState) -> String {
        self.line(*place, what)
    }
}
