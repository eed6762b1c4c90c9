//! How much a step applies. Values are applied as soon as they are learned, except for the log of an earlier life: it may hold
//! more than a million commands, and a replica that applied them in one step would answer nobody for seconds.

use crate::command::Value;
use crate::config::Limits;
use crate::roles::chosen_log::ChosenLog;
use crate::types::Slot;

/// How much of the log of an earlier life a step applies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Portion {
    /// A step of the clock: the driver has handled what had arrived. It is about as much work as a driver does with a batch
    /// of messages, a millisecond or two.
    OfTheClock,
    /// Any other step: more messages may be waiting.
    OfAMessage,
}

impl Portion {
    /// About how many bytes; at least one value.
    pub(crate) fn bytes(self, limits: &Limits) -> u64 {
        let bytes = match self {
            Portion::OfTheClock => 64 * 1024,
            Portion::OfAMessage => 1024,
        };
        bytes.min(limits.chunk_bytes as u64)
    }
}

/// How much was applied in a step.
#[derive(Clone, Copy, Default)]
pub(crate) struct AppliedSlots {
    pub(crate) slots: u64,
    /// Bytes of values.
    pub(crate) bytes: u64,
}

impl AppliedSlots {
    pub(crate) fn add(&mut self, value: &Value) {
        self.slots += 1;
        self.bytes += value.size() as u64;
    }

    /// About how much work it was, in bytes: a slot without commands counts as well.
    pub(crate) fn cost(self) -> u64 {
        self.bytes + 64 * self.slots
    }
}

/// Whether to apply the values from this slot on takes more than a portion of a step.
pub(super) fn is_long(log: &ChosenLog, from: Slot, limits: &Limits) -> bool {
    let mut sum = AppliedSlots::default();
    log.iter_from(from).any(|(_, value)| {
        sum.add(value);
        sum.cost() > Portion::OfAMessage.bytes(limits)
    })
}
