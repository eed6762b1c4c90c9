//! One of the things that can have happened so far.

use std::hash::{Hash, Hasher};

use super::bitset::Bits;
use super::orders::{BEGINNING, Link};

/// What may have happened. How it came about makes no difference between two.
#[derive(Clone, Debug)]
pub(super) struct Config {
    /// Its number; `window::NOWHERE` if nobody finds it any more.
    pub(super) value: u32,
    /// What was invoked before this may be hidden; see `window`.
    pub(super) since: usize,
    /// Which of the operations under way have taken effect.
    pub(super) done: Bits,
    /// What took effect before the block under way.
    pub(super) past: Link,
    /// What did in it.
    pub(super) block: Link,
}

impl PartialEq for Config {
    fn eq(&self, other: &Config) -> bool {
        (self.value, self.since, &self.done) == (other.value, other.since, &other.done)
    }
}

impl Eq for Config {}

impl Hash for Config {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.value, self.since, &self.done).hash(state);
    }
}

impl Config {
    /// Nothing has happened.
    pub(super) fn first(value: u32) -> Config {
        Config {
            value,
            since: 0,
            done: Bits::default(),
            past: BEGINNING,
            block: BEGINNING,
        }
    }

    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        64 + 8 * self.done.words()
    }
}
