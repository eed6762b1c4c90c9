//! What clients ask for and what the log holds: operations, commands, values of slots, outcomes.

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
    /// Compare-and-swap: sets the key to `value` (`None` removes it) if it holds `expect` (`None`: is absent).
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
    /// The key it is about.
    #[must_use]
    pub fn key(&self) -> &Bytes {
        match self {
            Op::Put { key, .. } | Op::Delete { key } | Op::Cas { key, .. } => key,
        }
    }

    /// The values it carries.
    pub fn values(&self) -> impl Iterator<Item = &Bytes> {
        let (first, second) = match self {
            Op::Put { value, .. } => (Some(value), None),
            Op::Delete { .. } => (None, None),
            Op::Cas { expect, value, .. } => (expect.as_ref(), value.as_ref()),
        };
        first.into_iter().chain(second)
    }
}

/// Tells one command that has no session from every other. Whoever gives it draws the nonce from its entropy and counts from there: a
/// client for the sessions that it opens, so that it may ask any replica again; a replica for opaque bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Tag {
    /// A random 64-bit number.
    pub nonce: u64,
    /// A count.
    pub number: u64,
}

/// One entry of a slot's batch.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Command {
    /// Opens a session, whose id is this command's revision.
    Open {
        /// Whose it is; a repeat opens nothing new while the session lives.
        tag: Tag,
    },
    /// Ends a session. A repeat does nothing.
    Close {
        /// Which.
        session: SessionId,
    },
    /// A write, exactly once.
    Apply {
        /// The client's session.
        session: SessionId,
        /// Its number in the session.
        sequence: Sequence,
        /// The lowest sequence whose answer the client has not had: what is below is forgotten.
        lowest_unanswered: Sequence,
        /// What to do.
        op: Op,
    },
    /// Bytes that the store does not interpret, for programs that bring a state machine of their own. Without a
    /// session: a repeat is a second entry in the log.
    Opaque {
        /// Whose it is.
        tag: Tag,
        /// The bytes.
        payload: Bytes,
    },
}

/// What a command is, however often it is sent: two commands with one key are repeats of each other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct CommandKey {
    pub(crate) stream: Stream,
    /// Its number in the stream.
    pub(crate) number: u64,
}

/// What numbers a command.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Stream {
    /// A client, or a replica in one life, by tags.
    Tags { nonce: u64 },
    /// A session, by sequences.
    Session(SessionId),
    /// The end of a session, of which there is one.
    Close(SessionId),
}

/// Commands that are chosen together in one slot; shared, never copied.
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

    /// About how many bytes it takes, encoded or in memory; used for bounds on chunks and queues.
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

    /// About how many bytes it takes, encoded or in memory; used for bounds on batches and queues.
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
    /// Chosen by the client and repeated in the [`Reply`]; any number that is free on its connection.
    pub id: u64,
    /// What is asked.
    pub body: RequestBody,
}

/// What a client can ask of a replica.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum RequestBody {
    /// Open a session. Answered by [`Outcome::Opened`]. May be asked again, of any replica, under the same tag until it is answered: one
    /// session is opened.
    Open {
        /// Which of the client's sessions.
        tag: Tag,
    },
    /// End a session. Answered by [`Outcome::Closed`].
    Close {
        /// Which.
        session: SessionId,
    },
    /// A write in a session. Answered by [`Outcome::Done`], [`Outcome::Deleted`] or [`Outcome::Swapped`]. May be
    /// asked again, of any replica, under the same session and sequence until it is answered: it takes effect once.
    Apply {
        /// The client's session.
        session: SessionId,
        /// Its number in the session.
        sequence: Sequence,
        /// The lowest sequence whose answer the client has not had; at most `sequence`.
        lowest_unanswered: Sequence,
        /// What to do.
        op: Op,
    },
    /// A linearizable read. Answered by [`Outcome::Value`].
    Get {
        /// The key.
        key: Bytes,
    },
    /// Puts opaque bytes into the log. Answered by [`Outcome::Done`] once chosen and learned here.
    Submit {
        /// The bytes, at most as long as a value may be.
        payload: Bytes,
    },
    /// What the replica knows of itself and its peers. Answered at once by [`Outcome::Status`].
    Status,
}

/// The answer to a [`Request`]: exactly one follows each, unless the replica stops.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Reply {
    /// The request's id.
    pub id: u64,
    /// How it went.
    pub outcome: Outcome,
}

