//! The chosen values of consecutive slots: the tail of the log that has not been cut.
//!
//! A part of the log that is cut may hold hundreds of thousands of commands. To free them at once would stall
//! the replica, so they are freed a few at a time.

use std::collections::VecDeque;

use crate::command::Value;
use crate::export::{Export, Exporter, ImportError, Importer};
use crate::types::Slot;

/// The chosen values of consecutive slots.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct ChosenLog {
    /// The slot of the first value.
    base: Slot,
    values: VecDeque<Value>,
    /// Values below this slot are no longer needed, and are freed little by little.
    wanted_from: Slot,
    /// Values from before a jump, which are freed likewise.
    left_behind: VecDeque<Value>,
}

impl Export for ChosenLog {
    fn export_to(&self, to: &mut Exporter) {
        let ChosenLog {
            base,
            values,
            wanted_from,
            left_behind,
        } = self;
        base.export_to(to);
        values.export_to(to);
        wanted_from.export_to(to);
        left_behind.export_to(to);
    }

    fn import_from(from: &mut Importer<'_>) -> Result<ChosenLog, ImportError> {
        Ok(ChosenLog {
            base: from.slot()?,
            values: Export::import_from(from)?,
            wanted_from: from.slot()?,
            left_behind: Export::import_from(from)?,
        })
    }
}

impl ChosenLog {
    /// An empty log that begins at this slot.
    pub(crate) fn new(base: Slot) -> ChosenLog {
        ChosenLog {
            base,
            ..ChosenLog::default()
        }
    }

    /// The slot of the first value that is still held.
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

    /// The values from a slot on, with their slots; none if the log begins above that slot.
    pub(crate) fn iter_from(&self, slot: Slot) -> impl Iterator<Item = (Slot, &Value)> {
        let length = self.values.len() as u64;
        let skipped = slot.0.checked_sub(self.base.0).unwrap_or(length).min(length);
        let start = usize::try_from(skipped).expect("at most the number of values");
        (slot.0..).map(Slot).zip(self.values.range(start..))
    }

    /// Values below this slot are no longer needed.
    pub(crate) fn cut(&mut self, below: Slot) {
        self.wanted_from = self.wanted_from.max(below);
        if below > self.next() {
            self.jump_to(below);
        }
    }

    /// Continues from a slot beyond all known values.
    pub(crate) fn jump_to(&mut self, slot: Slot) {
        self.base = slot;
        self.left_behind.append(&mut self.values);
    }

    /// Frees so many values that are no longer needed.
    pub(crate) fn free_some(&mut self, count: usize) {
        for _ in 0..count {
            if self.left_behind.pop_front().is_none() {
                if self.base >= self.wanted_from || self.values.pop_front().is_none() {
                    break;
                }
                self.base = self.base.next();
            }
        }
    }
}
