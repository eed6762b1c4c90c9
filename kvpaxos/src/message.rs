//! The messages between replicas: the protocol's manual.
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
//! A message may be lost, repeated, delayed for any time and arrive in any order; no handler assumes more. Ballots in
//! it say which leader it belongs to; whoever gets one that is stale drops or refuses it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::agreement::StateDigest;
use crate::command::{Command, Value};
use crate::crash_vector::CrashVector;
use crate::founding::KnownFoundings;
use crate::state::snapshot::Cursor;
use crate::types::{Ballot, Incarnation, Slot};

/// What one replica says to another (or, about its own votes, to itself).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Message {
    /// Phase 1a. A candidate asks every acceptor to promise `ballot` and to tell what it accepted from slot `from` on.
    /// Sent once the candidate's own record of the ballot is durable (P3); resent until answered. Answered by
    /// [`Message::Promise`] or [`Message::Refused`].
    Prepare {
        /// The candidate's ballot.
        ballot: Ballot,
        /// The first slot it wants to hear of: all below are chosen and known to it, or told by an earlier chunk.
        from: Slot,
        /// The candidate's state: see [`crate::agreement`].
        state: StateDigest,
    },
    /// Phase 1b. An acceptor promises to accept nothing below `ballot`. The promise is durable before this leaves.
    /// Answers a [`Message::Prepare`]; large answers come in chunks, and the candidate asks for the next one.
    Promise(Promise),
    /// An acceptor tells a proposer (or a leader whose heartbeat it heard) that it promised a higher ballot. Leaves only
    /// when that promise is durable. No answer: the proposer gives up its ballot.
    Refused {
        /// The ballot refused.
        ballot: Ballot,
        /// The higher one that was promised.
        promised: Ballot,
    },
    /// Phase 2a. The leader of `ballot` asks every acceptor to accept `value` for `slot`; one value per ballot and slot
    /// (P1). Resent until chosen. Answered by [`Message::Accepted`] or [`Message::Refused`].
    Accept {
        /// The leader's ballot.
        ballot: Ballot,
        /// The slot.
        slot: Slot,
        /// The value.
        value: Value,
        /// What is chosen so far.
        chosen: Watermark,
        /// The leader's state: see [`crate::agreement`].
        state: StateDigest,
    },
    /// Phase 2b. An acceptor has accepted the leader's value for the slot, durably. No answer.
    Accepted {
        /// The ballot it was accepted in.
        ballot: Ballot,
        /// The slot.
        slot: Slot,
        /// Whose earlier lives the acceptor knew to be over when it voted (P4).
        vector: CrashVector,
    },
    /// The leader tells all how far the log is chosen, when no Accept goes out that could carry it; the *go* of the
    /// two-phase setting. No answer, but in the two-phase setting [`Message::Applied`].
    Chosen {
        /// The leader's ballot.
        ballot: Ballot,
        /// What is chosen so far.
        chosen: Watermark,
        /// The leader's state: see [`crate::agreement`].
        state: StateDigest,
    },
    /// Two-phase setting only. A replica tells the leader that it has applied every slot below `up_to`: the ACK of the
    /// *go*. No answer; sent again with every heartbeat.
    Applied {
        /// The leader's ballot.
        ballot: Ballot,
        /// The first slot not applied.
        up_to: Slot,
    },
    /// Everybody tells everybody, at a steady pace, that it runs and what it sees. Never durable, never answered but
    /// by the other's own heartbeat, whose `echo` shows that the link works both ways.
    ///
    /// Boxed: it is the largest message, rarely sent, and would make all others and every effect as large.
    Heartbeat(Box<Heartbeat>),
    /// A replica hands commands of its clients to the leader. Answered by the commands being chosen; resent until then.
    Forward {
        /// The commands, in the order they came in.
        commands: Vec<Command>,
    },
    /// A replica asks the leader for a slot up to which it must have applied before it may serve reads that began before
    /// this was sent (read index; Ongaro's thesis, 6.4). Resent until answered by [`Message::ReadIndexed`].
    ReadIndex {
        /// Numbers the asker's questions.
        number: u64,
    },
    /// The leader's answer, after a quorum has confirmed that it still leads.
    ReadIndexed {
        /// The question's number.
        number: u64,
        /// Reads may be served once every slot below is applied.
        up_to: Slot,
        /// The leader's state there, or as far as it has applied: see [`crate::agreement`].
        state: StateDigest,
    },
    /// The leader asks the acceptors whether its ballot is still the highest they promised. Answered by
    /// [`Message::Confirmed`] or [`Message::Refused`].
    Confirm {
        /// The leader's ballot.
        ballot: Ballot,
        /// Numbers the leader's rounds.
        round: u64,
        /// The leader's state: see [`crate::agreement`].
        state: StateDigest,
    },
    /// An acceptor whose promise is exactly `ballot` confirms it.
    Confirmed {
        /// The leader's ballot.
        ballot: Ballot,
        /// The round it confirms.
        round: u64,
    },
    /// A replica that lags asks another for chosen values. Resent until answered by [`Message::Learned`], or by the first
    /// [`Message::SnapshotPart`] if the log was cut above `from`.
    Learn {
        /// The first slot it lacks.
        from: Slot,
    },
    /// Chosen values of consecutive slots, as many as fit in a chunk; empty if the sender does not know the first one.
    Learned {
        /// The slot of the first value.
        from: Slot,
        /// The values.
        values: Vec<Value>,
    },
    /// Recovery, (a). An acceptor that lost its memory asks all others which life of it they know of. Leaves once the mark of the loss
    /// is durable; resent until enough have answered with [`Message::Recalled`].
    Recall {
        /// Fresh for each attempt, so that no answer to an earlier life counts for this one.
        nonce: u64,
    },
    /// What an acceptor knows of the one that asks. No answer.
    Recalled {
        /// The question's.
        nonce: u64,
        /// The highest incarnation of the asker that it has heard of; `None` if it is recovering itself, and so cannot tell.
        heard: Option<Incarnation>,
    },
    /// Recovery, (b). An acceptor that lost its memory begins an incarnation, and asks what others remember from slot `from`
    /// on. Resent until enough have answered with [`Message::Remembered`].
    Announce {
        /// That of the attempt.
        nonce: u64,
        /// The life that begins.
        incarnation: Incarnation,
        /// Where the next chunk of the answer is to begin.
        from: Slot,
    },
    /// What an acceptor remembers: it stands in for the memory that the asker lost. Leaves once the asker's incarnation is
    /// durable in the sender's vector. Large answers come in chunks, and the asker asks for the next one.
    Remembered(Box<Remembered>),
    /// A replica that lags asks another for the next part of a snapshot: the same that it had the last part of, from whomever. Resent
    /// until answered by [`Message::SnapshotPart`].
    Fetch {
        /// The snapshot holds the state after every slot below.
        slot: Slot,
        /// Where the part begins.
        at: Cursor,
    },
    /// A part of the snapshot that was asked for, or the first part of a newer one.
    SnapshotPart(Box<SnapshotPart>),
    /// A replica to itself: a piece of its checkpoint is durable.
    Saved {
        /// The checkpoint's number.
        number: u64,
        /// How many pieces are durable.
        pieces: u64,
    },
}

