//! A receipt and its text form.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::build::Build;
use super::shard::{Shard, ShardError};
use crate::mutants::Mutant;
use crate::world::{Summary, seed_range};

/// The version of the format.
const VERSION: u64 = 1;

/// What one shard of a sweep played, and its outcome so far. Its text form is JSON.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The version of the format.
    #[serde(rename = "kvpaxos-sim-receipt")]
    version: u64,
    /// The build that played it.
    pub build: Build,
    /// How many seeds a program made from these [sources](Build::sources) played. The sources decide what was
    /// checked.
    pub sources: BTreeMap<String, u64>,
    /// The name of the mutant in the place of the replicas.
    pub mutant: Option<String>,
    /// All seeds of the sweep, of which this is a part.
    #[serde(serialize_with = "write_seeds", deserialize_with = "read_seeds")]
    pub seeds: Range<u64>,
    /// Which part.
    pub shard: Shard,
    /// The sums over the seeds that were played.
    pub summary: Summary,
}

/// Why a text is no receipt.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReceiptError {
    /// It is no JSON, is cut off, or a field is missing, unknown or wrong.
    #[error("it is no receipt of a sweep: {0}")]
    Malformed(String),
    /// It has another version.
    #[error("it is a receipt of format {0}, and this program reads format {VERSION}")]
    OtherVersion(u64),
    /// A mutant that this program does not have.
    #[error("it is of the mutant {0:?}, which this program does not have")]
    NoSuchMutant(String),
    /// It has fewer seeds than its numbers say.
    #[error("its {field} says {said} seeds, and its swept has {swept}")]
    OtherCount {
        /// The field.
        field: &'static str,
        /// The number there.
        said: u64,
        /// The number of seeds in its blocks.
        swept: u64,
    },
    /// A seed that its sweep does not have.
    #[error("its seed {seed}, in {field}, is not one of the shard's {}, or was not played", seeds(.of))]
    StrangeSeed {
        /// Where it is.
        field: &'static str,
        /// The seed.
        seed: u64,
        /// The seeds of the sweep.
        of: Range<u64>,
    },
    /// Its shard has no seeds.
    #[error(transparent)]
    Shard(#[from] ShardError),
}

impl Receipt {
    /// A receipt of nothing yet.
    #[must_use]
    pub fn new(build: Build, mutant: Option<&str>, seeds: Range<u64>, shard: Shard) -> Receipt {
        Receipt {
            version: VERSION,
            build,
            sources: BTreeMap::new(),
            mutant: mutant.map(ToOwned::to_owned),
            seeds,
            shard,
            summary: Summary::default(),
        }
    }

    /// The seeds of its shard, whether or not they were played.
    ///
    /// # Errors
    /// If there are none.
    pub fn part(&self) -> Result<Range<u64>, ShardError> {
        self.shard.of(&self.seeds)
    }

    /// The seeds of its shard that were not played yet. They are the last ones if it was written by a sweep.
    #[must_use]
    pub fn missing(&self) -> Vec<Range<u64>> {
        self.part()
            .map_or_else(|_| Vec::new(), |part| self.summary.swept.gaps(&part))
    }

    /// Takes over the outcome of a sweep by this program that continued this one.
    pub fn update(&mut self, summary: &Summary) {
        let more = summary.seeds.saturating_sub(self.summary.seeds);
        if more > 0 {
            let count = self.sources.entry(Build::sources().to_owned()).or_default();
            *count = count.saturating_add(more);
        }
        self.summary = summary.clone();
        for violation in &mut self.summary.violations {
            // The seed gives it again.
            violation.history.clear();
        }
    }

    /// Reads a receipt.
    ///
    /// # Errors
    /// What is wrong with it, with the line and column if a place in the text is.
    pub fn read(text: &[u8]) -> Result<Receipt, ReceiptError> {
        // Another version has other fields, so the version is read first.
        #[derive(Deserialize)]
        struct Head {
            #[serde(rename = "kvpaxos-sim-receipt")]
            version: u64,
        }
        let malformed = |why: serde_json::Error| ReceiptError::Malformed(why.to_string());
        let head: Head = serde_json::from_slice(text).map_err(malformed)?;
        if head.version != VERSION {
            return Err(ReceiptError::OtherVersion(head.version));
        }
        let receipt: Receipt = serde_json::from_slice(text).map_err(malformed)?;
        receipt.check()?;
        Ok(receipt)
    }

    /// Checks that its fields agree with each other.
    fn check(&self) -> Result<(), ReceiptError> {
        if let Some(name) = &self.mutant
            && Mutant::named(name).is_none()
        {
            return Err(ReceiptError::NoSuchMutant(name.clone()));
        }
        let part = self.part()?;
        let swept = self.summary.swept.count();
        let sourced = self
            .sources
            .values()
            .fold(0, |sum: u64, count| sum.saturating_add(*count));
        for (field, said) in [("summary.seeds", self.summary.seeds), ("sources", sourced)] {
            if said != swept {
                return Err(ReceiptError::OtherCount { field, said, swept });
            }
        }
        for block in self.summary.swept.blocks() {
            for seed in [block.seeds.start, block.seeds.end - 1] {
                if !part.contains(&seed) {
                    return Err(strange("summary.swept", seed, &part));
                }
            }
        }
        for violation in &self.summary.violations {
            let is_played = |block: &crate::world::Block| block.seeds.contains(&violation.seed);
            if !self.summary.swept.blocks().iter().any(is_played) {
                return Err(strange("summary.violations", violation.seed, &part));
            }
        }
        Ok(())
    }
}

fn strange(field: &'static str, seed: u64, of: &Range<u64>) -> ReceiptError {
    ReceiptError::StrangeSeed {
        field,
        seed,
        of: of.clone(),
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = serde_json::to_string_pretty(self).map_err(|_| fmt::Error)?;
        f.write_str(&text)?;
        f.write_str("\n")
    }
}

fn seeds(range: &Range<u64>) -> String {
    format!("{}..{}", range.start, range.end)
}

fn write_seeds<S: Serializer>(range: &Range<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&seeds(range))
}

fn read_seeds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Range<u64>, D::Error> {
    seed_range(&String::deserialize(deserializer)?).map_err(de::Error::custom)
}
