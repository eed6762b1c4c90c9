//! What can have happened so far, as time goes on.
//!
//! Every answered operation must take effect before it completes, and none before it is invoked. So a search for an order goes through
//! the completions, as Lowe's just-in-time linearization does (*Testing for linearizability*, 2017), from one *configuration* to
//! those that can follow on it: the value, and which of the operations under way have taken effect.
//!
//! # Blocks
//!
//! An order falls into *blocks*: a put (or delete) and what follows it up to the next one. What a block does depends on nothing before
//! it. This is what keeps the number of configurations small:
//!
//! - **Pure** operations (reads, and swaps that differed) take effect as soon as they fit. An order in which one is moved
//!   to an earlier place where it fits is an order still.
//! - Nothing else takes effect before it must: at its completion, or to make way for another one in its block.
//! - A block of which nothing is needed any more can be **hidden**: put right before the put that began the block under way, it
//!   changes nothing that anybody sees. So a configuration remembers when that put took effect (`since`), and an
//!   operation invoked before then may be hidden there as long as it is open. A block is hidden as a whole.
//!
//! Let L be an order, and o, in block j of L, the operation that completes; let k be the block under way. All of j that comes before o in
//! L was invoked by now.
//!
//! 1. If j = k, then the block under way goes on as in L, up to o.
//! 2. If j < k, then all of j comes before the beginning of k in L, was invoked before that, and is open: had any of it completed, this
//!    would have been done then. It is hidden as a whole, at `since`.
//! 3. If j > k, then the rest of k comes first, all of which was invoked by now; then j begins, and goes on up to o. What lies between k and
//!    j was invoked by now, and may be hidden from now on.
//!
//! These are the three ways that [`Window::successors`] tries, whoever o is; so if there is an order, it is found. And each way is one in
//! which operations take effect while they are open; so what is found is an order.
//!
//! # Values that nobody will find
//!
//! Where the whole history is known, a value that nothing finds from now on (and that appends do not lead to one that is found) is as good as
//! any other such value: all are [`NOWHERE`]. An operation of unknown outcome that leaves one is of no use, unless somebody asserts that the
//! value *differed*.
//!
//! # Which of two
//!
//! Where two operations do the same and either could be taken, the one that completes first is: in an order that has it the
//! other way round, they can be exchanged.
//!
//! Among configurations of the same value, one that is worse is dropped: one that began its block no later, has done what
//! the other may still do or leave, and has not done what is pure.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use super::Budget;
use super::config::{Bits, Config};
use super::lookahead::Lookahead;
use super::steps::{Step, Values};

/// A value that nobody finds any more.
pub(super) const NOWHERE: u32 = u32::MAX;

/// The place of an operation that is under way, until it completes.
pub(super) type Slot = usize;

/// An operation under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub(super) step: Step,
    /// When it was invoked, from 1.
    pub(super) invoked: usize,
    /// When it completes: `usize::MAX` if that is unknown, and with it whether it takes effect at all.
    pub(super) until: usize,
}

impl Open {
    pub(super) fn is_optional(&self) -> bool {
        self.until == usize::MAX
    }
}

/// What a chain of operations is looked for.
#[derive(Clone, Copy)]
struct Chain {
    /// Only what was invoked before this may take part.
    before: usize,
    /// What it must reach; it ends there unless it goes `on`.
    goal: Option<Slot>,
    on: bool,
}

/// How operations of unknown outcome are taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    /// Each takes effect at most once.
    Exact,
    /// They may take effect any number of times, so that nobody needs to know which have. If there is no order even so, there is none.
    Relaxed,
}

/// The operations under way at some moment; see the module.
pub(super) struct Window {
    values: Values,
    mode: Mode,
    lookahead: Option<Lookahead>,
    slots: Vec<Option<Open>>,
    /// The slots in use, by what their operations are.
    pure: BTreeSet<Slot>,
    puts: BTreeSet<Slot>,
    movers: BTreeSet<Slot>,
    steps: u64,
    budget: Budget,
}

