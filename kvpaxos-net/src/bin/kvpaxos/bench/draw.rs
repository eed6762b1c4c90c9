//! Draws requests. The same seed draws the same ones, whatever store they go to.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use kvpaxos::Random;

use crate::bench::connection::{Answer, Request};
use crate::bench::keys::{KeyDistribution, KeySource};
use crate::bench::mix::{Kind, Mix};
use crate::bench::sizes::ValueSizes;

/// What the names of counters begin with. Their values are numbers, so no other request may touch them.
const COUNTER: &str = "num";
/// What the names of keys begin with, where no history is written.
const PREFIX: &str = "key";
/// How many values of its keys a lane remembers, where a history is written.
const REMEMBERED: usize = 1024;

/// What is drawn.
#[derive(Clone, Debug)]
pub(crate) struct DrawPlan {
    pub(crate) mix: Mix,
    pub(crate) keys: u64,
    pub(crate) distribution: KeyDistribution,
    pub(crate) sizes: ValueSizes,
    pub(crate) seed: u64,
    /// What the names of keys begin with if all values must differ, so that a read shows which write it saw.
    pub(crate) unique: Option<String>,
}

impl DrawPlan {
    /// The longest value of a request.
    pub(crate) fn longest_value(&self) -> usize {
        // Its lane and its number, of 20 digits each.
        self.sizes.most.max(if self.unique.is_some() { 42 } else { 0 })
    }

    /// The longest key.
    pub(crate) fn longest_key(&self) -> usize {
        self.prefix().len().max(COUNTER.len()) + self.keys.to_string().len().max(13)
    }

    /// How many bytes of keys and values a request has at most.
    pub(crate) fn longest_request(&self) -> usize {
        let values = if self.mix.has(Kind::Cas) { 2 } else { 1 };
        self.longest_key()
            + if self.mix.is_read_only() {
                0
            } else {
                values * self.longest_value()
            }
    }

    /// A key by its number.
    pub(crate) fn key(&self, number: u64) -> Bytes {
        named(self.prefix(), number)
    }

    fn prefix(&self) -> &str {
        self.unique.as_deref().unwrap_or(PREFIX)
    }

    /// The sources of a number of lanes in one round. Each draws something else.
    pub(crate) fn sources(self: &Arc<DrawPlan>, lanes: usize, round: u64) -> Vec<RequestSource> {
        let mut root = Random::from_seed(self.seed);
        for _ in 0..round {
            root = Random::new(root.entropy());
        }
        let letters = self.letters();
        (0..lanes)
            .map(|lane| {
                let mut random = Random::new(root.entropy());
                let keys = Random::new(random.entropy());
                RequestSource {
                    keys: KeySource::new(self.distribution, self.keys, keys),
                    plan: Arc::clone(self),
                    lane: lane as u64,
                    random,
                    count: 0,
                    letters: letters.clone(),
                    seen: HashMap::new(),
                }
            })
            .collect()
    }

    /// The value of a key, as every put of it sets it where values need not differ.
    pub(crate) fn value(&self, letters: &Bytes, key: u64) -> Bytes {
        letters.slice(..self.sizes.of_key(self.seed, key))
    }

    /// What values are cut from: letters in no order, as a store may compress what it writes.
    pub(crate) fn letters(&self) -> Bytes {
        let mut random = Random::from_seed(!self.seed);
        let mut letters = Vec::with_capacity(self.sizes.most);
        while letters.len() < self.sizes.most {
            let bits = random.next_u64().to_le_bytes();
            letters.extend(bits.map(|byte| b'a' + byte % 26));
        }
        letters.truncate(self.sizes.most);
        letters.into()
    }
}

fn named(prefix: &str, number: u64) -> Bytes {
    format!("{prefix}{number:013}").into()
}

/// Draws the requests of one lane: of a client that sends one request after the other.
#[derive(Debug)]
pub(crate) struct RequestSource {
    plan: Arc<DrawPlan>,
    lane: u64,
    keys: KeySource,
    random: Random,
    count: u64,
    letters: Bytes,
    /// The values of keys as this lane saw them last, if all values differ: what a compare-and-swap expects.
    seen: HashMap<Bytes, Option<Bytes>>,
}

impl RequestSource {
    /// The next request.
    pub(crate) fn draw(&mut self) -> Request {
        self.count += 1;
        let kind = self.plan.mix.draw(&mut self.random);
        let number = self.keys.draw();
        let key = match kind {
            Kind::Increment => named(COUNTER, number),
            _ => self.plan.key(number),
        };
        let value = match kind {
            Kind::Put | Kind::Cas | Kind::Append => self.value(number),
            Kind::Get | Kind::Delete | Kind::Increment => Bytes::new(),
        };
        let expect = match kind {
            Kind::Cas if self.plan.unique.is_some() => self.seen.get(&key).cloned().flatten(),
            Kind::Cas => Some(value.clone()),
            _ => None,
        };
        Request {
            kind,
            key,
            value,
            expect,
        }
    }

