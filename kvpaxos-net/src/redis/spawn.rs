//! Starts the tasks that serve Redis clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Instant;

use kvpaxos::{ClientId, Entropy, Limits, ReplicaId, Reply};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::listen::bounds::{Bounds, Shared};
use crate::node::security::Security;
use crate::redis::conversation::Server;
use crate::redis::options::RedisOptions;
use crate::redis::service::{Facts, RedisService};
use crate::replica::gateway::{GatewayPorts, GatewayTask};
use crate::replica::inbox::Arrival;
use crate::system::repeats::Repeats;

/// What it takes to serve Redis clients.
pub(crate) struct RedisPorts {
    pub(crate) id: ReplicaId,
    pub(crate) limits: Limits,
    pub(crate) options: RedisOptions,
    pub(crate) security: Security,
    pub(crate) socket: TcpListener,
    /// The front end, as the replica knows it: it is one client.
    pub(crate) client: ClientId,
    pub(crate) arrivals: mpsc::Sender<Arrival>,
    pub(crate) replies: mpsc::UnboundedReceiver<Reply>,
    pub(crate) entropy: Entropy,
    pub(crate) shared: Arc<Shared>,
    pub(crate) repeats: Arc<Repeats>,
}

/// Starts them.
pub(crate) fn spawn(tasks: &mut JoinSet<()>, ports: RedisPorts) {
    let RedisPorts {
        id,
        limits,
        options,
        security,
        socket,
        client,
        arrivals,
        replies,
        entropy,
        shared,
        repeats,
    } = ports;
    let gateway_ports = GatewayPorts {
        server: id,
        client,
        arrivals,
        replies,
    };
    let (gateway, task) = GatewayTask::new(gateway_ports, limits.session_window, options.deadline, entropy);
    tasks.spawn(task.run());
    let facts = Facts {
        began: Instant::now(),
        port: socket.local_addr().map_or(0, |address| address.port()),
        connected: AtomicUsize::new(0),
        accepted: AtomicU64::new(0),
        commands: AtomicU64::new(0),
    };
    let server = Server {
        limits,
        passwords: security.passwords.into(),
        config: config(&options, &shared.bounds),
    };
    let service = RedisService {
        id,
        options,
        tls: security.tls,
        gateway,
        server: Arc::new(server),
        facts: Arc::new(facts),
        shared,
        repeats,
    };
    tasks.spawn(service.serve(socket));
}

/// What CONFIG GET tells: what clients and tools ask about, as it is here.
fn config(options: &RedisOptions, bounds: &Bounds) -> Vec<(&'static str, String)> {
    vec![
        ("save", String::new()),
        ("appendonly", "yes".to_owned()),
        ("appendfsync", "always".to_owned()),
        ("databases", "1".to_owned()),
        ("maxclients", bounds.connections.to_string()),
        ("maxmemory", "0".to_owned()),
        ("maxmemory-policy", "noeviction".to_owned()),
        ("proto-max-bulk-len", options.request.to_string()),
        ("timeout", "0".to_owned()),
    ]
}
