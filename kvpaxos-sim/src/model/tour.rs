//! A tour of a space: paths that together take every step of it, or as many as a limit allows.
//!
//! A search keeps a shortest path to each state and takes each step once, but on no path that could be watched from
//! its beginning. A path of a tour goes from the initial state to some state with a step that was not taken yet, and
//! on by such steps until there is none. States that differ only in the names of acceptors are one state here as
//! well.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use kvpaxos::Random;

use crate::model::watch::{Watched, Watcher};

/// How far a tour has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize)]
pub struct Toured {
    /// How many paths were watched.
    pub paths: usize,
    /// How many steps they have together.
    pub steps: usize,
    /// How many different states they come through.
    pub states: usize,
    /// Whether every step of the space was taken.
    pub complete: bool,
}

/// A watcher that found something wrong, and the steps of the path in words.
pub(crate) struct Objection<W> {
    pub(crate) watcher: W,
    pub(crate) lines: Vec<String>,
}

/// Tours a space until every step was taken, or until the paths have so many steps together. A new watcher watches
/// each path. Where there is a choice, the seed decides.
///
/// # Errors
/// The first watcher that objects.
pub(crate) fn tour<S: Watched, W: Watcher>(
    space: &S,
    seed: u64,
    most: usize,
    watcher: impl Fn() -> W,
) -> Result<Toured, Objection<W>> {
    let mut tour = Tour {
        space,
        random: Random::from_seed(seed),
        seen: BTreeMap::new(),
        open: Vec::new(),
        taken: BTreeSet::new(),
        toured: Toured::default(),
        most,
    };
    tour.see(space.fingerprint(&space.initial()), None);
    while tour.toured.steps < most {
        let Some(target) = tour.draw_target() else {
            tour.toured.complete = true;
            break;
        };
        tour.toured.paths += 1;
        tour.go(target, watcher())?;
        if tour.seen[&target].untaken > Some(0) {
            tour.open.push(target);
        }
    }
    tour.toured.states = tour.seen.values().filter(|seen| seen.untaken.is_some()).count();
    Ok(tour.toured)
}

/// What is known of a state.
struct Seen {
    /// The state from which it was seen first; `None` for the initial one.
    from: Option<u128>,
    /// How many of its steps were not taken; `None` if no path has come to it.
    untaken: Option<usize>,
}

struct Tour<'a, S> {
    space: &'a S,
    random: Random,
    /// Each state that was seen, by its fingerprint.
    seen: BTreeMap<u128, Seen>,
    /// Every state with steps that were not taken, and some without.
    open: Vec<u128>,
    /// The steps that were taken: from which state to which.
    taken: BTreeSet<(u128, u128)>,
    toured: Toured,
    most: usize,
}

/// A step, and the state that it leads to.
struct Way<S: Watched> {
    step: S::Step,
    print: u128,
    state: S::State,
}

impl<S: Watched> Tour<'_, S> {
    fn see(&mut self, print: u128, from: Option<u128>) {
        if let Entry::Vacant(entry) = self.seen.entry(print) {
            entry.insert(Seen { from, untaken: None });
            self.open.push(print);
        }
    }

    /// Draws a state with steps that were not taken.
    fn draw_target(&mut self) -> Option<u128> {
        while !self.open.is_empty() {
            let place = among(&mut self.random, self.open.len());
            let target = self.open.swap_remove(place);
            if self.seen[&target].untaken != Some(0) {
                return Some(target);
            }
        }
        None
    }

    /// Goes to a state that was seen, and on from there.
    fn go<W: Watcher>(&mut self, target: u128, mut watcher: W) -> Result<(), Objection<W>> {
        let mut way_there = vec![target];
        while let Some(from) = way_there.last().and_then(|print| self.seen[print].from) {
            way_there.push(from);
        }
        let mut path = self.space.begin(&mut watcher);
        let mut at = way_there.pop().expect("it has at least the target");
        let mut state = self.space.initial();
        let mut steps = Vec::new();
        while self.toured.steps < self.most && !watcher.objects() {
            let Some(way) = self.choose(at, &state, way_there.pop()) else {
                break;
            };
            let after = way.state;
            self.space
                .tell(&mut path, &state, &way.step, &after, &mut watcher);
            self.toured.steps += 1;
            at = way.print;
            steps.push((std::mem::replace(&mut state, after), way.step));
        }
        if !watcher.objects() {
            return Ok(());
        }
        let ends = steps.iter().skip(1).map(|(state, _)| state).chain([&state]);
        let words = steps.iter().zip(ends);
        let words = words.map(|((before, step), after)| self.space.words(before, step, after));
        let lines = words.collect();
        Err(Objection { watcher, lines })
    }

    /// The step to a wanted state, or else one that was not taken; then it is.
    fn choose(&mut self, at: u128, state: &S::State, wanted: Option<u128>) -> Option<Way<S>> {
        let mut ways: Vec<Way<S>> = Vec::new();
        for (step, state) in self.space.steps(state) {
            let print = self.space.fingerprint(&state);
            if ways.iter().all(|way| way.print != print) {
                ways.push(Way { step, print, state });
            }
        }
        for way in &ways {
            self.see(way.print, Some(at));
        }
        let is_right = |way: &Way<S>| match wanted {
            Some(print) => way.print == print,
            None => !self.taken.contains(&(at, way.print)),
        };
        let places: Vec<usize> = (0..ways.len()).filter(|place| is_right(&ways[*place])).collect();
        let count = ways.len();
        let untaken = &mut self
            .seen
            .get_mut(&at)
            .expect("every state of a path was seen")
            .untaken;
        let untaken = untaken.get_or_insert(count);
        if places.is_empty() {
            return None;
        }
        let place = places[among(&mut self.random, places.len())];
        let way = ways.swap_remove(place);
        *untaken -= usize::from(self.taken.insert((at, way.print)));
        Some(way)
    }
}

fn among(random: &mut Random, count: usize) -> usize {
    usize::try_from(random.below(count as u64)).expect("a number below a length is an index")
}
