//! Histories of clients made from a seed: what the checker is measured and tested with.
//!
//! A [`Generator`] plays clients on an atomic map. Each operation takes effect at one moment between its invocation and its
//! completion, so that a history is linearizable by construction, and the order of those moments is a witness. A [`Flaw`]
//! then changes the answer of one get. The same settings give the same history on every machine; only what is open, and
//! a little for each key, is held in memory. The fixed family of [`hard`] ones is what the checker is judged by.
//!
//! ```
//! use kvpaxos_sim::linearizability::{Budget, check};
//! use kvpaxos_sim::history::generate::{Flaw, Settings};
//!
//! # fn main() -> Result<(), kvpaxos_sim::history::generate::Nonsense> {
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

pub use generator::{Generator, Moment};

/// What kind of history is made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Decides everything that the others leave open.
    pub seed: u64,
    /// How many are invoked.
    pub operations: u64,
    /// How many keys there are.
    pub keys: u64,
    /// The share of operations on the first key, beside what it gets as one of all.
    pub hot: Share,
    /// How many clients there are, each with one operation at a time.
    pub clients: u32,
    /// Which operations are invoked.
    pub mix: Mix,
    /// What is written.
    pub values: Values,
    /// The share of operations of unknown outcome. Half of them take effect, at once or long after; the client goes on.
    pub unknown: Share,
    /// The share of operations that have no effect and whose clients are told so.
    pub failed: Share,
    /// How long an operation lasts on average, in ticks.
    pub length: u64,
    /// The share of operations that last [`LONG`] times as long as the others.
    pub long: Share,
    /// How long a client pauses on average between two operations. What counts is its ratio to `length`: without a pause
    /// all clients have an operation open at any time.
    pub pause: u64,
    /// Every key's first value.
    pub initial: Datum,
    /// Whether answers say their position in the order of moments at which operations took effect, as the number of writes
    /// up to there. What is wrong with an answer leaves its position as it is.
    pub rev: bool,
    /// What is wrong with the history.
    pub flaw: Flaw,
}

/// How much longer than others a long operation lasts.
pub const LONG: u64 = 10;
/// Of `length` and `pause`: a client can then do 10^11 operations before times leave what the format holds.
const LONGEST: u64 = 1_000_000;

impl Default for Settings {
    /// A thousand operations of ten busy clients on ten keys.
    fn default() -> Settings {
        Settings {
            seed: 0,
            operations: 1000,
            keys: 10,
            hot: Share::NONE,
            clients: 10,
            mix: Mix::default(),
            values: Values::Unique,
            unknown: Share::NONE,
            failed: Share::NONE,
            length: 1000,
            long: Share::NONE,
            pause: 1000,
            initial: Datum::Null,
            rev: false,
            flaw: Flaw::None,
        }
    }
}

impl Settings {
    /// The whole history, in memory.
    ///
    /// # Errors
    /// If there is no such history.
    pub fn history(&self) -> Result<History, Nonsense> {
        let mut history = History::starting_with(self.initial.clone());
        for event in Generator::new(self.clone())? {
            history
                .add(event)
                .expect("a client has one operation at a time, and time does not go back");
        }
        Ok(history)
    }

    fn check(&self) -> Result<(), Nonsense> {
        let at_least = |what, is| {
            if is == 0 {
                Err(Nonsense::Zero { what })
            } else {
                Ok(())
            }
        };
        at_least("clients", u64::from(self.clients))?;
        at_least("keys", self.keys)?;
        at_least("length", self.length)?;
        if self.mix.total() == 0 {
            return Err(Nonsense::EmptyMix);
        }
        if self.values == Values::Few(0) {
            return Err(Nonsense::Zero { what: "values" });
        }
        let (unknown, failed) = (self.unknown, self.failed);
        if u64::from(unknown.0) + u64::from(failed.0) > u64::from(Share::ALL.0) {
            return Err(Nonsense::MoreThanAll { unknown, failed });
        }
        if self.flaw != Flaw::None && self.operations == 0 {
            return Err(Nonsense::NothingToSpoil);
        }
        for (what, is) in [("length", self.length), ("pause", self.pause)] {
            if is > LONGEST {
                return Err(Nonsense::TooLong { what, is });
            }
        }
        Ok(())
    }
}

