//! The search: all lists of answers, depth first.

use std::ops::ControlFlow;

use super::decider::{Bounds, Chosen, ListDecider, Trail};
use crate::engine::Decider;
use crate::parallel;

/// How far the search may go, and on how many threads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// After so many runs it ends.
    pub runs: u64,
    /// How many runs are played at a time. It changes nothing in what is found.
    pub threads: usize,
}

/// What the search came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome<T> {
    /// How many runs were played.
    pub runs: u64,
    /// The most choices of a run that had more than one answer.
    pub choices: usize,
    /// Whether every run within the bounds was played.
    pub is_complete: bool,
    /// What ended the search.
    pub found: Option<T>,
}

/// So many runs are played before their outcomes are taken. The order of the runs depends on it, so it is the same
/// on every machine.
const BATCH: usize = 64;

/// Plays every run within the bounds: each with a decider of its own, which takes random bits from the seed. The
/// runs must depend on their decider alone. They are played on several threads; `take` gets their results in an order
/// that does not depend on how many there are. Ends after `limit` runs, or when `take` breaks off.
pub fn exhaust<R: Send, T>(
    bounds: &Bounds,
    seed: u64,
    Limits { runs, threads }: Limits,
    play: impl Fn(Box<dyn Decider + Send>) -> R + Sync,
    mut take: impl FnMut(R) -> ControlFlow<T>,
) -> Outcome<T> {
    let mut outcome = Outcome {
        runs: 0,
        choices: 0,
        is_complete: false,
        found: None,
    };
    let play = |answers: Vec<u64>| {
        let trail = Trail::default();
        let given = answers.len();
        let result = play(Box::new(ListDecider::new(
            bounds.clone(),
            seed,
            answers,
            trail.clone(),
        )));
        (given, trail.take(), result)
    };
    // The list that is played next is the last one.
    let mut open = vec![Vec::new()];
    while !open.is_empty() {
        let left = usize::try_from(runs - outcome.runs).unwrap_or(usize::MAX);
        if left == 0 {
            return outcome;
        }
        let batch = open.split_off(open.len().saturating_sub(BATCH.min(left)));
        let played = parallel::map(batch.into_iter().rev(), threads, play);
        let mut others = Vec::new();
        for (given, made, result) in played {
            outcome.runs += 1;
            outcome.choices = outcome.choices.max(made.len());
            if let ControlFlow::Break(found) = take(result) {
                outcome.found = Some(found);
                return outcome;
            }
            others.push(other_lists(given, &made));
        }
        open.extend(others.into_iter().rev().flatten());
    }
    outcome.is_complete = true;
    outcome
}

/// The lists that give one of the choices another answer, of those that a run made after the `given` ones; what follows
/// is chosen anew. The later that choice, the later the list.
fn other_lists(given: usize, made: &[Chosen]) -> Vec<Vec<u64>> {
    let answers: Vec<u64> = made.iter().map(|chosen| chosen.answer).collect();
    let list = |place: usize, answer| answers[..place].iter().copied().chain([answer]).collect();
    let mut lists = Vec::new();
    for (place, chosen) in made.iter().enumerate().skip(given) {
        lists.extend((1..chosen.answers).rev().map(|answer| list(place, answer)));
    }
    lists
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Choice, Decision, Range, Stream};

    /// A choice that only some runs make.
    fn play(mut decider: Box<dyn Decider + Send>) -> Vec<u64> {
        let mut ask = |weights: &[u32]| {
            decider.decide(&Choice {
                stream: Stream::Nemesis,
                decision: Decision::FaultKind,
                range: Range::Weighted(weights),
            })
        };
        let first = ask(&[1, 0, 1]);
        if first == 2 {
            vec![first, ask(&[1, 1, 1])]
        } else {
            vec![first]
        }
    }

    const fn limits(runs: u64, threads: usize) -> Limits {
        Limits { runs, threads }
    }

    #[test]
    fn every_run_is_played_once() {
        for threads in [1, 3] {
            let mut runs = Vec::new();
            let outcome = exhaust(&Bounds::default(), 1, limits(100, threads), play, |run| {
                runs.push(run);
                ControlFlow::<()>::Continue(())
            });
            assert_eq!(runs, [vec![0], vec![2, 0], vec![2, 1], vec![2, 2]]);
            assert_eq!((outcome.runs, outcome.choices), (4, 2));
            assert!(outcome.is_complete);
        }
    }

    #[test]
    fn a_limit_and_a_find_end_the_search() {
        let limited = exhaust(&Bounds::default(), 1, limits(3, 1), play, |_| {
            ControlFlow::<()>::Continue(())
        });
        assert_eq!((limited.runs, limited.is_complete), (3, false));
        for threads in [1, 3] {
            let found = exhaust(
                &Bounds::default(),
                1,
                limits(100, threads),
                play,
                |run| match run {
                    run if run == [2, 1] => ControlFlow::Break(run),
                    _ => ControlFlow::Continue(()),
                },
            );
            assert_eq!((found.runs, found.found), (3, Some(vec![2, 1])));
            assert!(!found.is_complete);
        }
    }

    /// Eight choices of three answers each: 6,561 runs, many batches, each run once and in the same order on any
    /// number of threads.
    #[test]
    fn many_runs_are_played_once_in_an_order_of_their_own() {
        let play = |mut decider: Box<dyn Decider + Send>| {
            let choice = Choice {
                stream: Stream::Nemesis,
                decision: Decision::FaultKind,
                range: Range::Weighted(&[1, 1, 1]),
            };
            (0..8).fold(0, |sum, _| 3 * sum + decider.decide(&choice))
        };
        let all = |threads| {
            let mut runs = Vec::new();
            let outcome = exhaust(&Bounds::default(), 1, limits(10_000, threads), play, |run| {
                runs.push(run);
                ControlFlow::<()>::Continue(())
            });
            assert!(outcome.is_complete);
            runs
        };
        let mut runs = all(1);
        assert_eq!(runs, all(3));
        runs.sort_unstable();
        assert!(runs.into_iter().eq(0..6_561));
    }
}
