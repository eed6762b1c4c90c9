//! One of the things that can have happened so far.

use std::hash::{Hash, Hasher};

use super::op_set::OpSet;
use super::orders::{BEGINNING, OrderRef};

/// What may have happened. How it came about makes no difference between two.
#[derive(Clone, Debug)]
pub(super) struct Configuration {
    /// Its number; `window::UNSEEN` if nobody finds it any more.
    pub(super) value: u32,
    /// What was invoked before this may be hidden; see `window`.
    pub(super) since: usize,
    /// Which of the operations under way have taken effect.
    pub(super) done: OpSet,
    /// What took effect before the block under way.
    pub(super) past: OrderRef,
    /// What did in it.
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
    /// Nothing has happened.
    pub(super) fn first(value: u32) -> Configuration {
        Configuration {
            value,
            since: 0,
            done: OpSet::default(),
            past: BEGINNING,
            block: BEGINNING,
        }
    }

    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        64 + 8 * self.done.words()
    }
}
