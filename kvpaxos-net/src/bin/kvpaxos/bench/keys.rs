//! Which keys are asked for, and how often.

use std::fmt;
use std::str::FromStr;

use kvpaxos::Random;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, Zipf};

/// The exponent of Zipf's law if none is given: that of YCSB.
const EXPONENT: f64 = 0.99;
/// The largest exponent that is accepted. With it nearly all requests are for one key.
const LARGEST_EXPONENT: f64 = 10.0;
/// The percentage of requests for the hot key if none is given.
const HOT: u8 = 90;

/// How requests are spread over the keys.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum KeyDistribution {
    /// Every key is as likely as every other.
    Uniform,
    /// Zipf's law: the key of rank r, which is number r - 1, is drawn in proportion to 1 / r^exponent.
    Zipf {
        /// The exponent; 0 makes all keys alike.
        exponent: f64,
    },
    /// Key 0 gets this percentage of all requests, and the other keys the rest.
    Hot {
        /// From 0 to 100.
        percent: u8,
    },
}

impl FromStr for KeyDistribution {
    type Err = String;

    fn from_str(text: &str) -> Result<KeyDistribution, String> {
        let (name, parameter) = match text.split_once(':') {
            Some((name, parameter)) => (name, Some(parameter)),
            None => (text, None),
        };
        match (name, parameter) {
            ("uniform", None) => Ok(KeyDistribution::Uniform),
            ("uniform", Some(_)) => Err(format!("{text:?}: uniform has no parameter")),
            ("zipf", parameter) => {
                let exponent = parameter.map_or(Ok(EXPONENT), str::parse);
                match exponent {
                    Ok(exponent) if (0.0..=LARGEST_EXPONENT).contains(&exponent) => {
                        Ok(KeyDistribution::Zipf { exponent })
                    }
                    _ => Err(format!(
                        "the exponent of {text:?} is no number from 0 to {LARGEST_EXPONENT}"
                    )),
                }
            }
            ("hot", parameter) => match parameter.map_or(Ok(HOT), str::parse) {
                Ok(percent) if percent <= 100 => Ok(KeyDistribution::Hot { percent }),
                _ => Err(format!(
                    "the percentage of {text:?} is no whole number from 0 to 100"
                )),
            },
            _ => Err(format!(
                "{text:?} is no distribution; there are uniform, zipf:EXPONENT and hot:PERCENT"
            )),
        }
    }
}

impl fmt::Display for KeyDistribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyDistribution::Uniform => f.write_str("uniform"),
            KeyDistribution::Zipf { exponent } => write!(f, "zipf:{exponent}"),
            KeyDistribution::Hot { percent } => write!(f, "hot:{percent}"),
        }
    }
}

/// Draws the numbers of keys.
#[derive(Debug)]
pub(crate) struct KeySource {
    keys: u64,
    random: Random,
    law: Law,
}

#[derive(Debug)]
enum Law {
    Uniform,
    Zipf(Zipf<f64>, Box<ChaCha8Rng>),
    Hot(u8),
}

impl KeySource {
    /// Draws from this many keys, of which there is one at least.
    pub(crate) fn new(distribution: KeyDistribution, keys: u64, mut random: Random) -> KeySource {
        assert!(keys > 0, "no key to draw");
        let law = match distribution {
            KeyDistribution::Uniform => Law::Uniform,
            KeyDistribution::Zipf { exponent } => {
                let zipf = Zipf::new(keys as f64, exponent).expect("the exponent was checked");
                Law::Zipf(zipf, Box::new(ChaCha8Rng::from_seed(random.entropy().0)))
            }
            KeyDistribution::Hot { percent } => Law::Hot(percent),
        };
        KeySource { keys, random, law }
    }

    /// The number of a key, below the number of keys.
    pub(crate) fn draw(&mut self) -> u64 {
        match &mut self.law {
            Law::Uniform => self.random.below(self.keys),
            Law::Zipf(zipf, random) => {
                let rank = zipf.sample(random);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "from 1 to the number of keys"
                )]
                let rank = rank as u64;
                rank.clamp(1, self.keys) - 1
            }
            Law::Hot(percent) => {
                let is_hot = self.random.below(100) < u64::from(*percent);
                if is_hot || self.keys == 1 {
                    0
                } else {
                    1 + self.random.below(self.keys - 1)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often each key is drawn.
    fn counts(text: &str, keys: usize, draws: usize) -> Vec<usize> {
        let mut source = KeySource::new(text.parse().unwrap(), keys as u64, Random::from_seed(7));
        let mut counts = vec![0; keys];
        for _ in 0..draws {
            counts[usize::try_from(source.draw()).unwrap()] += 1;
        }
        counts
    }

    fn assert_near(count: usize, expected: f64, what: &str) {
        // Five standard deviations, of a sum of independent draws.
        let allowed = 5.0 * expected.sqrt();
        assert!(
            (count as f64 - expected).abs() <= allowed,
            "{what}: {count}, expected {expected:.0}"
        );
    }

    #[test]
    fn uniform_keys_are_alike() {
        for count in counts("uniform", 10, 100_000) {
            assert_near(count, 10_000.0, "uniform");
        }
    }

    /// The frequency of rank r is that of Zipf's law, with 1 / r^s over the sum for all ranks.
    #[test]
    fn zipf_has_the_shape_of_the_law() {
        for exponent in [0.0, 0.99, 1.0, 1.5] {
            let (keys, draws) = (1_000, 60_000);
            let sum: f64 = (1..=keys).map(|rank| (rank as f64).powf(-exponent)).sum();
            let counts = counts(&format!("zipf:{exponent}"), keys, draws);
            for rank in [1, 2, 3, 10, 100, 1_000] {
                let expected = draws as f64 * (rank as f64).powf(-exponent) / sum;
                assert_near(
                    counts[rank - 1],
                    expected,
                    &format!("exponent {exponent}, rank {rank}"),
                );
            }
        }
    }

    #[test]
    fn a_hot_key_gets_its_percentage() {
        let counts = counts("hot:70", 11, 100_000);
        assert_near(counts[0], 70_000.0, "the hot key");
        for count in &counts[1..] {
            assert_near(*count, 3_000.0, "another key");
        }
    }

    #[test]
    fn one_key_is_enough() {
        for text in ["uniform", "zipf", "zipf:0", "zipf:10", "hot:0", "hot"] {
            assert_eq!(counts(text, 1, 10), [10], "{text}");
        }
    }

    #[test]
    fn the_same_seed_draws_the_same_keys() {
        for text in ["uniform", "zipf:1.2", "hot:50"] {
            let draw = |seed| {
                let mut source = KeySource::new(text.parse().unwrap(), 1 << 40, Random::from_seed(seed));
                (0..100).map(|_| source.draw()).collect::<Vec<_>>()
            };
            assert_eq!(draw(1), draw(1), "{text}");
            assert_ne!(draw(1), draw(2), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_distribution_is_named() {
        for (text, part) in [
            ("", "zipf:EXPONENT"),
            ("normal", "\"normal\""),
            ("uniform:1", "no parameter"),
            ("zipf:", "exponent"),
            ("zipf:-1", "exponent"),
            ("zipf:nan", "exponent"),
            ("zipf:inf", "exponent"),
            ("zipf:11", "from 0 to 10"),
            ("hot:101", "from 0 to 100"),
            ("hot:1.5", "whole number"),
        ] {
            let error = text.parse::<KeyDistribution>().expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
        for text in ["uniform", "zipf:0.99", "hot:90"] {
            assert_eq!(text.parse::<KeyDistribution>().unwrap().to_string(), text);
        }
    }
}
