//! What a client is told, what goes in and what comes out.

use bytes::Bytes;

use crate::command::{Op, Outcome, Refusal, Reply, Request};
use crate::types::{Micros, ReplicaId, ReplicaSet};

/// What a client is told at its birth.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ClientConfig {
    /// The replicas it may ask, any of which serves it.
    pub servers: ReplicaSet,
    /// The one it asks first, if any in particular.
    pub first: Option<ReplicaId>,
    /// How long it waits for one replica's answer before it asks the next.
    pub attempt: Micros,
    /// How long a call may take in all before its caller is told that it is unavailable or its outcome unknown.
    pub deadline: Micros,
    /// Writes in flight at once; more wait for their turn. At most the cluster's `limits.session_window`.
    pub window: u64,
    /// Whether the network may deliver one request twice, as datagrams do. Then "busy" from one copy says nothing of the
    /// other, and no refusal but that of a limit is certain.
    pub repeats: bool,
}

impl ClientConfig {
    /// Waits and bounds that suit a cluster with default timing and limits, over connections.
    #[must_use]
    pub fn new(servers: ReplicaSet) -> ClientConfig {
        ClientConfig {
            servers,
            first: None,
            attempt: Micros(1_000_000),
            deadline: Micros(10_000_000),
            window: 1024,
            repeats: false,
        }
    }
}

/// What a caller wants done.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Call {
    /// A write, exactly once.
    Write(Op),
    /// A linearizable read.
    Get {
        /// The key.
        key: Bytes,
    },
    /// The status of the replica that is asked.
    Status,
    /// Ends the session, if one is open; calls in flight are not waited for.
    Close,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ClientEvent {
    /// The caller begins a call under a number that is free.
    Call {
        /// The caller's number for it.
        number: u64,
        /// The call.
        call: Call,
    },
    /// A replica answers.
    Reply {
        /// Who.
        from: ReplicaId,
        /// The answer.
        reply: Reply,
    },
    /// The connection to a replica is gone, or could not be made: what was sent to it may or may not have arrived.
    Disconnected {
        /// To whom.
        from: ReplicaId,
    },
    /// The time that [`Client::deadline`](super::Client::deadline) named has come.
    Clock,
}

/// What the client wants done.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ClientEffect {
    /// Send a request; it may be lost.
    Send {
        /// To whom.
        to: ReplicaId,
        /// The request.
        request: Request,
    },
    /// A call has ended; exactly one follows each.
    Done {
        /// The caller's number.
        number: u64,
        /// How it went.
        completion: Completion,
    },
}

/// How a call ended.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Completion {
    /// Done, as the outcome says (never `Refused` or `Unknown`).
    Done(Outcome),
    /// Certainly not done, now or later.
    Refused(Refusal),
    /// Done, or not, or it will be: the deadline passed, or the session that would tell is gone. Never of a read.
    Unknown {
        /// Replicas that the last answer named as silent.
        silent: ReplicaSet,
    },
}
