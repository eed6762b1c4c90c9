//! The configuration of a client, its inputs and its outputs.

use crate::command::{Op, Outcome, Query, Refusal, Reply, Request};
use crate::types::{Micros, ReplicaId, ReplicaSet};

/// The configuration of a client.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ClientConfig {
    /// The replicas that it may ask. Any of them serves it.
    pub servers: ReplicaSet,
    /// The replica that it asks first. If `None`, one is drawn.
    pub first: Option<ReplicaId>,
    /// The time that it waits for an answer before it asks the next replica.
    pub attempt: Micros,
    /// The time after which a call ends as unavailable or with an unknown outcome.
    pub deadline: Micros,
    /// The greatest number of writes in flight; further writes wait. At most `limits.session_window` of the
    /// cluster.
    pub window: u64,
    /// Whether the network may deliver a request twice, as UDP may. Then a refusal of one copy says nothing
    /// about the other, and only the refusals of what is over a limit are certain.
    pub repeats: bool,
}

impl ClientConfig {
    /// Times and limits that suit a cluster with default timing and limits, over TCP.
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

/// A call of a client's user.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Call {
    /// A write. It takes effect at most once.
    Write(Op),
    /// A linearizable read.
    Read(Query),
    /// The status of the replica that is asked.
    Status,
    /// What the driver of the replica that is asked tells of itself.
    DriverStatus,
    /// Closes the session, if one is open. It does not wait for calls in flight.
    Close,
}

/// Something that happens to a client.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ClientEvent {
    /// The user begins a call. Its number must not be that of a call in progress.
    Call {
        /// The number of the call, chosen by the user.
        number: u64,
        /// The call.
        call: Call,
    },
    /// A reply of a replica.
    Reply {
        /// The replica.
        from: ReplicaId,
        /// The answer.
        reply: Reply,
    },
    /// The driver begins to connect to a replica. What it is told to send there waits with the driver until
    /// [`Connected`](ClientEvent::Connected), and does not leave if it is withdrawn. A driver that says
    /// nothing of connections has sent what it was told to send.
    Connecting {
        /// The replica.
        to: ReplicaId,
    },
    /// The connection to a replica is made, and what waited for it is sent.
    Connected {
        /// The replica.
        to: ReplicaId,
    },
    /// No connection to a replica could be made. What waited for it has not left, and will not.
    Unreachable {
        /// The replica.
        from: ReplicaId,
    },
    /// The connection to a replica is gone. Requests that were sent over it may have arrived or not.
    Disconnected {
        /// The replica.
        from: ReplicaId,
    },
    /// The time that [`Client::deadline`](super::Client::deadline) returned has come.
    Clock,
}

/// Something that the driver is to do for a client.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ClientEffect {
    /// Send a request; it may be lost.
    Send {
        /// The receiver.
        to: ReplicaId,
        /// The request.
        request: Request,
    },
    /// Do not send a request that still waits for a connection: only after
    /// [`ClientEvent::Connecting`].
    Withdraw {
        /// The receiver that the request was for.
        to: ReplicaId,
        /// The id of the request.
        request: u64,
    },
    /// A call has ended. Each call ends exactly once.
    Done {
        /// The number of the call.
        number: u64,
        /// How it ended.
        completion: Completion,
    },
}

/// How a call ended.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Completion {
    /// Done, with this outcome, which is never `Refused` or `Unknown`.
    Done(Outcome),
    /// Certainly not done, neither now nor later.
    Refused(Refusal),
    /// A write may have been done, or may still be: the deadline passed, or the session that stores the
    /// outcome is gone. Reads never end so.
    Unknown {
        /// The replicas that the last answer named as silent.
        silent: ReplicaSet,
    },
}
