//! What the event loop sends to clients, and which of their requests are not answered yet.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use foldhash::fast::RandomState;
use kvpaxos::{ClientId, Outcome, ReplicaId, Reply, Request, Time, codec};

use crate::metrics::Metrics;
use crate::metrics::operation::{Operation, ShownKey, ShownOutcome, key};
use crate::replica::inbox::ReplySink;
use crate::system::repeats::{Repeats, Subject, info_repeated, warn_repeated};
use crate::wire::outbox::PushResult;

/// The clients that are connected.
pub(crate) struct Clients {
    /// The replica, for the log.
    id: ReplicaId,
    repeats: Arc<Repeats>,
    metrics: Arc<Metrics>,
    clients: HashMap<ClientId, Client, RandomState>,
    /// Clients whose connection has something to write.
    answered: Vec<ClientId>,
    frame: Vec<u8>,
}

struct Client {
    sink: ReplySink,
    name: ClientName,
    /// The requests that are not answered, by their ids. The replica bounds their number.
    pending: HashMap<u64, Pending, RandomState>,
}

/// A client in the log.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ClientName {
    /// It has a connection.
    Stream(SocketAddr),
    /// All that send datagrams.
    Datagrams,
    /// All Redis clients.
    Redis,
    /// The replica asks itself whether it serves.
    Probe,
    /// The part of the program that disturbs the replica on purpose.
    Chaos,
}

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientName::Stream(address) => address.fmt(f),
            ClientName::Datagrams => f.write_str("udp"),
            ClientName::Redis => f.write_str("redis"),
            ClientName::Probe => f.write_str("probe"),
            ClientName::Chaos => f.write_str("chaos"),
        }
    }
}

struct Pending {
    operation: Operation,
    since: Time,
    /// Kept only if requests are logged.
    key: Option<Bytes>,
}

impl Clients {
    pub(crate) fn new(id: ReplicaId, repeats: Arc<Repeats>, metrics: Arc<Metrics>) -> Clients {
        Clients {
            id,
            repeats,
            metrics,
            clients: HashMap::default(),
            answered: Vec::new(),
            frame: Vec::new(),
        }
    }

    /// A client has connected.
    pub(crate) fn join(&mut self, client: ClientId, name: ClientName, sink: ReplySink) {
        let client_of = Client {
            sink,
            name,
            pending: HashMap::default(),
        };
        self.clients.insert(client, client_of);
    }

    /// A client has disconnected.
    pub(crate) fn leave(&mut self, client: ClientId) {
        self.clients.remove(&client);
    }

    /// A client asks, at this time.
    pub(crate) fn ask(&mut self, from: ClientId, request: &Request, at: Time) {
        let Some(client) = self.clients.get_mut(&from) else {
            return;
        };
        let logs = tracing::enabled!(tracing::Level::DEBUG);
        let pending = Pending {
            operation: Operation::of(&request.body),
            since: at,
            // Of a long key a little is shown, and the rest of its frame is not kept for that.
            key: key(&request.body).filter(|_| logs).cloned(),
        };
        client.pending.insert(request.id, pending);
    }

    /// Queues a reply that is given at this time. A client that does not read its replies is disconnected.
    pub(crate) fn reply(&mut self, to: ClientId, reply: Reply, at: Time) {
        // If it has disconnected, the replica has heard so, or will.
        let Some(client) = self.clients.get_mut(&to) else {
            return;
        };
        // A client may use an id twice; then it is counted once.
        if let Some(pending) = client.pending.remove(&reply.id) {
            let name = client.name;
            self.on_reply(name, &pending, &reply, at);
        }
        let Some(client) = self.clients.get(&to) else {
            return;
        };
        match &client.sink {
            // A reply that does not fit is lost, as a datagram may be; the client asks again.
            ReplySink::Datagrams(replies) => drop(replies.try_send(reply)),
            // The task ends only after the event loop, or together with it.
            ReplySink::Task(replies) => drop(replies.send(reply)),
            ReplySink::Stream(outbox) => {
                self.frame.clear();
                if let Err(error) = codec::encode_into(&reply, &mut self.frame) {
                    tracing::error!(replica = %self.id, %error, "cannot encode a reply; the client is disconnected");
                    outbox.close();
                    return;
                }
                match outbox.push(&self.frame) {
                    PushResult::Queued if self.answered.last() != Some(&to) => self.answered.push(to),
                    PushResult::Queued | PushResult::Unconnected => {}
                    PushResult::Full => {
                        warn_repeated!(
                            self.repeats,
                            Subject::ANY,
                            {replica = %self.id, client = %client.name},
                            "a client does not read its replies; it is disconnected"
                        );
                        outbox.close();
                    }
                }
            }
        }
    }

    /// Counts an answer and logs it: at level debug each, else those that are bad news.
    fn on_reply(&self, client: ClientName, pending: &Pending, reply: &Reply, at: Time) {
        let micros = at.0.saturating_sub(pending.since.0);
        if !matches!(client, ClientName::Probe | ClientName::Chaos) {
            // Exact up to 285 years.
            #[expect(clippy::cast_precision_loss, reason = "a time for a histogram")]
            let seconds = micros as f64 / 1e6;
            self.metrics.on_reply(pending.operation, &reply.outcome, seconds);
        }
        let operation = pending.operation.name();
        if tracing::enabled!(tracing::Level::DEBUG) {
            let key = pending
                .key
                .as_deref()
                .map(|key| tracing::field::display(ShownKey(key)));
            tracing::debug!(
                replica = %self.id, %client, request = reply.id, operation, key,
                outcome = %ShownOutcome(&reply.outcome), micros,
                "request"
            );
        }
        match &reply.outcome {
            Outcome::Refused(refusal) => info_repeated!(
                self.repeats,
                Subject::cause(refusal),
                {replica = %self.id, %client, operation, %refusal},
                "a request is refused"
            ),
            Outcome::Unknown { silent } => info_repeated!(
                self.repeats,
                Subject::ANY,
                {replica = %self.id, %client, operation, %silent},
                "the outcome of a request is unknown"
            ),
            _ => {}
        }
    }

    /// Nothing more will be answered: connections end when what is answered is written.
    pub(crate) fn finish(&mut self) {
        for client in self.clients.drain().map(|(_, client)| client) {
            if let ReplySink::Stream(outbox) = &client.sink {
                outbox.finish();
            }
        }
    }

    /// Wakes the writers of the connections that have something to write.
    pub(crate) fn wake(&mut self) {
        for client in self.answered.drain(..) {
            if let Some(ReplySink::Stream(outbox)) = self.clients.get(&client).map(|client| &client.sink) {
                outbox.wake();
            }
        }
    }
}

/// The writers of the connections end with the event loop: nothing will fill their queues again.
impl Drop for Clients {
    fn drop(&mut self) {
        for client in self.clients.values() {
            if let ReplySink::Stream(outbox) = &client.sink {
                outbox.close();
            }
        }
    }
}
