//! The search for the events after which a failure was likely, and certain.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::share::Share;
use crate::engine::Fork;
use crate::parallel;

/// The run is sampled at so many points first, equally far from each other.
const GRID: u64 = 16;

/// How often the search asks for samples at most, after the first points.
const STEPS: usize = 48;

/// The points that decide get so many times as many samples, and those alone count.
const CONFIRMED: u64 = 4;

/// A rise of the share that fails is looked into if it is at least this large.
const LEAST_RISE: f64 = 0.15;

/// How one future of a run ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Future {
    /// Nothing fails in it.
    Holds,
    /// It fails as the run does.
    Fails,
    /// It fails in another manner. That counts as one that does not fail.
    FailsOtherwise,
}

/// How much is sampled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The seed from which the futures get theirs. Another one gives other samples.
    pub seed: u64,
    /// How many futures are played from a point. The points that decide get four times as many.
    pub samples: u64,
    /// How many futures are played at a time. The explanation does not depend on it.
    pub threads: usize,
}

impl Plan {
    /// A plan. At least one future is played from a point.
    #[must_use]
    pub fn new(seed: u64, samples: u64, threads: usize) -> Plan {
        Plan {
            seed,
            samples: samples.max(1),
            threads,
        }
    }

    /// The points of a run of so many events that are sampled first.
    pub fn first_points(events: u64) -> impl Iterator<Item = u64> {
        (0..=GRID).map(move |step| scaled(events, step))
    }

    /// How many futures are usually played.
    #[must_use]
    pub fn usual_futures(samples: u64) -> u64 {
        samples * (GRID + 1 + 24 + 4 * CONFIRMED)
    }
}

/// A point of the run, and the futures from there that fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Point {
    /// So many events are those of the run. 0 is the start: only the setup is that of the run.
    pub after: u64,
    /// The futures that fail.
    pub share: Share,
}

/// An event, and what share of futures fails without and with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Turn {
    /// The number of the event; the first event is 1.
    pub event: u64,
    /// The futures from before the event that fail.
    pub before: Share,
    /// The futures from after the event that fail.
    pub after: Share,
}

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Explanation {
    /// The points that were sampled, in order; the first one is the start.
    pub points: Vec<Point>,
    /// The event with the steepest rise; `None` if there is no rise at a single event that is large enough to
    /// tell.
    pub likely: Option<Turn>,
    /// The event from which on every sampled future fails; `None` if they all do from the start, or not even
    /// at the end.
    pub certain: Option<Turn>,
    /// How many futures were played.
    pub futures: u64,
    /// How many of them failed in another manner.
    pub otherwise: u64,
}

impl Explanation {
    /// The futures from the start that fail: how often such a run fails anyway.
    #[must_use]
    pub fn from_the_start(&self) -> Share {
        self.points.first().map_or(Share::default(), |point| point.share)
    }
}

/// Looks for the event after which the failure of a run of so many events was likely, and the one after which
/// it was certain. `play` plays a future; `progress` gets the number of futures played so far.
///
/// First, points at equal distances are sampled. Then the pair of neighbours with the steepest rise is halved
/// until it is a single event, and so is the pair from whose second point on everything fails. The points
/// before and after the events that are found are then sampled anew, with more samples, because the first
/// ones were chosen for being extreme; if that refutes them, the search goes on.
pub fn explain(
    events: u64,
    plan: &Plan,
    play: impl Fn(Fork) -> Future + Sync,
    mut progress: impl FnMut(u64),
) -> Explanation {
    let mut search = Search {
        plan: *plan,
        play,
        shares: BTreeMap::new(),
        drawn: BTreeMap::new(),
        confirmed: BTreeSet::new(),
        futures: 0,
        otherwise: 0,
    };
    let grid: BTreeSet<u64> = Plan::first_points(events).collect();
    // Point by point, so that there is some progress to tell.
    for point in grid {
        search.sample(point, plan.samples);
        progress(search.futures);
    }
    for _ in 0..STEPS {
        if !search.advance() {
            break;
        }
        progress(search.futures);
    }
    search.explanation()
}

fn scaled(events: u64, step: u64) -> u64 {
    let scaled = u128::from(events) * u128::from(step) / u128::from(GRID);
    u64::try_from(scaled).expect("a part of a u64 is one")
}

struct Search<P> {
    plan: Plan,
    play: P,
    shares: BTreeMap<u64, Share>,
    /// How many futures were drawn from each point.
    drawn: BTreeMap<u64, u64>,
    confirmed: BTreeSet<u64>,
    futures: u64,
    otherwise: u64,
}

/// Two neighbouring points.
#[derive(Clone, Copy)]
struct Pair {
    low: u64,
    high: u64,
}

impl Pair {
    fn is_one_event(self) -> bool {
        self.high - self.low == 1
    }

    fn middle(self) -> u64 {
        self.low + (self.high - self.low) / 2
    }
}

impl<P: Fn(Fork) -> Future + Sync> Search<P> {
    /// Plays futures from a point. They replace what was known of it.
    fn sample(&mut self, after: u64, samples: u64) {
        let drawn = self.drawn.entry(after).or_default();
        let numbers = *drawn..*drawn + samples;
        *drawn += samples;
        let seed = self.plan.seed;
        let play = |number| {
            (self.play)(Fork {
                after,
                seed: future_seed(seed, after, number),
            })
        };
        let futures = parallel::map(numbers, self.plan.threads, play);
        let count = |what| futures.iter().filter(|future| **future == what).count() as u64;
        let share = Share {
            failing: count(Future::Fails),
            samples,
        };
        self.futures += samples;
        self.otherwise += count(Future::FailsOtherwise);
        self.shares.insert(after, share);
    }

