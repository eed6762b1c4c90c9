//! The commands that a leader has taken in and that are not chosen yet: a repeat of one of them is dropped.

use std::collections::{BTreeMap, VecDeque};

use crate::command::{CommandKey, Stream};
use crate::export::export_fields;

/// A set of commands. Those of one stream mostly come in the order of their numbers, and go in that order, so that neither
/// needs a search; of most streams one command at a time is under way, which needs no memory of its own.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct UnderWay {
    streams: BTreeMap<Stream, Numbers>,
}

export_fields!(UnderWay { streams });

/// Numbers of one stream, in order.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Numbers {
    lowest: u64,
    others: VecDeque<u64>,
}

export_fields!(Numbers { lowest, others });

impl UnderWay {
    /// Adds a command. Returns whether it was not in the set.
    pub(crate) fn insert(&mut self, key: CommandKey) -> bool {
        let CommandKey { stream, number } = key;
        let Some(numbers) = self.streams.get_mut(&stream) else {
            let first = Numbers {
                lowest: number,
                others: VecDeque::new(),
            };
            self.streams.insert(stream, first);
            return true;
        };
        if number == numbers.lowest {
            return false;
        }
        if number < numbers.lowest {
            let next = std::mem::replace(&mut numbers.lowest, number);
            numbers.others.push_front(next);
            return true;
        }
        let place = find(&numbers.others, number, |other| *other);
        if let Err(place) = place {
            numbers.others.insert(place, number);
        }
        place.is_err()
    }

    /// Removes a command, if it is in the set.
    pub(crate) fn remove(&mut self, key: CommandKey) {
        let CommandKey { stream, number } = key;
        let Some(numbers) = self.streams.get_mut(&stream) else {
            return;
        };
        if number != numbers.lowest {
            if let Ok(place) = find(&numbers.others, number, |other| *other) {
                numbers.others.remove(place);
            }
        } else if let Some(next) = numbers.others.pop_front() {
            numbers.lowest = next;
        } else {
            self.streams.remove(&stream);
        }
    }
}

impl FromIterator<CommandKey> for UnderWay {
    fn from_iter<I: IntoIterator<Item = CommandKey>>(keys: I) -> UnderWay {
        let mut under_way = UnderWay::default();
        for key in keys {
            under_way.insert(key);
        }
        under_way
    }
}

/// The place of a number in a list in the order of numbers, or the place where it belongs. The ends are looked at first, because
/// commands are mostly added at the back and taken from the front.
pub(crate) fn find<T>(
    list: &VecDeque<T>,
    number: u64,
    number_of: impl Fn(&T) -> u64,
) -> Result<usize, usize> {
    match (list.front(), list.back()) {
        (Some(front), _) if number_of(front) == number => Ok(0),
        (_, Some(back)) if number_of(back) < number => Err(list.len()),
        _ => list.binary_search_by_key(&number, number_of),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::random::Random;

    #[test]
    fn it_holds_what_a_set_of_keys_holds_in_whatever_order_they_come_and_go() {
        let mut random = Random::from_seed(3);
        let (mut under_way, mut keys) = (UnderWay::default(), BTreeSet::new());
        for _ in 0..10_000 {
            let key = CommandKey {
                stream: Stream::Tags {
                    nonce: random.below(3),
                },
                number: random.below(12),
            };
            if random.below(2) == 0 {
                assert_eq!(under_way.insert(key), keys.insert(key), "{key:?}");
            } else {
                under_way.remove(key);
                keys.remove(&key);
            }
            // The order in which they came leaves no trace: equal sets are equal.
            assert_eq!(under_way, keys.iter().copied().collect());
        }
    }
}
