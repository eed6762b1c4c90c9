//! A configuration: a state that the key can be in at some moment.

use std::hash::{Hash, Hasher};

use super::op_set::OpSet;
use super::orders::{BEGINNING, OrderRef};

/// The key's value, and which open operations have taken effect. Two configurations are equal however they
/// came about.
#[derive(Clone, Debug)]
pub(super) struct Configuration {
    /// The number of the value; `window::UNSEEN` if nobody will see it.
    pub(super) value: u32,
    /// When the put that began the current block took effect. Operations invoked before that can be hidden.
    pub(super) since: usize,
    /// The open operations that have taken effect.
    pub(super) done: OpSet,
    /// The order of what took effect before the current block.
    pub(super) past: OrderRef,
    /// The order of what took effect in the current block.
    pub(super) block: OrderRef,
}

impl PartialEq for Configuration {
    fn eq(&self, other: &Configuration) -> bool {
        (self.value, self.since, &self.done) == (other.value, other.since, &other.done)
    }
}

impl Eq for Configuration {}

impl Hash for Configuration {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.value, self.since, &self.done).hash(state);
    }
}

impl Configuration {
    /// The configuration before anything has happened.
    pub(super) fn first(value: u32) -> Configuration {
        Configuration {
            value,
            since: 0,
            done: OpSet::default(),
            past: BEGINNING,
            block: BEGINNING,
        }
    }

    /// Its size in memory, about.
    pub(super) fn bytes(&self) -> usize {
        64 + 8 * self.done.words()
    }
}
