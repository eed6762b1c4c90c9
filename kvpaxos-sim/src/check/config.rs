//! One of the things that can have happened so far.

use std::hash::{Hash, Hasher};

use super::story::{BEGINNING, Link};
use super::window::Slot;

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
        64 + 8 * self.done.0.len()
    }
}

/// A set of slots, without zeros at the end.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    pub(super) fn has(&self, slot: Slot) -> bool {
        self.0
            .get(slot / 64)
            .is_some_and(|word| word >> (slot % 64) & 1 == 1)
    }

    pub(super) fn insert(&mut self, slot: Slot) {
        if self.0.len() <= slot / 64 {
            self.0.resize(slot / 64 + 1, 0);
        }
        self.0[slot / 64] |= 1 << (slot % 64);
    }

    pub(super) fn remove(&mut self, slot: Slot) {
        if let Some(word) = self.0.get_mut(slot / 64) {
            *word &= !(1 << (slot % 64));
        }
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    /// All that are in it.
    pub(super) fn iter(&self) -> impl Iterator<Item = Slot> {
        (0..self.0.len() * 64).filter(|slot| self.has(*slot))
    }

    /// How many words there are; those further on are 0.
    pub(super) fn words(&self) -> usize {
        self.0.len()
    }

    pub(super) fn word(&self, place: usize) -> u64 {
        self.0.get(place).copied().unwrap_or(0)
    }
}
