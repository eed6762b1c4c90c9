//! Dominance: which configurations need not be followed because another is at least as good, and which are
//! followed first. The rule stands at the end of [`just_in_time`](super::just_in_time).

use std::cell::OnceCell;
use std::collections::HashMap;

use smallvec::SmallVec;

use super::configuration::Configuration;
use super::op_set::{OpIndex, OpSet, indices};
use super::transitions::Transition;
use super::window::{OpenOperation, UNSEEN, Window};
use crate::hashing::BuildQuick;

/// At most so many operations are exchanged for others that do the same.
const EXCHANGED: usize = 4;

/// What an operation does, as far as anybody will see it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum VisibleEffect {
    Put(u32),
    Swap(u32, u32),
    Append(u32),
    Find(u32),
    Miss(u32),
}

/// The classes of open operations that do the same.
struct Classes {
    /// The number of the class of each operation, by index.
    classes: Vec<usize>,
    /// The operations that are not alone in their class.
    shared: OpSet,
}

impl Window {
    /// The configurations that no other dominates.
    pub(super) fn undominated(&mut self, mut found: Vec<Configuration>) -> Vec<Configuration> {
        // The beginning of the block matters only if an operation can be hidden before it.
        let open = || self.operations.iter().flatten();
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
        // Most comparisons do not need the classes.
        let classes = OnceCell::new();
        let mut kept: Vec<Configuration> = Vec::new();
        let mut first = 0;
        for config in found {
            if kept.last().is_some_and(|last| last.value != config.value) {
                first = kept.len();
            }
            self.steps += 1 + (kept.len() - first) as u64 / 16;
            if kept[first..]
                .iter()
                .any(|other| self.is_dominated(&config, other, &classes))
            {
                continue;
            }
            let mut place = first;
            while place < kept.len() {
                if self.is_dominated(&kept[place], &config, &classes) {
                    kept.swap_remove(place);
                } else {
                    place += 1;
                }
            }
            kept.push(config);
        }
        kept
    }

    /// Keeps at most so many configurations: the most promising of each value, then the next of each.
    pub(super) fn keep_promising(&mut self, configs: &mut Vec<Configuration>, width: usize) {
        if configs.len() <= width {
            return;
        }
        self.is_cut = true;
        configs.sort_by_cached_key(|config| (config.value, self.debt(config)));
        let (mut value, mut rank) = (None, 0);
        let mut ranked: Vec<(usize, Configuration)> = Vec::with_capacity(configs.len());
        for config in configs.drain(..) {
            rank = if value == Some(config.value) { rank + 1 } else { 0 };
            value = Some(config.value);
            ranked.push((rank, config));
        }
        ranked.sort_by_key(|(rank, _)| *rank);
        let kept = ranked.into_iter().take(width);
        configs.extend(kept.map(|(_, config)| config));
    }

    /// How little promising a configuration is in a beam. Reads and swaps that have taken effect are duties
    /// fulfilled, for each needs a certain value. Puts are means to get one, and operations of unknown outcome
    /// are means that never have to be used; it is good to have them left. The weights were chosen by trying;
    /// they have no influence on what is true.
    fn debt(&self, config: &Configuration) -> i64 {
        let count = |set: &OpSet| -> i64 {
            let words = 0..config.done.words();
            words
                .map(|place| i64::from((config.done.word(place) & set.word(place)).count_ones()))
                .sum()
        };
        2 * count(&self.optional) + count(&self.puts) - count(&self.swaps) - count(&self.pure)
    }

    /// The cost of a configuration: how many optional operations it has used, then how many others. The
    /// lower, the sooner it is tried.
    pub(super) fn cost(&self, config: &Configuration) -> (usize, usize) {
        let taken = config.done.iter().map(|op| self.at(op));
        let taken = taken.filter(|open| !open.transition.is_pure());
        let taken: SmallVec<[OpenOperation; 16]> = taken.collect();
        let optional = taken.iter().filter(|open| open.is_optional()).count();
        (optional, taken.len())
    }

