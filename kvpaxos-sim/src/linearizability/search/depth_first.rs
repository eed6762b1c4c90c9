//! Depth first: tries the most promising configuration first (Wing and Gong, *Testing and verifying
//! concurrent objects*, 1993), and remembers those that led nowhere (Lowe, *Testing for linearizability*,
//! 2017).
//!
//! It ends as soon as it finds an order, which is soon if the most promising configurations mostly lead on.

use std::collections::HashSet;

use super::configuration::Configuration;
use super::orders::Orders;
use super::question::SearchResult;
use super::timeline::{Timeline, TimelineEvent};
use super::window::{Mode, Window};
use crate::linearizability::report::Budget;

/// The alternatives that are left after a completion.
struct Frame {
    /// The place in the timeline after the completion.
    moment: usize,
    /// The configurations to try, the most promising last.
    left: Vec<Configuration>,
}

/// Looks for an order. Returns the number of configurations that it looked at, too.
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
    // The last completion that was reached; so far none got past it.
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
                let mut left = window.undominated(found);
                left.retain(|config| {
                    let new = visited.insert((moment, config.clone()));
                    remembered += if new { config.bytes() + 32 } else { 0 };
                    new
                });
                left.sort_by_cached_key(|config| std::cmp::Reverse(window.cost(config)));
                stack.push(Frame { moment, left });
            }
        }
        // Go on with the most promising configuration of the last completion that has any left.
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

/// Takes these events back.
fn back(window: &mut Window, moments: &[(usize, TimelineEvent)]) {
    for (_, moment) in moments.iter().rev() {
        match moment {
            TimelineEvent::Opens(op, _) => window.close(*op),
            TimelineEvent::Leaves(op, open) | TimelineEvent::Completes(op, open) => window.open(*op, *open),
        }
    }
}
