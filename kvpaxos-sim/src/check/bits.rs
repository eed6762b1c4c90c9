//! Sets of slots.

use std::hash::{Hash, Hasher};

use smallvec::SmallVec;

use super::window::Slot;

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

    /// How many words there are; those further on are 0.
    pub(super) fn words(&self) -> usize {
        self.0.len()
    }

    pub(super) fn word(&self, place: usize) -> u64 {
        self.0.get(place).copied().unwrap_or(0)
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