/// The budget is spent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct OutOfBudget;

impl Window {
    pub(super) fn new(values: Values, lookahead: Option<Lookahead>, mode: Mode, budget: Budget) -> Window {
        Window {
            values,
            mode,
            lookahead,
            slots: Vec::new(),
            pure: BTreeSet::new(),
            puts: BTreeSet::new(),
            movers: BTreeSet::new(),
            steps: 0,
            budget,
        }
    }

    /// Configurations looked at so far.
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    /// An operation is under way in this slot from now on.
    pub(super) fn open(&mut self, slot: Slot, open: Open) {
        if self.slots.len() <= slot {
            self.slots.resize(slot + 1, None);
        }
        self.slots[slot] = Some(open);
        self.kind(open.step).insert(slot);
    }

    /// It is no more.
    pub(super) fn close(&mut self, slot: Slot) {
        if let Some(open) = self.slots[slot].take() {
            self.kind(open.step).remove(&slot);
        }
    }

    fn kind(&mut self, step: Step) -> &mut BTreeSet<Slot> {
        match step {
            _ if step.is_pure() => &mut self.pure,
            Step::Put { .. } => &mut self.puts,
            _ => &mut self.movers,
        }
    }

    fn at(&self, slot: Slot) -> Open {
        self.slots[slot].expect("only slots in use are looked at")
    }

    /// What a configuration becomes when the operation in the slot begins: a pure one takes effect at once if it fits.
    pub(super) fn on_open(&self, config: &mut Config, slot: Slot) {
        let step = self.at(slot).step;
        if step.is_pure() && fits(step, config.value) {
            config.done.insert(slot);
        }
    }

    /// What a configuration becomes when the slot is no more in use.
    pub(super) fn on_close(config: &mut Config, slot: Slot) {
        config.done.remove(slot);
    }

    /// The operation in the slot completes now: it has taken effect. All configurations that can follow; see the module.
    pub(super) fn successors(
        &mut self,
        mut config: Config,
        slot: Slot,
        now: usize,
        found: &mut Vec<Config>,
    ) -> Result<(), OutOfBudget> {
        let first = found.len();
        config.value = self.settled(config.value, now);
        if config.done.has(slot) {
            found.push(config);
        } else {
            self.force(&config, slot, now, found)?;
        }
        for config in &mut found[first..] {
            config.done.remove(slot);
        }
        Ok(())
    }

    /// All ways in which an operation takes effect now, at the latest; see the module.
    fn force(
        &mut self,
        config: &Config,
        slot: Slot,
        now: usize,
        found: &mut Vec<Config>,
    ) -> Result<(), OutOfBudget> {
        let open = self.at(slot);
        let blind = open.step.is_blind();
        if !blind {
            let chain = Chain {
                before: usize::MAX,
                goal: Some(slot),
                on: false,
            };
            self.chains(config.clone(), chain, now, found)?;
        }
        if open.invoked < config.since {
            self.hide(config, slot, now, found)?;
        }
        let mut ends = Vec::new();
        let chain = Chain {
            before: usize::MAX,
            goal: None,
            on: true,
        };
        self.chains(config.clone(), chain, now, &mut ends)?;
        let goal = Chain {
            goal: Some(slot),
            on: false,
            ..chain
        };
        for end in ends {
            // Appends that led nowhere may as well be hidden.
            if end.done.has(slot) || (end != *config && !self.gained(config, &end)) {
                continue;
            }
            for put in self.first_puts(&end, usize::MAX, if blind { Some(slot) } else { None }, now) {
                let begun = self.begin(&end, put, now, now, usize::MAX);
                self.chains(begun, goal, now, found)?;
            }
        }
        Ok(())
    }

