//! Which of the configurations need not be followed, and which are followed first.

use std::cell::OnceCell;
use std::collections::HashMap;

use smallvec::SmallVec;

use super::bitset::{Bits, Slot, slots};
use super::configuration::Config;
use super::transitions::Step;
use super::window::{NOWHERE, Open, Window};
use crate::hashing::BuildQuick;

/// So many operations at most are exchanged for others that do the same.
const EXCHANGED: usize = 4;

/// See [`Window::doing`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Doing {
    Put(u32),
    Swap(u32, u32),
    Append(u32),
    Find(u32),
    Miss(u32),
}

/// Which operations do the same.
struct Likes {
    /// The same number for each slot's likes.
    classes: Vec<usize>,
    /// Those that are not alone.
    shared: Bits,
}

impl Window {
    /// Those configurations that are not worse than another.
    pub(super) fn best_of(&mut self, mut found: Vec<Config>) -> Vec<Config> {
        // When a block began matters only to what may be hidden before it.
        let open = || self.slots.iter().flatten();
        let needed = open().filter(|open| !open.is_optional());
        let first = needed.map(|open| open.invoked).min().unwrap_or(usize::MAX);
        let mut known: HashMap<usize, usize, BuildQuick> = HashMap::default();
        for config in &mut found {
            let since = config.since;
            let hideable = || open().map(|open| open.invoked + 1).filter(|end| *end <= since);
            config.since = if first < since {
                *known
                    .entry(since)
                    .or_insert_with(|| hideable().max().unwrap_or(0))
            } else {
                0
            };
        }
        found.sort_unstable_by(|one, other| {
            (one.value, std::cmp::Reverse(one.since)).cmp(&(other.value, std::cmp::Reverse(other.since)))
        });
        found.dedup();
        if found.len() < 2 {
            self.steps += found.len() as u64;
            return found;
        }
        // Most often nobody asks.
        let likes = OnceCell::new();
        let mut kept: Vec<Config> = Vec::new();
        let mut first = 0;
        for config in found {
            if kept.last().is_some_and(|last| last.value != config.value) {
                first = kept.len();
            }
            self.steps += 1 + (kept.len() - first) as u64 / 16;
            if kept[first..]
                .iter()
                .any(|other| self.is_worse(&config, other, &likes))
            {
                continue;
            }
            let mut place = first;
            while place < kept.len() {
                if self.is_worse(&kept[place], &config, &likes) {
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
        let taken = config.done.iter().map(|slot| self.at(slot));
        let taken = taken.filter(|open| !open.step.is_pure());
        let taken: SmallVec<[Open; 16]> = taken.collect();
        let optional = taken.iter().filter(|open| open.is_optional()).count();
        (optional, taken.len())
    }

    /// Whether whatever can follow on the first can follow on the second.
    fn is_worse(&self, worse: &Config, better: &Config, likes: &OnceCell<Likes>) -> bool {
        if better.since < worse.since {
            return false;
        }
        let words = worse.done.words().max(better.done.words());
        let mut ahead: SmallVec<[Slot; EXCHANGED]> = SmallVec::new();
        for place in 0..words {
            let only_better = better.done.word(place) & !worse.done.word(place) & !self.pure.word(place);
            let is_alone = |likes: &Likes| only_better & !likes.shared.word(place) != 0;
            if likes.get().is_some_and(is_alone)
                || ahead.len() + only_better.count_ones() as usize > EXCHANGED
            {
                return false;
            }
            ahead.extend(slots(only_better, place));
        }
        let exchanged = if ahead.is_empty() {
            Bits::default()
        } else {
            let likes = likes.get_or_init(|| self.likes());
            match self.exchanged(&ahead, worse, better, likes) {
                Some(exchanged) => exchanged,
                None => return false,
            }
        };
        (0..words).all(|place| {
            let (left, right) = (worse.done.word(place), better.done.word(place));
            let only_worse = left & !right & !self.optional.word(place) & !exchanged.word(place);
            self.all_hideable(only_worse, place, better.since)
        })
    }

    /// What the worse one has done, and the better one has left, in exchange for each of these.
    fn exchanged(&self, ahead: &[Slot], worse: &Config, better: &Config, likes: &Likes) -> Option<Bits> {
        if ahead.iter().any(|slot| !likes.shared.has(*slot)) {
            return None;
        }
        let mut exchanged = Bits::default();
        for slot in ahead {
            let taken = self.at(*slot);
            let is_fair = |other: &Slot| {
                if likes.classes[*other] != likes.classes[*slot] || exchanged.has(*other) {
                    return false;
                }
                let left = self.at(*other);
                let is_in_time = left.invoked <= taken.invoked || left.invoked < better.since;
                left.until >= taken.until && is_in_time
            };
            let other = worse.done.without(&better.done).find(is_fair)?;
            exchanged.insert(other);
        }
        Some(exchanged)
    }

    /// What it does, as far as anybody will see.
    fn doing(&self, open: Open) -> Doing {
        match open.step {
            Step::Put { value } => Doing::Put(self.settled(value, self.now)),
            Step::Swap { expect, value } => Doing::Swap(expect, self.settled(value, self.now)),
            Step::Append { .. } if open.useful < self.now => Doing::Append(NOWHERE),
            Step::Append { tail } => Doing::Append(tail),
            Step::Get { seen } => Doing::Find(seen),
            Step::Differ { from } => Doing::Miss(from),
        }
    }

    /// Whether both do the same, as far as anybody will see.
    pub(super) fn is_alike(&self, one: Open, other: Open) -> bool {
        self.doing(one) == self.doing(other)
    }

    /// Which of the operations under way do the same.
    fn likes(&self) -> Likes {
        let under_way = self.slots.iter().enumerate();
        let mut doing: Vec<(Doing, Slot)> = under_way
            .filter_map(|(slot, open)| Some((self.doing((*open)?), slot)))
            .collect();
        doing.sort_unstable();
        let mut likes = Likes {
            classes: vec![0; self.slots.len()],
            shared: Bits::default(),
        };
        let mut class = 0;
        for (before, (what, slot)) in std::iter::once(None).chain(doing.iter().map(Some)).zip(&doing) {
            match before {
                Some((other, like)) if other == what => {
                    likes.shared.insert(*like);
                    likes.shared.insert(*slot);
                }
                _ => class += 1,
            }
            likes.classes[*slot] = class;
        }
        likes
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

#[cfg(test)]
mod tests {
    use super::super::orders::Story;
    use super::super::transitions::Values;
    use super::super::window::Mode;
    use super::*;
    use crate::linearizability::report::Budget;

    /// Of two that do the same, having the later one left serves for having the sooner one left, and not the other way round.
    #[test]
    fn what_completes_sooner_is_no_exchange_for_what_completes_later() {
        let (mut values, first) = (Values::default(), Config::first(0));
        let value = values.number(&"a".into());
        let mut window = Window::new(values, None, Mode::Exact, Story::default(), Budget::default());
        for (slot, until) in [(0, 9), (1, 5)] {
            let open = Open {
                step: Step::Put { value },
                invoked: 1,
                until,
                useful: usize::MAX,
                number: 0,
            };
            window.open(slot, open);
        }
        let having_done = |slot| {
            let mut config = Config {
                value,
                ..first.clone()
            };
            config.done.insert(slot);
            config
        };
        let (sooner_left, later_left) = (having_done(0), having_done(1));
        for found in [
            vec![sooner_left.clone(), later_left.clone()],
            vec![later_left.clone(), sooner_left.clone()],
        ] {
            assert_eq!(window.best_of(found), std::slice::from_ref(&later_left));
        }
    }
}
