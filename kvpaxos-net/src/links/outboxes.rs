//! What the event loop says to the other replicas: a message to all is encoded once, and each link's writer is woken once.

use std::collections::BTreeMap;
use std::sync::Arc;

use kvpaxos::codec;
use kvpaxos::types::MAX_REPLICAS;
use kvpaxos::{Envelope, Message, ReplicaId, ReplicaSet};

use crate::wire::outbox::{Outbox, Pushed};

/// The outgoing links, and the frame of the message that was sent last: a broadcast is encoded once.
pub(crate) struct Peers {
    outboxes: [Option<Arc<Outbox>>; MAX_REPLICAS],
    dirty: ReplicaSet,
    last: Option<Message>,
    frame: Vec<u8>,
}

impl Peers {
    pub(crate) fn new(outboxes: &BTreeMap<ReplicaId, Arc<Outbox>>) -> Peers {
        let mut peers = Peers {
            outboxes: Default::default(),
            dirty: ReplicaSet::EMPTY,
            last: None,
            frame: Vec::new(),
        };
        for (id, outbox) in outboxes {
            peers.outboxes[usize::from(id.0)] = Some(Arc::clone(outbox));
        }
        peers
    }

    /// Queues a message on its link; it is lost if there is none.
    pub(crate) fn send(&mut self, envelope: Envelope) {
        let Some(outbox) = self
            .outboxes
            .get(usize::from(envelope.to.0))
            .and_then(Option::as_ref)
        else {
            return;
        };
        // Cheap even for large values: those of one broadcast are shared, and equal by their address.
        if self.last.as_ref() != Some(&envelope.message) {
            self.frame.clear();
            if let Err(error) = codec::encode_message_into(&envelope.message, &mut self.frame) {
                tracing::error!(to = %envelope.to, %error, "a message cannot be encoded and is dropped");
                self.last = None;
                return;
            }
            self.last = Some(envelope.message);
        }
        match outbox.push(&self.frame) {
            Pushed::Queued => {
                self.dirty.insert(envelope.to);
            }
            // The protocol sends again what matters.
            Pushed::Full => {
                tracing::debug!(to = %envelope.to, "the peer does not keep up; a message is dropped");
            }
            Pushed::Unconnected => {}
        }
    }

    /// Wakes the writers of the links that have something to write.
    pub(crate) fn wake(&mut self) {
        for id in std::mem::take(&mut self.dirty).iter() {
            if let Some(outbox) = &self.outboxes[usize::from(id.0)] {
                outbox.wake();
            }
        }
        // Not kept between batches: it may hold a large value alive.
        self.last = None;
    }
}
