//! The outgoing links of a replica, one to each of the others.

use std::collections::BTreeMap;
use std::sync::Arc;

use kvpaxos::codec::Hello;
use kvpaxos::{Founding, ReplicaId};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::cluster::Cluster;
use crate::links::link::Link;
use crate::wire::outbox::Outbox;

/// Bytes that may wait for one peer. What does not fit is dropped and sent again by the protocol.
const PEER_OUTBOX: usize = 32 * 1024 * 1024;

/// The outgoing links to everybody else.
pub(crate) struct Links {
    pub(crate) outboxes: BTreeMap<ReplicaId, Arc<Outbox>>,
    pub(crate) kicks: BTreeMap<ReplicaId, Arc<Notify>>,
}

impl Links {
    pub(crate) fn spawn(
        tasks: &mut JoinSet<()>,
        id: ReplicaId,
        founding: Option<Founding>,
        cluster: &Cluster,
    ) -> Links {
        let mut links = Links {
            outboxes: BTreeMap::new(),
            kicks: BTreeMap::new(),
        };
        for (to, address) in cluster.peers.iter().filter(|(to, _)| *to != id) {
            let outbox = Arc::new(Outbox::new(PEER_OUTBOX));
            let kick = Arc::new(Notify::new());
            let link = Link {
                from: id,
                to,
                address: address.to_owned(),
                hello: Hello {
                    cluster: cluster.fingerprint(),
                    from: id,
                    to,
                    members: cluster.peers.members(),
                    founding,
                },
                outbox: Arc::clone(&outbox),
                kick: Arc::clone(&kick),
            };
            tasks.spawn(link.run());
            links.outboxes.insert(to, outbox);
            links.kicks.insert(to, kick);
        }
        links
    }
}
