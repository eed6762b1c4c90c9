//! Which of the configurations need not be followed, and which are followed first.

use super::config::Config;
use super::steps::Step;
use super::window::{Open, Window};

impl Window {
    /// Those configurations that are not worse than another.
    pub(super) fn best_of(&mut self, mut found: Vec<Config>) -> Vec<Config> {
        // When a block began matters only to what may be hidden before it.
        let open = || self.slots.iter().flatten();
        let needed = open().filter(|open| !open.is_optional());
        let first = needed.map(|open| open.invoked).min().unwrap_or(usize::MAX);
        let mut ends: Vec<usize> = open().map(|open| open.invoked + 1).collect();
        ends.sort_unstable();
        for config in &mut found {
            let hideable = ends.partition_point(|end| *end <= config.since);
            config.since = match hideable.checked_sub(1) {
                Some(last) if first < config.since => ends[last],
                _ => 0,
            };
        }
        found.sort_unstable_by(|one, other| {
            (one.value, std::cmp::Reverse(one.since)).cmp(&(other.value, std::cmp::Reverse(other.since)))
        });
        found.dedup();
        let mut kept: Vec<Config> = Vec::new();
        let mut first = 0;
        for config in found {
            if kept.last().is_some_and(|last| last.value != config.value) {
                first = kept.len();
            }
            self.steps += 1 + (kept.len() - first) as u64 / 16;
            if kept[first..].iter().any(|other| self.is_worse(&config, other)) {
                continue;
            }
            let mut place = first;
            while place < kept.len() {
                if self.is_worse(&kept[place], &config) {
                    kept.swap_remove(place);
                } else {
                    place += 1;
                }
            }
            kept.push(config);
        }
        kept
    }

    /// How many operations have taken effect that need not have, and of those that may still be of use: what is low is tried first.
    pub(super) fn cost(&self, config: &Config) -> (usize, usize) {
        let taken = self
            .slots
            .iter()
            .enumerate()
            .filter(|(slot, _)| config.done.has(*slot));
        let taken = taken
            .filter_map(|(_, open)| *open)
            .filter(|open| !open.step.is_pure());
        let optional = taken.clone().filter(Open::is_optional).count();
        (optional, taken.count())
    }

    /// Whether whatever can follow on the first can follow on the second.
    fn is_worse(&self, worse: &Config, better: &Config) -> bool {
        if better.since < worse.since {
            return false;
        }
        let words = worse.done.words().max(better.done.words());
        (0..words).all(|place| {
            let (left, right) = (worse.done.word(place), better.done.word(place));
            let only_better = right & !left & !self.pure.word(place);
            let only_worse = left & !right & !self.optional.word(place);
            only_better == 0 && self.all_hideable(only_worse, place, better.since)
        })
    }

    /// Whether all these are puts and appends that may be hidden before the block that began then.
    fn all_hideable(&self, mut word: u64, place: usize, since: usize) -> bool {
        while word != 0 {
            let slot = place * 64 + word.trailing_zeros() as usize;
            let open = self.at(slot);
            let may_hide = matches!(open.step, Step::Put { .. } | Step::Append { .. });
            if !may_hide || open.invoked >= since {
                return false;
            }
            word &= word - 1;
        }
        true
    }
}
