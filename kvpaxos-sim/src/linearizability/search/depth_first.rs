//! The search depth first (Wing and Gong, 1993), with the configurations remembered that led nowhere (Lowe, 2017).
//!
//! It ends as soon as there is an order, and finds one soon if what looks best mostly is.

use std::collections::HashSet;

use super::configuration::Configuration;
use super::orders::Orders;
use super::question::SearchResult;
use super::timeline::{Timeline, TimelineEvent};
use super::window::{Mode, Window};
use crate::linearizability::report::Budget;

/// What is left to try after a completion.
struct Frame {
    /// The moment after it.
    moment: usize,
    /// The best last.
    left: Vec<Configuration>,
}

/// Looks for an order; tells how many configurations that took.
pub(super) fn depth_first(timeline: Timeline, orders: Orders, budget: Budget) -> (SearchResult, u64) {
    let Timeline {
        moments,
        first,
        values,
        lookahead,
    } = timeline;
    let mut window = Window::new(values, Some(lookahead), Mode::Exact, orders, budget);
    let mut visited: HashSet<(usize, Configuration)> = HashSet::new();
    let mut remembered = 0;
    let mut stack: Vec<Frame> = Vec::new();
    let mut config = Configuration::first(first);
    let mut moment = 0;
    // The last completion that was come to, and that none got past.
    let mut furthest = 0;
    loop {
        let Some((now, what)) = moments.get(moment) else {
            return (SearchResult::Order(window.order(&config)), window.steps());
        };
        moment += 1;
        match what {
            TimelineEvent::Opens(op, open) => {
                window.open(*op, *open);
                window.on_open(&mut config, *op);
                continue;
            }
            TimelineEvent::Leaves(op, _) => {
                window.close(*op);
                Window::on_close(&mut config, *op);
                continue;
            }
            TimelineEvent::Completes(op, _) => {
                furthest = furthest.max(*now);
                let mut found = Vec::new();
                let begun = config.clone();
                if window.successors(begun, *op, *now, &mut found).is_err() || remembered > budget.memory {
                    return (SearchResult::OutOfBudget, window.steps());
                }
                window.close(*op);
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
                let found = SearchResult::NoOrder {
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
fn back(window: &mut Window, moments: &[(usize, TimelineEvent)]) {
    for (_, moment) in moments.iter().rev() {
        match moment {
            TimelineEvent::Opens(op, _) => window.close(*op),
            TimelineEvent::Leaves(op, open) | TimelineEvent::Completes(op, open) => window.open(*op, *open),
        }
    }
}
