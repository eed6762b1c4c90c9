//! Breadth first through everything that can happen: a shortest way to whatever is wrong is found first.

use std::time::{Duration, Instant};

use crate::model::bounds::Breach;
use crate::model::visited_set::VisitedSet;

/// Something that can be explored.
pub trait Space: Sync {
    /// A state.
    type State: Send + Sync;

    /// Where it begins.
    fn initial(&self) -> Self::State;

    /// Hands each state that one step leads to, or what is wrong with it, to `visit`: in an order that is the same in every run.
    /// `is_known` says of a fingerprint that its state need not be built.
    fn expand(
        &self,
        state: &Self::State,
        is_known: &dyn Fn(u128) -> bool,
        visit: &mut dyn FnMut(Next<Self::State>),
    );

    /// The same for states that are to be taken for one.
    fn fingerprint(&self, state: &Self::State) -> u128;
}

/// A step's end.
pub enum Next<S> {
    /// This state.
    State(u128, S),
    /// An invariant is broken.
    Breach(Box<Breach>),
}

/// How far a search may go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// How many states are seen at most.
    pub states: usize,
    /// How many steps deep at most.
    pub depth: usize,
    /// How many threads expand states. The result is the same for any number.
    pub threads: usize,
}

/// How a search stands.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tally {
    /// States seen.
    pub states: usize,
    /// Steps that lead from a state to another or the same, as far as they were followed.
    pub steps: u64,
    /// How many steps the last states are from the first.
    pub depth: usize,
    /// States that are seen and not followed yet.
    pub open: usize,
    /// About how many bytes the set of seen states takes.
    pub bytes: usize,
    /// How long it took.
    pub elapsed: Duration,
}

/// How a search ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Every state was seen, and all invariants hold in all of them.
    Holds,
    /// An invariant was broken.
    Violated {
        /// Which, and how.
        breach: Breach,
        /// The fingerprints of the states on a shortest way there, the initial one first. One more step breaks the invariant.
        path: Vec<u128>,
    },
    /// There are states that were not seen.
    LimitReached,
}

/// As many states are expanded before the next ones are looked up among the seen ones.
const BATCH: usize = 1 << 13;

/// Explores. `progress` is told now and then how it stands.
pub fn search<S: Space>(space: &S, limits: Limits, mut progress: impl FnMut(&Tally)) -> (Verdict, Tally) {
    let began = Instant::now();
    let mut visited = VisitedSet::new();
    let mut tally = Tally::default();
    let initial = space.initial();
    visited.insert(space.fingerprint(&initial), 0);
    let mut level = vec![initial];
    // The place of the level's first state among all.
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

/// Expands states, and returns what is new, each with the place of the state that it comes from, in order.
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
    let share = states.len().div_ceil(threads.max(1)).max(256);
    if states.len() <= share {
        let (found, followed) = expand(states, 0);
        *steps += followed;
        return found;
    }
    std::thread::scope(|scope| {
        let shares = states.chunks(share).enumerate();
        let expand = &expand;
        let workers: Vec<_> = shares
            .map(|(number, states)| scope.spawn(move || expand(states, number * share)))
            .collect();
        let mut all = Vec::new();
        for worker in workers {
            let (found, followed) = worker.join().expect("a worker does not panic");
            *steps += followed;
            all.extend(found);
        }
        all
    })
}

/// The states along a way that [`search`] found, the initial one first.
///
/// # Panics
/// If the space is not the one that was searched.
pub fn follow<S: Space>(space: &S, path: &[u128]) -> Vec<S::State> {
    let mut states = vec![space.initial()];
    for print in &path[1..] {
        let mut found = None;
        let state = states.last().expect("a way begins somewhere");
        let mut visit = |next| {
            if let Next::State(other, state) = next
                && other == *print
                && found.is_none()
            {
                found = Some(state);
            }
        };
        space.expand(state, &|other| other != *print, &mut visit);
        states.push(found.expect("the way was walked before"));
    }
    states
}