/// See [`Message::Promise`]: a promise, or a chunk of one.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Promise {
    /// The ballot promised: counts for this ballot only.
    pub ballot: Ballot,
    /// The `from` of the Prepare that it answers.
    pub from: Slot,
    /// Whose earlier lives the acceptor knew to be over when it promised (P4).
    pub vector: CrashVector,
    /// Every slot below is chosen, and what was accepted for it is not told any more: the candidate must have learned all
    /// of them before it leads.
    pub cut: Slot,
    /// What the acceptor accepted at `from` and above, and not below `cut`, in ascending order of slots.
    pub entries: Vec<Accepted>,
    /// Where the next chunk begins; `None` when this was the last.
    pub more: Option<Slot>,
}

/// See [`Message::Remembered`].
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Remembered {
    /// The question's.
    pub nonce: u64,
    /// The asker's incarnation.
    pub incarnation: Incarnation,
    /// The sender's crash vector, the asker's incarnation and its own included.
    pub vector: CrashVector,
    /// The sender's promise.
    pub promised: Ballot,
    /// Every slot below is chosen, and the sender does not hold what it accepted for it any more.
    pub cut: Slot,
    /// The `from` of the question.
    pub from: Slot,
    /// What the sender accepted at `from` and above, in ascending order of slots.
    pub entries: Vec<Accepted>,
    /// Where the next chunk begins; `None` when this was the last.
    pub more: Option<Slot>,
    /// Which foundings of others the sender knows. If these, and what the asker knows, say that one of them was founded twice, the asker may
    /// have taken an answer of it, and begins again without.
    pub met: KnownFoundings,
}

