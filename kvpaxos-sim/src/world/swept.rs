//! Which seeds were played, and a digest of what happened in them.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

/// The seeds of a block lie between two multiples of this number.
pub(crate) const BLOCK: u64 = 1000;

/// The sum, modulo 2^128, of a hash of each seed with the digest of its run. It does not depend on the order of
/// the seeds, and that of two disjoint sets of seeds together is the sum of theirs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct SeedsDigest(u128);

impl SeedsDigest {
    /// That of one seed.
    pub(crate) fn of(seed: u64, digest: &str) -> SeedsDigest {
        let mut bytes = seed.to_le_bytes().to_vec();
        bytes.extend_from_slice(digest.as_bytes());
        SeedsDigest(xxh3_128(&bytes))
    }

    /// That of both.
    pub(crate) fn with(self, other: SeedsDigest) -> SeedsDigest {
        SeedsDigest(self.0.wrapping_add(other.0))
    }
}

impl fmt::Display for SeedsDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for SeedsDigest {
    type Err = String;

    fn from_str(text: &str) -> Result<SeedsDigest, String> {
        let wrong = || format!("{text:?} is no digest: write 32 digits 0 to 9 and a to f");
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != 32 || !text.bytes().all(is_hex) {
            return Err(wrong());
        }
        u128::from_str_radix(text, 16)
            .map(SeedsDigest)
            .map_err(|_| wrong())
    }
}

/// Seeds that were played, with their digest. Its text is like `0..1000 cdf4d2c9f3b5a86b0c4e1d7f9a2b3c4d`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Block {
    /// The seeds. All lie between two multiples of 1000, so that blocks of two sweeps can be compared.
    pub seeds: Range<u64>,
    /// Their digest.
    pub digest: SeedsDigest,
}

impl Block {
    /// The number of the thousand in which its seeds lie.
    pub(crate) fn place(&self) -> u64 {
        self.seeds.start / BLOCK
    }
}

impl From<Block> for String {
    fn from(block: Block) -> String {
        let Block { seeds, digest } = block;
        format!("{}..{} {digest}", seeds.start, seeds.end)
    }
}

impl TryFrom<String> for Block {
    type Error = String;

    fn try_from(text: String) -> Result<Block, String> {
        let (seeds, digest) = text
            .split_once(' ')
            .ok_or_else(|| format!("{text:?} is no block: write A..B DIGEST"))?;
        let seeds = seed_range(seeds)?;
        if seeds.start / BLOCK != (seeds.end - 1) / BLOCK {
            return Err(format!(
                "the seeds of {text:?} do not lie between two multiples of {BLOCK}"
            ));
        }
        Ok(Block {
            seeds,
            digest: digest.parse()?,
        })
    }
}

/// Reads a range of seeds like `0..2000`, without the last. It has at least one seed.
///
/// # Errors
/// A sentence that says what is wrong with the text.
pub fn seed_range(text: &str) -> Result<Range<u64>, String> {
    let example = "write it as A..B, for example 0..2000";
    let (from, to) = text.split_once("..").ok_or_else(|| example.to_owned())?;
    let number = |text: &str| {
        let parsed = text.parse::<u64>();
        parsed.map_err(|why| format!("{text:?} is not a seed ({why}); {example}"))
    };
    let (from, to) = (number(from)?, number(to)?);
    if from >= to {
        return Err(format!(
            "there are no seeds from {from} to {to}, without {to}; {example}"
        ));
    }
    Ok(from..to)
}

/// Blocks of seeds, in ascending order and without overlap. Neighbours of the same thousand are one block.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<Block>")]
pub struct Swept(Vec<Block>);

impl Swept {
    /// The blocks.
    #[must_use]
    pub fn blocks(&self) -> &[Block] {
        &self.0
    }

