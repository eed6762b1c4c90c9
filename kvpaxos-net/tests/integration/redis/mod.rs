//! The Redis protocol, on clusters in this process and on real ones.

mod compare;
mod crash;
mod generate;
mod protocol;
mod transactions;
mod wire;

use kvpaxos::ReplicaId;
use kvpaxos_net::{Bounds, RedisOptions, Security};
use tokio::runtime::Runtime;

use crate::common::local::LocalCluster;
use crate::common::runtime;
use wire::Wire;

/// Three replicas in this process.
struct RedisCluster {
    local: LocalCluster,
    // Dropped last: the replicas run on it.
    _runtime: Runtime,
}

impl RedisCluster {
    fn start() -> RedisCluster {
        let cluster = RedisCluster::start_with(&RedisOptions::default());
        // The key that showed that the cluster serves.
        assert_eq!(cluster.wire(0).ask(&["DEL", "first"]), b":1\r\n");
        cluster
    }

    fn start_with(options: &RedisOptions) -> RedisCluster {
        let runtime = runtime();
        let local = runtime.block_on(LocalCluster::start_with(3, Bounds::default(), options));
        RedisCluster {
            local,
            _runtime: runtime,
        }
    }

    /// Without datagrams, which keep nothing secret.
    fn start_secured(security: impl Fn(ReplicaId) -> Security) -> RedisCluster {
        let runtime = runtime();
        let (bounds, redis) = (Bounds::default(), RedisOptions::default());
        let local = runtime.block_on(LocalCluster::start_secured(3, bounds, &redis, None, security));
        RedisCluster {
            local,
            _runtime: runtime,
        }
    }

    /// A connection to a replica.
    fn wire(&self, replica: usize) -> Wire {
        Wire::connect(self.local.redis(replica).port())
    }

    /// A connection to each replica.
    fn wires(&self) -> Vec<Wire> {
        (0..3).map(|replica| self.wire(replica)).collect()
    }
}
