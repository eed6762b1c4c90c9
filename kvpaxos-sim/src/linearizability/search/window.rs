//! The operations under way at some moment, and the tables in which a search looks them up.

use std::collections::HashMap;

use smallvec::SmallVec;

use super::bitset::{Bits, ByValue, Slot};
use super::configuration::Config;
use super::lookahead::Lookahead;
use super::orders::Story;
use super::transitions::{Step, Values};
use crate::hashing::BuildQuick;
use crate::linearizability::report::Budget;

/// A value that nobody finds any more.
pub(super) const NOWHERE: u32 = u32::MAX;

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

/// The operations under way at some moment.
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
