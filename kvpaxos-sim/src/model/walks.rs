//! Random walks through a space, and how many of its states they reach.
//!
//! A sweep of seeds samples runs and cannot tell how much it has not seen. Where a [`search`](crate::model::search()) has
//! counted all states, walks through the same space by the same code show what share of them a way to draw
//! reaches in how many steps. So a better way to draw is a number.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use kvpaxos::Random;

use crate::model::invariant::Breach;
use crate::model::search::{Next, Space};

/// How a walk draws its next step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Draw {
    /// Every step with the same probability, from the initial state to a state without a step.
    Uniform,
    /// Each walk prefers the steps of some roles and starves others, as a swarm of fault mixes does (Groce and
    /// others, *Swarm Testing*, 2012): a step's place in the list is drawn with a power that the walk drew.
    Swarm,
    /// Among the states that one step leads to, one that was visited least often.
    LeastVisited,
    /// A walk begins in a state that an earlier one reached, one from which walks began least often, and draws
    /// [`Uniform`](Draw::Uniform) steps.
    Resumed,
    /// Both: begins in an earlier state, and goes on to states that were visited least often.
    ResumedLeastVisited,
}

impl Draw {
    /// All ways.
    pub const ALL: [Draw; 5] = [
        Draw::Uniform,
        Draw::Swarm,
        Draw::LeastVisited,
        Draw::Resumed,
        Draw::ResumedLeastVisited,
    ];

    fn resumes(self) -> bool {
        matches!(self, Draw::Resumed | Draw::ResumedLeastVisited)
    }
}

impl fmt::Display for Draw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Draw::Uniform => "uniform",
            Draw::Swarm => "swarm",
            Draw::LeastVisited => "least visited",
            Draw::Resumed => "resumed",
            Draw::ResumedLeastVisited => "resumed, least visited",
        })
    }
}

/// How far walks have come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reached {
    /// How many steps they took together.
    pub steps: usize,
    /// How many walks began.
    pub walks: usize,
    /// How many different states they were in.
    pub states: usize,
    /// How long they took, in one thread.
    pub elapsed: Duration,
}

/// The longest walk that goes on from an earlier state, in steps. Walks from the initial state go on until nothing
/// can happen.
const RESUMED_STEPS: usize = 16;

/// Walks until `marks`, which are numbers of steps in ascending order, and returns how far it has come at each.
/// The states depend on the seed alone.
///
/// # Errors
/// The first breach of an invariant that a step leads to.
pub fn walk<S: Space>(space: &S, draw: Draw, seed: u64, marks: &[usize]) -> Result<Vec<Reached>, Breach>
where
    S::State: Clone,
{
    let mut walker = Walker {
        space,
        draw,
        random: Random::from_seed(seed),
        visits: BTreeMap::new(),
        corpus: Vec::new(),
        next: 0,
    };
    let began = Instant::now();
    let mut reached = Vec::new();
    let (mut steps, mut walks) = (0, 0);
    for mark in marks {
        while steps < *mark {
            walks += 1;
            steps += walker.walk(mark - steps)?.max(1);
        }
        reached.push(Reached {
            steps,
            walks,
            states: walker.visits.len(),
            elapsed: began.elapsed(),
        });
    }
    Ok(reached)
}

struct Walker<'a, S: Space> {
    space: &'a S,
    draw: Draw,
    random: Random,
    /// How often each state was visited, by its fingerprint.
    visits: BTreeMap<u128, u64>,
    /// The states in which walks may begin, in the order in which they were reached, if they do.
    corpus: Vec<S::State>,
    /// The place in the corpus from which the next walk begins. Going round serves each equally often.
    next: usize,
}

