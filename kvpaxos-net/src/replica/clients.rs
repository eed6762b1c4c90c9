//! What the event loop sends to clients.

use std::collections::HashMap;
use std::sync::Arc;

use kvpaxos::{ClientId, ReplicaId, Reply, codec};

use crate::replica::inbox::ReplySink;
use crate::system::repeats::{Repeats, Subject, warn_repeated};
use crate::wire::outbox::PushResult;

/// The clients that are connected.
pub(crate) struct Clients {
    /// The replica, for the log.
    id: ReplicaId,
    repeats: Arc<Repeats>,
    sinks: HashMap<ClientId, ReplySink>,
    /// Clients whose connection has something to write.
    answered: Vec<ClientId>,
    frame: Vec<u8>,
}

impl Clients {
    pub(crate) fn new(id: ReplicaId, repeats: Arc<Repeats>) -> Clients {
        Clients {
            id,
            repeats,
            sinks: HashMap::new(),
            answered: Vec::new(),
            frame: Vec::new(),
        }
    }

    /// A client has connected.
    pub(crate) fn join(&mut self, client: ClientId, sink: ReplySink) {
        self.sinks.insert(client, sink);
    }

    /// A client has disconnected.
    pub(crate) fn leave(&mut self, client: ClientId) {
        self.sinks.remove(&client);
    }

    /// Queues a reply. A client that does not read its replies is disconnected.
    pub(crate) fn reply(&mut self, to: ClientId, reply: Reply) {
        match self.sinks.get(&to) {
            // It has disconnected; the replica has heard so, or will.
            None => {}
            // A reply that does not fit is lost, as a datagram may be; the client asks again.
            Some(ReplySink::Datagrams(replies)) => drop(replies.try_send(reply)),
            Some(ReplySink::Stream(outbox)) => {
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
                            {replica = %self.id},
                            "a client does not read its replies; it is disconnected"
                        );
                        outbox.close();
                    }
                }
            }
        }
    }

    /// Wakes the writers of the connections that have something to write.
    pub(crate) fn wake(&mut self) {
        for client in self.answered.drain(..) {
            if let Some(ReplySink::Stream(outbox)) = self.sinks.get(&client) {
                outbox.wake();
            }
        }
    }
}

/// The writers of the connections end with the event loop: nothing will fill their queues again.
impl Drop for Clients {
    fn drop(&mut self) {
        for sink in self.sinks.values() {
            if let ReplySink::Stream(outbox) = sink {
                outbox.close();
            }
        }
    }
}
