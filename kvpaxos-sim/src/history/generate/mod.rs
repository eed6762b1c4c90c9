//! Generates histories of clients from a seed, to test and measure the checker.
//!
//! A [`Generator`] simulates clients on an atomic map. Each operation takes effect at one moment between its
//! invocation and its completion, so the history is linearizable by construction, and the order of those
//! moments is a linearization. A [`Flaw`] then changes the answer of one get. The same settings give the same
//! history on every machine. Memory holds only the open operations and a little for each key. The fixed
//! family of [`hard`] histories is the benchmark for the checker.
//!
//! ```
//! use kvpaxos_sim::linearizability::{Budget, check};
//! use kvpaxos_sim::history::generate::{Flaw, Settings};
//!
//! # fn main() -> Result<(), kvpaxos_sim::history::generate::SettingsError> {
//! let mut settings = Settings { seed: 7, operations: 200, ..Settings::default() };
//! assert!(check(&settings.history()?, Budget::default()).is_good());
//! settings.flaw = Flaw::Impossible;
//! assert!(check(&settings.history()?, Budget::default()).is_bad());
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::str::FromStr;

use crate::history::{Datum, History};

mod generator;
pub mod hard;
mod key;
#[cfg(test)]
mod tests;

pub use generator::{Generator, Step};

/// The kind of history to generate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The seed of all random choices.
    pub seed: u64,
    /// The number of operations.
    pub operations: u64,
    /// The number of keys.
    pub keys: u64,
    /// The fraction of operations that go to the first key, in addition to its equal part of the others.
    pub hot: Fraction,
    /// The number of clients. Each has one operation open at a time.
    pub clients: u32,
    /// Which operations the clients invoke, and how often.
    pub mix: Mix,
    /// Which values they write.
    pub values: Values,
    /// The fraction of operations of unknown outcome. Half of them take effect, at once or long after; the
    /// client goes on at once.
    pub unknown: Fraction,
    /// The fraction of operations that fail: they have no effect, and the client is told so.
    pub failed: Fraction,
    /// The mean duration of an operation, in ticks.
    pub length: u64,
    /// The fraction of operations that last [`LONG`] times as long as the others.
    pub long: Fraction,
    /// The mean pause of a client between two operations, in ticks. What matters is its ratio to `length`:
    /// without a pause every client has an operation open at any time.
    pub pause: u64,
    /// The value that every key has at first.
    pub initial: Datum,
    /// Whether answers have positions (`rev`): the number of writes that took effect up to there. A wrong
    /// answer keeps its position.
    pub rev: bool,
    /// What is wrong with the history.
    pub flaw: Flaw,
}

/// A long operation lasts this many times as long as others.
pub const LONG: u64 = 10;
/// The upper bound of `length` and `pause`, in ticks. Within it a client can do 10^11 operations before times
/// overflow the format.
const LONGEST: u64 = 1_000_000;

impl Default for Settings {
    /// A thousand operations of ten clients on ten keys, without unknown outcomes, failures or flaw.
    fn default() -> Settings {
        Settings {
            seed: 0,
            operations: 1000,
            keys: 10,
            hot: Fraction::NONE,
            clients: 10,
            mix: Mix::default(),
            values: Values::Unique,
            unknown: Fraction::NONE,
            failed: Fraction::NONE,
            length: 1000,
            long: Fraction::NONE,
            pause: 1000,
            initial: Datum::Null,
            rev: false,
            flaw: Flaw::None,
        }
    }
}

impl Settings {
    /// Generates the whole history in memory.
    ///
    /// # Errors
    /// If no history has such settings.
    pub fn history(&self) -> Result<History, SettingsError> {
        let mut history = History::starting_with(self.initial.clone());
        for event in Generator::new(self.clone())? {
            history
                .add(event)
                .expect("a client has one operation at a time, and time does not go back");
        }
        Ok(history)
    }

    fn check(&self) -> Result<(), SettingsError> {
        let at_least = |what, is| {
            if is == 0 {
                Err(SettingsError::Zero { what })
            } else {
                Ok(())
            }
        };
        at_least("clients", u64::from(self.clients))?;
        at_least("keys", self.keys)?;
        at_least("length", self.length)?;
        if self.mix.total() == 0 {
            return Err(SettingsError::EmptyMix);
        }
        if self.values == Values::Few(0) {
            return Err(SettingsError::Zero { what: "values" });
        }
        let (unknown, failed) = (self.unknown, self.failed);
        if u64::from(unknown.0) + u64::from(failed.0) > u64::from(Fraction::ALL.0) {
            return Err(SettingsError::MoreThanAll { unknown, failed });
        }
        if self.flaw != Flaw::None && self.operations == 0 {
            return Err(SettingsError::NothingToSpoil);
        }
        for (what, is) in [("length", self.length), ("pause", self.pause)] {
            if is > LONGEST {
                return Err(SettingsError::TooLong { what, is });
            }
        }
        Ok(())
    }
}

/// Why no history has these settings.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SettingsError {
    /// A number is 0 that must be at least 1.
    #[error("{what} is 0; it must be 1 or more")]
    Zero {
        /// The setting.
        what: &'static str,
    },
    /// All kinds of operations have weight 0.
    #[error("all weights of the mix are 0; give one to get, put, append, delete or cas")]
    EmptyMix,
    /// The fractions of unknown outcomes and failures add up to more than all operations.
    #[error("{unknown} of unknown outcome and {failed} that failed are more than all operations")]
    MoreThanAll {
        /// The fraction of unknown outcomes.
        unknown: Fraction,
        /// The fraction of failures.
        failed: Fraction,
    },
    /// There is no operation whose answer the flaw could change.
    #[error("a history without operations cannot be made bad; let it have one at least, or no flaw")]
    NothingToSpoil,
    /// A duration is so long that times could overflow the format.
    #[error("{what} is {is}; at most {LONGEST} ticks can be had")]
    TooLong {
        /// The setting.
        what: &'static str,
        /// Its value, in ticks.
        is: u64,
    },
}

