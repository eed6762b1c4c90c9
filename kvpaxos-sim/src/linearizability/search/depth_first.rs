//! The search depth first (Wing and Gong, 1993), with the configurations remembered that led nowhere (Lowe, 2017).
//!
//! It ends as soon as there is an order, and finds one soon if what looks best mostly is.

use std::collections::HashSet;

use super::configuration::Config;
use super::orders::Story;
use super::question::Found;
use super::timeline::{Moment, Timeline};
use super::window::{Mode, Window};
use crate::linearizability::report::Budget;

/// What is left to try after a completion.
struct Frame {
    /// The moment after it.
    moment: usize,
    /// The best last.
    left: Vec<Config>,
}

/// Looks for an order; tells how many configurations that took.
pub(super) fn deep(timeline: Timeline, story: Story, budget: Budget) -> (Found, u64) {
    let Timeline {
        moments,
        first,
        values,
        lookahead,
    } = timeline;
    let mut window = Window::new(values, Some(lookahead), Mode::Exact, story, budget);
    let mut visited: HashSet<(usize, Config)> = HashSet::new();
    let mut remembered = 0;
    let mut stack: Vec<Frame> = Vec::new();
    let mut config = Config::first(first);
    let mut moment = 0;
    // The last completion that was come to, and that none got past.
    let mut furthest = 0;
    loop {
        let Some((now, what)) = moments.get(moment) else {
            return (Found::Order(window.order(&config)), window.steps());
        };
        moment += 1;
        match what {
            Moment::Opens(slot, open) => {
                window.open(*slot, *open);
                window.on_open(&mut config, *slot);
                continue;
            }
            Moment::Leaves(slot, _) => {
                window.close(*slot);
                Window::on_close(&mut config, *slot);
                continue;
            }
            Moment::Completes(slot, _) => {
                furthest = furthest.max(*now);
                let mut found = Vec::new();
                let begun = config.clone();
                if window.successors(begun, *slot, *now, &mut found).is_err() || remembered > budget.memory {
                    return (Found::OutOfBudget, window.steps());
                }
                window.close(*slot);
                let mut left = window.best_of(found);
                left.retain(|config| {
                    let new = visited.insert((moment, config.clone()));
                    remembered += if new { config.bytes() + 32 } else { 0 };
                    new
                });
                left.sort_by_cached_key(|config| std::cmp::Reverse(window.cost(config)));
                stack.push(Frame { moment, left });
            }
        }
        // On with the best that is left of the last completion that leaves any.
        loop {
            let Some(frame) = stack.last_mut() else {
                let found = Found::NoOrder {
                    from: furthest,
                    likely: furthest,
                    rest: Vec::new(),
                };
                return (found, window.steps());
            };
            back(&mut window, &moments[frame.moment..moment]);
            moment = frame.moment;
            if let Some(next) = frame.left.pop() {
                config = next;
                break;
            }
            stack.pop();
        }
    }
}

/// The window as it was before these.
fn back(window: &mut Window, moments: &[(usize, Moment)]) {
    for (_, moment) in moments.iter().rev() {
        match moment {
            Moment::Opens(slot, _) => window.close(*slot),
            Moment::Leaves(slot, open) | Moment::Completes(slot, open) => window.open(*slot, *open),
        }
    }
}
