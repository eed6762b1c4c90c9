//! What the event loop sends to the other replicas. A message to all of them is encoded once, and the writer
//! of each link is woken once per batch.

use std::collections::BTreeMap;
use std::sync::Arc;

use kvpaxos::codec;
use kvpaxos::types::MAX_REPLICAS;
use kvpaxos::{Envelope, Message, ReplicaId, ReplicaSet};

use crate::links::faults::{LinkFaults, Way};
use crate::wire::outbox::{Outbox, PushResult};

/// The queues of the outgoing links.
pub(crate) struct PeerOutboxes {
    outboxes: [Option<Arc<Outbox>>; MAX_REPLICAS],
    /// Links whose writer must be woken.
    dirty: ReplicaSet,
    /// The message that was encoded last, and its frame: the copies of a broadcast follow each other.
    last: Option<Message>,
    frame: Vec<u8>,
    faults: Arc<LinkFaults>,
}

impl PeerOutboxes {
    pub(crate) fn new(outboxes: &BTreeMap<ReplicaId, Arc<Outbox>>, faults: Arc<LinkFaults>) -> PeerOutboxes {
        let mut peers = PeerOutboxes {
            outboxes: Default::default(),
            dirty: ReplicaSet::EMPTY,
            last: None,
            frame: Vec::new(),
            faults,
        };
        for (id, outbox) in outboxes {
            peers.outboxes[usize::from(id.0)] = Some(Arc::clone(outbox));
        }
        peers
    }

    /// Queues a message on its link. A message is dropped if its link is down or does not keep up: the
    /// protocol sends again what matters.
    pub(crate) fn send(&mut self, envelope: Envelope) {
        let Some(outbox) = self
            .outboxes
            .get(usize::from(envelope.to.0))
            .and_then(Option::as_ref)
        else {
            return;
        };
        if self.faults.drops(Way::Out, envelope.to) {
            return;
        }
        // Cheap for large values too: those of one broadcast are shared, and equal by their address.
        if self.last.as_ref() != Some(&envelope.message) {
            self.frame.clear();
            if let Err(error) = codec::encode_message_into(&envelope.message, &mut self.frame) {
                tracing::error!(to = %envelope.to, %error, "cannot encode a message; it is dropped");
                self.last = None;
                return;
            }
            self.last = Some(envelope.message);
        }
        match outbox.push(&self.frame) {
            PushResult::Queued => {
                self.dirty.insert(envelope.to);
            }
            PushResult::Full => {
                tracing::debug!(to = %envelope.to, "the peer does not keep up; a message is dropped");
            }
            PushResult::Unconnected => {}
        }
    }

    /// Wakes the writers of the links that have something to write.
    pub(crate) fn wake(&mut self) {
        for id in std::mem::take(&mut self.dirty).iter() {
            if let Some(outbox) = &self.outboxes[usize::from(id.0)] {
                outbox.wake();
            }
        }
        // Not kept between batches: it may keep a large value alive.
        self.last = None;
    }
}
