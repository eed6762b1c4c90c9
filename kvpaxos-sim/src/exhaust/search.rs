//! The search: all lists of answers, depth first.

use std::ops::ControlFlow;

use super::decider::{Bounds, ListDecider, Trail};
use crate::engine::Decider;

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

/// Plays every run within the bounds: each with a decider of its own, which takes random bits from the seed. Ends
/// after `limit` runs, or when `play` breaks off. The runs must depend on their decider alone.
pub fn exhaust<T>(
    bounds: &Bounds,
    seed: u64,
    limit: u64,
    mut play: impl FnMut(Box<dyn Decider + Send>) -> ControlFlow<T>,
) -> Outcome<T> {
    let mut outcome = Outcome {
        runs: 0,
        choices: 0,
        is_complete: false,
        found: None,
    };
    let mut list = Some(Vec::new());
    while let Some(answers) = list.take() {
        if outcome.runs >= limit {
            return outcome;
        }
        outcome.runs += 1;
        let trail = Trail::default();
        let decider = ListDecider::new(bounds.clone(), seed, answers, trail.clone());
        if let ControlFlow::Break(found) = play(Box::new(decider)) {
            outcome.found = Some(found);
            return outcome;
        }
        let mut made = trail.take();
        outcome.choices = outcome.choices.max(made.len());
        // The last choice that has another answer gets it; what follows is chosen anew.
        while let Some(mut last) = made.pop() {
            last.answer += 1;
            if last.answer < last.answers {
                made.push(last);
                list = Some(made.iter().map(|chosen| chosen.answer).collect());
                break;
            }
        }
    }
    outcome.is_complete = true;
    outcome
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

    #[test]
    fn every_run_is_played_once() {
        let mut runs = Vec::new();
        let outcome = exhaust(&Bounds::default(), 1, 100, |decider| {
            runs.push(play(decider));
            ControlFlow::<()>::Continue(())
        });
        assert_eq!(runs, [vec![0], vec![2, 0], vec![2, 1], vec![2, 2]]);
        assert_eq!((outcome.runs, outcome.choices), (4, 2));
        assert!(outcome.is_complete);
    }

    #[test]
    fn a_limit_and_a_find_end_the_search() {
        let limited = exhaust(&Bounds::default(), 1, 3, |decider| {
            play(decider);
            ControlFlow::<()>::Continue(())
        });
        assert_eq!((limited.runs, limited.is_complete), (3, false));
        let found = exhaust(&Bounds::default(), 1, 100, |decider| match play(decider) {
            run if run == [2, 1] => ControlFlow::Break(run),
            _ => ControlFlow::Continue(()),
        });
        assert_eq!((found.runs, found.found), (3, Some(vec![2, 1])));
        assert!(!found.is_complete);
    }
}
