//! Receipts: what was swept, by which build and with which outcome, as a file that outlives the process.
//!
//! A sweep of many seeds is done in shards, on several machines and over several weeks. Each shard leaves a
//! [`Receipt`]; [`merge()`] checks that receipts belong together, finds seeds that are missing and seeds whose
//! runs differ, and adds the sums up. The page `manual::sweeps` shows it at work, and has the format.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `receipt` | [`Receipt`], its text form, and why a text is none |
//! | `build` | [`Build`]: what identifies a program by what it does |
//! | `shard` | [`Shard`]: one of several equal parts of a range of seeds |
//! | `merge` | [`merge()`]: several receipts as one |

mod build;
mod merge;
mod receipt;
mod shard;
#[cfg(test)]
mod tests;

pub use build::Build;
pub use merge::{Disagreement, MergeError, Merged, merge};
pub use receipt::{Receipt, ReceiptError};
pub use shard::{Shard, ShardError};
