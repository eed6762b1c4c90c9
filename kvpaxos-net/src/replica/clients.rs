//! What the event loop says to clients.

use std::collections::HashMap;

use kvpaxos::{ClientId, ReplicaId, Reply, codec};

use crate::replica::inbox::Sink;
use crate::wire::outbox::Pushed;

/// The clients that are there.
pub(crate) struct Clients {
    /// The replica, for the log.
    id: ReplicaId,
    sinks: HashMap<ClientId, Sink>,
    /// Clients whose connection has something to write.
    answered: Vec<ClientId>,
    frame: Vec<u8>,
}

impl Clients {
    pub(crate) fn new(id: ReplicaId) -> Clients {
        Clients {
            id,
            sinks: HashMap::new(),
            answered: Vec::new(),
            frame: Vec::new(),
        }
    }

    pub(crate) fn join(&mut self, client: ClientId, sink: Sink) {
        self.sinks.insert(client, sink);
    }

    pub(crate) fn leave(&mut self, client: ClientId) {
        self.sinks.remove(&client);
    }

    pub(crate) fn reply(&mut self, to: ClientId, reply: Reply) {
        match self.sinks.get(&to) {
            // It has hung up; the replica was told, or will be.
            None => {}
            // A reply that is lost, for want of room, is what datagrams are about: the client asks again.
            Some(Sink::Datagrams(replies)) => drop(replies.try_send(reply)),
            Some(Sink::Stream(outbox)) => {
                self.frame.clear();
                if let Err(error) = codec::encode_into(&reply, &mut self.frame) {
                    tracing::error!(replica = %self.id, %error, "a reply cannot be encoded; the client is disconnected");
                    outbox.close();
                    return;
                }
                match outbox.push(&self.frame) {
                    Pushed::Queued if self.answered.last() != Some(&to) => self.answered.push(to),
                    Pushed::Queued | Pushed::Unconnected => {}
                    Pushed::Full => {
                        tracing::warn!(replica = %self.id, "a client does not read its replies; it is disconnected");
                        outbox.close();
                    }
                }
            }
        }
    }

    /// Wakes the writers of the connections that have something to write.
    pub(crate) fn wake(&mut self) {
        for client in self.answered.drain(..) {
            if let Some(Sink::Stream(outbox)) = self.sinks.get(&client) {
                outbox.wake();
            }
        }
    }
}

/// Clients' writers must end with the loop: nobody will fill their buffers again.
impl Drop for Clients {
    fn drop(&mut self) {
        for sink in self.sinks.values() {
            if let Sink::Stream(outbox) = sink {
                outbox.close();
            }
        }
    }
}
