//! How long values are.

use std::fmt;
use std::str::FromStr;

use kvpaxos::Random;

/// The longest value that is accepted. Every store of the comparison has a lower limit by itself.
const LONGEST: usize = 64 * 1024 * 1024;

/// The lengths of values in bytes: one length, or each between two, both included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ValueSizes {
    pub(crate) least: usize,
    pub(crate) most: usize,
}

impl ValueSizes {
    /// The length of the value of a key. A key keeps its length, so that a compare-and-swap knows what to
    /// expect; with many keys, all lengths occur alike.
    pub(crate) fn of_key(self, seed: u64, key: u64) -> usize {
        if self.least == self.most {
            return self.least;
        }
        let mut random = Random::from_seed(seed ^ key.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let width = (self.most - self.least + 1) as u64;
        let above = random.below(width);
        self.least + usize::try_from(above).expect("below a difference of lengths")
    }
}

impl FromStr for ValueSizes {
    type Err = String;

    fn from_str(text: &str) -> Result<ValueSizes, String> {
        let length = |part: &str| match part.trim().parse::<usize>() {
            Ok(length) if length <= LONGEST => Ok(length),
            _ => Err(format!(
                "{part:?} is no length of a value: a number of bytes up to {LONGEST}, or two of them, as in 10..1000"
            )),
        };
        let (least, most) = match text.split_once("..") {
            None => (length(text)?, length(text)?),
            Some((least, most)) => (length(least)?, length(most)?),
        };
        if least > most {
            return Err(format!("of {text:?} the first length is the larger one"));
        }
        Ok(ValueSizes { least, most })
    }
}

impl fmt::Display for ValueSizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.least == self.most {
            write!(f, "{}", self.least)
        } else {
            write!(f, "{}..{}", self.least, self.most)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_lengths_of_a_range_occur_and_a_key_keeps_its_own() {
        let sizes: ValueSizes = "3..6".parse().unwrap();
        let lengths: Vec<usize> = (0..4_000).map(|key| sizes.of_key(5, key)).collect();
        for length in 3..=6 {
            let count = lengths.iter().filter(|other| **other == length).count();
            assert!(count.abs_diff(1_000) < 150, "{length}: {count}");
        }
        assert_eq!(lengths[17], sizes.of_key(5, 17));
        let fixed: ValueSizes = "100".parse().unwrap();
        assert_eq!(fixed.of_key(1, 2), 100);
    }

    #[test]
    fn what_is_wrong_with_lengths_is_named() {
        for (text, part) in [
            ("", "\"\""),
            ("-1", "\"-1\""),
            ("1k", "\"1k\""),
            ("5..", "\"\""),
            ("9..3", "the larger one"),
            ("99999999999", "67108864"),
        ] {
            let error = text.parse::<ValueSizes>().expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
        for text in ["0", "100", "10..1000"] {
            assert_eq!(text.parse::<ValueSizes>().unwrap().to_string(), text);
        }
    }
}
