//! The messages between replicas: the protocol, message by message.
//!
//! ```text
//! client   replica r1        leader r0          r2 r3 r4
//!   |  PUT    |                  |                  |
//!   |-------->|  Forward         |                  |
//!   |         |----------------->|  Accept          |
//!   |         |<-----------------|----------------->|   each acceptor writes it down, then
//!   |         |  Accepted        |  Accepted        |
//!   |         |----------------->|<-----------------|
//!   |         |  Chosen (or the next Accept, which tells it too)
//!   |         |<-----------------|----------------->|
//!   |   ok    |  applied here: r1 answers its own client
//!   |<--------|
//! ```
//!
//! A message may be lost, repeated, delayed for any time, and reordered; no handler assumes anything else.
//! The ballot in a message says to which leader it belongs; the receiver drops or refuses a stale one.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::agreement::StateDigest;
use crate::command::{Command, Value};
use crate::crash_vector::CrashVector;
use crate::founding::KnownFoundings;
use crate::state::snapshot::{Cursor, Snapshot};
use crate::types::{Ballot, Incarnation, Slot};

/// A message of one replica to another, or to itself: a leader sends its own acceptor's votes to itself, so
/// that they wait for the disk.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Message {
    /// Phase 1a. A candidate asks every acceptor to promise `ballot` and to report what it accepted from slot
    /// `from` on. Sent once the candidate's own record of the ballot is durable (P3), and resent until
    /// answered. Answered by [`Message::Promise`] or [`Message::Refused`].
    Prepare {
        /// The candidate's ballot.
        ballot: Ballot,
        /// The first slot to report. All slots below are chosen and known to the candidate, or reported by an
        /// earlier chunk.
        from: Slot,
        /// The digest of the candidate's state: see [`crate::agreement`].
        state: StateDigest,
    },
    /// Phase 1b. An acceptor promises to accept nothing below `ballot`. The promise is durable before this
    /// leaves. Answers a [`Message::Prepare`]; large answers come in chunks, and the candidate asks for the
    /// next one.
    Promise(Promise),
    /// An acceptor tells a proposer, or a leader whose heartbeat it received, that it has promised a higher
    /// ballot. Sent only once that promise is durable. Not answered; the proposer gives up its ballot.
    Refused {
        /// The refused ballot.
        ballot: Ballot,
        /// The higher ballot that was promised.
        promised: Ballot,
    },
    /// Phase 2a. The leader of `ballot` asks every acceptor to accept `value` for `slot`; one value per
    /// ballot and slot (P1). Resent until chosen. Answered by [`Message::Accepted`] or [`Message::Refused`].
    Accept {
        /// The leader's ballot.
        ballot: Ballot,
        /// The slot.
        slot: Slot,
        /// The value.
        value: Value,
        /// How far the log is chosen.
        chosen: Watermark,
        /// The digest of the leader's state: see [`crate::agreement`].
        state: StateDigest,
    },
    /// Phase 2b. An acceptor has accepted the leader's value for the slot, durably. Not answered.
    Accepted {
        /// The ballot in which it was accepted.
        ballot: Ballot,
        /// The slot.
        slot: Slot,
        /// The crash vector of the acceptor when it voted (P4).
        vector: CrashVector,
    },
    /// The leader tells all how far the log is chosen, if it sends no Accept that could carry this. In the
    /// two-phase setting this is the *go*, answered by [`Message::Applied`]; otherwise it is not answered.
    Chosen {
        /// The leader's ballot.
        ballot: Ballot,
        /// How far the log is chosen.
        chosen: Watermark,
        /// The digest of the leader's state: see [`crate::agreement`].
        state: StateDigest,
    },
    /// Two-phase setting only. A replica acknowledges the *go*: it has applied every slot below `up_to`. Not
    /// answered; sent again with every heartbeat.
    Applied {
        /// The leader's ballot.
        ballot: Ballot,
        /// The first slot not applied.
        up_to: Slot,
    },
    /// Every replica regularly tells every other that it runs, and what it knows. Nothing in it must be
    /// durable first. Not answered; but the next heartbeat of the receiver echoes it, which shows that the
    /// link works in both directions.
    ///
    /// Boxed: it is the largest message, and would make every message and effect as large.
    Heartbeat(Box<Heartbeat>),
    /// A replica hands commands of its clients to the leader. Not answered; resent until the commands are
    /// applied.
    Forward {
        /// The commands, in the order they came in.
        commands: Vec<Command>,
    },
    /// A replica asks the leader up to which slot it must have applied before it may serve the reads that it
    /// received before it sent this (read index; Ongaro's thesis, 6.4). Resent until answered by
    /// [`Message::ReadIndexed`].
    ReadIndex {
        /// The number of the request, chosen by the sender.
        number: u64,
    },
    /// The leader's answer to [`Message::ReadIndex`], once enough acceptors have confirmed that it still
    /// leads. Not answered.
    ReadIndexed {
        /// The number of the request.
        number: u64,
        /// The reads may be served once every slot below this one is applied.
        up_to: Slot,
        /// The digest of the leader's state at `up_to`, or at the last slot that it has applied: see
        /// [`crate::agreement`].
        state: StateDigest,
    },
    /// The leader asks the acceptors whether its ballot is still the highest that they have promised.
    /// Answered by [`Message::Confirmed`] or [`Message::Refused`].
    Confirm {
        /// The leader's ballot.
        ballot: Ballot,
        /// The number of the round of confirmations.
        round: u64,
        /// The digest of the leader's state: see [`crate::agreement`].
        state: StateDigest,
    },
    /// An acceptor whose promise is exactly `ballot` confirms it. Not answered.
    Confirmed {
        /// The leader's ballot.
        ballot: Ballot,
        /// The round that it confirms.
        round: u64,
    },
    /// A lagging replica asks another for chosen values. Resent until answered by [`Message::Learned`], or by
    /// the first [`Message::SnapshotPart`] if the other has cut its log above `from`.
    Learn {
        /// The first slot of which it does not know the value.
        from: Slot,
    },
    /// Chosen values of consecutive slots, as many as fit in a chunk; none if the sender does not know the
    /// first one. Not answered.
    Learned {
        /// The slot of the first value.
        from: Slot,
        /// The values.
        values: Vec<Value>,
    },
    /// Recovery, step (a). An acceptor that lost its memory asks all others which incarnation of it they
    /// know. Sent once the record of the loss is durable, and resent until enough have answered with
    /// [`Message::Recalled`].
    Recall {
        /// Drawn for each attempt, so that answers to an earlier attempt do not count.
        nonce: u64,
    },
    /// An acceptor's answer to [`Message::Recall`]. Not answered.
    Recalled {
        /// The nonce of the request.
        nonce: u64,
        /// The highest incarnation of the asking acceptor that it has heard of; `None` if it is itself
        /// recovering, and so does not know.
        heard: Option<Incarnation>,
    },
    /// Recovery, step (b). An acceptor that lost its memory begins an incarnation and asks what others
    /// remember from slot `from` on. Resent until enough have answered with [`Message::Remembered`].
    Announce {
        /// The nonce of the attempt.
        nonce: u64,
        /// The incarnation that begins.
        incarnation: Incarnation,
        /// The slot at which the next chunk of the answer is to begin.
        from: Slot,
    },
    /// What an acceptor remembers: the recovering acceptor builds its new memory from such answers. Sent once
    /// the incarnation of the recovering acceptor is durable in the sender's crash vector. Large answers come
    /// in chunks, and the recovering acceptor asks for the next one.
    Remembered(Box<Remembered>),
    /// A lagging replica asks another for the next part of a snapshot of which it has received the earlier
    /// parts, perhaps from a third replica. Resent until answered by [`Message::SnapshotPart`].
    Fetch {
        /// The snapshot holds the state after every slot below.
        slot: Slot,
        /// The position at which the part begins.
        at: Cursor,
    },
    /// A part of the requested snapshot, or the first part of a newer one. Answered by the request for the
    /// next part.
    SnapshotPart(Box<SnapshotPart>),
    /// Of a replica to itself: a piece of its checkpoint is durable. Not answered.
    Saved {
        /// The number of the checkpoint.
        number: u64,
        /// The number of pieces that are durable.
        pieces: u64,
    },
    /// A leader that is to stop asks another replica to stand for election at once. Nothing must be durable
    /// first: it is a hint, and the receiver begins an ordinary phase 1. Sent again, to another replica, while
    /// the leader hears of no higher ballot. Answered by [`Message::Prepare`], or not at all. See
    /// [`Event::HandOver`](crate::Event::HandOver).
    Stand {
        /// The leader's ballot. If the receiver knows of a higher one, somebody has stood already.
        ballot: Ballot,
    },
}

