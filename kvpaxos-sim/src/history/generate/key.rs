//! A key of the generator's map: its value, its earlier values, and the value that is written next.

use std::collections::VecDeque;

use kvpaxos::Random;

use super::Values;
use crate::history::{Action, Answer, Datum};

/// Values longer than this are not appended to, so strings do not grow without bound.
const LONGEST: usize = 24;
/// A compare-and-swap may expect one of this many earlier values.
const RECENT: usize = 8;
/// With [`Values::Twice`]: how many values that were written once wait for their second time.
const WAITING: usize = 16;

/// A key of the map.
pub(super) struct Key {
    value: Datum,
    /// Its earlier values, oldest first.
    past: VecDeque<Datum>,
    /// How many earlier values to keep.
    remembered: usize,
    /// The next number that was never written to it.
    fresh: u64,
    /// Numbers that were written once and are to be written again.
    once: Vec<u64>,
}

impl Key {
    /// A key that keeps at least so many of its earlier values.
    pub(super) fn new(initial: Datum, remembered: usize) -> Key {
        Key {
            value: initial,
            past: VecDeque::new(),
            remembered: remembered.max(RECENT),
            fresh: 0,
            once: Vec::new(),
        }
    }

    pub(super) fn value(&self) -> &Datum {
        &self.value
    }

    pub(super) fn is_long(&self) -> bool {
        matches!(&self.value, Datum::Text(text) if text.len() > LONGEST)
    }

    /// Applies an operation, and returns its answer.
    pub(super) fn apply(&mut self, action: &Action) -> Answer {
        let answer = action.answer(&self.value);
        let is_write = *action != Action::Get && answer != Answer::Swapped { applied: false };
        if is_write {
            let mut value = self.value.clone();
            action.clone().apply(&mut value);
            self.set(value);
        }
        answer
    }

    fn set(&mut self, value: Datum) {
        if self.past.len() == self.remembered {
            self.past.pop_front();
        }
        self.past.push_back(std::mem::replace(&mut self.value, value));
    }

    /// One of the last few earlier values; the present one if there is none. The choice does not depend on
    /// how many are kept.
    pub(super) fn past(&self, random: &mut Random) -> &Datum {
        let back = index(random, self.past.len().min(RECENT));
        self.past.iter().rev().nth(back).unwrap_or(&self.value)
    }

    /// An earlier value other than `than`, if one is kept.
    pub(super) fn past_other_than(&self, than: &Datum, random: &mut Random) -> Option<&Datum> {
        let others: Vec<&Datum> = self.past.iter().filter(|value| *value != than).collect();
        others.get(index(random, others.len())).copied()
    }

    /// The number of the value that is written next; `unique` counts the values of all keys.
    pub(super) fn next(&mut self, values: Values, unique: &mut u64, random: &mut Random) -> u64 {
        match values {
            Values::Unique => {
                *unique += 1;
                *unique - 1
            }
            Values::Few(values) => random.below(values),
            Values::Twice => {
                if !self.once.is_empty() && random.below(2) == 0 || self.once.len() == WAITING {
                    return self.once.swap_remove(index(random, self.once.len()));
                }
                self.once.push(self.fresh);
                self.fresh += 1;
                self.fresh - 1
            }
        }
    }
}

fn index(random: &mut Random, length: usize) -> usize {
    usize::try_from(random.below(length as u64)).expect("below a length")
}

/// The value that a put writes.
pub(super) fn whole(number: u64) -> Datum {
    Datum::Integer(number.into())
}

/// The text that an append adds: letters of which only the last is a capital, so that the parts of a value
/// can be told apart.
pub(super) fn tail(mut number: u64) -> Datum {
    let letter = |first: char, number: u64| char::from_u32(u32::from(first) + (number % 26) as u32);
    let mut letters: Vec<char> = letter('A', number).into_iter().collect();
    while number >= 26 {
        number = number / 26 - 1;
        letters.extend(letter('a', number));
    }
    Datum::Text(letters.into_iter().rev().collect())
}
