//! What is counted: latencies in histograms, and what failed.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::bench::connection::{Failure, FailureKind};
use crate::bench::mix::Kind;

/// Latencies are kept with this many significant digits.
const DIGITS: u8 = 3;

/// Latencies in nanoseconds.
#[derive(Clone, Debug)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(crate) fn new() -> Latencies {
        Latencies(Histogram::new(DIGITS).expect("a histogram may have this many digits"))
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        // It grows as needed, and takes every number.
        self.0
            .record(nanos.max(1))
            .expect("a histogram that grows takes every value");
    }

    pub(crate) fn add(&mut self, other: &Latencies) {
        self.0
            .add(&other.0)
            .expect("a histogram that grows takes every value");
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The latency that this percentage of all latencies does not exceed, in milliseconds.
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        self.0.value_at_percentile(percent) as f64 / 1e6
    }

    /// The greatest latency in milliseconds.
    pub(crate) fn greatest(&self) -> f64 {
        self.0.max() as f64 / 1e6
    }

    /// The mean latency in milliseconds.
    pub(crate) fn mean(&self) -> f64 {
        self.0.mean() / 1e6
    }
}

/// What became of the requests of one kind.
#[derive(Clone, Debug)]
pub(crate) struct KindTally {
    /// Of requests that were done: from when they were due in an open loop, from when they were sent in a
    /// closed one.
    pub(crate) latencies: Latencies,
    /// How many of them found no value, or did not swap.
    pub(crate) misses: u64,
}

/// The failures of one kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct FailureTally {
    pub(crate) count: u64,
    /// What the first of them said.
    pub(crate) first: String,
}

/// What became of requests. Those count that were due, or in a closed loop sent, while it was measured.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    pub(crate) kinds: BTreeMap<Kind, KindTally>,
    /// Only in an open loop: from when requests were sent, without their wait for a place in a client.
    pub(crate) service: Latencies,
    pub(crate) failures: BTreeMap<FailureKind, FailureTally>,
    /// Requests that ended well while it was measured, whenever they began. This makes the throughput.
    pub(crate) completed: u64,
    /// Only in an open loop: how long those had waited at the end that were never sent.
    pub(crate) unsent: Latencies,
}

impl Tally {
    pub(crate) fn new() -> Tally {
        Tally {
            kinds: BTreeMap::new(),
            service: Latencies::new(),
            failures: BTreeMap::new(),
            completed: 0,
            unsent: Latencies::new(),
        }
    }

    /// A request was done.
    pub(crate) fn done(&mut self, kind: Kind, latency: Duration, is_miss: bool) {
        let tally = self.kinds.entry(kind).or_insert_with(|| KindTally {
            latencies: Latencies::new(),
            misses: 0,
        });
        tally.latencies.record(latency);
        tally.misses += u64::from(is_miss);
    }

    /// A request failed.
    pub(crate) fn failed(&mut self, failure: Failure) {
        let tally = self.failures.entry(failure.kind).or_insert_with(|| FailureTally {
            count: 0,
            first: failure.text,
        });
        tally.count += 1;
    }

    /// Adds what was counted elsewhere.
    pub(crate) fn merge(&mut self, other: &Tally) {
        for (kind, tally) in &other.kinds {
            let own = self.kinds.entry(*kind).or_insert_with(|| KindTally {
                latencies: Latencies::new(),
                misses: 0,
            });
            own.latencies.add(&tally.latencies);
            own.misses += tally.misses;
        }
        self.service.add(&other.service);
        for (kind, failures) in &other.failures {
            let own = self.failures.entry(*kind).or_insert_with(|| FailureTally {
                count: 0,
                first: failures.first.clone(),
            });
            own.count += failures.count;
        }
        self.completed += other.completed;
        self.unsent.add(&other.unsent);
    }

    /// The latencies of all kinds of requests. Those that were never sent count with the time that they had
    /// waited, which is the least that they would have taken.
    pub(crate) fn latencies(&self) -> Latencies {
        let mut all = self.unsent.clone();
        for tally in self.kinds.values() {
            all.add(&tally.latencies);
        }
        all
    }

    /// How many requests failed.
    pub(crate) fn errors(&self) -> u64 {
        self.failures.values().map(|failures| failures.count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn near(value: f64, expected: f64) {
        assert!(
            (value - expected).abs() <= expected / 500.0,
            "{value}, expected {expected}"
        );
    }

    #[test]
    fn percentiles_are_those_of_all_values() {
        let mut latencies = Latencies::new();
        (1..=1_000).for_each(|value| latencies.record(millis(value)));
        near(latencies.percentile(50.0), 500.0);
        near(latencies.percentile(99.0), 990.0);
        near(latencies.percentile(99.9), 999.0);
        near(latencies.greatest(), 1_000.0);
        near(latencies.mean(), 500.5);
        latencies.record(Duration::MAX);
        latencies.record(Duration::ZERO);
        assert_eq!(latencies.count(), 1_002);
    }

    /// Two halves, merged, are what one tally of everything is.
    #[test]
    fn merged_tallies_are_as_one() {
        let (mut one, mut halves) = (Tally::new(), [Tally::new(), Tally::new()]);
        for value in 1..=2_000 {
            let half = usize::from(value > 700);
            for tally in [&mut one, &mut halves[half]] {
                let kind = if value % 4 == 0 { Kind::Put } else { Kind::Get };
                tally.done(kind, millis(value), value % 10 == 0);
                tally.service.record(millis(1));
                tally.completed += 1;
                if value % 500 == 0 {
                    let text = format!("at {value}");
                    let kind = FailureKind::Unknown;
                    tally.failed(Failure { kind, text });
                }
                if value == 1_999 {
                    tally.unsent.record(millis(9_000));
                }
            }
        }
        let [mut merged, second] = halves;
        merged.merge(&second);
        assert_eq!((merged.completed, merged.errors()), (2_000, 4));
        assert_eq!(merged.failures, one.failures);
        assert_eq!(merged.failures[&FailureKind::Unknown].first, "at 500");
        assert_eq!(merged.service.count(), 2_000);
        for (kind, count) in [(Kind::Get, 1_500), (Kind::Put, 500)] {
            assert_eq!(merged.kinds[&kind].latencies.count(), count);
            assert_eq!(merged.kinds[&kind].misses, one.kinds[&kind].misses);
        }
        let (merged, one) = (merged.latencies(), one.latencies());
        for percent in [1.0, 50.0, 90.0, 99.0, 99.99, 100.0] {
            assert_eq!(
                merged.percentile(percent).to_bits(),
                one.percentile(percent).to_bits()
            );
        }
        near(merged.greatest(), 9_000.0);
    }
}
