//! Lookahead: until when an operation may find a value. It needs the whole history.

use std::collections::HashMap;

use super::transitions::{Transition, Values};
use crate::hashing::BuildQuick;
use crate::history::Datum;

/// For each value, when the last operation completes that finds it, or finds what appends make of it.
pub(super) struct Lookahead {
    /// That moment, by the number of the value.
    last: Vec<usize>,
    /// The strings that are found, sorted, if anything is appended at all.
    texts: Vec<String>,
    /// A sparse table for range maxima: for each power of two and each string, the maximum over that many
    /// strings from there on.
    maxima: Vec<Vec<usize>>,
    /// Results for a value with another one appended.
    both: HashMap<(u32, u32), usize, BuildQuick>,
    /// The total length of the strings.
    length: usize,
    /// How many bytes of them [`Lookahead::last_with`] has searched.
    looked: usize,
}

/// About how many bytes of strings are searched at most.
const MOST: usize = 1 << 31;

impl Lookahead {
    /// The lookahead for these operations, each with the moment when it completes.
    pub(super) fn new(values: &Values, operations: impl Iterator<Item = (Transition, usize)>) -> Lookahead {
        let mut exact = vec![0; values.len()];
        let mut appends = false;
        for (transition, until) in operations {
            appends |= matches!(transition, Transition::Append { .. });
            let (Transition::Get { seen: found }
            | Transition::Swap { expect: found, .. }
            | Transition::Differ { from: found }) = transition
            else {
                continue;
            };
            let last = &mut exact[found as usize];
            *last = until.max(*last);
        }
        let mut texts: Vec<(String, usize)> = Vec::new();
        if appends {
            let found = (0..).zip(&exact).filter(|(_, last)| **last > 0);
            texts.extend(found.filter_map(|(value, last)| match values.get(value) {
                Datum::Text(text) => Some((text.clone(), *last)),
                Datum::Null | Datum::Integer(_) => None,
            }));
            texts.sort_unstable();
        }
        let (texts, first): (Vec<String>, Vec<usize>) = texts.into_iter().unzip();
        let mut maxima = vec![first];
        for power in 0.. {
            let half = 1 << power;
            let shorter: &Vec<usize> = &maxima[power];
            if half * 2 > texts.len() {
                break;
            }
            let longer = (0..=texts.len() - half * 2).map(|place| shorter[place].max(shorter[place + half]));
            let longer = longer.collect();
            maxima.push(longer);
        }
        let mut lookahead = Lookahead {
            last: Vec::new(),
            length: texts.iter().map(String::len).sum(),
            both: HashMap::default(),
            looked: 0,
            texts,
            maxima,
        };
        lookahead.extend(values);
        for (last, exact) in lookahead.last.iter_mut().zip(exact) {
            *last = exact.max(*last);
        }
        lookahead
    }

    /// Takes in values that appends have made since. No operation finds them as they are.
    pub(super) fn extend(&mut self, values: &Values) {
        for number in self.last.len()..values.len() {
            let number = u32::try_from(number).expect("values have numbers of 32 bits");
            self.last.push(self.longer(values.get(number)));
        }
    }

    /// When the last operation completes that may find the value; 0 if there is none.
    pub(super) fn last(&self, value: u32) -> usize {
        self.last[value as usize]
    }

    /// When the last operation completes that may find `value` with `tail` appended; 0 if there is none.
    pub(super) fn last_of_both(&mut self, values: &Values, value: u32, tail: u32) -> usize {
        if let Some(last) = self.both.get(&(value, tail)) {
            return *last;
        }
        let (text, after) = (values.get(value).as_text(), values.get(tail).as_text());
        let (begin, end) = self.beginning_with(0, self.texts.len(), 0, &text);
        let (begin, end) = self.beginning_with(begin, end, text.len(), &after);
        let last = self.maximum(begin, end);
        self.both.insert((value, tail), last);
        last
    }

    /// When the last operation completes that finds a string with this text in it; 0 if there is none.
    pub(super) fn last_with(&mut self, tail: &Datum) -> usize {
        let tail = tail.as_text();
        if self.length.saturating_mul(tail.len()) == 0 || self.looked > MOST {
            return usize::MAX;
        }
        self.looked += self.length;
        let texts = self.texts.iter().zip(&self.maxima[0]);
        let found = texts.filter(|(text, _)| text.contains(&*tail));
        found.map(|(_, last)| *last).max().unwrap_or(0)
    }

    /// When the last operation completes that finds a string beginning with this value.
    fn longer(&self, value: &Datum) -> usize {
        let (begin, end) = self.beginning_with(0, self.texts.len(), 0, &value.as_text());
        self.maximum(begin, end)
    }

    /// Among strings that share their first `common` bytes, the range of those that continue with `text`.
    fn beginning_with(&self, begin: usize, end: usize, common: usize, text: &str) -> (usize, usize) {
        let text = text.as_bytes();
        let texts = &self.texts[begin..end];
        let first = texts.partition_point(|other| &other.as_bytes()[common..] < text);
        let more = texts[first..].partition_point(|other| other.as_bytes()[common..].starts_with(text));
        (begin + first, begin + first + more)
    }

    /// When the last operation completes that finds one of these strings.
    fn maximum(&self, begin: usize, end: usize) -> usize {
        let Some(power) = (end - begin).checked_ilog2() else {
            return 0;
        };
        let maxima = &self.maxima[power as usize];
        maxima[begin].max(maxima[end - (1 << power)])
    }
}
