//! What can come of a block as it goes on.

use std::collections::{HashSet, VecDeque};

use smallvec::SmallVec;

use super::configuration::Configuration;
use super::op_set::{OpIndex, OpSet};
use super::orders::BEGINNING;
use super::transitions::Transition;
use crate::hashing::BuildQuick;

use super::window::{Mode, OpenOperation, OutOfBudget, UNSEEN, Window};

/// What a chain of operations is looked for.
#[derive(Clone, Copy)]
pub(super) struct Chain {
    /// Only what was invoked before this may take part.
    pub(super) before: usize,
    /// What it must reach; it ends there unless it goes `on`.
    pub(super) goal: Option<OpIndex>,
    pub(super) on: bool,
}

impl Window {
    /// The puts that a block can begin with: of several that do the same, the first to complete.
    pub(super) fn first_puts(
        &self,
        config: &Configuration,
        before: usize,
        only: Option<OpIndex>,
        now: usize,
    ) -> SmallVec<[OpIndex; 16]> {
        if let Some(op) = only {
            return SmallVec::from_slice(&[op]);
        }
        let mut first: SmallVec<[(u32, OpIndex); 16]> = SmallVec::new();
        for op in self.puts.without(&config.done) {
            let open = self.at(op);
            let Transition::Put { value } = open.transition else {
                continue;
            };
            if open.invoked >= before {
                continue;
            }
            let value = self.relevant(value, now);
            match first.iter_mut().find(|(other, _)| *other == value) {
                Some((_, known)) if (open.until, op) < (self.at(*known).until, *known) => *known = op,
                Some(_) => {}
                None => first.push((value, op)),
            }
        }
        first.into_iter().map(|(_, op)| op).collect()
    }

    /// A put takes effect.
    pub(super) fn begin(
        &mut self,
        config: &Configuration,
        put: OpIndex,
        since: usize,
        now: usize,
        before: usize,
    ) -> Configuration {
        let Transition::Put { value } = self.at(put).transition else {
            unreachable!("a block begins with a put")
        };
        let mut begun = Configuration {
            value: self.relevant(value, now),
            since,
            done: config.done.clone(),
            past: self.orders.join(config.past, config.block),
            block: BEGINNING,
        };
        self.take(&mut begun, put);
        self.commit(&mut begun, before);
        begun
    }

    /// Whether anything has taken effect that could not as well be hidden or left.
    pub(super) fn gained(&self, before: &Configuration, after: &Configuration) -> bool {
        (0..after.done.words()).any(|place| {
            let new = after.done.word(place) & !before.done.word(place);
            let free = self.appends.word(place) | self.optional.word(place);
            new & !free != 0
        })
    }