/// The content of [`Message::Promise`]: a promise, or a chunk of one.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Promise {
    /// The promised ballot. The promise counts for this ballot only.
    pub ballot: Ballot,
    /// The `from` of the Prepare that it answers.
    pub from: Slot,
    /// The crash vector of the acceptor when it promised (P4).
    pub vector: CrashVector,
    /// Every slot below is chosen, and what was accepted there is not reported. The candidate must have
    /// learned all of these slots before this promise counts.
    pub cut: Slot,
    /// What the acceptor accepted at `from` and above, and not below `cut`, in ascending order of slots.
    pub entries: Vec<Accepted>,
    /// The slot at which the next chunk begins; `None` after the last chunk.
    pub more: Option<Slot>,
}

/// The content of [`Message::Remembered`], or a chunk of it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Remembered {
    /// The nonce of the request.
    pub nonce: u64,
    /// The incarnation of the recovering acceptor.
    pub incarnation: Incarnation,
    /// The sender's crash vector, including the incarnation of the recovering acceptor and its own.
    pub vector: CrashVector,
    /// The sender's promise.
    pub promised: Ballot,
    /// Every slot below is chosen, and the sender no longer holds what it accepted there.
    pub cut: Slot,
    /// The `from` of the request.
    pub from: Slot,
    /// What the sender accepted at `from` and above, in ascending order of slots.
    pub entries: Vec<Accepted>,
    /// The slot at which the next chunk begins; `None` after the last chunk.
    pub more: Option<Slot>,
    /// The foundings of other replicas that the sender knows. If they show that a replica was founded twice,
    /// the recovering acceptor may have taken an answer of it, and restarts its recovery.
    pub met: KnownFoundings,
}

