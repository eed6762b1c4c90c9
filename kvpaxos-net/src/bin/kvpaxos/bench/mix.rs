//! What requests do, and how often each kind of them is drawn.

use std::fmt;
use std::str::FromStr;

use kvpaxos::Random;

/// What a request does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Kind {
    /// Reads a key.
    Get,
    /// Sets a key.
    Put,
    /// Removes a key.
    Delete,
    /// Compares and swaps.
    Cas,
    /// Adds 1 to a counter, which is a key that only such requests touch.
    Increment,
    /// Adds to the end of the value of a key.
    Append,
}

impl Kind {
    /// All kinds, in the order in which they are printed.
    pub(crate) const ALL: [Kind; 6] = [
        Kind::Get,
        Kind::Put,
        Kind::Delete,
        Kind::Cas,
        Kind::Increment,
        Kind::Append,
    ];

    /// Its name on the command line and in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Get => "get",
            Kind::Put => "put",
            Kind::Delete => "delete",
            Kind::Cas => "cas",
            Kind::Increment => "incr",
            Kind::Append => "append",
        }
    }

    /// Whether it changes nothing.
    pub(crate) fn is_read(self) -> bool {
        self == Kind::Get
    }
}

/// The kinds of requests with their weights: `get=50,put=45,cas=5`. Weights need not add up to 100.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Mix {
    /// In the order of [`Kind::ALL`], without those of weight 0.
    weights: Vec<(Kind, u32)>,
    sum: u64,
}

impl Mix {
    /// Reads with this weight, and writes with the rest to 100.
    pub(crate) fn of_reads(percent: u8) -> Mix {
        let reads = u32::from(percent).min(100);
        Mix::new(&[(Kind::Get, reads), (Kind::Put, 100 - reads)])
    }

    /// # Panics
    /// If all weights are 0.
    fn new(given: &[(Kind, u32)]) -> Mix {
        let weight = |kind| {
            given
                .iter()
                .find(|(named, _)| *named == kind)
                .map_or(0, |(_, weight)| *weight)
        };
        let weights: Vec<(Kind, u32)> = Kind::ALL
            .into_iter()
            .map(|kind| (kind, weight(kind)))
            .filter(|(_, weight)| *weight > 0)
            .collect();
        let sum = weights.iter().map(|(_, weight)| u64::from(*weight)).sum();
        assert!(sum > 0, "a mix without a kind of request");
        Mix { weights, sum }
    }

    /// Draws a kind.
    pub(crate) fn draw(&self, random: &mut Random) -> Kind {
        let mut rest = random.below(self.sum);
        for (kind, weight) in &self.weights {
            match rest.checked_sub(u64::from(*weight)) {
                None => return *kind,
                Some(less) => rest = less,
            }
        }
        unreachable!("what is drawn is below the sum of all weights")
    }

    /// The kinds that are drawn, with their weights.
    pub(crate) fn weights(&self) -> &[(Kind, u32)] {
        &self.weights
    }

    /// Whether such requests are drawn.
    pub(crate) fn has(&self, kind: Kind) -> bool {
        self.weights.iter().any(|(drawn, _)| *drawn == kind)
    }

    /// Whether nothing is written.
    pub(crate) fn is_read_only(&self) -> bool {
        self.weights.iter().all(|(kind, _)| kind.is_read())
    }
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Mix, String> {
        let mut given: Vec<(Kind, u32)> = Vec::new();
        for part in text.split(',') {
            let part = part.trim();
            let (name, weight) = part.split_once('=').ok_or_else(|| {
                format!("{part:?} is no kind of request with its weight; write it as get=50")
            })?;
            let kind = Kind::ALL
                .into_iter()
                .find(|kind| kind.name() == name)
                .ok_or_else(|| {
                    let names = Kind::ALL.map(Kind::name).join(", ");
                    format!("no kind of request is called {name:?}; there are {names}")
                })?;
            if given.iter().any(|(named, _)| *named == kind) {
                return Err(format!("{name} stands there twice"));
            }
            let weight = weight.parse().map_err(|_| {
                format!(
                    "the weight {weight:?} of {name} is no number from 0 to {}",
                    u32::MAX
                )
            })?;
            given.push((kind, weight));
        }
        if given.iter().all(|(_, weight)| *weight == 0) {
            return Err(format!(
                "all weights of {text:?} are 0, so there is nothing to ask"
            ));
        }
        Ok(Mix::new(&given))
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (kind, weight)) in self.weights.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}={weight}", kind.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_drawn_as_often_as_their_weights_say() {
        let mix: Mix = "put=1, get=2,cas=0,incr=5".parse().unwrap();
        assert_eq!(mix.to_string(), "get=2,put=1,incr=5");
        let mut random = Random::from_seed(1);
        let drawn: Vec<Kind> = (0..80_000).map(|_| mix.draw(&mut random)).collect();
        for (kind, expected) in [
            (Kind::Get, 20_000),
            (Kind::Put, 10_000),
            (Kind::Increment, 50_000),
        ] {
            let count = drawn.iter().filter(|other| **other == kind).count();
            assert!(count.abs_diff(expected) < 600, "{}: {count}", kind.name());
        }
        assert!(!drawn.contains(&Kind::Cas));
    }

    #[test]
    fn reads_and_writes_make_a_hundred() {
        assert_eq!(Mix::of_reads(30), "get=30,put=70".parse().unwrap());
        assert!(Mix::of_reads(100).is_read_only());
        assert!(!Mix::of_reads(0).has(Kind::Get));
    }

    #[test]
    fn what_is_wrong_with_a_mix_is_named() {
        for (text, part) in [
            ("", "\"\""),
            ("get", "get=50"),
            ("fetch=1", "\"fetch\""),
            ("get=1,get=2", "twice"),
            ("get=-1", "\"-1\""),
            ("get=5000000000", "4294967295"),
            ("get=0,put=0", "all weights"),
        ] {
            let error = text.parse::<Mix>().expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
