//! Logs that are cut and read wrongly.

use std::collections::BTreeMap;

use kvpaxos::{Ballot, Record};

use super::Wrong;

/// The promise is lost when the log is cut: what is read back after a checkpoint is the highest ballot that anything was accepted in
/// (known bug 6; Summerset's snapshots).
#[derive(Default)]
pub struct CutPromise;

impl Wrong for CutPromise {
    fn kept(&mut self, mut records: Vec<Record>) -> Vec<Record> {
        let accepted = |record: &Record| match record {
            Record::Carried(entry) => entry.ballot,
            Record::Accepted { ballot, .. } => *ballot,
            _ => Ballot::ZERO,
        };
        let highest = records.iter().map(accepted).max().unwrap_or_default();
        for record in &mut records {
            if let Record::Checkpoint(checkpoint) = record {
                checkpoint.promised = checkpoint.promised.min(highest);
            }
        }
        records
    }
}

/// A log that is caught up keeps the entries that it had at the same slots: what was accepted there once is read back instead of what
/// others told (known bug 9; OmniPaxos PR#101).
#[derive(Default)]
pub struct StaleEntries;

impl Wrong for StaleEntries {
    fn kept(&mut self, mut records: Vec<Record>) -> Vec<Record> {
        let mut accepted = BTreeMap::new();
        for record in &mut records {
            match record {
                Record::Accepted { slot, value, .. } => _ = accepted.insert(*slot, value.clone()),
                Record::Learned { slot, value } => {
                    if let Some(stale) = accepted.get(slot) {
                        *value = stale.clone();
                    }
                }
                _ => {}
            }
        }
        records
    }
}
