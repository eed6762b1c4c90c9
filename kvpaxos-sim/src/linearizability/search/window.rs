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
//! value *differed*: without it nobody sees another value than with it. The same goes for an append of what is in no string that is found from
//! now on.
//!
//! # Which of two
//!
//! Where two operations do the same and either could be taken, the one that completes first is: in an order that has it the
//! other way round, they can be exchanged.
//!
//! Among configurations of the same value, one that is worse is dropped: one that began its block no later, has done what
//! the other may still do or leave, and has not done what is pure. If it has not done something else either, then for each such operation
//! the better one must have another left that does the same, completes no sooner, and was invoked no later (or can be hidden now): whenever the
//! worse one does the one, the better one does the other.

use std::collections::HashMap;

use smallvec::SmallVec;

use super::bitset::{Bits, ByValue};
use super::block::Chain;
use super::configuration::Config;
use super::lookahead::Lookahead;
use super::orders::{BEGINNING, Story};
use super::transitions::{Step, Values};
use crate::hashing::BuildQuick;
use crate::linearizability::report::Budget;

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
    /// Until when it is of use, if its outcome is unknown and that is known.
    pub(super) useful: usize,
    /// Which it is.
    pub(super) number: u32,
}

impl Open {
    pub(super) fn is_optional(&self) -> bool {
        self.until == usize::MAX
    }
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
    pub(super) values: Values,
    pub(super) mode: Mode,
    pub(super) lookahead: Option<Lookahead>,
    pub(super) slots: Vec<Option<Open>>,
    /// The slots in use, by what their operations are.
    pub(super) pure: Bits,
    /// Of these, the reads, by what they find; and the others.
    pub(super) reads: ByValue,
    pub(super) checks: Bits,
    pub(super) puts: Bits,
    /// Swaps that change the value.
    pub(super) swaps: Bits,
    /// The same, by what they find, and by what they leave.
    pub(super) swapping: ByValue,
    pub(super) leaving: ByValue,
    pub(super) appends: Bits,
    /// The appends that lead from a value to one that is found, as far as that was looked up since the last event.
    pub(super) leading: HashMap<u32, Bits, BuildQuick>,
    /// Of all, those of unknown outcome.
    pub(super) optional: Bits,
    pub(super) steps: u64,
    /// The last completion.
    pub(super) now: usize,
    pub(super) story: Story,
    pub(super) budget: Budget,
}

/// The budget is spent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct OutOfBudget;

impl Window {
    pub(super) fn new(
        values: Values,
        lookahead: Option<Lookahead>,
        mode: Mode,
        story: Story,
        budget: Budget,
    ) -> Window {
        Window {
            values,
            mode,
            lookahead,
            slots: Vec::new(),
            pure: Bits::default(),
            reads: ByValue::default(),
            checks: Bits::default(),
            puts: Bits::default(),
            swaps: Bits::default(),
            swapping: ByValue::default(),
            leaving: ByValue::default(),
            appends: Bits::default(),
            leading: HashMap::default(),
            optional: Bits::default(),
            steps: 0,
            now: 0,
            story,
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
        if open.is_optional() {
            self.optional.insert(slot);
        }
        match open.step {
            Step::Get { seen } => self.reads.insert(seen, slot),
            step if step.is_pure() => self.checks.insert(slot),
            Step::Swap { expect, value } => {
                self.swapping.insert(expect, slot);
                self.leaving.insert(value, slot);
            }
            _ => {}
        }
        self.leading.clear();
    }

    /// It is no more.
    pub(super) fn close(&mut self, slot: Slot) {
        if let Some(open) = self.slots[slot].take() {
            self.kind(open.step).remove(slot);
            self.optional.remove(slot);
            match open.step {
                Step::Get { seen } => self.reads.remove(seen, slot),
                step if step.is_pure() => self.checks.remove(slot),
                Step::Swap { expect, value } => {
                    self.swapping.remove(expect, slot);
                    self.leaving.remove(value, slot);
                }
                _ => {}
            }
            self.leading.clear();
        }
    }

    fn kind(&mut self, step: Step) -> &mut Bits {
        match step {
            _ if step.is_pure() => &mut self.pure,
            Step::Put { .. } => &mut self.puts,
            Step::Append { .. } => &mut self.appends,
            _ => &mut self.swaps,
        }
    }

    pub(super) fn at(&self, slot: Slot) -> Open {
        self.slots[slot].expect("only slots in use are looked at")
    }

    /// What a configuration becomes when the operation in the slot begins: a pure one takes effect at once if it fits.
    pub(super) fn on_open(&mut self, config: &mut Config, slot: Slot) {
        let Open { step, number, .. } = self.at(slot);
        if step.is_pure() && fits(step, config.value) {
            config.done.insert(slot);
            config.block = self.story.add(config.block, number);
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
        if self.now != now {
            self.now = now;
            self.leading.clear();
        }
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
        let Open { step, number, .. } = self.at(slot);
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
            alone.block = self.story.add(BEGINNING, number);
            hidden.push(alone);
        }
        let only = step.is_blind().then_some(slot);
        for put in self.first_puts(config, before, only, now) {
            let begun = self.begin(config, put, before, now, before);
            self.chains(begun, chain, now, &mut hidden)?;
        }
        for end in hidden {
            found.push(Config {
                value: config.value,
                since: config.since,
                done: end.done,
                past: self.story.join(config.past, end.block),
                block: config.block,
            });
        }
        Ok(())
    }

    /// How it came about, if that is told.
    pub(super) fn order(&mut self, config: &Config) -> Vec<u32> {
        let all = self.story.join(config.past, config.block);
        self.story.order(all)
    }

    /// The value, or nowhere.
    pub(super) fn settled(&self, value: u32, now: usize) -> u32 {
        match &self.lookahead {
            Some(lookahead) if value != NOWHERE && lookahead.last(value) < now => NOWHERE,
            _ => value,
        }
    }

    /// Lets every pure operation that fits take effect.
    pub(super) fn commit(&mut self, config: &mut Config, before: usize) {
        let reads = self.reads.of(config.value).without(&config.done);
        let left: SmallVec<[Slot; 16]> = reads.chain(self.checks.without(&config.done)).collect();
        for slot in left {
            let open = self.at(slot);
            if open.invoked < before && fits(open.step, config.value) {
                config.done.insert(slot);
                config.block = self.story.add(config.block, open.number);
            }
        }
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
