//! The search with all configurations side by side: what is left after each completion.
//!
//! It ends as soon as none is left, and takes as long for histories that have an order as for those that have none.

use super::configuration::Config;
use super::orders::Story;
use super::question::Found;
use super::timeline::{Moment, Timeline};
use super::window::{Mode, OutOfBudget, Window};
use crate::linearizability::report::Budget;

/// Looks for an order; tells how many configurations that took.
pub(super) fn layers(timeline: Timeline, mode: Mode, story: Story, budget: Budget) -> (Found, u64) {
    let Timeline {
        moments,
        first,
        values,
        lookahead,
    } = timeline;
    let mut window = Window::new(values, Some(lookahead), mode, story, budget);
    let mut configs = vec![Config::first(first)];
    for (now, moment) in moments {
        match moment {
            Moment::Opens(slot, open) => {
                window.open(slot, open);
                configs.iter_mut().for_each(|config| window.on_open(config, slot));
            }
            Moment::Leaves(slot, _) => {
                window.close(slot);
                configs
                    .iter_mut()
                    .for_each(|config| Window::on_close(config, slot));
            }
            Moment::Completes(slot, _) => {
                let (mut found, before) = (Vec::new(), configs.first().cloned());
                for config in configs {
                    if window.successors(config, slot, now, &mut found) == Err(OutOfBudget) {
                        return (Found::OutOfBudget, window.steps());
                    }
                }
                window.close(slot);
                configs = window.best_of(found);
                let bytes: usize = configs.iter().map(Config::bytes).sum();
                if configs.is_empty() {
                    // Those that are no real configurations tell nothing of prefixes.
                    let is_real = mode == Mode::Exact;
                    let rest = before.filter(|_| is_real).map(|config| window.order(&config));
                    let found = Found::NoOrder {
                        from: if is_real { now } else { 0 },
                        likely: now,
                        rest: rest.unwrap_or_default(),
                    };
                    return (found, window.steps());
                } else if bytes > budget.memory {
                    return (Found::OutOfBudget, window.steps());
                }
            }
        }
    }
    // An order in which operations of unknown outcome are used again and again is none.
    let found = if mode == Mode::Relaxed {
        Found::OutOfBudget
    } else {
        Found::Order(
            configs
                .first()
                .map_or_else(Vec::new, |config| window.order(config)),
        )
    };
    (found, window.steps())
}
