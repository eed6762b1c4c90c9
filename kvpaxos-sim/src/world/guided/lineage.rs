//! The name of a run that was forked, perhaps several times.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use crate::engine::{Decider, Fork, Seeded};

/// A run: that of a seed, whose future was drawn again after some events.
///
/// Written `SEED/EVENTS:SEED/EVENTS:SEED...`, with the forks in the order of their events.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lineage {
    /// The seed that draws the setup, and decides until the first fork.
    pub seed: u64,
    /// The forks, in the order of their events.
    pub forks: Vec<Fork>,
}

impl Lineage {
    /// The run of a seed.
    #[must_use]
    pub fn of_seed(seed: u64) -> Lineage {
        Lineage {
            seed,
            forks: Vec::new(),
        }
    }

    /// This run up to an event, and from there on another seed decides.
    #[must_use]
    pub fn forked(&self, fork: Fork) -> Lineage {
        let earlier = self.forks.iter().filter(|earlier| earlier.after < fork.after);
        Lineage {
            seed: self.seed,
            forks: earlier.copied().chain([fork]).collect(),
        }
    }

    /// What decides in this run.
    #[must_use]
    pub fn decider(&self) -> Box<dyn Decider + Send> {
        let mut decider: Box<dyn Decider + Send> = Box::new(Seeded::new(self.seed));
        for fork in &self.forks {
            decider = fork.decider(decider);
        }
        decider
    }
}

impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seed)?;
        for Fork { after, seed } in &self.forks {
            write!(f, "/{after}:{seed}")?;
        }
        Ok(())
    }
}

/// Why a text names no run.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LineageError {
    /// A part is no number.
    #[error(
        "{part:?} is no number: {why}; a run is written SEED, or SEED/EVENTS:SEED for one that was forked"
    )]
    Number {
        /// The part.
        part: String,
        /// What is wrong with it.
        why: ParseIntError,
    },
    /// A fork has no colon.
    #[error("the fork {0:?} has no colon; a fork is written EVENTS:SEED")]
    Fork(String),
    /// The forks are not in order.
    #[error(
        "the fork after {after} events comes behind one after {before}; forks stand in the order of their events"
    )]
    Order {
        /// The events of the fork before.
        before: u64,
        /// The events of this fork.
        after: u64,
    },
}

impl FromStr for Lineage {
    type Err = LineageError;

    fn from_str(text: &str) -> Result<Lineage, LineageError> {
        let number = |part: &str| {
            part.parse().map_err(|why| LineageError::Number {
                part: part.to_owned(),
                why,
            })
        };
        let mut parts = text.split('/');
        let mut lineage = Lineage::of_seed(number(parts.next().unwrap_or_default())?);
        for part in parts {
            let (after, seed) = part
                .split_once(':')
                .ok_or_else(|| LineageError::Fork(part.to_owned()))?;
            let fork = Fork {
                after: number(after)?,
                seed: number(seed)?,
            };
            if let Some(last) = lineage.forks.last()
                && last.after >= fork.after
            {
                return Err(LineageError::Order {
                    before: last.after,
                    after: fork.after,
                });
            }
            lineage.forks.push(fork);
        }
        Ok(lineage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lineage_is_read_as_it_is_written() {
        for text in ["0", "18446744073709551615", "7/100:8", "7/100:8/200:9"] {
            assert_eq!(text.parse::<Lineage>().unwrap().to_string(), text);
        }
        for (text, why) in [
            ("", "\"\" is no number"),
            ("x", "\"x\" is no number"),
            ("7/100", "has no colon"),
            ("7/100:", "\"\" is no number"),
            ("7/100:8/100:9", "comes behind one after 100"),
        ] {
            let error = text.parse::<Lineage>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_fork_takes_the_place_of_later_ones() {
        let lineage: Lineage = "7/100:8/200:9".parse().unwrap();
        let fork = Fork { after: 150, seed: 3 };
        assert_eq!(lineage.forked(fork).to_string(), "7/100:8/150:3");
    }
}