/// Why there is no history with such settings.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Nonsense {
    /// Of something there must be one at least.
    #[error("{what} is 0; it must be 1 or more")]
    Zero {
        /// Of what.
        what: &'static str,
    },
    /// No kind of operation has a weight.
    #[error("all weights of the mix are 0; give one to get, put, append, delete or cas")]
    EmptyMix,
    /// An operation has one outcome.
    #[error("{unknown} of unknown outcome and {failed} that failed are more than all operations")]
    MoreThanAll {
        /// Of unknown outcome.
        unknown: Share,
        /// Failed.
        failed: Share,
    },
    /// A flaw needs an answer to change.
    #[error("a history without operations cannot be made bad; let it have one at least, or no flaw")]
    NothingToSpoil,
    /// Times would leave what the format holds.
    #[error("{what} is {is}; at most {LONGEST} ticks can be had")]
    TooLong {
        /// What.
        what: &'static str,
        /// How long it should be.
        is: u64,
    },
}

/// How often each kind of operation is invoked, relative to the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mix {
    /// Weight of gets.
    pub get: u32,
    /// Weight of puts.
    pub put: u32,
    /// Weight of appends. What would make a long value longer is a put instead, so that values stay short.
    pub append: u32,
    /// Weight of deletes.
    pub delete: u32,
    /// Weight of compare-and-swaps. Half of them expect what is there when they are invoked, half what was there once.
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
    /// No operation at all, to set single weights from.
    pub const NOTHING: Mix = Mix {
        get: 0,
        put: 0,
        append: 0,
        delete: 0,
        cas: 0,
    };

    fn weights(self) -> [(Kind, u64); 5] {
        [
            (Kind::Get, self.get.into()),
            (Kind::Put, self.put.into()),
            (Kind::Append, self.append.into()),
            (Kind::Delete, self.delete.into()),
            (Kind::Cas, self.cas.into()),
        ]
    }

    fn total(self) -> u64 {
        self.weights().iter().map(|(_, weight)| weight).sum()
    }

    /// The kind of operation in whose part of the total this number lies.
    fn at(self, mut number: u64) -> Kind {
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
enum Kind {
    Get,
    Put,
    Append,
    Delete,
    Cas,
}

/// `get=50,put=30,cas=20`; what is not named has no weight.
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

/// Which values are written. The fewer there are, the less an answer says about who wrote it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Values {
    /// Each is written once in the whole history.
    Unique,
    /// Each is written to a key about twice, the second time soon after the first.
    Twice,
    /// There are only so many.
    Few(u64),
}

/// `unique`, `twice` or how many there are.
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

/// What is wrong with a history: nothing, or the answer of one get in its second half.
///
/// If none came along up to the last operation, that one is a get for this purpose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flaw {
    /// It is linearizable.
    None,
    /// The get says a value that its key had at another time. Most such histories are not linearizable, but nobody has
    /// verified it: the value may also have been there while the get ran, or have come back. Where the key never had
    /// another value, nothing is changed.
    Stale,
    /// The get says a value that its key never had. The history is certainly not linearizable.
    Impossible,
}

/// A share of all, in millionths.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Share(u32);

impl Share {
    /// Nothing.
    pub const NONE: Share = Share(0);
    /// Everything.
    pub const ALL: Share = Share(1_000_000);

    /// So many of a hundred; all from there on.
    #[must_use]
    pub fn percent(percent: u32) -> Share {
        Share(percent.min(100) * 10_000)
    }

    /// In millionths.
    #[must_use]
    pub fn millionths(self) -> u32 {
        self.0
    }
}

/// `2.5%`.
impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Share, String> {
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
            .map(Share)
            .filter(|share| *share <= Share::ALL)
            .ok_or_else(wrong)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = format!("{:04}", self.0 % 10_000);
        match decimals.trim_end_matches('0') {
            "" => write!(f, "{}%", self.0 / 10_000),
            decimals => write!(f, "{}.{decimals}%", self.0 / 10_000),
        }
    }
}
