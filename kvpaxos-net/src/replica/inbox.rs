//! What enters the event loop of a replica: from peers, from clients, from the operator and from the disk.

use std::fmt;
use std::sync::Arc;

use kvpaxos::snapshot::Snapshot;
use kvpaxos::{ClientId, Founding, Message, Refusal, ReplicaId, Reply, Request, Role, Status};
use tokio::sync::{mpsc, oneshot};

use crate::replica::clients::ClientName;
use crate::storage::disk::DiskEvent;
use crate::wire::budget::Share;
use crate::wire::outbox::Outbox;

/// Batches of arrivals that may wait for the event loop. Sockets are not read while the queue is full.
const ARRIVALS: usize = 256;
/// Requests of operators that may wait.
const CONTROLS: usize = 16;

/// What sockets bring.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// Messages of another replica, in the order in which they were sent on one connection.
    Peer {
        from: ReplicaId,
        /// The founding that the replica named in its hello.
        founding: Option<Founding>,
        messages: Vec<Message>,
    },
    /// A client has connected.
    Joined {
        client: ClientId,
        name: ClientName,
        sink: ReplySink,
    },
    /// Requests of a client.
    Requests {
        client: ClientId,
        requests: Vec<Request>,
        /// What they take of the budget of all clients, until the replica has taken them.
        share: Share,
    },
    /// A client has disconnected.
    Left { client: ClientId },
}

/// Where the replies to a client go.
#[derive(Debug)]
pub(crate) enum ReplySink {
    /// Into the queue of its connection.
    Stream(Arc<Outbox>),
    /// To the task that answers datagrams.
    Datagrams(mpsc::Sender<Reply>),
    /// To a task of this process that bounds its requests in flight itself, and needs every reply.
    Task(mpsc::UnboundedSender<Reply>),
}

/// What an operator, or a failure on purpose, asks for.
#[derive(Debug)]
pub(crate) enum Control {
    Fail(Role),
    Restart(Role, RestartMemory),
    Status(oneshot::Sender<Status>),
    /// The state at this moment.
    Snapshot(oneshot::Sender<Result<Snapshot, Refusal>>),
    Stop,
}

/// The memory with which a role restarts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RestartMemory {
    /// Its records, read back from the write-ahead log. A replica that keeps no log has lost them.
    Kept,
    /// None.
    Lost,
}

/// `kept` or `lost`.
impl fmt::Display for RestartMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RestartMemory::Kept => "kept",
            RestartMemory::Lost => "lost",
        })
    }
}

/// The receiving ends of the event loop.
pub(crate) struct Inbox {
    /// From peers. Their queue is separate and goes first: a flood of requests must not make a leader look
    /// silent.
    pub(crate) peers: mpsc::Receiver<Arrival>,
    pub(crate) clients: mpsc::Receiver<Arrival>,
    pub(crate) controls: mpsc::Receiver<Control>,
    pub(crate) disk: mpsc::UnboundedReceiver<DiskEvent>,
}

/// The sending ends, but for the disk's.
pub(crate) struct InboxSenders {
    pub(crate) peers: mpsc::Sender<Arrival>,
    pub(crate) clients: mpsc::Sender<Arrival>,
    pub(crate) controls: mpsc::Sender<Control>,
}

impl Inbox {
    /// Bounded queues from all but the disk, which answers no more than it was asked.
    pub(crate) fn new(disk: mpsc::UnboundedReceiver<DiskEvent>) -> (InboxSenders, Inbox) {
        let (peer_sender, peers) = mpsc::channel(ARRIVALS);
        let (client_sender, clients) = mpsc::channel(ARRIVALS);
        let (control_sender, controls) = mpsc::channel(CONTROLS);
        let senders = InboxSenders {
            peers: peer_sender,
            clients: client_sender,
            controls: control_sender,
        };
        let inbox = Inbox {
            peers,
            clients,
            controls,
            disk,
        };
        (senders, inbox)
    }
}
