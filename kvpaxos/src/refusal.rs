//! Why a request was certainly not done.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::agreement::Doubt;
use crate::transaction::STEP_BYTES;
use crate::types::{ReplicaSet, Sequence, SessionId};

/// What a request may have only so many of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Listed {
    /// The steps of a transaction.
    Steps,
    /// The conditions of a transaction.
    Conditions,
    /// The keys of a read.
    Keys,
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Listed::Steps => "steps",
            Listed::Conditions => "conditions",
            Listed::Keys => "keys",
        })
    }
}

/// Why a request was certainly not done.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The key is longer than the limit.
    #[error("the key is {length} bytes long, over the limit of {limit}; nothing was changed")]
    KeyTooLong {
        /// The length of the key, in bytes.
        length: u64,
        /// The limit.
        limit: u64,
    },
    /// A value is longer than the limit.
    #[error("the value is {length} bytes long, over the limit of {limit}; nothing was changed")]
    ValueTooLong {
        /// The length of the value, in bytes.
        length: u64,
        /// The limit.
        limit: u64,
    },
    /// The replica has as many pending requests as the limit allows.
    #[error(
        "busy: {pending} requests are pending here, which is the limit; nothing was changed, try again \
         later or at another replica"
    )]
    Busy {
        /// The number of pending requests.
        pending: u64,
    },
    /// The session was dropped, because the table holds a bounded number, or never existed.
    #[error(
        "session {session} has expired: this request changed nothing now; open a new session. \
         Whether an earlier copy of it took effect can no longer be told"
    )]
    SessionExpired {
        /// The session.
        session: SessionId,
    },
    /// The sequence is below the lowest unanswered one that the session has reported.
    #[error(
        "sequence {} of session {session} is below {}, the lowest for which the client still needs an \
         answer; \
         nothing was changed", sequence.0, lowest.0
    )]
    AlreadyAnswered {
        /// Which session.
        session: SessionId,
        /// The sequence of the request.
        sequence: Sequence,
        /// The lowest sequence of which the outcome is still stored.
        lowest: Sequence,
    },
    /// The sequence is too far above the lowest unanswered one, or below it.
    #[error(
        "sequence {} is not within {window} of {}, the lowest unanswered one; nothing was changed, \
         wait for the answers that are still out", sequence.0, lowest.0
    )]
    OutOfWindow {
        /// The sequence of the request.
        sequence: Sequence,
        /// The lowest unanswered sequence that the request named.
        lowest: Sequence,
        /// The number of sequences that may be in flight.
        window: u64,
    },
    /// The deadline passed before the request could be handed to a leader.
    #[error("unavailable: no leader could be reached{}; nothing was changed", silence(*silent))]
    Unavailable {
        /// Replicas that this replica has not heard from recently.
        silent: ReplicaSet,
    },
    /// So many acceptors have lost their memory that acknowledged writes may be lost. The cluster serves no
    /// client until an operator decides.
    #[error(
        "{lost} have lost their memory, too many to recover from the others: acknowledged writes may be \
         lost, so nothing is served; nothing was changed. Bring back the disks of enough of them, or found \
         a new cluster from a backup"
    )]
    MemoryLost {
        /// The replicas without memory.
        lost: ReplicaSet,
    },
    /// The state of this replica differs from that of others, and no quorum is known to share it. The replica
    /// serves no client until an operator decides. See [`crate::agreement`].
    #[error(
        "the state of this replica differs from that of {} before slot {}, and no quorum is known to share \
         it: it serves nothing; nothing was changed. A disk has lost synced writes, and some acknowledged \
         writes may be on one side only. Compare the logs, and decide which side is to be recovered from \
         the other", .0.with, .0.slot
    )]
    Differs(Doubt),
    /// The request has more steps, conditions or keys than the limit.
    #[error("the request has {count} {what}, over the limit of {limit}; nothing was changed: divide it")]
    TooMany {
        /// What it has too many of.
        what: Listed,
        /// The number of them.
        count: u64,
        /// The limit.
        limit: u64,
    },
    /// The keys and values of a transaction are longer than the limit, all together.
    #[error(
        "the transaction is {length} bytes long (keys, values, and {STEP_BYTES} for each step and condition), \
         over the limit of {limit}; nothing was changed: divide it"
    )]
    TransactionTooLong {
        /// Its length, in bytes.
        length: u64,
        /// The limit.
        limit: u64,
    },
    /// The values or keys that a read asks for are longer than the limit, all together.
    #[error(
        "the answer would be {length} bytes long, over the limit of {limit}; nothing was changed: ask for \
         fewer keys at once"
    )]
    AnswerTooLong {
        /// Its length, in bytes; of what was looked at before the limit was exceeded.
        length: u64,
        /// The limit.
        limit: u64,
    },
    /// Clients must show a password here, and this one has not.
    #[error("a password is required here, and this client shows none; nothing was changed")]
    PasswordRequired,
    /// The client has shown another password than that of the replica.
    #[error("the password is wrong; nothing was changed")]
    WrongPassword,
    /// The replica is about to stop, and another one leads. This attempt was not taken in.
    #[error("this replica is about to stop; nothing was changed: ask another one")]
    Stopping,
}

fn silence(silent: ReplicaSet) -> String {
    if silent.is_empty() {
        String::new()
    } else {
        format!(" ({silent} silent)")
    }
}