impl<S: Space> Walker<'_, S>
where
    S::State: Clone,
{
    /// Walks at most so many steps. Returns how many it took.
    fn walk(&mut self, most: usize) -> Result<usize, Breach> {
        let (mut state, limit) = if self.draw.resumes() && !self.corpus.is_empty() {
            self.next = (self.next + 1) % self.corpus.len();
            (self.corpus[self.next].clone(), most.min(RESUMED_STEPS))
        } else {
            let initial = self.space.initial();
            self.visit(self.space.fingerprint(&initial), &initial);
            (initial, most)
        };
        let power = 1 + self.random.below(4);
        let mut steps = 0;
        while steps < limit {
            let mut found = Vec::new();
            let mut breach = None;
            self.space.expand(&state, &|_| false, &mut |next| match next {
                Next::State(print, state) => found.push((print, state)),
                Next::Breach(why) => breach = breach.take().or(Some(*why)),
            });
            if let Some(breach) = breach {
                return Err(breach);
            }
            if found.is_empty() {
                break;
            }
            let place = self.choose(&found, power);
            let (print, next) = found.swap_remove(place);
            self.visit(print, &next);
            state = next;
            steps += 1;
        }
        Ok(steps)
    }

    fn visit(&mut self, print: u128, state: &S::State) {
        let visits = self.visits.entry(print).or_default();
        *visits += 1;
        if *visits == 1 && self.draw.resumes() {
            self.corpus.push(state.clone());
        }
    }

    /// The place of the next state among those that one step leads to.
    fn choose(&mut self, found: &[(u128, S::State)], power: u64) -> usize {
        let among = |random: &mut Random, count: usize| {
            usize::try_from(random.below(count as u64)).expect("a number below a length is an index")
        };
        match self.draw {
            Draw::Uniform | Draw::Resumed => among(&mut self.random, found.len()),
            Draw::Swarm => {
                let draws = (0..power).map(|_| among(&mut self.random, found.len()));
                let lowest = draws.min().expect("a power is at least 1");
                // Every other power prefers the end of the list.
                if power.is_multiple_of(2) {
                    found.len() - 1 - lowest
                } else {
                    lowest
                }
            }
            Draw::LeastVisited | Draw::ResumedLeastVisited => {
                let visits = |print: &u128| self.visits.get(print).copied().unwrap_or(0);
                let least = found.iter().map(|(print, _)| visits(print)).min();
                let places = found
                    .iter()
                    .enumerate()
                    .filter(|(_, (print, _))| Some(visits(print)) == least);
                let places: Vec<usize> = places.map(|(place, _)| place).collect();
                places[among(&mut self.random, places.len())]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Bounds, Limits, Roles, search};

    #[test]
    fn walks_reach_no_other_states_than_the_search_and_with_more_steps_more_of_them() {
        let roles = Roles::new(Bounds::new(3, 1));
        let limits = Limits {
            states: usize::MAX,
            depth: usize::MAX,
            threads: 1,
        };
        let all = search(&roles, limits, |_| {}).1.states;
        for draw in Draw::ALL {
            let reached = walk(&roles, draw, 1, &[100, 4 * all]).expect("every invariant holds");
            assert!(reached[0].states < all / 4, "{draw}: {reached:?}");
            assert!(
                (all / 3..=all).contains(&reached[1].states),
                "{draw}: {reached:?}"
            );
            assert_eq!(reached[1].steps, 4 * all);
            let again = walk(&roles, draw, 1, &[100]).expect("every invariant holds");
            assert_eq!(again[0].states, reached[0].states, "the seed decides");
        }
    }

    /// A walk that steps on a breach says so.
    #[test]
    fn a_breach_ends_the_walk() {
        struct Broken;
        impl Space for Broken {
            type State = u8;
            fn initial(&self) -> u8 {
                0
            }
            fn expand(&self, state: &u8, _: &dyn Fn(u128) -> bool, visit: &mut dyn FnMut(Next<u8>)) {
                if *state < 3 {
                    visit(Next::State(u128::from(state + 1), state + 1));
                } else {
                    let invariant = crate::model::Invariant::P1;
                    visit(Next::Breach(Box::new(Breach::new(invariant, "three".to_owned()))));
                }
            }
            fn fingerprint(&self, state: &u8) -> u128 {
                u128::from(*state)
            }
        }
        for draw in Draw::ALL {
            assert!(walk(&Broken, draw, 1, &[10]).is_err(), "{draw}");
        }
    }
}