/// How often each kind of operation is invoked, relative to the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mix {
    /// The weight of gets.
    pub get: u32,
    /// The weight of puts.
    pub put: u32,
    /// The weight of appends. An append to a long value becomes a put, so that values stay short.
    pub append: u32,
    /// The weight of deletes.
    pub delete: u32,
    /// The weight of compare-and-swaps. Half of them expect the value that the key has at the invocation,
    /// half one that it had before.
    pub cas: u32,
}

impl Default for Mix {
    fn default() -> Mix {
        Mix {
            get: 50,
            put: 25,
            append: 5,
            delete: 5,
            cas: 15,
        }
    }
}

impl Mix {
    /// All weights are 0: a base from which to set single weights.
    pub const NOTHING: Mix = Mix {
        get: 0,
        put: 0,
        append: 0,
        delete: 0,
        cas: 0,
    };

    fn weights(self) -> [(OperationKind, u64); 5] {
        [
            (OperationKind::Get, self.get.into()),
            (OperationKind::Put, self.put.into()),
            (OperationKind::Append, self.append.into()),
            (OperationKind::Delete, self.delete.into()),
            (OperationKind::Cas, self.cas.into()),
        ]
    }

    fn total(self) -> u64 {
        self.weights().iter().map(|(_, weight)| weight).sum()
    }

    /// Maps a number below the total weight to a kind of operation.
    fn at(self, mut number: u64) -> OperationKind {
        for (kind, weight) in self.weights() {
            if number < weight {
                return kind;
            }
            number -= weight;
        }
        unreachable!("the number is below the total")
    }
}

/// A kind of operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum OperationKind {
    Get,
    Put,
    Append,
    Delete,
    Cas,
}

/// Parses `get=50,put=30,cas=20`. A kind that is not named has weight 0.
impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Mix, String> {
        let mut mix = Mix::NOTHING;
        for part in text.split(',') {
            let example = "write it like get=50,put=30,cas=20";
            let (name, weight) = part
                .split_once('=')
                .ok_or_else(|| format!("{part:?} gives no weight; {example}"))?;
            let parsed = weight.parse();
            let weight = parsed.map_err(|why| format!("{weight:?} is no weight ({why}); {example}"))?;
            let place = match name {
                "get" => &mut mix.get,
                "put" => &mut mix.put,
                "append" => &mut mix.append,
                "delete" => &mut mix.delete,
                "cas" => &mut mix.cas,
                _ => {
                    return Err(format!(
                        "there is no operation {name:?}; there are get, put, append, delete and cas"
                    ));
                }
            };
            *place = weight;
        }
        Ok(mix)
    }
}

/// Which values are written. The fewer there are, the less an answer tells about which write it saw.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Values {
    /// Each value is written once in the whole history.
    Unique,
    /// Each value is written to a key about twice, the second time soon after the first.
    Twice,
    /// Values are drawn from this many.
    Few(u64),
}

/// Parses `unique`, `twice` or a number of values.
impl FromStr for Values {
    type Err = String;

    fn from_str(text: &str) -> Result<Values, String> {
        match text {
            "unique" => Ok(Values::Unique),
            "twice" => Ok(Values::Twice),
            number => {
                let parsed = number.parse().map(Values::Few);
                parsed.map_err(|_| {
                    format!("{number:?} is neither unique, nor twice, nor how many values there are")
                })
            }
        }
    }
}

/// What is wrong with a history: nothing, or the answer of one get in its second half. If no suitable get
/// occurs there, the last operation becomes one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flaw {
    /// Nothing: the history is linearizable.
    None,
    /// A get answers with a value that its key had at another time. Most such histories are not linearizable,
    /// but this is not verified: the key may have had the value while the get ran, or had it again. If the
    /// key never had another value, nothing is changed.
    Stale,
    /// A get answers with a value that its key never had. The history is certainly not linearizable.
    Impossible,
}

/// A fraction, in millionths.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Fraction(u32);

impl Fraction {
    /// 0%.
    pub const NONE: Fraction = Fraction(0);
    /// 100%.
    pub const ALL: Fraction = Fraction(1_000_000);

    /// A fraction of so many per cent; more than 100 counts as 100.
    #[must_use]
    pub fn percent(percent: u32) -> Fraction {
        Fraction(percent.min(100) * 10_000)
    }

    /// The fraction in millionths.
    #[must_use]
    pub fn millionths(self) -> u32 {
        self.0
    }
}

/// Parses `2.5%`.
impl FromStr for Fraction {
    type Err = String;

    fn from_str(text: &str) -> Result<Fraction, String> {
        let wrong = || {
            format!("{text:?} is no share; write it like 2.5%, from 0% to 100%, with four decimals at most")
        };
        let number = text.strip_suffix('%').ok_or_else(wrong)?;
        let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
        let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !are_digits(whole) || !are_digits(decimals) || whole.len() > 3 || decimals.len() > 4 {
            return Err(wrong());
        }
        let parsed = format!("{whole}{decimals:0<4}").parse();
        parsed
            .ok()
            .map(Fraction)
            .filter(|share| *share <= Fraction::ALL)
            .ok_or_else(wrong)
    }
}

impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = format!("{:04}", self.0 % 10_000);
        match decimals.trim_end_matches('0') {
            "" => write!(f, "{}%", self.0 / 10_000),
            decimals => write!(f, "{}.{decimals}%", self.0 / 10_000),
        }
    }
}
