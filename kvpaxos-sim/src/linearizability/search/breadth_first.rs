//! Breadth first: follows all configurations side by side, from each completion to the next.
//!
//! It ends at the first completion that no configuration gets past. For linearizable histories it takes as
//! long as for others.
//!
//! It can be told to follow the most promising configurations only, a *beam* (Lowerre, *The Harpy speech
//! recognition system*, 1976). Then the time grows with the number of operations alone. An order that is found
//! is one, but if no configuration is left, nothing is known.

use super::configuration::Configuration;
use super::orders::Orders;
use super::question::SearchResult;
use super::timeline::{Timeline, TimelineEvent};
use super::window::{Mode, OutOfBudget, Window};
use crate::linearizability::report::Budget;

/// How many ways to go on from a configuration are looked at in a beam, for each configuration in it.
const WAYS: usize = 4;

/// Looks for an order, with at most `width` configurations side by side. Returns the number of configurations
/// that it looked at, too.
pub(super) fn breadth_first(
    timeline: Timeline,
    mode: Mode,
    width: usize,
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
    window.width = width.saturating_mul(WAYS);
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
                // To find those that dominate others takes quadratic time.
                window.keep_promising(&mut found, width.saturating_mul(WAYS));
                window.close(op);
                configs = window.undominated(found);
                window.keep_promising(&mut configs, width);
                let bytes: usize = configs.iter().map(Configuration::bytes).sum();
                if configs.is_empty() && window.is_cut {
                    return (SearchResult::OutOfBudget, window.steps());
                } else if configs.is_empty() {
                    // Relaxed configurations may be impossible, so they prove nothing about prefixes.
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
    // An order that uses an operation of unknown outcome more than once is no order.
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
