//! The results of transactions, stored while a client may ask again.
//!
//! They may hold values, so they are bounded in bytes over all sessions. They are stored apart from the
//! [outcomes](super::outcomes), which are small and pass through the caches with every command.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::outcomes::{StoredOutcome, digest_words};
use super::queue::Queue;
use crate::command::Outcome;
use crate::state::buckets::{EntryPosition, Map, Walk};
use crate::transaction::{StepError, StepResult};
use crate::types::{Revision, Sequence, SessionId};

/// What the results of a transaction, and each of them, count for in addition to their values: roughly their
/// overhead in memory.
const TRANSACTION_BYTES: usize = 64;
const RESULT_BYTES: usize = 48;

/// The results of the steps of one transaction. Clones share them.
pub(crate) type Results = Arc<[StepResult]>;

/// What the execution of a write leaves in its session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Execution {
    pub(super) stored: StoredOutcome,
    /// Of a transaction whose conditions held.
    pub(super) results: Option<Results>,
}

impl Execution {
    /// A transaction was executed.
    pub(crate) fn executed(revision: Revision, results: Vec<StepResult>) -> Execution {
        Execution {
            stored: StoredOutcome::executed(revision, true),
            results: Some(results.into()),
        }
    }
}

impl From<StoredOutcome> for Execution {
    fn from(stored: StoredOutcome) -> Execution {
        let results = None;
        Execution { stored, results }
    }
}

impl From<Execution> for Outcome {
    fn from(Execution { stored, results }: Execution) -> Outcome {
        match (Outcome::from(stored), results) {
            (Outcome::Executed { revision, .. }, Some(results)) => Outcome::Executed {
                revision,
                results: Some(results.to_vec()),
            },
            (outcome, _) => outcome,
        }
    }
}

/// The transaction whose results are stored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ResultsOf {
    /// The session.
    pub session: SessionId,
    /// The number of the transaction within the session.
    pub sequence: Sequence,
}

impl ResultsOf {
    fn hash(self) -> u32 {
        super::low(digest_words(self.words()))
    }

    fn words(self) -> [u64; 3] {
        let Revision { slot, index } = self.session.0;
        // An index has fewer than 32 bits, a sequence fewer than 63.
        [slot.0, u64::from(index), self.sequence.0]
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct StoredResults {
    results: Results,
    digest: u64,
    bytes: usize,
}

/// The results that all sessions store.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct ResultsTable {
    table: Map<ResultsOf, StoredResults, 2>,
    /// When each was made. The session that is dropped first, if they take too much memory, comes first.
    by_age: Queue,
    bytes: u64,
    /// The sum of the digests of all results.
    digest: u64,
}

impl ResultsTable {
    pub(super) fn new() -> ResultsTable {
        ResultsTable {
            table: Map::new(),
            by_age: Queue::default(),
            bytes: 0,
            digest: 0,
        }
    }

    /// Stores the results of a write of revision `at`.
    pub(super) fn keep(&mut self, of: ResultsOf, at: Revision, results: Results) {
        let stored = StoredResults {
            digest: digest(of, &results),
            bytes: bytes_of(&results),
            results,
        };
        self.digest = self.digest.wrapping_add(stored.digest);
        self.bytes += stored.bytes as u64;
        self.by_age.insert((at, of.session));
        self.table.add(of.hash(), of, stored);
    }

    /// Drops the results of a write of revision `at`.
    pub(super) fn remove(&mut self, of: ResultsOf, at: Revision) {
        if let Some(stored) = self.table.remove(of.hash(), &of) {
            self.digest = self.digest.wrapping_sub(stored.digest);
            self.bytes -= stored.bytes as u64;
            self.by_age.remove(&(at, of.session));
        }
    }

    pub(super) fn get(&self, of: ResultsOf) -> Option<Results> {
        let stored = self.table.get(of.hash(), &of)?;
        Some(Arc::clone(&stored.results))
    }

    /// The session that stores the oldest results.
    pub(super) fn oldest(&self) -> Option<SessionId> {
        self.by_age.first().map(|(_, session)| *session)
    }

    /// The number of writes whose results are stored.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn digest(&self) -> u64 {
        self.digest
    }

    /// The results at `from` and after it, with their positions and sizes, in an order that follows from the
    /// content.
    pub(super) fn iter_from(
        &self,
        from: EntryPosition,
    ) -> impl Iterator<Item = (EntryPosition, ResultsOf, &[StepResult], usize)> {
        let stored = self.table.iter_from(from);
        stored.map(|(spot, of, stored)| (spot, *of, &*stored.results, stored.bytes))
    }

    /// Checks the order of the results of a table that holds those of `len` writes.
    pub(super) fn walk(len: u64) -> Walk<ResultsOf> {
        Map::<ResultsOf, StoredResults, 2>::walk(len)
    }

    /// Takes the next step of such a walk; returns `None` if the results cannot be the next ones.
    pub(super) fn step(walk: &mut Walk<ResultsOf>, of: ResultsOf) -> Option<EntryPosition> {
        walk.step(of.hash(), &of)
    }

    pub(super) fn into_parts(self) -> (Map<ResultsOf, StoredResults, 2>, Queue) {
        (self.table, self.by_age)
    }
}

/// What the results count for.
pub(super) fn bytes_of(results: &[StepResult]) -> usize {
    let values = results
        .iter()
        .filter_map(StepResult::value)
        .map(bytes::Bytes::len);
    TRANSACTION_BYTES + RESULT_BYTES * results.len() + values.sum::<usize>()
}

fn digest(of: ResultsOf, results: &[StepResult]) -> u64 {
    results.iter().fold(digest_words(of.words()), |digest, result| {
        let (kind, [one, other]) = words_of(result);
        let value = result.value().map_or(0, |value| xxh3_64_with_seed(value, 1));
        let has_value = u64::from(result.value().is_some());
        digest_words([digest, kind << 1 | has_value, one, other, value])
    })
}

/// What a result is, apart from its value.
fn words_of(result: &StepResult) -> (u64, [u64; 2]) {
    match *result {
        StepResult::Value(_) => (0, [0; 2]),
        StepResult::Length(length) => (1, [length, 0]),
        StepResult::Exists(exists) => (2, [u64::from(exists), 0]),
        StepResult::Integer(number) => (3, [number.cast_unsigned(), 0]),
        StepResult::Changed { applied, .. } => (4, [u64::from(applied), 0]),
        StepResult::Failed(StepError::NotAnInteger) => (5, [0; 2]),
        StepResult::Failed(StepError::Overflow) => (6, [0; 2]),
        StepResult::Failed(StepError::TooLong { length, limit }) => (7, [length, limit]),
        StepResult::Failed(StepError::AnswerTooLong { length, limit }) => (8, [length, limit]),
    }
}

#[cfg(test)]
impl ResultsTable {
    /// What must hold between the table and what is counted. `at` tells when the write was executed whose
    /// results should be stored.
    pub(super) fn check(&self, at: impl Fn(ResultsOf) -> Option<Revision>) {
        self.by_age.check();
        assert_eq!(self.by_age.len(), self.table.len());
        let (mut bytes, mut sum) = (0, 0_u64);
        for (of, stored) in self.table.iter() {
            let at = at(*of).expect("results are stored for executed writes only");
            assert!(self.by_age.contains(&(at, of.session)));
            assert_eq!(stored.digest, digest(*of, &stored.results));
            assert_eq!(stored.bytes, bytes_of(&stored.results));
            bytes += stored.bytes as u64;
            sum = sum.wrapping_add(stored.digest);
        }
        assert_eq!((self.bytes, self.digest), (bytes, sum));
    }
}
