//! What can come of a block as it goes on.

use std::collections::{HashSet, VecDeque};

use smallvec::SmallVec;

use super::bitset::{Bits, Slot};
use super::configuration::Config;
use super::orders::BEGINNING;
use super::transitions::Step;
use crate::hashing::BuildQuick;

use super::window::{Mode, NOWHERE, Open, OutOfBudget, Window};

/// What a chain of operations is looked for.
#[derive(Clone, Copy)]
pub(super) struct Chain {
    /// Only what was invoked before this may take part.
    pub(super) before: usize,
    /// What it must reach; it ends there unless it goes `on`.
    pub(super) goal: Option<Slot>,
    pub(super) on: bool,
}

impl Window {
    /// The puts that a block can begin with: of several that do the same, the first to complete.
    pub(super) fn first_puts(
        &self,
        config: &Config,
        before: usize,
        only: Option<Slot>,
        now: usize,
    ) -> SmallVec<[Slot; 16]> {
        if let Some(slot) = only {
            return SmallVec::from_slice(&[slot]);
        }
        let mut first: SmallVec<[(u32, Slot); 16]> = SmallVec::new();
        for slot in self.puts.without(&config.done) {
            let open = self.at(slot);
            let Step::Put { value } = open.step else { continue };
            if open.invoked >= before {
                continue;
            }
            let value = self.settled(value, now);
            match first.iter_mut().find(|(other, _)| *other == value) {
                Some((_, known)) if (open.until, slot) < (self.at(*known).until, *known) => *known = slot,
                Some(_) => {}
                None => first.push((value, slot)),
            }
        }
        first.into_iter().map(|(_, slot)| slot).collect()
    }

    /// A put takes effect.
    pub(super) fn begin(
        &mut self,
        config: &Config,
        put: Slot,
        since: usize,
        now: usize,
        before: usize,
    ) -> Config {
        let Step::Put { value } = self.at(put).step else {
            unreachable!("a block begins with a put")
        };
        let mut begun = Config {
            value: self.settled(value, now),
            since,
            done: config.done.clone(),
            past: self.story.join(config.past, config.block),
            block: BEGINNING,
        };
        self.take(&mut begun, put);
        self.commit(&mut begun, before);
        begun
    }

    /// Whether anything has taken effect that could not as well be hidden or left.
    pub(super) fn gained(&self, before: &Config, after: &Config) -> bool {
        (0..after.done.words()).any(|place| {
            let new = after.done.word(place) & !before.done.word(place);
            let free = self.appends.word(place) | self.optional.word(place);
            new & !free != 0
        })
    }

    /// All that can come of a block that goes on.
    pub(super) fn chains(
        &mut self,
        from: Config,
        chain: Chain,
        now: usize,
        found: &mut Vec<Config>,
    ) -> Result<(), OutOfBudget> {
        if self.is_hopeless(&from, chain) {
            return Ok(());
        }
        let mut seen = HashSet::with_hasher(BuildQuick::default());
        seen.insert((from.value, from.done.clone()));
        let mut queue = VecDeque::from([from]);
        while let Some(config) = queue.pop_front() {
            self.steps += 1;
            if self.steps > self.budget.steps || found.len() > self.budget.memory / 200 {
                return Err(OutOfBudget);
            }
            let reached = chain.goal.is_none_or(|goal| config.done.has(goal));
            if !reached || chain.on {
                for slot in self.next_movers(&config, chain, now) {
                    let next = self.moved(&config, slot, chain.before, now);
                    // Nothing more comes of a value that nobody finds.
                    let is_end =
                        next.value == NOWHERE && chain.goal != Some(slot) && !self.gained(&config, &next);
                    let is_vain = is_end || self.is_hopeless(&next, chain);
                    if !is_vain && seen.insert((next.value, next.done.clone())) {
                        queue.push_back(next);
                    }
                }
            }
            if reached {
                found.push(config);
            }
        }
        Ok(())
    }

    /// Whether what a chain is to reach finds a value that no chain leads to from here.
    fn is_hopeless(&self, config: &Config, chain: Chain) -> bool {
        let Some(goal) = chain.goal.filter(|goal| !config.done.has(*goal)) else {
            return false;
        };
        let (Step::Get { seen: sought } | Step::Swap { expect: sought, .. }) = self.at(goal).step else {
            return false;
        };
        if config.value == sought {
            return false;
        }
        let appends = self.appends.has_more(&config.done, goal);
        let swaps = self.swaps.has_more(&config.done, goal);
        match (appends, swaps) {
            (true, true) => false,
            (true, false) => config.value == NOWHERE || !self.values.begins(sought, config.value),
            (false, true) => !self.leads(config, sought, goal),
            (false, false) => true,
        }
    }

