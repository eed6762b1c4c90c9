//! How much of a replica's memory its clients may take.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use kvpaxos::ReplicaId;
use kvpaxos::codec::{HEADER, MAX_REPLY_PAYLOAD, MAX_REQUEST_PAYLOAD};

use crate::listen::admission::Admission;
use crate::replica::leaving::Closing;
use crate::wire::budget::{self, Budget};
use crate::wire::outbox::Total;

/// Limits on what the clients of one replica may take of its memory and descriptors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// TCP connections at once; a further one is closed as soon as it is accepted. Fewer if the process may not
    /// have so many descriptors. Default: 12288.
    pub connections: usize,
    /// Bytes of requests that all connections together may hold until they are complete and the replica has
    /// taken them, beyond the first 16 KiB of each connection. A further large request waits. Default: 64 MiB.
    pub requests: usize,
    /// Bytes of replies that may wait for one connection; a client that lets more pile up is disconnected.
    /// Default: 64 MiB.
    pub client_outbox: usize,
    /// Bytes of replies that may wait for all connections together; then a client that has let more than
    /// 16 KiB pile up is disconnected. A Redis client with a longer reply waits for its turn instead, and is
    /// disconnected if it does not read while others wait. Default: 256 MiB.
    pub outboxes: usize,
    /// Datagrams whose replies are due, and replies that wait to be sent; further datagrams are dropped.
    /// Default: 16384.
    pub datagrams: usize,
}

impl Bounds {
    /// The most time that a request may take from its first byte to its last.
    pub const REQUEST_TIME: Duration = budget::TIME;
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            connections: 12_288,
            requests: 64 * 1024 * 1024,
            client_outbox: 64 * 1024 * 1024,
            outboxes: 256 * 1024 * 1024,
            datagrams: 16 * 1024,
        }
    }
}

/// What all ports for clients of a replica share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) bounds: Bounds,
    pub(crate) admission: Admission,
    pub(crate) requests: Budget,
    pub(crate) outboxes: Arc<Total>,
    /// For long replies to Redis clients, from before they are encoded until they are written.
    pub(crate) long_replies: Budget,
    /// Bytes received over TCP.
    pub(crate) received: Arc<AtomicU64>,
    pub(crate) datagrams: AtomicU64,
    pub(crate) dropped_datagrams: AtomicU64,
    pub(crate) closing: Arc<Closing>,
}

impl Shared {
    pub(crate) fn new(id: ReplicaId, bounds: Bounds) -> Arc<Shared> {
        Arc::new(Shared {
            bounds,
            admission: Admission::new(id, bounds.connections),
            requests: Budget::new(bounds.requests, HEADER + MAX_REQUEST_PAYLOAD),
            outboxes: Total::new(bounds.outboxes),
            long_replies: Budget::new(bounds.outboxes, HEADER + MAX_REPLY_PAYLOAD),
            received: Arc::default(),
            datagrams: AtomicU64::new(0),
            dropped_datagrams: AtomicU64::new(0),
            closing: Arc::default(),
        })
    }
}
