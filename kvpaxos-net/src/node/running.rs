//! A running replica: its data directory, its sockets and its tasks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kvpaxos::wal::Owner;
use kvpaxos::{Config, Entropy, Founding, Memory, Record, Replica};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::links::faults::LinkFaults;
use crate::links::outboxes::PeerOutboxes;
use crate::links::spawn::Links;
use crate::listen::bounds::Shared;
use crate::listen::door::{PER_PEER, STRANGERS};
use crate::listen::http;
use crate::metrics::Metrics;
use crate::node::chaos::leave_after_start;
use crate::node::error::StartError;
use crate::node::handle::NodeHandle;
use crate::node::options::{MemoryLocation, NodeOptions};
use crate::node::services::Services;
use crate::node::sockets::Sockets;
use crate::recording::{Life, RecordOptions, Recorder};
use crate::replica::error::NodeError;
use crate::replica::event_loop::EventLoop;
use crate::replica::inbox::{Control, Inbox};
use crate::replica::leaving::{Closing, Service};
use crate::storage::directory::{Directory, OpenDirectory};
use crate::storage::disk::{Disk, DiskEvent};
use crate::storage::log::Log;
use crate::storage::store::Storage;
use crate::system::clock::Clock;
use crate::system::descriptors::Reserve;
use crate::system::random::{draw, entropy};
use crate::system::repeats::Repeats;

/// Descriptors that a replica needs for its log, its directory, its listeners and its runtime. About twenty
/// are in use at a time.
const OWN_DESCRIPTORS: usize = 32;

/// How long connections may take until what their clients are answered is written, when a replica stops.
const WRITTEN: Duration = Duration::from_secs(1);

/// A running replica. [`stop`](Node::stop) stops it in order; dropping it stops it as a crash would.
#[derive(Debug)]
pub struct Node {
    handle: NodeHandle,
    event_loop: JoinHandle<Result<(), NodeError>>,
    /// Aborted when dropped.
    tasks: JoinSet<()>,
    /// Those that serve connections of clients. They end with the event loop.
    fronts: JoinSet<()>,
    closing: Arc<Closing>,
    addresses: Addresses,
    _reserve: Reserve,
}

/// Where the sockets of a replica are bound.
#[derive(Clone, Copy, Debug)]
struct Addresses {
    peers: Option<SocketAddr>,
    clients: Option<SocketAddr>,
    udp: Option<SocketAddr>,
    http: Option<SocketAddr>,
    redis: Option<SocketAddr>,
}

impl Addresses {
    fn of(sockets: &Sockets) -> Addresses {
        Addresses {
            peers: sockets.peers.local_addr().ok(),
            clients: sockets.clients.local_addr().ok(),
            udp: sockets.udp.as_ref().and_then(|udp| udp.local_addr().ok()),
            http: sockets.http.as_ref().and_then(|http| http.local_addr().ok()),
            redis: sockets.redis.as_ref().and_then(|redis| redis.local_addr().ok()),
        }
    }
}

impl Node {
    /// Opens the data directory and starts the replica on these sockets.
    ///
    /// # Errors
    /// See [`StartError`].
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(options: NodeOptions, sockets: Sockets) -> Result<Node, StartError> {
        let owner = options.owner()?;
        let config = options.cluster.config(options.id)?;
        options.security.check(&sockets)?;
        let random = || entropy().map_err(refused("random bits"));
        let (bits, redis_bits, chaos_bits) = (random()?, random()?, random()?);
        let (memory, opened) = open_memory(options.memory, owner)?;
        let clock = Clock::start();
        let keeps_records = opened.is_some();
        let record = options.record.as_ref();
        let started = start_replica(record, owner.cluster, &config, keeps_records, memory, bits, clock);
        let (replica, recorder) = started?;
        let founding = replica.founding();

        let (disk_sender, disk_events) = mpsc::unbounded_channel();
        let metrics = Arc::new(Metrics::new(options.id));
        let (directory, disk) = start_disk(opened, disk_sender, &metrics)?;
        let (senders, inbox) = Inbox::new(disk_events);
        let mut tasks = JoinSet::new();
        let repeats = Repeats::new(options.id);
        tasks.spawn(Arc::clone(&repeats).sum_up());
        let faults = Arc::new(LinkFaults::new(metrics.chaos()));
        let links = Links::spawn(
            &mut tasks,
            options.id,
            founding,
            &options.cluster,
            options.security.tls.as_ref(),
            &repeats,
            &faults,
        );
        let outboxes = PeerOutboxes::new(&links.outboxes, Arc::clone(&faults));
        let (for_loop, for_metrics) = (Arc::clone(&repeats), Arc::clone(&metrics));
        let shared = Shared::new(options.id, options.bounds);
        let closing = Arc::clone(&shared.closing);
        let mut event_loop = EventLoop::new(replica, clock, disk, inbox, outboxes, for_loop, for_metrics);
        event_loop.set_closing(Arc::clone(&closing));
        event_loop.set_recorder(recorder);
        let mut fronts = JoinSet::new();
        let (reserve, addresses) = (reserve(&config, &sockets), Addresses::of(&sockets));
        let services = Services {
            config,
            cluster: options.cluster.fingerprint(),
            settings: options.cluster.settings(),
            founding,
            shared,
            repeats,
            metrics,
            senders: &senders,
            client_ids: Arc::default(),
            redis: options.redis,
            security: options.security,
            redis_bits,
            faults,
        };
        let chaos = services.chaos(&mut tasks, &mut event_loop, keeps_records, chaos_bits);
        services.spawn((&mut tasks, &mut fronts), &mut event_loop, sockets, links);
        let event_loop = tokio::spawn(async move {
            let result = event_loop.run().await;
            // The lock is released last: until here the disk thread may still have written.
            drop(directory);
            result
        });
        let handle = NodeHandle {
            id: options.id,
            spare: chaos.admission.room.memories,
            keeps_records,
            controls: senders.controls,
            chaos: Arc::new(chaos),
        };
        tasks.spawn(leave_after_start(handle.clone()));
        Ok(Node {
            handle,
            event_loop,
            tasks,
            fronts,
            closing,
            addresses,
            _reserve: reserve,
        })
    }

