//! Starts the outgoing links of a replica, one to each of the others.

use std::collections::BTreeMap;
use std::sync::Arc;

use kvpaxos::codec::Hello;
use kvpaxos::{Founding, ReplicaId};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::cluster::Cluster;
use crate::links::faults::LinkFaults;
use crate::links::link::Link;
use crate::listen::door::PeerHosts;
use crate::system::repeats::Repeats;
use crate::tls::replica::ReplicaTls;
use crate::wire::outbox::{Outbox, Total};

/// Bytes that may wait for one peer. A message that does not fit is dropped; the protocol sends it again.
const OUTBOX: usize = 32 * 1024 * 1024;

/// The near ends of the outgoing links.
pub(crate) struct Links {
    /// What waits to be written on each.
    pub(crate) outboxes: BTreeMap<ReplicaId, Arc<Outbox>>,
    /// Makes a link that waits dial again at once.
    pub(crate) redials: BTreeMap<ReplicaId, Arc<Notify>>,
    /// What was sent on all of them.
    pub(crate) total: Arc<Total>,
    /// The addresses that were dialled last.
    pub(crate) hosts: Arc<PeerHosts>,
}

impl Links {
    /// Starts a task for each link.
    pub(crate) fn spawn(
        tasks: &mut JoinSet<()>,
        id: ReplicaId,
        founding: Option<Founding>,
        cluster: &Cluster,
        tls: Option<&ReplicaTls>,
        repeats: &Arc<Repeats>,
        faults: &Arc<LinkFaults>,
    ) -> Links {
        let total = Total::new(usize::MAX);
        let mut links = Links {
            outboxes: BTreeMap::new(),
            redials: BTreeMap::new(),
            total: Arc::clone(&total),
            hosts: Arc::default(),
        };
        for (to, address) in cluster.peers.iter().filter(|(to, _)| *to != id) {
            let outbox = Arc::new(Outbox::counted(OUTBOX, Arc::clone(&total)));
            let redial = Arc::new(Notify::new());
            let link = Link {
                from: id,
                to,
                address: address.to_owned(),
                settings: cluster.settings(),
                hello: Hello {
                    cluster: cluster.fingerprint(),
                    from: id,
                    to,
                    members: cluster.peers.members(),
                    founding,
                },
                tls: tls.cloned(),
                outbox: Arc::clone(&outbox),
                redial: Arc::clone(&redial),
                repeats: Arc::clone(repeats),
                faults: Arc::clone(faults),
                hosts: Arc::clone(&links.hosts),
            };
            tasks.spawn(link.run());
            links.outboxes.insert(to, outbox);
            links.redials.insert(to, redial);
        }
        links
    }
}
