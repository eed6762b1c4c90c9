//! The chosen values of consecutive slots: the tail of the log that has not been cut.
//!
//! A stretch of log that is cut may hold hundreds of thousands of commands, and to free them at once would hold up the replica: they go
//! a few at a time.

use std::collections::VecDeque;

use crate::command::Value;
use crate::types::Slot;

/// See the module.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct ChosenLog {
    /// The slot of the first value: what was chosen below is not kept.
    base: Slot,
    values: VecDeque<Value>,
    /// What was chosen below is not wanted any more, and goes by and by.
    wanted_from: Slot,
    /// Values before a jump, which go likewise.
    left_behind: VecDeque<Value>,
}

/// How many values are freed at a time.
const AT_A_TIME: usize = 16;

impl ChosenLog {
    /// Nothing, from this slot on.
    pub(crate) fn new(base: Slot) -> ChosenLog {
        ChosenLog {
            base,
            ..ChosenLog::default()
        }
    }

    /// What was chosen below is not kept.
    pub(crate) fn base(&self) -> Slot {
        self.base
    }

    /// The first slot that is not known to be chosen.
    pub(crate) fn next(&self) -> Slot {
        Slot(self.base.0 + self.values.len() as u64)
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<&Value> {
        let place = slot.0.checked_sub(self.base.0)?;
        self.values.get(usize::try_from(place).ok()?)
    }

    pub(crate) fn push(&mut self, value: Value) {
        self.values.push_back(value);
    }

    /// The values from a slot on, with their slots; none if they are cut, in whole or in part.
    pub(crate) fn iter_from(&self, slot: Slot) -> impl Iterator<Item = (Slot, &Value)> {
        let length = self.values.len() as u64;
        let skipped = slot.0.checked_sub(self.base.0).unwrap_or(length).min(length);
        let start = usize::try_from(skipped).expect("at most the number of values");
        (slot.0..).map(Slot).zip(self.values.range(start..))
    }

    /// What was chosen below is not wanted any more.
    pub(crate) fn cut(&mut self, below: Slot) {
        self.wanted_from = self.wanted_from.max(below);
        if below > self.next() {
            self.jump_to(below);
        }
    }

    /// Goes on from a slot ahead of all that is known.
    pub(crate) fn jump_to(&mut self, slot: Slot) {
        self.base = slot;
        self.left_behind.append(&mut self.values);
    }

    /// Frees a few values that are not wanted any more.
    pub(crate) fn free_some(&mut self) {
        for _ in 0..AT_A_TIME {
            if self.left_behind.pop_front().is_none() {
                if self.base >= self.wanted_from || self.values.pop_front().is_none() {
                    break;
                }
                self.base = self.base.next();
            }
        }
    }
}
