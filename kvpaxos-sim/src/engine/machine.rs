//! The seam between a world and what it drives: any deterministic machine of one `step`.
//!
//! [`kvpaxos::Replica`] is the first such machine (see [`crate::subject`]); a wrapper that changes its inputs, effects or
//! records is another, which is how known-wrong variants are made.

use std::fmt::Debug;

use kvpaxos::{ClientId, Entropy, Founding, ReplicaId, Role, Time};
use serde::Serialize;

use crate::engine::disk::Log;

/// A deterministic state machine that an [`Engine`](crate::Engine) can drive, under the contract of [`kvpaxos::io`].
pub trait Machine: Sized {
    /// What it is told at its birth.
    type Config: Clone + Debug;
    /// What machines say to each other.
    type Message: Clone + Debug + Serialize;
    /// What must outlive the process.
    type Record: Clone + Debug;
    /// What clients ask.
    type Request: Clone + Debug + Serialize;
    /// What clients are answered.
    type Reply: Clone + Debug + Serialize;
    /// What it tells of itself, for checkers.
    type Note: Debug;
    /// How its records lie on a disk.
    type Log: Log<Self::Record>;

    /// A machine that starts with what its disk held.
    fn start(config: &Self::Config, memory: Memory<Self::Record>, entropy: Entropy, at: Time) -> Self;

    /// The next state and the effects, appended to `effects`.
    fn step(&mut self, at: Time, event: Event<Self>, effects: &mut Vec<Effect<Self>>);

    /// What the log of a machine that is new begins with; `draw` is random.
    #[must_use]
    fn founds(draw: u64) -> Vec<Self::Record> {
        let _ = draw;
        Vec::new()
    }

    /// The founding that comes with all that it sends.
    fn founding(&self) -> Option<Founding> {
        None
    }

    /// When it next wants to hear the clock; after a step later than that step's time.
    fn deadline(&self) -> Option<Time>;

    /// What a sender does whose memory is damaged: changes what a message carries, where a checksum of the protocol's own covers it.
    /// `before` is the last such message that the sender sent, as it was; `draw` is random. Tells whether the message is one of those.
    fn garble(message: &mut Self::Message, before: Option<&Self::Message>, draw: u64) -> bool {
        let _ = (message, before, draw);
        false
    }
}

/// What a machine, or one role of it, finds when it starts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Memory<R> {
    /// The records it made durable, in order.
    Kept(Vec<R>),
    /// Nothing that can be trusted.
    Lost,
}

/// What enters a machine; the same as [`kvpaxos::Event`] for any types.
pub enum Event<M: Machine> {
    /// The time that `deadline` named has come.
    Clock,
    /// A message of another machine, or of this one to itself.
    Peer {
        /// Who sent it.
        from: ReplicaId,
        /// The founding that the sender had when it sent this.
        founding: Option<Founding>,
        /// The message.
        message: M::Message,
    },
    /// A client asks.
    Client {
        /// Who.
        from: ClientId,
        /// What.
        request: M::Request,
    },
    /// A client hears no more replies.
    ClientGone {
        /// Who.
        client: ClientId,
    },
    /// A role fails.
    Fail(Role),
    /// A failed role starts again.
    Restart {
        /// Which.
        role: Role,
        /// What it finds.
        memory: Memory<M::Record>,
        /// Fresh random bits.
        entropy: Entropy,
    },
}

/// What leaves a machine; the same as [`kvpaxos::Effect`] for any types.
pub enum Effect<M: Machine> {
    /// Send a message.
    Send {
        /// To whom.
        to: ReplicaId,
        /// The message.
        message: M::Message,
    },
    /// Make the records durable, then send what reveals them.
    Persist {
        /// Whose it is.
        role: Role,
        /// To be appended in order.
        records: Vec<M::Record>,
        /// Leaves in order once the records, and all before them, are durable.
        then: Vec<(ReplicaId, M::Message)>,
    },
    /// Answer a client.
    Reply {
        /// Whom.
        to: ClientId,
        /// The answer.
        reply: M::Reply,
    },
    /// Something for checkers.
    Note(M::Note),
    /// The machine stops, and says why.
    Halt(String),
}