    /// Takes the samples that are most useful. Returns whether there was anything left to find out.
    fn advance(&mut self) -> bool {
        for pair in [self.steepest(), self.certain()].into_iter().flatten() {
            if !pair.is_one_event() {
                self.sample(pair.middle(), self.plan.samples);
                return true;
            }
            let both = [pair.low, pair.high];
            let unconfirmed = both.into_iter().filter(|point| self.confirmed.insert(*point));
            let unconfirmed: Vec<u64> = unconfirmed.collect();
            for point in &unconfirmed {
                self.sample(*point, CONFIRMED * self.plan.samples);
            }
            if !unconfirmed.is_empty() {
                return true;
            }
        }
        false
    }
}

impl<P> Search<P> {
    fn pairs(&self) -> impl Iterator<Item = Pair> {
        let points = self.shares.keys();
        let pairs = points.clone().zip(points.skip(1));
        pairs.map(|(low, high)| Pair {
            low: *low,
            high: *high,
        })
    }

    fn share(&self, point: u64) -> Share {
        self.shares.get(&point).copied().unwrap_or_default()
    }

    fn rise(&self, pair: Pair) -> f64 {
        self.share(pair.high).of_samples() - self.share(pair.low).of_samples()
    }

    /// The neighbours between which the share rises most, if it rises enough. Of several the last ones.
    fn steepest(&self) -> Option<Pair> {
        let risen = self.pairs().map(|pair| (self.rise(pair), pair));
        let steepest = risen.max_by(|one, other| one.0.total_cmp(&other.0))?;
        (steepest.0 >= LEAST_RISE).then_some(steepest.1)
    }

    /// The neighbours from the second of which on everything fails.
    fn certain(&self) -> Option<Pair> {
        let failing = self.shares.iter().rev().take_while(|(_, share)| share.is_all());
        let (high, _) = failing.last()?;
        let (low, _) = self.shares.range(..high).next_back()?;
        Some(Pair {
            low: *low,
            high: *high,
        })
    }

    fn turn(&self, pair: Pair) -> Turn {
        Turn {
            event: pair.high,
            before: self.share(pair.low),
            after: self.share(pair.high),
        }
    }

    fn explanation(self) -> Explanation {
        let is_told = |pair: &Pair| pair.is_one_event();
        Explanation {
            likely: self.steepest().filter(is_told).map(|pair| self.turn(pair)),
            certain: self.certain().map(|pair| self.turn(pair)),
            points: self
                .shares
                .iter()
                .map(|(after, share)| Point {
                    after: *after,
                    share: *share,
                })
                .collect(),
            futures: self.futures,
            otherwise: self.otherwise,
        }
    }
}

/// The seed of a future: other numbers give other futures (Steele et al., *Fast Splittable Pseudorandom Number
/// Generators*, 2014).
fn future_seed(seed: u64, after: u64, number: u64) -> u64 {
    let mut mixed = seed;
    for part in [after, number] {
        mixed = mixed.wrapping_add(part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
    }
    mixed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run of which this share of futures (in hundredths) fails after so many events.
    fn explained(events: u64, threads: usize, share: impl Fn(u64) -> u64 + Sync) -> Explanation {
        let play = |fork: Fork| {
            if fork.seed % 100 < share(fork.after) {
                Future::Fails
            } else {
                Future::Holds
            }
        };
        explain(events, &Plan::new(3, 40, threads), play, |_| ())
    }

    #[test]
    fn one_event_that_decides_is_found_wherever_it_is() {
        for decides in [1, 2, 17, 4_999, 34_567, 50_000] {
            let found = explained(50_000, 1, |after| if after < decides { 0 } else { 100 });
            let likely = found.likely.unwrap();
            assert_eq!((likely.event, found.certain.unwrap().event), (decides, decides));
            assert_eq!((likely.before.failing, likely.before.samples), (0, 160));
            assert!(likely.after.is_all());
        }
    }

    #[test]
    fn what_is_likely_and_what_is_certain_are_told_apart() {
        let found = explained(20_000, 1, |after| match after {
            0..7_001 => 10,
            7_001..12_001 => 70,
            _ => 100,
        });
        assert_eq!(found.likely.unwrap().event, 7_001);
        assert_eq!(found.certain.unwrap().event, 12_001);
        let base = found.from_the_start().of_samples();
        assert!((0.0..0.3).contains(&base), "{base}");
    }

    #[test]
    fn no_event_is_named_where_none_decides() {
        assert_eq!(explained(1_000, 1, |_| 0).likely, None);
        let always = explained(1_000, 1, |_| 100);
        assert_eq!((always.likely, always.certain), (None, None));
        assert!(always.from_the_start().is_all());
        let gradual = explained(100_000, 1, |after| after / 1_000);
        assert_eq!(gradual.likely, None, "{gradual:?}");
    }

    #[test]
    fn threads_change_nothing_and_another_seed_does() {
        let share = |after| after / 10;
        let one = explained(1_000, 1, share);
        assert_eq!(one, explained(1_000, 3, share));
        let again = |seed| {
            let play = |fork: Fork| {
                if fork.seed % 100 < share(fork.after) {
                    Future::FailsOtherwise
                } else {
                    Future::Holds
                }
            };
            explain(1_000, &Plan::new(seed, 40, 2), play, |_| ())
        };
        assert!(again(1).otherwise > 0);
        assert_ne!(again(1), again(2));
    }
}
