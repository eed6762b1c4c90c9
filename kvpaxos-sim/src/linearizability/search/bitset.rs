//! Sets of slots.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{Hash, Hasher};

use smallvec::SmallVec;

use crate::hashing::BuildQuick;

/// The place of an operation that is under way, until it completes.
pub(super) type Slot = usize;

/// A set of slots, as words without zeros at the end.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Bits(SmallVec<[u64; 2]>);

impl Hash for Bits {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.iter().for_each(|word| state.write_u64(*word));
    }
}

impl Bits {
    pub(super) fn has(&self, slot: Slot) -> bool {
        self.word(slot / 64) >> (slot % 64) & 1 == 1
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
        self.0
            .iter()
            .zip(0..)
            .flat_map(|(word, place)| slots(*word, place))
    }

    /// All that are in it and not in another.
    pub(super) fn without(&self, other: &Bits) -> impl Iterator<Item = Slot> {
        let words = self.0.iter().zip(0..);
        words.flat_map(|(word, place)| slots(word & !other.word(place), place))
    }

    /// Whether any is in it that is not in another, nor this one.
    pub(super) fn has_more(&self, other: &Bits, besides: Slot) -> bool {
        let mut words = self.0.iter().zip(0..);
        words.any(|(word, place)| {
            let besides = if place == besides / 64 {
                1 << (besides % 64)
            } else {
                0
            };
            word & !other.word(place) & !besides != 0
        })
    }

    /// How many words there are; those further on are 0.
    pub(super) fn words(&self) -> usize {
        self.0.len()
    }

    pub(super) fn word(&self, place: usize) -> u64 {
        self.0.get(place).copied().unwrap_or(0)
    }
}

/// A set of slots for each value.
#[derive(Default)]
pub(super) struct ByValue {
    slots: HashMap<u32, Bits, BuildQuick>,
    /// For a value that has none.
    none: Bits,
}

impl ByValue {
    pub(super) fn insert(&mut self, value: u32, slot: Slot) {
        self.slots.entry(value).or_default().insert(slot);
    }

    pub(super) fn remove(&mut self, value: u32, slot: Slot) {
        if let Entry::Occupied(mut slots) = self.slots.entry(value) {
            slots.get_mut().remove(slot);
            if slots.get().words() == 0 {
                slots.remove();
            }
        }
    }

    /// The slots of this value.
    pub(super) fn of(&self, value: u32) -> &Bits {
        self.slots.get(&value).unwrap_or(&self.none)
    }

    /// Values have other numbers from now on; no two have the same.
    pub(super) fn renumber(&mut self, mut renumber: impl FnMut(&mut u32)) {
        let old = std::mem::take(&mut self.slots).into_iter();
        self.slots = old
            .map(|(mut value, slots)| (renumber(&mut value), (value, slots)).1)
            .collect();
    }
}

/// The slots of one word.
pub(super) fn slots(mut word: u64, place: usize) -> impl Iterator<Item = Slot> {
    std::iter::from_fn(move || {
        let slot = place * 64 + word.trailing_zeros() as usize;
        (word != 0).then(|| {
            word &= word - 1;
            slot
        })
    })
}