/// The fate of a request: done, certainly not done ([`Refusal`]), or unknown.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// The session is open.
    Opened {
        /// Its id.
        session: SessionId,
    },
    /// The session is closed, or had been dropped before.
    Closed,
    /// The put (or the submitted payload) is in the log.
    Done {
        /// Where.
        revision: Revision,
    },
    /// The delete took place.
    Deleted {
        /// Where.
        revision: Revision,
        /// Whether there was a value to remove.
        existed: bool,
    },
    /// The compare-and-swap took place.
    Swapped {
        /// Where.
        revision: Revision,
        /// Whether the key held what was expected, so that the value was changed.
        applied: bool,
    },
    /// The read's result.
    Value {
        /// The last command whose effect the read saw (of any key).
        revision: Revision,
        /// The value, or `None` if the key is absent.
        value: Option<Bytes>,
    },
    /// The replica's state.
    Status(Box<crate::status::Status>),
    /// Certainly not done: nothing was changed, and nothing will be by this request.
    Refused(Refusal),
    /// Handed on, and not heard of again before the deadline: done, or not, or it will be. A write may be asked again
    /// under the same session and sequence.
    Unknown {
        /// Replicas that this replica has not heard from for a while.
        silent: ReplicaSet,
    },
}

/// Why a request was certainly not done.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The key is over the limit.
    #[error("the key is {length} bytes long, over the limit of {limit}; nothing was changed")]
    KeyTooLong {
        /// The key's length.
        length: u64,
        /// The limit.
        limit: u64,
    },
    /// A value is over the limit.
    #[error("the value is {length} bytes long, over the limit of {limit}; nothing was changed")]
    ValueTooLong {
        /// The value's length.
        length: u64,
        /// The limit.
        limit: u64,
    },
    /// The replica holds as many requests as it may.
    #[error(
        "busy: {pending} requests are waiting here, the limit; nothing was changed, try again later or elsewhere"
    )]
    Busy {
        /// How many are waiting.
        pending: u64,
    },
    /// The session was dropped (the table holds a bounded number) or never existed.
    #[error(
        "session {session} has expired: this request changed nothing now; open a new session. \
         Whether an earlier copy of it took effect can no longer be told"
    )]
    SessionExpired {
        /// Which.
        session: SessionId,
    },
    /// The sequence lies below the lowest unanswered one that the session has named.
    #[error(
        "sequence {} of session {session} lies below {}, the lowest the client still wants answers for; \
         nothing was changed", sequence.0, lowest.0
    )]
    AlreadyAnswered {
        /// Which session.
        session: SessionId,
        /// The sequence of the request.
        sequence: Sequence,
        /// The lowest that is still kept.
        lowest: Sequence,
    },
    /// The sequence lies too far above the lowest unanswered one, or below it.
    #[error(
        "sequence {} is not within {window} of {}, the lowest unanswered one; nothing was changed, \
         wait for the answers that are still out", sequence.0, lowest.0
    )]
    OutOfWindow {
        /// The sequence of the request.
        sequence: Sequence,
        /// The lowest unanswered one that the request named.
        lowest: Sequence,
        /// How many sequences may be in flight.
        window: u64,
    },
    /// The deadline passed before the request could be handed to a leader.
    #[error("unavailable: no leader could be reached{}; nothing was changed", silence(*silent))]
    Unavailable {
        /// Replicas that this replica has not heard from for a while.
        silent: ReplicaSet,
    },
    /// So many acceptors have lost their memory that what was acknowledged may be known to nobody any more. The cluster serves nobody
    /// until an operator decides.
    #[error(
        "the memory of {lost} is lost, of too many to recover from the others: acknowledged writes may be lost with it, so that nothing \
         is served; nothing was changed. Bring back the disks of enough of them, or found the cluster anew from a backup"
    )]
    MemoryLost {
        /// Whose memory.
        lost: ReplicaSet,
    },
    /// The replica's state is not the same as that of others, and no quorum is known to share it: it serves nobody until an operator
    /// decides. See [`crate::agreement`].
    #[error(
        "this replica differs from {} in what was chosen before slot {}, and no quorum is known to share its state: it serves nothing, and \
         nothing was changed. A disk has lost what was written to it, and acknowledged writes may be on one side only: compare the logs, \
         and decide which side is to be recovered from the other", .0.with, .0.slot
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
