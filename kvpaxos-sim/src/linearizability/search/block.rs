//! How a block goes on: all configurations that chains of operations lead to within it. See
//! [`just_in_time`](super::just_in_time) for what a block is.

use std::collections::{HashSet, VecDeque};

use smallvec::SmallVec;

use super::configuration::Configuration;
use super::op_set::{OpIndex, OpSet};
use super::orders::BEGINNING;
use super::transitions::Transition;
use crate::hashing::BuildQuick;

use super::window::{Mode, OpenOperation, OutOfBudget, UNSEEN, Window};

/// The chains of operations to look for.
#[derive(Clone, Copy)]
pub(super) struct Chain {
    /// Only operations that were invoked before this take part.
    pub(super) before: usize,
    /// The operation that a chain must reach. The chain ends there, unless it may go `on`.
    pub(super) goal: Option<OpIndex>,
    pub(super) on: bool,
}

impl Window {
    /// The puts that can begin a block. Of several that write the same value, the first to complete.
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

    /// The configuration after a put has taken effect and begun a block.
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

    /// Whether an operation has taken effect that can neither be hidden nor left undone.
    pub(super) fn is_progress(&self, before: &Configuration, after: &Configuration) -> bool {
        (0..after.done.words()).any(|place| {
            let new = after.done.word(place) & !before.done.word(place);
            let free = self.appends.word(place) | self.optional.word(place);
            new & !free != 0
        })
    }

    /// All configurations that chains lead to from this one, breadth first.
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
        let end = self.steps.saturating_add(self.width as u64);
        while let Some(config) = queue.pop_front() {
            if self.steps == end {
                self.is_cut = true;
                break;
            }
            self.steps += 1;
            if self.steps > self.budget.steps || found.len() > self.budget.memory / 200 {
                return Err(OutOfBudget);
            }
            let reached = chain.goal.is_none_or(|goal| config.done.has(goal));
            if !reached || chain.on {
                for op in self.next_operations(&config, chain, now) {
                    let next = self.applied(&config, op, chain.before, now);
                    // No chain goes on from a value that nobody will see.
                    let is_end =
                        next.value == UNSEEN && chain.goal != Some(op) && !self.is_progress(&config, &next);
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

    /// Whether the goal needs a value that no chain leads to from here.
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

    /// Whether swaps that are left lead from the configuration's value to another, if each may be used any
    /// number of times.
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

    /// The operations that can come next in a block.
    fn next_operations(
        &mut self,
        config: &Configuration,
        chain: Chain,
        now: usize,
    ) -> SmallVec<[OpIndex; 16]> {
        let hides = |open: &OpenOperation| open.invoked < config.since;
        let is_checked = |op: OpIndex| {
            let open = self.at(op);
            open.invoked < chain.before && matches!(open.transition, Transition::Differ { .. })
        };
        // If no operation waits for another value, a value that nobody will see is of no use.
        let is_awaited = self.checks.without(&config.done).any(is_checked);
        let mut chosen = SmallVec::new();
        for op in self.candidates(config, chain.goal, is_awaited, now) {
            let open = self.at(op);
            let is_goal = Some(op) == chain.goal;
            if open.invoked >= chain.before {
                continue;
            }
            let is_free = open.is_optional() && !is_goal && !is_awaited;
            if is_free && self.after(config.value, open.transition, now) == UNSEEN {
                continue;
            }
            let same = chosen
                .iter()
                .position(|other: &OpIndex| self.is_alike(self.at(*other), open));
            // Of several that do the same, the first to complete, unless the other could not be hidden in its
            // place.
            let Some(place) = same else {
                chosen.push(op);
                continue;
            };
            let other = self.at(chosen[place]);
            match (hides(&open), hides(&other)) {
                (true, false) | (false, true) => chosen.push(op),
                _ if (open.until, op) < (other.until, chosen[place]) => chosen[place] = op,
                _ => {}
            }
        }
        chosen
    }

    /// The swaps that find the value, and the appends that lead to a value that is read later, in the order
    /// of their indices.
    fn candidates(
        &mut self,
        config: &Configuration,
        goal: Option<OpIndex>,
        is_awaited: bool,
        now: usize,
    ) -> SmallVec<[OpIndex; 16]> {
        let mut indices: SmallVec<[OpIndex; 16]> =
            self.swapping.of(config.value).without(&config.done).collect();
        let goal = goal.filter(|goal| self.appends.has(*goal) && !config.done.has(*goal));
        if config.value == UNSEEN {
            // While nobody looks, the append can be hidden later as well.
            indices.extend(goal);
        } else if is_awaited || self.lookahead.is_none() {
            indices.extend(self.appends.without(&config.done));
        } else {
            let leading = self.leading(config.value, now);
            indices.extend(leading.without(&config.done));
            indices.extend(goal.filter(|goal| !leading.has(*goal)));
        }
        indices.sort_unstable();
        indices
    }

    /// The appends that lead from this value to one that is read later.
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

    /// The configuration after a swap or an append has taken effect.
    fn applied(&mut self, config: &Configuration, op: OpIndex, before: usize, now: usize) -> Configuration {
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

    /// The value after a swap or an append.
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

    /// Notes that the operation has taken effect.
    pub(super) fn take(&mut self, config: &mut Configuration, op: OpIndex) {
        let open = self.at(op);
        config.block = self.orders.add(config.block, open.number);
        if self.mode != Mode::Relaxed || !open.is_optional() {
            config.done.insert(op);
        }
    }
}