    /// Whether every continuation of the first is possible for the second as well.
    fn is_dominated(
        &self,
        worse: &Configuration,
        better: &Configuration,
        classes: &OnceCell<Classes>,
    ) -> bool {
        if better.since < worse.since {
            return false;
        }
        let words = worse.done.words().max(better.done.words());
        let mut ahead: SmallVec<[OpIndex; EXCHANGED]> = SmallVec::new();
        for place in 0..words {
            let only_better = better.done.word(place) & !worse.done.word(place) & !self.pure.word(place);
            let is_alone = |classes: &Classes| only_better & !classes.shared.word(place) != 0;
            if classes.get().is_some_and(is_alone)
                || ahead.len() + only_better.count_ones() as usize > EXCHANGED
            {
                return false;
            }
            ahead.extend(indices(only_better, place));
        }
        let exchanged = if ahead.is_empty() {
            OpSet::default()
        } else {
            let classes = classes.get_or_init(|| self.classes());
            match self.exchanged(&ahead, worse, better, classes) {
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

    /// For each operation in `ahead`, another of its class that the worse configuration has done and the
    /// better one has left. None if some operation has no such partner.
    fn exchanged(
        &self,
        ahead: &[OpIndex],
        worse: &Configuration,
        better: &Configuration,
        classes: &Classes,
    ) -> Option<OpSet> {
        if ahead.iter().any(|op| !classes.shared.has(*op)) {
            return None;
        }
        let mut exchanged = OpSet::default();
        for op in ahead {
            let taken = self.at(*op);
            let is_fair = |other: &OpIndex| {
                if classes.classes[*other] != classes.classes[*op] || exchanged.has(*other) {
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

    /// What the operation does, as far as anybody will see it.
    fn visible_effect(&self, open: OpenOperation) -> VisibleEffect {
        match open.transition {
            Transition::Put { value } => VisibleEffect::Put(self.relevant(value, self.now)),
            Transition::Swap { expect, value } => VisibleEffect::Swap(expect, self.relevant(value, self.now)),
            Transition::Append { .. } if open.useful < self.now => VisibleEffect::Append(UNSEEN),
            Transition::Append { tail } => VisibleEffect::Append(tail),
            Transition::Get { seen } => VisibleEffect::Find(seen),
            Transition::Differ { from } => VisibleEffect::Miss(from),
        }
    }

    /// Whether both do the same, as far as anybody will see it.
    pub(super) fn is_alike(&self, one: OpenOperation, other: OpenOperation) -> bool {
        self.visible_effect(one) == self.visible_effect(other)
    }

    /// Sorts the open operations into classes.
    fn classes(&self) -> Classes {
        let under_way = self.operations.iter().enumerate();
        let mut visible_effect: Vec<(VisibleEffect, OpIndex)> = under_way
            .filter_map(|(op, open)| Some((self.visible_effect((*open)?), op)))
            .collect();
        visible_effect.sort_unstable();
        let mut classes = Classes {
            classes: vec![0; self.operations.len()],
            shared: OpSet::default(),
        };
        let mut class = 0;
        for (before, (what, op)) in std::iter::once(None)
            .chain(visible_effect.iter().map(Some))
            .zip(&visible_effect)
        {
            match before {
                Some((other, like)) if other == what => {
                    classes.shared.insert(*like);
                    classes.shared.insert(*op);
                }
                _ => class += 1,
            }
            classes.classes[*op] = class;
        }
        classes
    }

    /// Whether all these are puts and appends that can be hidden before the block that began at `since`.
    fn all_hideable(&self, mut word: u64, place: usize, since: usize) -> bool {
        while word != 0 {
            let op = place * 64 + word.trailing_zeros() as usize;
            let open = self.at(op);
            let may_hide = matches!(
                open.transition,
                Transition::Put { .. } | Transition::Append { .. }
            );
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
    use super::super::orders::Orders;
    use super::super::transitions::Values;
    use super::super::window::Mode;
    use super::*;
    use crate::linearizability::report::Budget;

    /// Of two operations that do the same, having the later one left is as good as having the earlier one
    /// left, but not the other way round.
    #[test]
    fn what_completes_sooner_is_no_exchange_for_what_completes_later() {
        let (mut values, first) = (Values::default(), Configuration::first(0));
        let value = values.number(&"a".into());
        let mut window = Window::new(values, None, Mode::Exact, Orders::default(), Budget::default());
        for (op, until) in [(0, 9), (1, 5)] {
            let open = OpenOperation {
                transition: Transition::Put { value },
                invoked: 1,
                until,
                useful: usize::MAX,
                number: 0,
            };
            window.open(op, open);
        }
        let having_done = |op| {
            let mut config = Configuration {
                value,
                ..first.clone()
            };
            config.done.insert(op);
            config
        };
        let (sooner_left, later_left) = (having_done(0), having_done(1));
        for found in [
            vec![sooner_left.clone(), later_left.clone()],
            vec![later_left.clone(), sooner_left.clone()],
        ] {
            assert_eq!(window.undominated(found), std::slice::from_ref(&later_left));
        }
    }
}
