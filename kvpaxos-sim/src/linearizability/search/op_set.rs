//! Sets of open operations.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{Hash, Hasher};

use smallvec::SmallVec;

use crate::hashing::BuildQuick;

/// The index of an open operation. It is used again after the operation has completed.
pub(super) type OpIndex = usize;

/// A set of operations, as words without zeros at the end.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct OpSet(SmallVec<[u64; 2]>);

impl Hash for OpSet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.iter().for_each(|word| state.write_u64(*word));
    }
}

impl OpSet {
    pub(super) fn has(&self, op: OpIndex) -> bool {
        self.word(op / 64) >> (op % 64) & 1 == 1
    }

    pub(super) fn insert(&mut self, op: OpIndex) {
        if self.0.len() <= op / 64 {
            self.0.resize(op / 64 + 1, 0);
        }
        self.0[op / 64] |= 1 << (op % 64);
    }

    pub(super) fn remove(&mut self, op: OpIndex) {
        if let Some(word) = self.0.get_mut(op / 64) {
            *word &= !(1 << (op % 64));
        }
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    /// The operations in the set.
    pub(super) fn iter(&self) -> impl Iterator<Item = OpIndex> {
        self.0
            .iter()
            .zip(0..)
            .flat_map(|(word, place)| indices(*word, place))
    }

    /// The operations in this set and not in the other.
    pub(super) fn without(&self, other: &OpSet) -> impl Iterator<Item = OpIndex> {
        let words = self.0.iter().zip(0..);
        words.flat_map(|(word, place)| indices(word & !other.word(place), place))
    }

    /// Whether the set has an operation that is neither in the other nor `besides`.
    pub(super) fn has_more(&self, other: &OpSet, besides: OpIndex) -> bool {
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

    /// The number of words; all further words are 0.
    pub(super) fn words(&self) -> usize {
        self.0.len()
    }

    pub(super) fn word(&self, place: usize) -> u64 {
        self.0.get(place).copied().unwrap_or(0)
    }
}

/// A set of operations for each value.
#[derive(Default)]
pub(super) struct OpSetsByValue {
    sets: HashMap<u32, OpSet, BuildQuick>,
    /// The set of a value that has none.
    none: OpSet,
}

impl OpSetsByValue {
    pub(super) fn insert(&mut self, value: u32, op: OpIndex) {
        self.sets.entry(value).or_default().insert(op);
    }

    pub(super) fn remove(&mut self, value: u32, op: OpIndex) {
        if let Entry::Occupied(mut set) = self.sets.entry(value) {
            set.get_mut().remove(op);
            if set.get().words() == 0 {
                set.remove();
            }
        }
    }

    /// The operations of this value.
    pub(super) fn of(&self, value: u32) -> &OpSet {
        self.sets.get(&value).unwrap_or(&self.none)
    }

    /// Gives the values other numbers, no two of them the same.
    pub(super) fn renumber(&mut self, mut renumber: impl FnMut(&mut u32)) {
        let old = std::mem::take(&mut self.sets).into_iter();
        self.sets = old
            .map(|(mut value, set)| (renumber(&mut value), (value, set)).1)
            .collect();
    }
}

/// The indices in one word of a set.
pub(super) fn indices(mut word: u64, place: usize) -> impl Iterator<Item = OpIndex> {
    std::iter::from_fn(move || {
        let op = place * 64 + word.trailing_zeros() as usize;
        (word != 0).then(|| {
            word &= word - 1;
            op
        })
    })
}
