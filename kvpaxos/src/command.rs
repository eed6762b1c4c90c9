//! What clients ask for, what the log holds, and how requests end.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::agreement::Doubt;
use crate::config::Limits;
use crate::types::{ReplicaSet, Revision, Sequence, SessionId};

/// A write of the key-value store.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Op {
    /// Sets the key.
    Put {
        /// The key.
        key: Bytes,
        /// Its new value.
        value: Bytes,
    },
    /// Removes the key.
    Delete {
        /// The key.
        key: Bytes,
    },
    /// Compare-and-swap: sets the key to `value` (`None` removes it) if it holds `expect` (`None`: is
    /// absent).
    Cas {
        /// The key.
        key: Bytes,
        /// What it must hold for the swap to take place.
        expect: Option<Bytes>,
        /// What it then holds.
        value: Option<Bytes>,
    },
}

impl Op {
    /// The key that it reads or writes.
    #[must_use]
    pub fn key(&self) -> &Bytes {
        match self {
            Op::Put { key, .. } | Op::Delete { key } | Op::Cas { key, .. } => key,
        }
    }

    /// The values that it carries.
    pub fn values(&self) -> impl Iterator<Item = &Bytes> {
        let (first, second) = match self {
            Op::Put { value, .. } => (Some(value), None),
            Op::Delete { .. } => (None, None),
            Op::Cas { expect, value, .. } => (expect.as_ref(), value.as_ref()),
        };
        first.into_iter().chain(second)
    }
}

/// Identifies a command that belongs to no session. Clients number the sessions that they open, so that they
/// can repeat the request at any replica. Replicas number opaque payloads. The nonce is random, and the
/// number counts from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Tag {
    /// Drawn at random, once, by the client or replica.
    pub nonce: u64,
    /// The number within the nonce.
    pub number: u64,
}

/// One entry of a slot's batch.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Command {
    /// Opens a session, whose id is this command's revision.
    Open {
        /// Identifies the request: a repeat opens no second session while the first is open.
        tag: Tag,
    },
    /// Closes a session. A repeat has no effect.
    Close {
        /// The session.
        session: SessionId,
    },
    /// A write in a session. It takes effect once, however often it is chosen.
    Apply {
        /// The client's session.
        session: SessionId,
        /// The number of the write within the session.
        sequence: Sequence,
        /// The lowest sequence for which the client still needs an answer. Outcomes below it are dropped.
        lowest_unanswered: Sequence,
        /// The write.
        op: Op,
    },
    /// Bytes that the store does not interpret, for programs with a state machine of their own. They belong
    /// to no session: a repeat is a second entry in the log.
    Opaque {
        /// Identifies the command.
        tag: Tag,
        /// The bytes.
        payload: Bytes,
    },
}

/// The identity of a command: two commands with the same key are repeats of each other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct CommandKey {
    pub(crate) stream: Stream,
    /// Its number in the stream.
    pub(crate) number: u64,
}

/// The sequence of numbers to which a command belongs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Stream {
    /// The tags of one nonce.
    Tags { nonce: u64 },
    /// The writes of a session.
    Session(SessionId),
    /// The end of a session; there is only one.
    Close(SessionId),
}

/// Commands that are chosen together in one slot. Clones share them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Batch(Arc<Vec<Command>>);

impl Batch {
    /// A batch of these commands, in this order.
    #[must_use]
    pub fn new(commands: Vec<Command>) -> Batch {
        Batch(Arc::new(commands))
    }

    /// The commands in order.
    #[must_use]
    pub fn commands(&self) -> &[Command] {
        &self.0
    }
}

/// What can be chosen for a slot.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Value {
    /// Fills a gap and does nothing (*Paxos Made Simple*, section 3).
    Noop,
    /// Commands, applied in order.
    Batch(Batch),
}

impl Value {
    /// The commands in order; none for a no-op.
    #[must_use]
    pub fn commands(&self) -> &[Command] {
        match self {
            Value::Noop => &[],
            Value::Batch(batch) => batch.commands(),
        }
    }

    /// The approximate size in bytes, encoded or in memory. Bounds on chunks and queues use it.
    #[must_use]
    pub fn size(&self) -> usize {
        16 + self.commands().iter().map(Command::size).sum::<usize>()
    }
}

