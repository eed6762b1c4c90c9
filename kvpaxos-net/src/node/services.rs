//! Starts the tasks that serve the ports of a replica.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use kvpaxos::codec::Settings;
use kvpaxos::{Config, Entropy, Founding};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::chaos::ports::ChaosPorts;
use crate::links::faults::LinkFaults;
use crate::links::spawn::Links;
use crate::listen::bounds::Shared;
use crate::listen::door::PeerConnections;
use crate::listen::http::HttpService;
use crate::listen::peers::PeerService;
use crate::listen::probe::Probe;
use crate::listen::states::StateSource;
use crate::listen::tcp::{ClientIds, ClientService};
use crate::listen::udp::DatagramService;
use crate::metrics::Metrics;
use crate::node::security::Security;
use crate::node::sockets::Sockets;
use crate::redis::options::RedisOptions;
use crate::redis::{self, RedisPorts};
use crate::replica::clients::ClientName;
use crate::replica::driver_status::Board;
use crate::replica::event_loop::EventLoop;
use crate::replica::gateway::{GatewayPorts, GatewayTask};
use crate::replica::inbox::{InboxSenders, ReplySink};
use crate::system::repeats::Repeats;
use crate::wire::outbox::Total;

/// How long a change of the roster of those who are disturbed on purpose may take.
const ROSTER: Duration = Duration::from_secs(5);

/// What the services of a replica share.
pub(crate) struct Services<'a> {
    pub(crate) config: Config,
    pub(crate) cluster: u64,
    pub(crate) settings: Settings,
    pub(crate) founding: Option<Founding>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) repeats: Arc<Repeats>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) senders: &'a InboxSenders,
    pub(crate) client_ids: Arc<ClientIds>,
    /// How Redis clients are served, and random bits for their session.
    pub(crate) redis: RedisOptions,
    pub(crate) redis_bits: Entropy,
    pub(crate) security: Security,
    /// Faults of the links to peers, on purpose.
    pub(crate) faults: Arc<LinkFaults>,
}

impl Services<'_> {
    /// Starts them all. `fronts` end by themselves once the replica has stopped.
    pub(crate) fn spawn(
        self,
        (tasks, fronts): (&mut JoinSet<()>, &mut JoinSet<()>),
        event_loop: &mut EventLoop,
        sockets: Sockets,
        Links {
            redials,
            total: peer_outboxes,
            hosts,
            ..
        }: Links,
    ) {
        if let Some(tls) = &self.security.tls {
            tasks.spawn(tls.clone().watch());
        }
        let peers = PeerService {
            id: self.config.id,
            settings: self.settings.clone(),
            cluster: self.cluster,
            members: self.config.members,
            founding: self.founding,
            arrivals: self.senders.peers.clone(),
            redials,
            tls: self.security.tls.clone(),
            connections: Arc::default(),
            hosts,
            received: Arc::default(),
            repeats: Arc::clone(&self.repeats),
            faults: self.faults.clone(),
        };
        let (connections, received) = (Arc::clone(&peers.connections), Arc::clone(&peers.received));
        tasks.spawn(peers.serve(sockets.peers));
        if let Some(socket) = sockets.udp {
            self.serve_datagrams(tasks, event_loop, socket);
        }
        if let Some(socket) = sockets.http {
            self.serve_http(tasks, event_loop, socket, (connections, received, peer_outboxes));
        }
        if let Some(socket) = sockets.redis {
            self.serve_redis(fronts, event_loop, socket);
        }
        let clients = ClientService {
            id: self.config.id,
            arrivals: self.senders.clients.clone(),
            client_ids: self.client_ids,
            tls: self.security.tls,
            passwords: self.security.passwords.into(),
            states: StateSource::new(self.senders.controls.clone()),
            shared: self.shared,
            repeats: self.repeats,
        };
        fronts.spawn(clients.serve(sockets.clients));
    }

    /// Datagrams have one task, which is one client to the replica.
    fn serve_datagrams(&self, tasks: &mut JoinSet<()>, event_loop: &mut EventLoop, socket: UdpSocket) {
        let (sender, replies) = mpsc::channel(self.shared.bounds.datagrams);
        let client = self.client_ids.next();
        event_loop.join(client, ClientName::Datagrams, ReplySink::Datagrams(sender));
        let service = DatagramService {
            id: self.config.id,
            client,
            socket,
            arrivals: self.senders.clients.clone(),
            replies,
            shared: Arc::clone(&self.shared),
            repeats: Arc::clone(&self.repeats),
        };
        tasks.spawn(service.serve());
    }

    /// What it takes to disturb the replica on purpose. It is one client of the replica too.
    pub(crate) fn chaos(
        &self,
        tasks: &mut JoinSet<()>,
        event_loop: &mut EventLoop,
        keeps_records: bool,
        entropy: Entropy,
    ) -> ChaosPorts {
        let (sender, replies) = mpsc::unbounded_channel();
        let client = self.client_ids.next();
        event_loop.join(client, ClientName::Chaos, ReplySink::Task(sender));
        let ports = GatewayPorts {
            server: self.config.id,
            client,
            arrivals: self.senders.clients.clone(),
            replies,
        };
        let (gateway, task) = GatewayTask::new(ports, self.config.limits.session_window, ROSTER, entropy);
        tasks.spawn(task.run());
        let log_bytes = keeps_records.then(|| self.metrics.storage().size);
        let board = Board::new(Arc::clone(&self.shared), log_bytes);
        event_loop.set_board(board.clone());
        let (faults, metrics) = (Arc::clone(&self.faults), self.metrics.chaos());
        ChaosPorts::new(
            &self.config,
            gateway,
            faults,
            board,
            metrics,
            Arc::clone(&self.repeats),
        )
    }

    /// All Redis clients together are one client to the replica.
    fn serve_redis(&self, fronts: &mut JoinSet<()>, event_loop: &mut EventLoop, socket: TcpListener) {
        let (sender, replies) = mpsc::unbounded_channel();
        let client = self.client_ids.next();
        event_loop.join(client, ClientName::Redis, ReplySink::Task(sender));
        let ports = RedisPorts {
            id: self.config.id,
            limits: self.config.limits,
            options: self.redis.clone(),
            security: self.security.clone(),
            socket,
            client,
            arrivals: self.senders.clients.clone(),
            replies,
            entropy: self.redis_bits,
            shared: Arc::clone(&self.shared),
            repeats: Arc::clone(&self.repeats),
        };
        redis::spawn(fronts, ports);
    }

    /// The probe is one client too.
    fn serve_http(
        &self,
        tasks: &mut JoinSet<()>,
        event_loop: &mut EventLoop,
        socket: TcpListener,
        (peers, received_from_peers, peer_outboxes): (Arc<PeerConnections>, Arc<AtomicU64>, Arc<Total>),
    ) {
        let (sender, replies) = mpsc::channel(1);
        let client = self.client_ids.next();
        event_loop.join(client, ClientName::Probe, ReplySink::Datagrams(sender));
        let (controls, arrivals) = (self.senders.controls.clone(), self.senders.clients.clone());
        let service = HttpService {
            id: self.config.id,
            probe: Probe::new(controls, self.config.clone(), client, arrivals, replies),
            metrics: Arc::clone(&self.metrics),
            shared: Arc::clone(&self.shared),
            peers,
            peer_outboxes,
            received_from_peers,
            repeats: Arc::clone(&self.repeats),
            tls: self.security.tls.clone(),
        };
        tasks.spawn(service.serve(socket));
    }
}