/// The content of [`Message::SnapshotPart`], and of a reply to a client that asks for the state.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct SnapshotPart {
    /// The snapshot holds the state after every slot below.
    pub slot: Slot,
    /// The digest of that state: two snapshots of one slot are the same (L3).
    pub digest: u128,
    /// The position at which the part begins.
    pub at: Cursor,
    /// The position at which the next part begins; `None` after the last.
    pub next: Option<Cursor>,
    /// The encoded items of the part.
    pub bytes: Bytes,
}

impl SnapshotPart {
    /// The part of a snapshot that begins at a cursor, as [`Snapshot::part`] makes it.
    pub(crate) fn of(snapshot: &Snapshot, at: Cursor, bytes: usize) -> SnapshotPart {
        let (bytes, next) = snapshot.part(at, bytes);
        SnapshotPart {
            slot: snapshot.slot(),
            digest: snapshot.digest(),
            at,
            next,
            bytes,
        }
    }
}

/// A value that an acceptor accepted.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Accepted {
    /// The slot.
    pub slot: Slot,
    /// The ballot in which it was accepted.
    pub ballot: Ballot,
    /// The value.
    pub value: Value,
}

/// How far the log is chosen, as its leader reports it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize)]
pub struct Watermark {
    /// Every slot below is chosen. If a replica received a value for such a slot in an Accept of the same
    /// ballot, that value is the chosen one. Otherwise it must ask for it.
    pub chosen: Slot,
    /// Commands below may be answered to clients. Equal to `chosen`, except in the two-phase setting, where
    /// every replica must have acknowledged the *go* first.
    pub settled: Slot,
}

/// The content of [`Message::Heartbeat`].
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Counts the sender's heartbeats of this life, from 1.
    pub beat: u64,
    /// Distinguishes the lives of the sender: drawn at random at its start.
    pub nonce: u64,
    /// The nonce and beat of the latest heartbeat that the sender has received from the receiver.
    pub echo: Option<(u64, u64)>,
    /// The state of the sender's acceptor.
    pub acceptor: AcceptorHealth,
    /// The highest ballot that the sender has seen.
    pub highest: Ballot,
    /// The ballot of the leader, if the sender leads or has heard from the leader directly and recently.
    pub leader: Option<Ballot>,
    /// The first slot of which the sender's learner does not know the chosen value.
    pub learned: Slot,
    /// How far the log is chosen, if the sender leads, in its ballot `leader`.
    pub chosen: Option<Watermark>,
    /// The highest incarnation of each acceptor that the sender has heard of, directly or through others. An
    /// acceptor that hears of a later incarnation of itself than it knows has lost its memory.
    pub vector: CrashVector,
    /// The digest of the sender's state: see [`crate::agreement`].
    pub state: StateDigest,
    /// The lowest slot at which the receiver's state differs from the sender's, if the sender has found a
    /// difference.
    pub differs: Option<Slot>,
    /// The foundings of other replicas that the sender knows. A replica that hears of another founding of
    /// itself than its own halts.
    pub met: KnownFoundings,
}

/// The state of an acceptor, as heartbeats report it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum AcceptorHealth {
    /// It runs, has its memory, and votes.
    Votes,
    /// It failed, and may come back with its memory.
    Failed,
    /// It lost its memory, and does not vote.
    Lost,
}
