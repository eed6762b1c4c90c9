//! What a call returns: a result, or an error.

use bytes::Bytes;
use kvpaxos::{Refusal, ReplicaSet, Revision, StepError, StepResult};

use crate::client::options::Transport;

/// The result of a get.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetResult {
    /// The state that was read: that after the write of this revision, whichever key it was of.
    pub revision: Revision,
    /// The value; `None` if the key has none.
    pub value: Option<Bytes>,
}

/// The result of a delete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeleteResult {
    /// The place of the delete in the order of all writes.
    pub revision: Revision,
    /// Whether the key had a value.
    pub existed: bool,
}

/// The result of a compare-and-swap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CasResult {
    /// The place of the compare-and-swap in the order of all writes.
    pub revision: Revision,
    /// Whether the key held what was expected, and so was changed.
    pub applied: bool,
}

/// The result of a transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TransactionResult {
    /// The place of the transaction in the order of all writes.
    pub revision: Revision,
    /// The result of each step; `None` if a condition did not hold, and so nothing was done.
    pub results: Option<Vec<StepResult>>,
}

/// The result of a read of some keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetManyResult {
    /// The state that was read: that after the write of this revision, whichever key it was of.
    pub revision: Revision,
    /// The value of each key, in the order of the request; `None` if it has none.
    pub values: Vec<Option<Bytes>>,
}

/// The result of a read of lengths.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LengthsResult {
    /// The state that was read: that after the write of this revision, whichever key it was of.
    pub revision: Revision,
    /// The length of the value of each key in bytes, in the order of the request; `None` if it has none.
    pub lengths: Vec<Option<u64>>,
}

/// A page of all keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// The state that was read: that after the write of this revision, whichever key it was of.
    pub revision: Revision,
    /// The keys.
    pub keys: Vec<Bytes>,
    /// The cursor of the next page; 0 if this was the last.
    pub next: u64,
}

/// What is wrong with a server that did not answer a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerFailure {
    /// The server, as it stands in the list of the client.
    pub address: String,
    /// Why it did not answer, in words.
    pub why: String,
    /// Whether it was reached, as far as is known: it was asked, and nothing is wrong but that it is silent.
    pub is_reached: bool,
}

/// Why a call has no result. Each variant says whether anything was changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ClientError {
    /// A replica refused; nothing was changed.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The operation cannot be done on the value that the key has; nothing was changed.
    #[error("{0}")]
    Failed(StepError),
    /// The request fits into no frame or datagram, and was not sent.
    #[error(
        "the key and the values are {length} bytes long together, and a request over {transport} holds \
         {limit}; nothing was changed"
    )]
    TooLong {
        /// The length of the key and the values.
        length: usize,
        /// How much fits: [`Transport::capacity`].
        limit: usize,
        /// How the request was to travel.
        transport: Transport,
    },
    /// No replica that could be reached reaches a leader; nothing was changed.
    #[error(
        "unavailable: no replica of the list could serve this in time{}; nothing was changed{}",
        named(*silent), listed(failures)
    )]
    Unavailable {
        /// The replicas that were reported to be silent.
        silent: ReplicaSet,
        /// The servers that did not answer.
        failures: Vec<ServerFailure>,
    },
    /// The deadline passed. The operation may have been done, or may still be.
    #[error(
        "outcome unknown: no answer came in time{}; it may have been done, or may still be{}",
        named(*silent), listed(failures)
    )]
    Unknown {
        /// The replicas that were reported to be silent.
        silent: ReplicaSet,
        /// The servers that did not answer.
        failures: Vec<ServerFailure>,
    },
    /// The runtime of the client was shut down. The operation may have been done, or may still be.
    #[error("the client was shut down before the call ended; it may have been done, or may still be")]
    Gone,
}

fn named(silent: ReplicaSet) -> String {
    match silent.len() {
        0 => String::new(),
        1 => format!(" ({silent} is silent)"),
        _ => format!(" ({silent} are silent)"),
    }
}

/// The failures, with those of one cause together.
fn listed(failures: &[ServerFailure]) -> String {
    let mut causes: Vec<(&str, Vec<&str>)> = Vec::new();
    for failure in failures {
        match causes.iter_mut().find(|(why, _)| *why == failure.why) {
            Some((_, addresses)) => addresses.push(&failure.address),
            None => causes.push((&failure.why, vec![&failure.address])),
        }
    }
    let causes = causes.into_iter();
    causes
        .map(|(why, addresses)| format!("; {}: {why}", addresses.join(", ")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_with_one_cause_are_named_together() {
        let failure = |address: &str, why: &str| ServerFailure {
            address: address.to_owned(),
            why: why.to_owned(),
            is_reached: false,
        };
        let error = ClientError::Unavailable {
            silent: ReplicaSet::EMPTY,
            failures: vec![
                failure("a:1", "refused"),
                failure("b:1", "no answer"),
                failure("c:1", "refused"),
            ],
        };
        assert_eq!(
            error.to_string(),
            "unavailable: no replica of the list could serve this in time; nothing was changed; a:1, c:1: refused; \
             b:1: no answer"
        );
    }
}
