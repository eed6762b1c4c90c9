//! What chaos needs of the replica of its process.

use std::sync::Arc;

use kvpaxos::{Config, ReplicaId};

use crate::chaos::admission::{Admission, StoredRegister};
use crate::chaos::room::Room;
use crate::cluster::spare_memories;
use crate::links::faults::LinkFaults;
use crate::metrics::chaos::ChaosMetrics;
use crate::replica::driver_status::Board;
use crate::replica::gateway::Gateway;
use crate::system::repeats::Repeats;

/// See the module's docs.
#[derive(Debug)]
pub(crate) struct ChaosPorts {
    pub(crate) admission: Admission<StoredRegister>,
    pub(crate) peers: Vec<ReplicaId>,
    pub(crate) links: Arc<LinkFaults>,
    pub(crate) board: Board,
    pub(crate) metrics: ChaosMetrics,
    pub(crate) repeats: Arc<Repeats>,
    /// Held by whoever may be on the roster for this replica.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

impl ChaosPorts {
    pub(crate) fn new(
        config: &Config,
        gateway: Gateway,
        links: Arc<LinkFaults>,
        board: Board,
        metrics: ChaosMetrics,
        repeats: Arc<Repeats>,
    ) -> ChaosPorts {
        let id = config.id;
        ChaosPorts {
            admission: Admission {
                id,
                room: Room {
                    replicas: config.members.len(),
                    memories: spare_memories(config),
                },
                register: StoredRegister(gateway),
            },
            peers: config.members.iter().filter(|peer| *peer != id).collect(),
            links,
            board,
            metrics,
            repeats,
            turn: tokio::sync::Mutex::default(),
        }
    }
}
