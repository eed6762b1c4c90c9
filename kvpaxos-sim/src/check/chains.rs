//! What can come of a block as it goes on.

use std::collections::{HashSet, VecDeque};

use smallvec::SmallVec;

use super::config::Config;
use super::steps::Step;
use super::story::BEGINNING;
use crate::model::hashing::BuildQuick;

use super::window::{Mode, NOWHERE, Open, OutOfBudget, Slot, Window};

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
        let left = self.movers.without(&config.done).filter(|slot| *slot != goal);
        let (mut swaps, mut appends) = (SmallVec::<[(u32, u32); 16]>::new(), false);
        for slot in left {
            match self.at(slot).step {
                Step::Swap { expect, value } => swaps.push((expect, value)),
                _ => appends = true,
            }
        }
        match (appends, swaps.is_empty()) {
            (true, false) => false,
            (true, true) => config.value == NOWHERE || !self.values.begins(sought, config.value),
            (false, _) => !leads(&swaps, config.value, sought),
        }
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
        let left: SmallVec<[Slot; 64]> = self.movers.without(&config.done).collect();
        for slot in left {
            let open = self.at(slot);
            let is_goal = Some(slot) == chain.goal;
            if open.invoked >= chain.before || !may_move(open.step, config, is_goal) {
                continue;
            }
            let is_free = open.is_optional() || matches!(open.step, Step::Append { .. });
            if is_free && !is_goal && !is_awaited && self.after(config.value, open.step, now) == NOWHERE {
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

/// Whether a swap or an append can come next in a block.
fn may_move(step: Step, config: &Config, is_goal: bool) -> bool {
    match step {
        Step::Swap { expect, .. } => config.value == expect,
        // Where nobody looks, an append may be hidden later as well.
        Step::Append { .. } => is_goal || config.value != NOWHERE,
        Step::Put { .. } | Step::Get { .. } | Step::Differ { .. } => false,
    }
}

/// Whether swaps, each as often as one likes, lead from one value to another.
fn leads(swaps: &[(u32, u32)], from: u32, to: u32) -> bool {
    let mut reached = vec![to];
    let mut next = 0;
    while let Some(value) = reached.get(next).copied() {
        next += 1;
        for (expect, _) in swaps.iter().filter(|(_, after)| *after == value) {
            if *expect == from {
                return true;
            }
            if !reached.contains(expect) {
                reached.push(*expect);
            }
        }
    }
    false
}