    /// Whether swaps that are left, each as often as one likes, lead from the value to another.
    fn leads(&self, config: &Config, to: u32, goal: Slot) -> bool {
        let mut reached: SmallVec<[u32; 16]> = SmallVec::from_slice(&[to]);
        let mut next = 0;
        while let Some(value) = reached.get(next).copied() {
            next += 1;
            for slot in self.leaving.of(value).without(&config.done) {
                let Step::Swap { expect, .. } = self.at(slot).step else {
                    continue;
                };
                if slot == goal || reached.contains(&expect) {
                    continue;
                }
                if expect == config.value {
                    return true;
                }
                reached.push(expect);
            }
        }
        false
    }

    /// What can come next in a block.
    fn next_movers(&mut self, config: &Config, chain: Chain, now: usize) -> SmallVec<[Slot; 16]> {
        let hides = |open: &Open| open.invoked < config.since;
        let is_checked = |slot: Slot| {
            let open = self.at(slot);
            open.invoked < chain.before && matches!(open.step, Step::Differ { .. })
        };
        // Where nothing waits for another value, nothing is gained by one that nobody finds.
        let is_awaited = self.checks.without(&config.done).any(is_checked);
        let mut movers = SmallVec::new();
        for slot in self.could_move(config, chain.goal, is_awaited, now) {
            let open = self.at(slot);
            let is_goal = Some(slot) == chain.goal;
            if open.invoked >= chain.before {
                continue;
            }
            let is_free = open.is_optional() && !is_goal && !is_awaited;
            if is_free && self.after(config.value, open.step, now) == NOWHERE {
                continue;
            }
            let same = movers
                .iter()
                .position(|other: &Slot| self.is_alike(self.at(*other), open));
            // The first to complete, unless another could not be hidden in its stead.
            let Some(place) = same else {
                movers.push(slot);
                continue;
            };
            let other = self.at(movers[place]);
            match (hides(&open), hides(&other)) {
                (true, false) | (false, true) => movers.push(slot),
                _ if (open.until, slot) < (other.until, movers[place]) => movers[place] = slot,
                _ => {}
            }
        }
        movers
    }

    /// The swaps that find the value, and the appends that lead to one that is found, in the order of their slots.
    fn could_move(
        &mut self,
        config: &Config,
        goal: Option<Slot>,
        is_awaited: bool,
        now: usize,
    ) -> SmallVec<[Slot; 16]> {
        let mut slots: SmallVec<[Slot; 16]> = self.swapping.of(config.value).without(&config.done).collect();
        let goal = goal.filter(|goal| self.appends.has(*goal) && !config.done.has(*goal));
        if config.value == NOWHERE {
            // Where nobody looks, an append may be hidden later as well.
            slots.extend(goal);
        } else if is_awaited || self.lookahead.is_none() {
            slots.extend(self.appends.without(&config.done));
        } else {
            let leading = self.leading(config.value, now);
            slots.extend(leading.without(&config.done));
            slots.extend(goal.filter(|goal| !leading.has(*goal)));
        }
        slots.sort_unstable();
        slots
    }

    /// The appends that lead to a value that is found.
    fn leading(&mut self, value: u32, now: usize) -> &Bits {
        if !self.leading.contains_key(&value) {
            let appends = self.appends.clone();
            let mut leading = Bits::default();
            for slot in appends.iter() {
                if self.after(value, self.at(slot).step, now) != NOWHERE {
                    leading.insert(slot);
                }
            }
            self.leading.insert(value, leading);
        }
        &self.leading[&value]
    }

    /// A swap or an append takes effect.
    fn moved(&mut self, config: &Config, slot: Slot, before: usize, now: usize) -> Config {
        let step = self.at(slot).step;
        let mut moved = Config {
            value: self.after(config.value, step, now),
            since: config.since,
            done: config.done.clone(),
            past: config.past,
            block: config.block,
        };
        self.take(&mut moved, slot);
        self.commit(&mut moved, before);
        moved
    }

    /// What a swap or an append makes of a value.
    fn after(&mut self, value: u32, step: Step, now: usize) -> u32 {
        match step {
            Step::Swap { value, .. } => self.settled(value, now),
            Step::Append { .. } if value == NOWHERE => NOWHERE,
            Step::Append { tail } => {
                if let Some(lookahead) = &mut self.lookahead
                    && lookahead.last_of_both(&self.values, value, tail) < now
                {
                    return NOWHERE;
                }
                let longer = self.values.append(value, tail);
                if let Some(lookahead) = &mut self.lookahead {
                    lookahead.extend(&self.values);
                }
                self.settled(longer, now)
            }
            Step::Put { .. } | Step::Get { .. } | Step::Differ { .. } => unreachable!("these move nothing"),
        }
    }

    /// It has taken effect.
    pub(super) fn take(&mut self, config: &mut Config, slot: Slot) {
        let open = self.at(slot);
        config.block = self.story.add(config.block, open.number);
        if self.mode != Mode::Relaxed || !open.is_optional() {
            config.done.insert(slot);
        }
    }
}