    /// What was invoked before the block under way began takes effect right before it.
    fn hide(
        &mut self,
        config: &Config,
        slot: Slot,
        now: usize,
        found: &mut Vec<Config>,
    ) -> Result<(), OutOfBudget> {
        let Open { step, .. } = self.at(slot);
        let before = config.since;
        let chain = Chain {
            before,
            goal: Some(slot),
            on: true,
        };
        let mut hidden = Vec::new();
        if matches!(step, Step::Append { .. }) {
            let mut alone = config.clone();
            alone.done.insert(slot);
            hidden.push(alone);
        }
        let only = step.is_blind().then_some(slot);
        for put in self.first_puts(config, before, only, now) {
            let begun = self.begin(config, put, before, now, before);
            self.chains(begun, chain, now, &mut hidden)?;
        }
        found.extend(hidden.into_iter().map(|end| Config {
            value: config.value,
            since: config.since,
            done: end.done,
        }));
        Ok(())
    }

    /// The puts that a block can begin with: of several that do the same, the first to complete.
    fn first_puts(&self, config: &Config, before: usize, only: Option<Slot>, now: usize) -> Vec<Slot> {
        if let Some(slot) = only {
            return vec![slot];
        }
        let mut first: HashMap<u32, Slot> = HashMap::new();
        for slot in &self.puts {
            let open = self.at(*slot);
            let Step::Put { value } = open.step else { continue };
            if open.invoked < before && !config.done.has(*slot) {
                let value = self.settled(value, now);
                let known = first.entry(value).or_insert(*slot);
                if (open.until, *slot) < (self.at(*known).until, *known) {
                    *known = *slot;
                }
            }
        }
        let mut puts: Vec<Slot> = first.into_values().collect();
        puts.sort_unstable();
        puts
    }

    /// A put takes effect.
    fn begin(&self, config: &Config, put: Slot, since: usize, now: usize, before: usize) -> Config {
        let Step::Put { value } = self.at(put).step else {
            unreachable!("a block begins with a put")
        };
        let mut begun = Config {
            value: self.settled(value, now),
            since,
            done: config.done.clone(),
        };
        self.take(&mut begun, put);
        self.commit(&mut begun, before);
        begun
    }

    /// Whether anything but appends has taken effect.
    fn gained(&self, before: &Config, after: &Config) -> bool {
        let is_new = |slot: &Slot| after.done.has(*slot) && !before.done.has(*slot);
        let is_append = |slot: &Slot| matches!(self.at(*slot).step, Step::Append { .. });
        self.pure.iter().any(is_new) || self.movers.iter().any(|slot| is_new(slot) && !is_append(slot))
    }

