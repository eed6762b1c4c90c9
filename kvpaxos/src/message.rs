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

use serde::{Deserialize, Serialize};

use crate::command::{Command, Value};
use crate::types::{Ballot, ReplicaSet, Slot};

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
    },
    /// Phase 1b. An acceptor promises to accept nothing below `ballot`. The promise is durable before this leaves.
    /// Answers a [`Message::Prepare`]; large answers come in chunks, and the candidate asks for the next one.
    Promise {
        /// The ballot promised: counts for this ballot only.
        ballot: Ballot,
        /// The `from` of the Prepare that it answers.
        from: Slot,
        /// What the acceptor accepted at `from` and above, in ascending order of slots.
        entries: Vec<Accepted>,
        /// Where the next chunk begins; `None` when this was the last.
        more: Option<Slot>,
    },
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
    },
    /// Phase 2b. An acceptor has accepted the leader's value for the slot, durably. No answer.
    Accepted {
        /// The ballot it was accepted in.
        ballot: Ballot,
        /// The slot.
        slot: Slot,
    },
    /// The leader tells all how far the log is chosen, when no Accept goes out that could carry it; the *go* of the
    /// two-phase setting. No answer, but in the two-phase setting [`Message::Applied`].
    Chosen {
        /// The leader's ballot.
        ballot: Ballot,
        /// What is chosen so far.
        chosen: Watermark,
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
    },
    /// The leader asks the acceptors whether its ballot is still the highest they promised. Answered by
    /// [`Message::Confirmed`] or [`Message::Refused`].
    Confirm {
        /// The leader's ballot.
        ballot: Ballot,
        /// Numbers the leader's rounds.
        round: u64,
    },
    /// An acceptor whose promise is exactly `ballot` confirms it.
    Confirmed {
        /// The leader's ballot.
        ballot: Ballot,
        /// The round it confirms.
        round: u64,
    },
    /// A replica that lags asks another for chosen values. Resent until answered by [`Message::Learned`].
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
    /// Whether the sender's acceptor votes: it runs and has its memory.
    pub votes: bool,
    /// The highest ballot the sender has met.
    pub highest: Ballot,
    /// The leader's ballot, if the sender leads or has heard from the leader itself a short while ago.
    pub leader: Option<Ballot>,
    /// The first slot that the sender's learner does not know to be chosen.
    pub learned: Slot,
    /// How far the log is chosen, if the sender leads (of its ballot in `leader`).
    pub chosen: Option<Watermark>,
    /// Whom the sender has not heard from for a while.
    pub silent: ReplicaSet,
}
