//! The search with all configurations side by side: what is left after each completion.
//!
//! It ends as soon as none is left, and takes as long for histories that have an order as for those that have none.

use super::configuration::Configuration;
use super::orders::Orders;
use super::question::SearchResult;
use super::timeline::{Timeline, TimelineEvent};
use super::window::{Mode, OutOfBudget, Window};
use crate::linearizability::report::Budget;

/// Looks for an order; tells how many configurations that took.
pub(super) fn breadth_first(
    timeline: Timeline,
    mode: Mode,
    orders: Orders,
    budget: Budget,
) -> (SearchResult, u64) {
    let Timeline {
        moments,
        first,
        values,
        lookahead,
    } = timeline;
    let mut window = Window::new(values, Some(lookahead), mode, orders, budget);
    let mut configs = vec![Configuration::first(first)];
    for (now, moment) in moments {
        match moment {
            TimelineEvent::Opens(op, open) => {
                window.open(op, open);
                configs.iter_mut().for_each(|config| window.on_open(config, op));
            }
            TimelineEvent::Leaves(op, _) => {
                window.close(op);
                configs.iter_mut().for_each(|config| Window::on_close(config, op));
            }
            TimelineEvent::Completes(op, _) => {
                let (mut found, before) = (Vec::new(), configs.first().cloned());
                for config in configs {
                    if window.successors(config, op, now, &mut found) == Err(OutOfBudget) {
                        return (SearchResult::OutOfBudget, window.steps());
                    }
                }
                window.close(op);
                configs = window.best_of(found);
                let bytes: usize = configs.iter().map(Configuration::bytes).sum();
                if configs.is_empty() {
                    // Those that are no real configurations tell nothing of prefixes.
                    let is_real = mode == Mode::Exact;
                    let rest = before.filter(|_| is_real).map(|config| window.order(&config));
                    let found = SearchResult::NoOrder {
                        from: if is_real { now } else { 0 },
                        likely: now,
                        rest: rest.unwrap_or_default(),
                    };
                    return (found, window.steps());
                } else if bytes > budget.memory {
                    return (SearchResult::OutOfBudget, window.steps());
                }
            }
        }
    }
    // An order in which operations of unknown outcome are used again and again is none.
    let found = if mode == Mode::Relaxed {
        SearchResult::OutOfBudget
    } else {
        SearchResult::Order(
            configs
                .first()
                .map_or_else(Vec::new, |config| window.order(config)),
        )
    };
    (found, window.steps())
}