    /// A handle to the replica.
    #[must_use]
    pub fn handle(&self) -> NodeHandle {
        self.handle.clone()
    }

    /// The address at which it listens for peers; `None` if the system does not tell.
    #[must_use]
    pub fn peer_address(&self) -> Option<SocketAddr> {
        self.addresses.peers
    }

    /// The address at which it listens for clients over TCP; `None` if the system does not tell.
    #[must_use]
    pub fn client_address(&self) -> Option<SocketAddr> {
        self.addresses.clients
    }

    /// The address at which it serves datagrams, if it does.
    #[must_use]
    pub fn udp_address(&self) -> Option<SocketAddr> {
        self.addresses.udp
    }

    /// The address at which it serves Redis clients, if it does.
    #[must_use]
    pub fn redis_address(&self) -> Option<SocketAddr> {
        self.addresses.redis
    }

    /// The address at which it serves metrics and probes over HTTP, if it does.
    #[must_use]
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.addresses.http
    }

    /// Stops the replica: syncs what it has written, and closes its connections. If enough others run, its clients
    /// are sent to them first, and if it leads, it hands leadership over: no request fails by that, nor waits for
    /// an election. This takes at most 2 s, and the connections may take another second until what they are
    /// answered is written.
    ///
    /// # Errors
    /// If it had stopped by itself before, or its last sync fails.
    pub async fn stop(mut self) -> Result<(), NodeError> {
        self.handle.control(Control::Stop).await;
        let result = self.wait().await;
        // Also if it had stopped by itself.
        self.closing.set(Service::Ended);
        let ended = async { while self.fronts.join_next().await.is_some() {} };
        // Whoever does not read is not waited for.
        let _ = timeout(WRITTEN, ended).await;
        self.fronts.shutdown().await;
        self.tasks.shutdown().await;
        result
    }

    /// Waits until the replica stops by itself. Returns `Ok` only if it was asked to stop.
    ///
    /// # Errors
    /// The reason why it stopped.
    pub async fn wait(&mut self) -> Result<(), NodeError> {
        match (&mut self.event_loop).await {
            Ok(result) => result,
            Err(error) => Err(NodeError::Broken {
                id: self.handle.id,
                panic: panic_text(error),
            }),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.event_loop.abort();
    }
}

/// What the replica remembers, and its directory and log if it has them.
fn open_memory(
    location: MemoryLocation,
    owner: Owner,
) -> Result<(Memory, Option<(Directory, Log)>), StartError> {
    match location {
        MemoryLocation::Directory(path) => {
            let OpenDirectory {
                directory,
                memory,
                log,
            } = Directory::open(&path, owner)?;
            Ok((memory, Some((directory, log))))
        }
        MemoryLocation::Process { new_cluster: true } => {
            let founding = draw().map(Founding).map_err(refused("random bits"))?;
            Ok((Memory::Kept(vec![Record::Founded { founding }]), None))
        }
        MemoryLocation::Process { new_cluster: false } => Ok((Memory::Lost, None)),
    }
}

/// Starts the replica, and its recording if it is to be recorded.
fn start_replica(
    record: Option<&RecordOptions>,
    cluster: u64,
    config: &Config,
    durable: bool,
    memory: Memory,
    entropy: Entropy,
    clock: Clock,
) -> Result<(Replica, Recorder), StartError> {
    let at = clock.now();
    let recorder = match record {
        Some(record) => {
            let life = Life {
                cluster,
                config,
                durable,
                at,
                memory: &memory,
                entropy,
            };
            let path = record.directory.clone();
            Recorder::begin(record, &life).map_err(|error| StartError::Record { path, error })?
        }
        None => Recorder::off(config.id),
    };
    let replica = Replica::new(config.clone(), memory, entropy, at)?;
    Ok((replica, recorder))
}

/// Starts the disk thread, if there is a log. The directory is to be kept as long as the thread may write.
fn start_disk(
    opened: Option<(Directory, Log)>,
    events: mpsc::UnboundedSender<DiskEvent>,
    metrics: &Metrics,
) -> Result<(Option<Directory>, Storage), StartError> {
    match opened {
        Some((directory, mut log)) => {
            log.set_metrics(metrics.storage());
            let disk = Disk::start(log, events).map_err(refused("threads"))?;
            Ok((Some(directory), Storage::Disk(disk)))
        }
        None => Ok((None, Storage::Process(events))),
    }
}

fn refused(what: &'static str) -> impl FnOnce(std::io::Error) -> StartError {
    move |error| StartError::System { what, error }
}

/// The descriptors that clients must leave to the replica.
fn reserve(config: &Config, sockets: &Sockets) -> Reserve {
    let peers = STRANGERS + config.members.len() * (PER_PEER + 1);
    let http = if sockets.http.is_some() {
        http::CONNECTIONS
    } else {
        0
    };
    Reserve::new(OWN_DESCRIPTORS + peers + http)
}

fn panic_text(error: tokio::task::JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else {
        return "its task was cancelled".to_owned();
    };
    if let Some(text) = panic.downcast_ref::<&str>() {
        return (*text).to_owned();
    }
    panic
        .downcast_ref::<String>()
        .cloned()
        .unwrap_or_else(|| "no text".to_owned())
}
