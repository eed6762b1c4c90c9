//! Breadth-first search of a space of states. The first breach that it finds has a shortest path.

use std::time::{Duration, Instant};

use crate::model::invariant::Breach;
use crate::model::visited_set::VisitedSet;
use crate::parallel;

/// A space of states that can be searched.
pub trait Space: Sync {
    /// A state.
    type State: Send + Sync;

    /// The state in which the search begins.
    fn initial(&self) -> Self::State;

    /// Passes every state that one step leads to, or the breach in it, to `visit`, in an order that is the
    /// same in every run. `is_known` says whether a fingerprint was seen before; then its state need not be
    /// built.
    fn expand(
        &self,
        state: &Self::State,
        is_known: &dyn Fn(u128) -> bool,
        visit: &mut dyn FnMut(Next<Self::State>),
    );

    /// A number that is equal for states that count as the same, and different for others.
    fn fingerprint(&self, state: &Self::State) -> u128;
}

/// What a step leads to.
pub enum Next<S> {
    /// A state, with its fingerprint.
    State(u128, S),
    /// A breach of an invariant.
    Breach(Box<Breach>),
}

/// How far a search may go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// After how many states it stops.
    pub states: usize,
    /// How many steps from the initial state it goes at most.
    pub depth: usize,
    /// How many threads expand states. The result does not depend on it.
    pub threads: usize,
}

/// How far a search has come.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tally {
    /// How many states were seen.
    pub states: usize,
    /// How many steps were taken from the states that were expanded.
    pub steps: u64,
    /// How many steps the last states are from the initial one.
    pub depth: usize,
    /// How many states were seen and not expanded yet.
    pub open: usize,
    /// How many bytes the set of seen states takes, approximately.
    pub bytes: usize,
    /// How long it took so far.
    pub elapsed: Duration,
}

/// How a search ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Every state was seen, and every invariant holds in each.
    Holds,
    /// An invariant does not hold.
    Violated {
        /// The invariant, and what happened.
        breach: Breach,
        /// The fingerprints of the states on a shortest path, beginning with the initial one. The breach is
        /// one step behind the last.
        path: Vec<u128>,
    },
    /// The search stopped at a limit; there are states that it has not seen.
    LimitReached,
}

/// How many states are expanded before the states that they lead to are added to those seen.
const BATCH: usize = 1 << 13;
/// How many states are worth a thread.
const SMALLEST_SHARE: usize = 256;

/// Searches a space breadth first. Calls `progress` after each batch of states.
pub fn search<S: Space>(space: &S, limits: Limits, mut progress: impl FnMut(&Tally)) -> (Verdict, Tally) {
    let began = Instant::now();
    let mut visited = VisitedSet::new();
    let mut tally = Tally::default();
    let initial = space.initial();
    visited.insert(space.fingerprint(&initial), 0);
    let mut level = vec![initial];
    // The place of the level's first state among all that were seen.
    let mut first = 0;
    let verdict = 'search: loop {
        if level.is_empty() {
            break Verdict::Holds;
        }
        if tally.depth == limits.depth {
            break Verdict::LimitReached;
        }
        let begin = visited.len();
        let mut next = Vec::new();
        for (number, batch) in level.chunks(BATCH).enumerate() {
            let from = first + number * BATCH;
            for (parent, end) in expand_all(space, &visited, batch, limits.threads, &mut tally.steps) {
                match end {
                    Next::State(print, state) => {
                        if visited.insert(print, from + parent) {
                            next.push(state);
                        }
                    }
                    Next::Breach(breach) => {
                        tally.depth += 1;
                        break 'search Verdict::Violated {
                            breach: *breach,
                            path: visited.path_to(from + parent),
                        };
                    }
                }
            }
            tally.states = visited.len();
            tally.open = level.len().saturating_sub((number + 1) * BATCH) + next.len();
            tally.bytes = visited.bytes();
            tally.elapsed = began.elapsed();
            progress(&tally);
            if tally.states >= limits.states && tally.open > 0 {
                break 'search Verdict::LimitReached;
            }
        }
        if !next.is_empty() {
            tally.depth += 1;
        }
        first = begin;
        level = next;
    };
    tally.states = visited.len();
    tally.elapsed = began.elapsed();
    (verdict, tally)
}

/// Expands states. Returns what they lead to and was not seen before, each with the place of the state that
/// it comes from, in order.
fn expand_all<S: Space>(
    space: &S,
    visited: &VisitedSet,
    states: &[S::State],
    threads: usize,
    steps: &mut u64,
) -> Vec<(usize, Next<S::State>)> {
    let expand = |states: &[S::State], offset: usize| {
        let mut found = Vec::new();
        let followed = std::cell::Cell::new(0);
        let is_known = |print| {
            followed.set(followed.get() + 1);
            visited.contains(print)
        };
        for (place, state) in (offset..).zip(states) {
            space.expand(state, &is_known, &mut |next| found.push((place, next)));
        }
        (found, followed.get())
    };
    let share = states.len().div_ceil(threads.max(1)).max(SMALLEST_SHARE);
    let threads = if states.len() <= share { 1 } else { threads };
    let work = |(number, states)| expand(states, number * share);
    let mut all = Vec::new();
    for (found, followed) in parallel::map(states.chunks(share).enumerate(), threads, work) {
        *steps += followed;
        all.extend(found);
    }
    all
}

/// The states on a path that [`search`] found, beginning with the initial one.
///
/// # Panics
/// If another space was searched.
pub(super) fn follow<S: Space>(space: &S, path: &[u128]) -> Vec<S::State> {
    let mut states = vec![space.initial()];
    for print in &path[1..] {
        let mut found = None;
        let state = states.last().expect("a path has a first state");
        let mut visit = |next| {
            if let Next::State(other, state) = next
                && other == *print
                && found.is_none()
            {
                found = Some(state);
            }
        };
        space.expand(state, &|other| other != *print, &mut visit);
        states.push(found.expect("the search took this step"));
    }
    states
}
