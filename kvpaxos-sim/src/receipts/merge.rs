//! Several receipts as one.

use std::ops::Range;

use super::build::Build;
use super::receipt::Receipt;
use super::shard::Shard;
use crate::world::SeedsDigest;

/// Several receipts of one sweep, as one.
#[derive(Clone, PartialEq, Debug)]
pub struct Merged {
    /// All of them together.
    pub receipt: Receipt,
    /// The seeds of the sweep that none of them has.
    pub gaps: Vec<Range<u64>>,
    /// Seeds whose runs are not the same in two of them.
    pub disagreements: Vec<Disagreement>,
    /// Receipts whose seeds another one has too, and which agree with it as far as they can be compared.
    pub repeated: Vec<String>,
}

/// Seeds whose runs differ between two receipts of the same build. One of the machines is broken, or the canaries
/// of a [`Build`] do not see how two builds differ, or a run depends on more than its seed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Disagreement {
    /// The seeds.
    pub seeds: Range<u64>,
    /// The receipts, and their digests.
    pub receipts: [(String, SeedsDigest); 2],
}

/// Why receipts cannot be merged.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MergeError {
    /// There is no receipt.
    #[error("there is no receipt to merge")]
    Nothing,
    /// They are of two builds.
    #[error(
        "{} is of build {}, {} of build {}: merge receipts of one build at a time",
        .0[0].0, .0[0].1, .0[1].0, .0[1].1
    )]
    OtherBuild(Box<[(String, Build); 2]>),
    /// They are of two sweeps.
    #[error("{} is of {}, {} of {}: they are not parts of one sweep", .0[0].0, .0[0].1, .0[1].0, .0[1].1)]
    OtherSweep(Box<[(String, String); 2]>),
    /// They have some seeds in common, but neither has all of the other's.
    #[error(
        "{name} has the seeds {}..{}, which others have too: what happened in them cannot be told from its sums, so leave one out",
        seeds.start, seeds.end
    )]
    Overlap {
        /// The receipt with fewer seeds.
        name: String,
        /// The first common seeds.
        seeds: Range<u64>,
    },
}

/// Merges receipts, each with a name for messages. Those of shards of different sizes may be mixed, as long as the
/// whole sweep is the same.
///
/// # Errors
/// If they are of different builds or sweeps, or overlap in part.
pub fn merge(mut receipts: Vec<(String, Receipt)>) -> Result<Merged, MergeError> {
    belong_together(&receipts)?;
    // Those with the most seeds come first, so that each other one is in one of them, or adds to them.
    receipts.sort_by_key(|(_, receipt)| {
        let first = receipt
            .summary
            .swept
            .blocks()
            .first()
            .map(|block| block.seeds.start);
        (std::cmp::Reverse(receipt.summary.seeds), first)
    });
    let (_, first) = receipts.first().ok_or(MergeError::Nothing)?;
    let whole = Receipt::new(
        first.build.clone(),
        first.mutant.as_deref(),
        first.seeds.clone(),
        Shard::WHOLE,
    );
    let mut merged = Merged {
        receipt: whole,
        gaps: Vec::new(),
        disagreements: Vec::new(),
        repeated: Vec::new(),
    };
    let mut taken: Vec<&(String, Receipt)> = Vec::new();
    for one in &receipts {
        let (name, receipt) = one;
        let Err(seeds) = merged.receipt.summary.absorb(&receipt.summary) else {
            for (sources, count) in &receipt.sources {
                let sum = merged.receipt.sources.entry(sources.clone()).or_default();
                *sum = sum.saturating_add(*count);
            }
            taken.push(one);
            continue;
        };
        let name = name.clone();
        let Some(other) = taken.iter().find(|(_, other)| has_all(other, receipt)) else {
            return Err(MergeError::Overlap { name, seeds });
        };
        let differ = differences(other, one);
        if differ.is_empty() {
            merged.repeated.push(name);
        }
        merged.disagreements.extend(differ);
    }
    let whole = &mut merged.receipt;
    merged.gaps = whole.summary.swept.gaps(&whole.seeds);
    Ok(merged)
}

/// Checks that all are of the build and of the sweep of the first one.
fn belong_together(receipts: &[(String, Receipt)]) -> Result<(), MergeError> {
    let Some((first_name, first)) = receipts.first() else {
        return Err(MergeError::Nothing);
    };
    let sweep = |receipt: &Receipt| {
        let replicas = receipt
            .mutant
            .as_ref()
            .map_or_else(String::new, |name| format!(" with the mutant {name}"));
        format!("seeds {}..{}{replicas}", receipt.seeds.start, receipt.seeds.end)
    };
    for (name, receipt) in receipts {
        let names = || [first_name.clone(), name.clone()];
        if receipt.build != first.build {
            let [a, b] = names();
            let both = [(a, first.build.clone()), (b, receipt.build.clone())];
            return Err(MergeError::OtherBuild(Box::new(both)));
        }
        if sweep(receipt) != sweep(first) {
            let [a, b] = names();
            let both = [(a, sweep(first)), (b, sweep(receipt))];
            return Err(MergeError::OtherSweep(Box::new(both)));
        }
    }
    Ok(())
}

/// Whether one receipt has all seeds of the other.
fn has_all(one: &Receipt, other: &Receipt) -> bool {
    let swept = &one.summary.swept;
    let mut blocks = other.summary.swept.blocks().iter();
    blocks.all(|block| swept.gaps(&block.seeds).is_empty())
}

/// The seeds that both have and whose digests differ. Of a thousand of which one has a part, nothing can be said.
fn differences(one: &(String, Receipt), other: &(String, Receipt)) -> Vec<Disagreement> {
    let (name, receipt) = one;
    let (other_name, other) = other;
    let mut found = Vec::new();
    for theirs in other.summary.swept.blocks() {
        let mut blocks = receipt.summary.swept.blocks().iter();
        let same = blocks.find(|mine| mine.seeds == theirs.seeds);
        if let Some(mine) = same.filter(|mine| mine.digest != theirs.digest) {
            found.push(Disagreement {
                seeds: theirs.seeds.clone(),
                receipts: [(name.clone(), mine.digest), (other_name.clone(), theirs.digest)],
            });
        }
    }
    found
}