    /// All that can come of a block that goes on.
    pub(super) fn chains(
        &mut self,
        from: Configuration,
        chain: Chain,
        now: usize,
        found: &mut Vec<Configuration>,
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
                for op in self.next_movers(&config, chain, now) {
                    let next = self.moved(&config, op, chain.before, now);
                    // Nothing more comes of a value that nobody finds.
                    let is_end =
                        next.value == UNSEEN && chain.goal != Some(op) && !self.gained(&config, &next);
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
    fn is_hopeless(&self, config: &Configuration, chain: Chain) -> bool {
        let Some(goal) = chain.goal.filter(|goal| !config.done.has(*goal)) else {
            return false;
        };
        let (Transition::Get { seen: sought } | Transition::Swap { expect: sought, .. }) =
            self.at(goal).transition
        else {
            return false;
        };
        if config.value == sought {
            return false;
        }
        let appends = self.appends.has_more(&config.done, goal);
        let swaps = self.swaps.has_more(&config.done, goal);
        match (appends, swaps) {
            (true, true) => false,
            (true, false) => config.value == UNSEEN || !self.values.begins(sought, config.value),
            (false, true) => !self.leads(config, sought, goal),
            (false, false) => true,
        }
    }

    /// Whether swaps that are left, each as often as one likes, lead from the value to another.
    fn leads(&self, config: &Configuration, to: u32, goal: OpIndex) -> bool {
        let mut reached: SmallVec<[u32; 16]> = SmallVec::from_slice(&[to]);
        let mut next = 0;
        while let Some(value) = reached.get(next).copied() {
            next += 1;
            for op in self.leaving.of(value).without(&config.done) {
                let Transition::Swap { expect, .. } = self.at(op).transition else {
                    continue;
                };
                if op == goal || reached.contains(&expect) {
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
    fn next_movers(&mut self, config: &Configuration, chain: Chain, now: usize) -> SmallVec<[OpIndex; 16]> {
        let hides = |open: &OpenOperation| open.invoked < config.since;
        let is_checked = |op: OpIndex| {
            let open = self.at(op);
            open.invoked < chain.before && matches!(open.transition, Transition::Differ { .. })
        };
        // Where nothing waits for another value, nothing is gained by one that nobody finds.
        let is_awaited = self.checks.without(&config.done).any(is_checked);
        let mut movers = SmallVec::new();
        for op in self.could_move(config, chain.goal, is_awaited, now) {
            let open = self.at(op);
            let is_goal = Some(op) == chain.goal;
            if open.invoked >= chain.before {
                continue;
            }
            let is_free = open.is_optional() && !is_goal && !is_awaited;
            if is_free && self.after(config.value, open.transition, now) == UNSEEN {
                continue;
            }
            let same = movers
                .iter()
                .position(|other: &OpIndex| self.is_alike(self.at(*other), open));
            // The first to complete, unless another could not be hidden in its stead.
            let Some(place) = same else {
                movers.push(op);
                continue;
            };
            let other = self.at(movers[place]);
            match (hides(&open), hides(&other)) {
                (true, false) | (false, true) => movers.push(op),
                _ if (open.until, op) < (other.until, movers[place]) => movers[place] = op,
                _ => {}
            }
        }
        movers
    }

    /// The swaps that find the value, and the appends that lead to one that is found, in the order of their slots.
    fn could_move(
        &mut self,
        config: &Configuration,
        goal: Option<OpIndex>,
        is_awaited: bool,
        now: usize,
    ) -> SmallVec<[OpIndex; 16]> {
        let mut slots: SmallVec<[OpIndex; 16]> =
            self.swapping.of(config.value).without(&config.done).collect();
        let goal = goal.filter(|goal| self.appends.has(*goal) && !config.done.has(*goal));
        if config.value == UNSEEN {
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
    fn leading(&mut self, value: u32, now: usize) -> &OpSet {
        if !self.leading.contains_key(&value) {
            let appends = self.appends.clone();
            let mut leading = OpSet::default();
            for op in appends.iter() {
                if self.after(value, self.at(op).transition, now) != UNSEEN {
                    leading.insert(op);
                }
            }
            self.leading.insert(value, leading);
        }
        &self.leading[&value]
    }

    /// A swap or an append takes effect.
    fn moved(&mut self, config: &Configuration, op: OpIndex, before: usize, now: usize) -> Configuration {
        let transition = self.at(op).transition;
        let mut moved = Configuration {
            value: self.after(config.value, transition, now),
            since: config.since,
            done: config.done.clone(),
            past: config.past,
            block: config.block,
        };
        self.take(&mut moved, op);
        self.commit(&mut moved, before);
        moved
    }

    /// What a swap or an append makes of a value.
    fn after(&mut self, value: u32, transition: Transition, now: usize) -> u32 {
        match transition {
            Transition::Swap { value, .. } => self.relevant(value, now),
            Transition::Append { .. } if value == UNSEEN => UNSEEN,
            Transition::Append { tail } => {
                if let Some(lookahead) = &mut self.lookahead
                    && lookahead.last_of_both(&self.values, value, tail) < now
                {
                    return UNSEEN;
                }
                let longer = self.values.append(value, tail);
                if let Some(lookahead) = &mut self.lookahead {
                    lookahead.extend(&self.values);
                }
                self.relevant(longer, now)
            }
            Transition::Put { .. } | Transition::Get { .. } | Transition::Differ { .. } => {
                unreachable!("these move nothing")
            }
        }
    }

    /// It has taken effect.
    pub(super) fn take(&mut self, config: &mut Configuration, op: OpIndex) {
        let open = self.at(op);
        config.block = self.orders.add(config.block, open.number);
        if self.mode != Mode::Relaxed || !open.is_optional() {
            config.done.insert(op);
        }
    }
}