    /// How many seeds.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0
            .iter()
            .map(|block| block.seeds.end - block.seeds.start)
            .sum()
    }

    /// The digest of all seeds.
    #[must_use]
    pub fn digest(&self) -> SeedsDigest {
        let digests = self.0.iter().map(|block| block.digest);
        digests.fold(SeedsDigest::default(), SeedsDigest::with)
    }

    /// The seeds of a range that are not among them, in ascending order.
    #[must_use]
    pub fn gaps(&self, range: &Range<u64>) -> Vec<Range<u64>> {
        let mut gaps = Vec::new();
        let mut from = range.start;
        for Block { seeds, .. } in &self.0 {
            if seeds.end <= range.start || seeds.start >= range.end {
                continue;
            }
            if from < seeds.start {
                gaps.push(from..seeds.start);
            }
            from = seeds.end;
        }
        if from < range.end {
            gaps.push(from..range.end);
        }
        gaps
    }

    /// Adds a seed, which is above all others.
    pub(crate) fn push(&mut self, seed: u64, digest: &str) {
        let block = Block {
            seeds: seed..seed + 1,
            digest: SeedsDigest::of(seed, digest),
        };
        self.push_block(block)
            .expect("seeds are played in ascending order");
    }

    /// Seeds of both, which have none in common.
    ///
    /// # Errors
    /// The first seeds that both have.
    pub fn joined(&self, other: &Swept) -> Result<Swept, Range<u64>> {
        let mut blocks: Vec<Block> = self.0.iter().chain(&other.0).cloned().collect();
        blocks.sort_by_key(|block| block.seeds.start);
        let mut joined = Swept::default();
        for block in blocks {
            joined.push_block(block)?;
        }
        Ok(joined)
    }

    /// Adds a block above all others.
    ///
    /// # Errors
    /// The seeds that are not above all others.
    fn push_block(&mut self, block: Block) -> Result<(), Range<u64>> {
        let Some(last) = self.0.last_mut() else {
            self.0.push(block);
            return Ok(());
        };
        if block.seeds.start < last.seeds.end {
            return Err(block.seeds.start..block.seeds.end.min(last.seeds.end));
        }
        if block.seeds.start == last.seeds.end && block.place() == last.place() {
            last.seeds.end = block.seeds.end;
            last.digest = last.digest.with(block.digest);
        } else {
            self.0.push(block);
        }
        Ok(())
    }
}

impl TryFrom<Vec<Block>> for Swept {
    type Error = String;

    fn try_from(blocks: Vec<Block>) -> Result<Swept, String> {
        let mut swept = Swept::default();
        for block in blocks {
            swept.push_block(block).map_err(|seeds| {
                format!(
                    "the seeds {}..{} do not lie above those before them",
                    seeds.start, seeds.end
                )
            })?;
        }
        Ok(swept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn swept(seeds: Range<u64>) -> Swept {
        let mut swept = Swept::default();
        seeds.for_each(|seed| swept.push(seed, &format!("digest of {seed}")));
        swept
    }

    #[test]
    fn parts_together_are_the_whole_in_any_order() {
        let whole = swept(500..3500);
        assert_eq!(whole.blocks().len(), 4);
        let [a, b, c] = [swept(500..1333), swept(1333..1334), swept(1334..3500)];
        let joined = c.joined(&a).and_then(|both| both.joined(&b)).unwrap();
        assert_eq!(joined, whole);
        assert_eq!(a.digest().with(b.digest()).with(c.digest()), whole.digest());
        assert_eq!(whole.count(), 3000);
    }

    #[test]
    fn a_digest_depends_on_each_seed_and_on_which_seed_it_is() {
        let one = SeedsDigest::of(1, "a").with(SeedsDigest::of(2, "b"));
        let swapped = SeedsDigest::of(1, "b").with(SeedsDigest::of(2, "a"));
        assert_ne!(one, swapped);
    }

    #[test]
    fn overlaps_and_gaps_are_named() {
        assert_eq!(swept(0..20).joined(&swept(10..30)), Err(10..20));
        let both = swept(5..20).joined(&swept(2000..2010)).unwrap();
        assert_eq!(both.gaps(&(0..3000)), [0..5, 20..2000, 2010..3000]);
        assert!(both.gaps(&(7..2003)).iter().eq([&(20..2000)]));
        assert_eq!(both.gaps(&(2000..2010)), []);
    }

    #[test]
    fn text_that_is_no_block_is_refused_with_a_reason() {
        let block = |text: &str| Block::try_from(text.to_owned());
        let digest = "0123456789abcdef0123456789abcdef";
        let good = format!("3..1000 {digest}");
        assert_eq!(block(&good).map(String::from), Ok(good));
        for (text, why) in [
            (String::new(), "A..B DIGEST"),
            (format!("3..1001 {digest}"), "between two multiples of 1000"),
            (format!("7..7 {digest}"), "there are no seeds"),
            (format!("0..18446744073709551616 {digest}"), "is not a seed"),
            ("0..1 +123456789abcdef0123456789abcde".to_owned(), "is no digest"),
            ("0..1 abc".to_owned(), "is no digest"),
        ] {
            let refused = block(&text).unwrap_err();
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }

    #[test]
    fn ranges_of_seeds() {
        assert_eq!(seed_range("3..7"), Ok(3..7));
        assert_eq!(
            seed_range("7..7").unwrap_err(),
            "there are no seeds from 7 to 7, without 7; write it as A..B, for example 0..2000"
        );
        assert!(seed_range("7").unwrap_err().contains("0..2000"));
        assert!(seed_range("a..7").unwrap_err().starts_with("\"a\" is not a seed"));
    }
}
