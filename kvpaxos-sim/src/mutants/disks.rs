//! Mutations of logs: how they are cut and read back. The numbers are those of the table of the parent
//! module.

use std::collections::BTreeMap;

use kvpaxos::{Ballot, Record};

use crate::subject::Mutation;

/// Bug 6: a checkpoint does not keep the promise. The highest ballot of an accepted value is read back
/// instead.
#[derive(Default)]
pub(super) struct CutPromise;

impl Mutation for CutPromise {
    fn read_back(&mut self, mut records: Vec<Record>) -> Vec<Record> {
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

/// Bug 9: when a replica catches up, its log keeps the entries that it already had in the same slots. These
/// are read back instead of the chosen values that others sent.
#[derive(Default)]
pub(super) struct StaleEntries;

impl Mutation for StaleEntries {
    fn read_back(&mut self, mut records: Vec<Record>) -> Vec<Record> {
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