/// See [`Message::SnapshotPart`].
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct SnapshotPart {
    /// The snapshot holds the state after every slot below.
    pub slot: Slot,
    /// The digest of that state: two snapshots of one slot are the same (L3).
    pub digest: u128,
    /// Where the part begins.
    pub at: Cursor,
    /// Where the next one does; `None` after the last.
    pub next: Option<Cursor>,
    /// The content.
    pub bytes: Bytes,
}

/// A value that an acceptor accepted.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Accepted {
    /// The slot.
    pub slot: Slot,
    /// The ballot it was accepted in.
    pub ballot: Ballot,
    /// The value.
    pub value: Value,
}

/// How far the log is chosen, as its leader tells it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize)]
pub struct Watermark {
    /// Every slot below is chosen. A replica may take the value it was sent for such a slot as the chosen one if it
    /// came in an Accept of this very ballot, and must ask otherwise.
    pub chosen: Slot,
    /// Every slot below may be answered to clients. The same as `chosen`, but in the two-phase setting, where every
    /// replica must have acknowledged the *go* first.
    pub settled: Slot,
}

/// See [`Message::Heartbeat`].
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Counts the sender's heartbeats of this life, from 1.
    pub beat: u64,
    /// Tells the lives of the sender apart: drawn from its entropy.
    pub nonce: u64,
    /// The receiver's latest heartbeat that the sender has heard: (nonce, beat).
    pub echo: Option<(u64, u64)>,
    /// What the sender's acceptor does.
    pub acceptor: AcceptorHealth,
    /// The highest ballot the sender has met.
    pub highest: Ballot,
    /// The leader's ballot, if the sender leads or has heard from the leader itself a short while ago.
    pub leader: Option<Ballot>,
    /// The first slot that the sender's learner does not know to be chosen.
    pub learned: Slot,
    /// How far the log is chosen, if the sender leads (of its ballot in `leader`).
    pub chosen: Option<Watermark>,
    /// Which lives of acceptors the sender has heard of, from whomever. An acceptor that hears of a later life of its own than it knows of
    /// has lost its memory.
    pub vector: CrashVector,
    /// The sender's state: see [`crate::agreement`].
    pub state: StateDigest,
    /// The lowest slot at which the sender has found the receiver's state to be another than its own, if it has.
    pub differs: Option<Slot>,
    /// Which foundings of others the sender knows. A replica that hears of another founding of itself than its own halts.
    pub met: KnownFoundings,
}

/// What an acceptor does, as the others are told.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum AcceptorHealth {
    /// It runs and has its memory.
    Votes,
    /// It failed, and may come back with its memory.
    Failed,
    /// It lost its memory, and does not vote.
    Lost,
}