impl Command {
    pub(crate) fn key(&self) -> CommandKey {
        let (stream, number) = match self {
            Command::Open { tag } | Command::Opaque { tag, .. } => {
                let Tag { nonce, number } = *tag;
                (Stream::Tags { nonce }, number)
            }
            Command::Apply {
                session, sequence, ..
            } => (Stream::Session(*session), sequence.0),
            Command::Close { session } => (Stream::Close(*session), 0),
        };
        CommandKey { stream, number }
    }

    /// The approximate size in bytes, encoded or in memory. Bounds on batches and queues use it.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Command::Open { .. } | Command::Close { .. } => 32,
            Command::Apply { op, .. } => {
                Limits::OVERHEAD + op.key().len() + op.values().map(Bytes::len).sum::<usize>()
            }
            Command::Opaque { payload, .. } => 32 + payload.len(),
        }
    }
}

/// A request of a client to the replica it is connected to.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the client and repeated in the [`Reply`]. Unique among the requests in flight on its
    /// connection.
    pub id: u64,
    /// The content of the request.
    pub body: RequestBody,
}

/// What a client can ask of a replica.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum RequestBody {
    /// Open a session. Answered by [`Outcome::Opened`]. Until it is answered, the client may repeat it at any
    /// replica under the same tag; only one session is opened.
    Open {
        /// Identifies the session among all that are opened.
        tag: Tag,
    },
    /// Close a session. Answered by [`Outcome::Closed`].
    Close {
        /// The session.
        session: SessionId,
    },
    /// A write in a session. Answered by [`Outcome::Done`], [`Outcome::Deleted`] or [`Outcome::Swapped`].
    /// Until it is answered, the client may repeat it at any replica under the same session and sequence; it
    /// takes effect once.
    Apply {
        /// The client's session.
        session: SessionId,
        /// The number of the write within the session.
        sequence: Sequence,
        /// The lowest sequence for which the client still needs an answer; at most `sequence`.
        lowest_unanswered: Sequence,
        /// The write.
        op: Op,
    },
    /// A linearizable read. Answered by [`Outcome::Value`].
    Get {
        /// The key.
        key: Bytes,
    },
    /// Put opaque bytes into the log. Answered by [`Outcome::Done`] once they are chosen and applied at this
    /// replica.
    Submit {
        /// The bytes, at most as long as a value may be.
        payload: Bytes,
    },
    /// Ask for the status of the replica. Answered at once by [`Outcome::Status`].
    Status,
}

/// The answer to a [`Request`]. Each request gets exactly one, unless the replica stops.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Reply {
    /// The id of the request.
    pub id: u64,
    /// The result.
    pub outcome: Outcome,
}

/// The result of a request: done, certainly not done ([`Refusal`]), or unknown.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// The session is open.
    Opened {
        /// The id of the session.
        session: SessionId,
    },
    /// The session is closed, or did not exist any more.
    Closed,
    /// The put (or the submitted payload) is in the log.
    Done {
        /// The position of the command.
        revision: Revision,
    },
    /// The delete took place.
    Deleted {
        /// The position of the command.
        revision: Revision,
        /// Whether the key had a value.
        existed: bool,
    },
    /// The compare-and-swap took place.
    Swapped {
        /// The position of the command.
        revision: Revision,
        /// Whether the key held the expected value, and so was changed.
        applied: bool,
    },
    /// The result of a read.
    Value {
        /// The last command whose effect the read saw (of any key).
        revision: Revision,
        /// The value, or `None` if the key is absent.
        value: Option<Bytes>,
    },
    /// The status of the replica.
    Status(Box<crate::status::Status>),
    /// Certainly not done: this request has changed nothing, and never will.
    Refused(Refusal),
    /// The deadline passed after the request was handed to a leader. It may have been done, or may still be.
    /// A write may be repeated under the same session and sequence.
    Unknown {
        /// Replicas that this replica has not heard from recently.
        silent: ReplicaSet,
    },
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
}

fn silence(silent: ReplicaSet) -> String {
    if silent.is_empty() {
        String::new()
    } else {
        format!(" ({silent} silent)")
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.commands()).finish()
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Noop => write!(f, "noop"),
            Value::Batch(batch) => batch.fmt(f),
        }
    }
}

impl Serialize for Batch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.commands().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Batch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Batch, D::Error> {
        Ok(Batch::new(Vec::deserialize(deserializer)?))
    }
}
