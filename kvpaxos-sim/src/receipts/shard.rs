//! One of several equal parts of a range of seeds.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The part of this number, from 0, of so many equal parts. Its text is like `3/16`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    index: u64,
    count: u64,
}

/// Why there is no such shard.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ShardError {
    /// The text is not two numbers.
    #[error("{0:?} is no shard; write it as I/N, for example 0/16 for the first of sixteen")]
    NoShard(String),
    /// The number is too large.
    #[error("there is no shard {index} of {count}: the first is 0, the last {}", count.saturating_sub(1))]
    NoSuchShard {
        /// Its number.
        index: u64,
        /// How many there are.
        count: u64,
    },
    /// There are fewer seeds than shards.
    #[error("shard {} of {} seeds is empty: take fewer shards", .0, .1.end - .1.start)]
    Empty(Shard, Range<u64>),
}

impl Shard {
    /// All seeds.
    pub const WHOLE: Shard = Shard { index: 0, count: 1 };

    /// The part of this number, from 0, of so many.
    ///
    /// # Errors
    /// If there are fewer.
    pub fn new(index: u64, count: u64) -> Result<Shard, ShardError> {
        if index >= count {
            return Err(ShardError::NoSuchShard { index, count });
        }
        Ok(Shard { index, count })
    }

    /// Its part of the seeds. Parts differ by one seed at most.
    ///
    /// # Errors
    /// If it has no seed.
    pub fn of(self, seeds: &Range<u64>) -> Result<Range<u64>, ShardError> {
        let count = u128::from(seeds.end - seeds.start);
        let at = |index: u64| {
            let before = count * u128::from(index) / u128::from(self.count);
            seeds.start + u64::try_from(before).expect("a part is not larger than the whole")
        };
        let part = at(self.index)..at(self.index + 1);
        if part.is_empty() {
            return Err(ShardError::Empty(self, seeds.clone()));
        }
        Ok(part)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Shard, ShardError> {
        let numbers = text.split_once('/').and_then(|(index, count)| {
            let (index, count) = (index.parse().ok()?, count.parse().ok()?);
            Some((index, count))
        });
        let (index, count) = numbers.ok_or_else(|| ShardError::NoShard(text.to_owned()))?;
        Shard::new(index, count)
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> String {
        shard.to_string()
    }
}

impl TryFrom<String> for Shard {
    type Error = ShardError;

    fn try_from(text: String) -> Result<Shard, ShardError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_cover_every_seed_once() {
        for seeds in [0..10, 7..1000, 0..u64::MAX, u64::MAX - 7..u64::MAX] {
            for count in [1, 2, 3, 7] {
                let mut next = seeds.start;
                for index in 0..count {
                    let part = Shard::new(index, count)
                        .and_then(|shard| shard.of(&seeds))
                        .unwrap();
                    assert_eq!(part.start, next);
                    next = part.end;
                }
                assert_eq!(next, seeds.end);
            }
        }
    }

    #[test]
    fn what_is_no_shard_is_refused_with_a_reason() {
        let refused = |text: &str| text.parse::<Shard>().unwrap_err().to_string();
        for text in [
            "",
            "3",
            "/",
            "1/",
            "a/3",
            "-1/3",
            "1/3/4",
            "1/18446744073709551616",
        ] {
            assert!(refused(text).contains("write it as I/N"), "{text}");
        }
        assert_eq!(
            refused("3/3"),
            "there is no shard 3 of 3: the first is 0, the last 2"
        );
        assert!(refused("0/0").contains("there is no shard 0 of 0"));
        let empty = Shard::new(0, 5).unwrap().of(&(0..3)).unwrap_err();
        assert_eq!(
            empty.to_string(),
            "shard 0/5 of 3 seeds is empty: take fewer shards"
        );
    }
}