    /// All that can come of a block that goes on.
    fn chains(
        &mut self,
        from: Config,
        chain: Chain,
        now: usize,
        found: &mut Vec<Config>,
    ) -> Result<(), OutOfBudget> {
        if self.is_hopeless(&from, chain) {
            return Ok(());
        }
        let mut seen = HashSet::from([(from.value, from.done.clone())]);
        let mut queue = VecDeque::from([from]);
        while let Some(config) = queue.pop_front() {
            self.steps += 1;
            if self.steps > self.budget.steps || found.len() > self.budget.memory / 200 {
                return Err(OutOfBudget);
            }
            let reached = chain.goal.is_none_or(|goal| config.done.has(goal));
            if !reached || chain.on {
                for slot in self.next_movers(&config, chain) {
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
        let left = self
            .movers
            .iter()
            .filter(|slot| **slot != goal && !config.done.has(**slot));
        let (mut swaps, mut appends) = (Vec::new(), false);
        for slot in left {
            match self.at(*slot).step {
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
    fn next_movers(&self, config: &Config, chain: Chain) -> Vec<Slot> {
        let hides = |open: &Open| open.invoked < config.since;
        let mut movers: Vec<Slot> = Vec::new();
        for slot in &self.movers {
            let open = self.at(*slot);
            if open.invoked >= chain.before
                || config.done.has(*slot)
                || !may_move(open.step, config, Some(*slot) == chain.goal)
            {
                continue;
            }
            let same = movers.iter().position(|other| self.at(*other).step == open.step);
            // The first to complete, unless another could not be hidden in its stead.
            let Some(place) = same else {
                movers.push(*slot);
                continue;
            };
            let other = self.at(movers[place]);
            match (hides(&open), hides(&other)) {
                (true, false) | (false, true) => movers.push(*slot),
                _ if (open.until, *slot) < (other.until, movers[place]) => movers[place] = *slot,
                _ => {}
            }
        }
        movers
    }

    /// A swap or an append takes effect.
    fn moved(&mut self, config: &Config, slot: Slot, before: usize, now: usize) -> Config {
        let value = match self.at(slot).step {
            Step::Swap { value, .. } => value,
            Step::Append { .. } if config.value == NOWHERE => NOWHERE,
            Step::Append { tail } => {
                let longer = self.values.append(config.value, tail);
                if let Some(lookahead) = &mut self.lookahead {
                    lookahead.extend(&self.values);
                }
                longer
            }
            Step::Put { .. } | Step::Get { .. } | Step::Differ { .. } => unreachable!("these move nothing"),
        };
        let mut moved = Config {
            value: self.settled(value, now),
            since: config.since,
            done: config.done.clone(),
        };
        self.take(&mut moved, slot);
        self.commit(&mut moved, before);
        moved
    }

    /// It has taken effect.
    fn take(&self, config: &mut Config, slot: Slot) {
        if self.mode != Mode::Relaxed || !self.at(slot).is_optional() {
            config.done.insert(slot);
        }
    }

    /// The value, or nowhere.
    fn settled(&self, value: u32, now: usize) -> u32 {
        match &self.lookahead {
            Some(lookahead) if value != NOWHERE && lookahead.last(value) < now => NOWHERE,
            _ => value,
        }
    }

    /// Lets every pure operation that fits take effect.
    fn commit(&self, config: &mut Config, before: usize) {
        for slot in &self.pure {
            let open = self.at(*slot);
            if open.invoked < before && fits(open.step, config.value) {
                config.done.insert(*slot);
            }
        }
    }

    /// Those configurations that are not worse than another.
    pub(super) fn best_of(&mut self, mut found: Vec<Config>) -> Vec<Config> {
        let mut masks = Masks::default();
        for (slot, open) in self.slots.iter().enumerate() {
            let Some(open) = open else { continue };
            if open.step.is_pure() {
                masks.pure.insert(slot);
            } else if open.is_optional() {
                masks.optional.insert(slot);
            }
        }
        for config in &mut found {
            let hideable = self.slots.iter().flatten().map(|open| open.invoked + 1);
            let hideable = hideable.filter(|end| *end <= config.since);
            config.since = hideable.max().unwrap_or(0);
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
            if kept[first..]
                .iter()
                .any(|other| self.is_worse(&config, other, &masks))
            {
                continue;
            }
            let mut place = first;
            while place < kept.len() {
                if self.is_worse(&kept[place], &config, &masks) {
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
    fn is_worse(&self, worse: &Config, better: &Config, masks: &Masks) -> bool {
        if better.since < worse.since {
            return false;
        }
        let words = worse.done.words().max(better.done.words());
        (0..words).all(|place| {
            let (left, right) = (worse.done.word(place), better.done.word(place));
            let only_better = right & !left & !masks.pure.word(place);
            let only_worse = left & !right & !masks.optional.word(place);
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

#[derive(Default)]
struct Masks {
    pure: Bits,
    optional: Bits,
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

/// Whether a pure operation goes together with the value.
fn fits(step: Step, value: u32) -> bool {
    match step {
        Step::Get { seen } => seen == value,
        Step::Differ { from } => from != value,
        Step::Swap { expect, .. } => expect == value,
        Step::Put { .. } | Step::Append { .. } => false,
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
