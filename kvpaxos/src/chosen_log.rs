//! The chosen values of consecutive slots: the tail of the log that has not been cut.

use std::collections::VecDeque;

use crate::command::Value;
use crate::types::Slot;

/// See the module.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct ChosenLog {
    /// The slot of the first value: what was chosen below is not kept.
    base: Slot,
    values: VecDeque<Value>,
}

impl ChosenLog {
    /// Nothing, from this slot on.
    pub(crate) fn new(base: Slot) -> ChosenLog {
        ChosenLog {
            base,
            values: VecDeque::new(),
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
        let skipped = slot.0.checked_sub(self.base.0).map(usize::try_from);
        let skipped = skipped.and_then(Result::ok).unwrap_or(usize::MAX);
        let start = skipped.min(self.values.len());
        (slot.0..).map(Slot).zip(self.values.range(start..))
    }

    /// Forgets what was chosen below; what lies beyond the end is no longer expected.
    pub(crate) fn cut(&mut self, below: Slot) {
        if below >= self.next() {
            *self = ChosenLog::new(below.max(self.base));
            return;
        }
        while self.base < below {
            self.values.pop_front();
            self.base = self.base.next();
        }
    }
}
