//! What clients ask for, what the log holds, and how requests end.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::config::Limits;
use crate::password::Password;
pub use crate::refusal::{Listed, Refusal};
use crate::transaction::{StepResult, Transaction};
use crate::types::{ReplicaSet, Revision, Sequence, SessionId};
pub use crate::value::{Batch, Value};

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
    /// Several steps on any keys, executed together if all conditions hold.
    Transaction(Transaction),
}

impl Op {
    /// The keys that it reads or writes.
    pub fn keys(&self) -> impl Iterator<Item = &Bytes> {
        let (key, transaction) = match self {
            Op::Put { key, .. } | Op::Delete { key } | Op::Cas { key, .. } => (Some(key), None),
            Op::Transaction(transaction) => (None, Some(transaction)),
        };
        key.into_iter()
            .chain(transaction.into_iter().flat_map(Transaction::keys))
    }

    /// The values that it carries.
    pub fn values(&self) -> impl Iterator<Item = &Bytes> {
        let (first, second, transaction) = match self {
            Op::Put { value, .. } => (Some(value), None, None),
            Op::Delete { .. } => (None, None, None),
            Op::Cas { expect, value, .. } => (expect.as_ref(), value.as_ref(), None),
            Op::Transaction(transaction) => (None, None, Some(transaction)),
        };
        let values = transaction.into_iter().flat_map(Transaction::values);
        first.into_iter().chain(second).chain(values)
    }

    /// The approximate size in bytes, encoded or in memory.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Op::Put { key, value } => key.len() + value.len(),
            Op::Delete { key } => key.len(),
            Op::Cas { key, expect, value } => {
                let length = |value: &Option<Bytes>| value.as_ref().map_or(0, Bytes::len);
                key.len() + length(expect) + length(value)
            }
            Op::Transaction(transaction) => transaction.size(),
        }
    }
}

/// A linearizable read. It sees one state, whole: that after [`Outcome`]'s `revision`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Query {
    /// The value of a key. Answered by [`Outcome::Value`].
    Get {
        /// The key.
        key: Bytes,
    },
    /// The values of some keys. Answered by [`Outcome::Values`].
    GetMany {
        /// At most [`MAX_STEPS`](crate::transaction::MAX_STEPS) keys.
        keys: Vec<Bytes>,
    },
    /// The lengths of the values of some keys. Answered by [`Outcome::Lengths`].
    Lengths {
        /// At most [`MAX_STEPS`](crate::transaction::MAX_STEPS) keys.
        keys: Vec<Bytes>,
    },
    /// A page of all keys. Answered by [`Outcome::Page`].
    ///
    /// The next page begins at the cursor that the answer names, at whichever replica. A key that has a value
    /// from the first page to the last is on exactly one of them; one that is added or removed meanwhile may
    /// be on one or on none. The order is that of a hash of the keys.
    Scan {
        /// 0 for the first page.
        cursor: u64,
        /// The number of keys on the page: from 1 to [`MAX_PAGE`](crate::transaction::MAX_PAGE); other
        /// numbers count as the nearest of these. There may be fewer, or none, before the end. There are more
        /// only if the hashes of some are equal.
        limit: u32,
    },
    /// The number of keys that have a value. Answered by [`Outcome::Count`].
    Count,
}

impl Query {
    /// The keys that it names.
    #[must_use]
    pub fn keys(&self) -> &[Bytes] {
        match self {
            Query::Get { key } => std::slice::from_ref(key),
            Query::GetMany { keys } | Query::Lengths { keys } => keys,
            Query::Scan { .. } | Query::Count => &[],
        }
    }
}

impl From<Query> for RequestBody {
    fn from(query: Query) -> RequestBody {
        match query {
            Query::Get { key } => RequestBody::Get { key },
            Query::GetMany { keys } => RequestBody::GetMany { keys },
            Query::Lengths { keys } => RequestBody::Lengths { keys },
            Query::Scan { cursor, limit } => RequestBody::Scan { cursor, limit },
            Query::Count => RequestBody::Count,
        }
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
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub(crate) enum Stream {
    /// The tags of one nonce.
    Tags { nonce: u64 },
    /// The writes of a session.
    Session(SessionId),
    /// The end of a session; there is only one.
    Close(SessionId),
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
            Command::Apply { op, .. } => Limits::OVERHEAD + op.size(),
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
    /// A write in a session. Answered by [`Outcome::Done`], [`Outcome::Deleted`], [`Outcome::Swapped`] or
    /// [`Outcome::Executed`]. Until it is answered, the client may repeat it at any replica under the same session and sequence; it
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
    /// [`Query::GetMany`]
    GetMany {
        /// The keys.
        keys: Vec<Bytes>,
    },
    /// [`Query::Lengths`]
    Lengths {
        /// The keys.
        keys: Vec<Bytes>,
    },
    /// [`Query::Scan`]
    Scan {
        /// Where the page begins.
        cursor: u64,
        /// The number of keys on it.
        limit: u32,
    },
    /// [`Query::Count`]
    Count,
    /// Show a password. Answered by [`Outcome::Authenticated`]. The driver of a replica compares it and keeps
    /// out who must show one and does not; a replica takes whatever reaches it.
    Authenticate {
        /// The password.
        password: Password,
    },
    /// Ask what the driver of the replica tells of itself. Answered at once by [`Outcome::DriverStatus`].
    DriverStatus,
    /// Ask for a part of the state. Answered by [`Outcome::SnapshotPart`], with a part of the state after all
    /// slots that this replica has applied, at that moment.
    ///
    /// It is no linearizable read: a client that asks for [`RequestBody::Count`] first, and the same replica
    /// then, gets a state that holds all that was answered before. The driver of a replica may hold on to a
    /// state for a client, so that all parts are of the same; a part of another has another slot or digest.
    SnapshotPart {
        /// Where the part begins: at [`Cursor::START`](crate::snapshot::Cursor::START), and then behind the
        /// last part.
        at: crate::state::snapshot::Cursor,
    },
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
    /// The transaction was executed, or one of its conditions did not hold.
    Executed {
        /// The position of the command.
        revision: Revision,
        /// The result of each step. `None` if a condition did not hold, and so nothing was done.
        results: Option<Vec<StepResult>>,
    },
    /// The values of some keys, all at one moment.
    Values {
        /// The last command whose effect the read saw.
        revision: Revision,
        /// One for each key, in the order of the request: the value, or `None` if the key is absent.
        values: Vec<Option<Bytes>>,
    },
    /// The lengths of the values of some keys, all at one moment.
    Lengths {
        /// The last command whose effect the read saw.
        revision: Revision,
        /// One for each key, in the order of the request: the length in bytes, or `None` if the key is
        /// absent.
        lengths: Vec<Option<u64>>,
    },
    /// A page of all keys.
    Page {
        /// The last command whose effect the read saw.
        revision: Revision,
        /// The keys.
        keys: Vec<Bytes>,
        /// Where the next page begins. 0: this was the last one.
        next: u64,
    },
    /// The number of keys that have a value.
    Count {
        /// The last command whose effect the read saw.
        revision: Revision,
        /// The number.
        keys: u64,
    },
    /// The client may ask.
    Authenticated,
    /// What the driver of the replica tells of itself. A replica knows nothing of it and answers `{}`; the driver
    /// puts its own text in the place of that.
    DriverStatus {
        /// A JSON object. Its members may become more.
        json: Bytes,
    },
    /// A part of the state.
    SnapshotPart(Box<crate::message::SnapshotPart>),
}