    fn value(&self, key: u64) -> Bytes {
        if self.plan.unique.is_none() {
            return self.plan.value(&self.letters, key);
        }
        let width = self.plan.sizes.of_key(self.plan.seed, key);
        let (lane, count) = (self.lane, self.count);
        format!("{:v<width$}", format!("{lane}-{count}-")).into()
    }

    /// Learns the answer to a request.
    pub(crate) fn saw(&mut self, request: &Request, answer: &Answer) {
        if self.plan.unique.is_none() {
            return;
        }
        let value = match (answer, request.kind) {
            (Answer::Value(value), _) => value.clone(),
            (Answer::Deleted { .. }, _) => None,
            (Answer::Written, Kind::Put) | (Answer::Swapped { applied: true }, _) => {
                Some(request.value.clone())
            }
            _ => return,
        };
        if self.seen.len() >= REMEMBERED {
            self.seen.clear();
        }
        self.seen.insert(request.key.clone(), value);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn plan(mix: &str, unique: Option<&str>) -> Arc<DrawPlan> {
        Arc::new(DrawPlan {
            mix: mix.parse().unwrap(),
            keys: 50,
            distribution: KeyDistribution::Uniform,
            sizes: "5..20".parse().unwrap(),
            seed: 3,
            unique: unique.map(str::to_owned),
        })
    }

    fn draw(plan: &Arc<DrawPlan>, lanes: usize, round: u64) -> Vec<Request> {
        let sources = plan.sources(lanes, round).into_iter();
        sources
            .flat_map(|mut source| (0..100).map(move |_| source.draw()))
            .collect()
    }

    const ALL: &str = "get=1,put=1,delete=1,cas=1,incr=1,append=1";

    #[test]
    fn the_same_seed_draws_the_same_requests_and_another_round_others() {
        let plan = plan(ALL, None);
        assert_eq!(draw(&plan, 4, 0), draw(&plan, 4, 0));
        assert_ne!(draw(&plan, 4, 0), draw(&plan, 4, 1));
        let drawn = draw(&plan, 2, 0);
        assert_ne!(drawn[..100], drawn[100..], "lanes differ");
    }

    #[test]
    fn keys_and_values_are_as_long_as_planned() {
        for unique in [None, Some("0123abcd/")] {
            let plan = plan(ALL, unique);
            for request in draw(&plan, 4, 0) {
                assert!(request.key.len() <= plan.longest_key());
                let is_counter = request.key.starts_with(COUNTER.as_bytes());
                assert_eq!(is_counter, request.kind == Kind::Increment);
                let writes = matches!(request.kind, Kind::Put | Kind::Cas | Kind::Append);
                assert_eq!(!request.value.is_empty(), writes, "{request:?}");
                let expected = request.expect.as_ref().map_or(0, Bytes::len);
                let length = request.key.len() + request.value.len() + expected;
                assert!(length <= plan.longest_request(), "{request:?}");
            }
        }
        assert_eq!(plan("get=1", None).key(7), "key0000000000007");
    }

    /// Without a history, a compare-and-swap expects what every put of the key writes.
    #[test]
    fn a_compare_and_swap_expects_what_is_there() {
        let plan = plan("put=1,cas=1", None);
        let drawn = draw(&plan, 4, 0);
        let mut puts = HashMap::new();
        for request in drawn.iter().filter(|request| request.kind == Kind::Put) {
            puts.insert(&request.key, &request.value);
        }
        let swaps = drawn.iter().filter(|request| request.kind == Kind::Cas);
        for swap in swaps.filter(|swap| puts.contains_key(&swap.key)) {
            assert_eq!(swap.expect.as_ref(), Some(puts[&swap.key]));
        }
    }

    #[test]
    fn in_a_history_all_values_differ_and_a_swap_expects_what_was_seen() {
        let plan = plan("put=1,append=1,cas=1", Some("0123abcd/"));
        let values: Vec<Bytes> = draw(&plan, 4, 0)
            .into_iter()
            .map(|request| request.value)
            .collect();
        assert_eq!(values.iter().collect::<HashSet<_>>().len(), values.len());
        let mut source = plan.sources(1, 0).remove(0);
        let mut values: HashMap<Bytes, Option<Bytes>> = HashMap::new();
        for _ in 0..1_000 {
            let request = source.draw();
            if request.kind == Kind::Cas {
                assert_eq!(request.expect, values.get(&request.key).cloned().flatten());
            }
            // What an append leaves is not known, and need not be: no answer tells it.
            let answer = match request.kind {
                Kind::Cas => Answer::Swapped {
                    applied: request.expect.is_some(),
                },
                _ => Answer::Written,
            };
            source.saw(&request, &answer);
            if request.kind == Kind::Put || answer == (Answer::Swapped { applied: true }) {
                values.insert(request.key.clone(), Some(request.value.clone()));
            }
        }
        let read = Request {
            kind: Kind::Get,
            ..source.draw()
        };
        source.saw(&read, &Answer::Value(None));
        assert_eq!(source.seen[&read.key], None);
    }
}
