//! What enters a replica's event loop: from peers, clients, the operator and the disk.

use std::sync::Arc;

use kvpaxos::{ClientId, Founding, Message, ReplicaId, Reply, Request, Role, Status};
use tokio::sync::{mpsc, oneshot};

use crate::storage::disk::DiskEvent;
use crate::wire::outbox::Outbox;

/// What sockets bring.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// Messages of another replica, in the order they were sent on one connection.
    Peer {
        from: ReplicaId,
        /// As the replica said when it called.
        founding: Option<Founding>,
        messages: Vec<Message>,
    },
    /// A client is there.
    Joined { client: ClientId, sink: Sink },
    /// A client asks.
    Requests {
        client: ClientId,
        requests: Vec<Request>,
    },
    /// A client is gone.
    Left { client: ClientId },
}

/// Where a client's replies go.
#[derive(Debug)]
pub(crate) enum Sink {
    /// Into the buffer of its connection.
    Stream(Arc<Outbox>),
    /// To the task that answers datagrams.
    Datagrams(mpsc::Sender<Reply>),
}

/// What an operator, or a failure on purpose, asks for.
#[derive(Debug)]
pub(crate) enum Control {
    Fail(Role),
    Restart(Role, Remembers),
    Status(oneshot::Sender<Status>),
    Stop,
}

/// What a role that restarts finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Remembers {
    /// Its records, read back from the write-ahead log.
    Kept,
    /// Nothing.
    Lost,
}

/// The receiving ends of everything that enters.
pub(crate) struct Doors {
    /// From peers. They have a door of their own, and go first: a flood of clients must not make a leader look silent.
    pub(crate) peers: mpsc::Receiver<Arrival>,
    pub(crate) clients: mpsc::Receiver<Arrival>,
    pub(crate) controls: mpsc::Receiver<Control>,
    pub(crate) disk: mpsc::UnboundedReceiver<DiskEvent>,
}
