//! One running replica: its data directory, its sockets, its tasks, and a handle to talk to it.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kvpaxos::codec::Hello;
use kvpaxos::recovery::answers_needed;
use kvpaxos::wal::Owner;
use kvpaxos::{Config, ConfigError, Founding, Memory, Reason, Record, Replica, ReplicaId, Role, Status};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use crate::clock::{Clock, draw, entropy};
use crate::cluster::Cluster;
use crate::directory::{self, Directory, DirectoryError, Opened};
use crate::disk::Disk;
use crate::event_loop::{Control, Doors, EventLoop, Remembers, Sink};
use crate::link::Link;
use crate::log::LogError;
use crate::outbox::Outbox;
use crate::shortage::is_disk_failure;
use crate::storage::Storage;
use crate::{inbound, tcp, udp};

/// Batches of arrivals that may wait for the event loop; sockets are not read meanwhile.
const ARRIVALS: usize = 256;
/// Bytes that may wait for one peer. What does not fit is dropped and sent again by the protocol.
const PEER_OUTBOX: usize = 32 * 1024 * 1024;

/// Bounds on what clients may take of a replica's memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// TCP connections of clients at once.
    pub connections: usize,
    /// Bytes of replies that may wait for one connection; a client that lets more pile up is disconnected.
    pub client_outbox: usize,
    /// Datagrams whose reply is out, and replies that wait to be sent.
    pub datagrams: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            connections: 4096,
            client_outbox: 64 * 1024 * 1024,
            datagrams: 16 * 1024,
        }
    }
}

/// Sockets that are bound and not served yet, so that a port can be chosen by the system and told to others first.
#[derive(Debug)]
pub struct Sockets {
    /// For the other replicas.
    pub peers: TcpListener,
    /// For clients.
    pub clients: TcpListener,
    /// For clients that prefer datagrams.
    pub udp: Option<UdpSocket>,
}

impl Sockets {
    /// Binds the addresses given; port 0 lets the system choose.
    ///
    /// # Errors
    /// Names the address that cannot be had.
    pub async fn bind(peers: &str, clients: &str, udp: Option<&str>) -> Result<Sockets, StartError> {
        let failed = |what, address: &str| {
            let address = address.to_owned();
            move |error| StartError::Bind { what, address, error }
        };
        Ok(Sockets {
            peers: TcpListener::bind(peers).await.map_err(failed("peers", peers))?,
            clients: TcpListener::bind(clients)
                .await
                .map_err(failed("clients", clients))?,
            udp: match udp {
                None => None,
                Some(udp) => Some(UdpSocket::bind(udp).await.map_err(failed("datagrams", udp))?),
            },
        })
    }
}

/// What a replica is started with.
#[derive(Debug)]
pub struct NodeOptions {
    /// Which of the cluster's replicas it is.
    pub id: ReplicaId,
    /// The cluster.
    pub cluster: Cluster,
    /// Where it keeps its memory.
    pub memory: KeptIn,
    /// Bounds on clients.
    pub bounds: Bounds,
}

/// Where a replica keeps what it promised and accepted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeptIn {
    /// In a data directory that was founded for it: see [`NodeOptions::format`].
    Directory(PathBuf),
    /// In its process only: when that ends, or a role of it fails, that memory is lost, and is got back from the others.
    Process {
        /// The cluster is new, and this replica has never run. **Only then**: a replica that has, and says that it has not, breaks
        /// what it promised, and acknowledged writes may be lost.
        new_cluster: bool,
    },
}

impl NodeOptions {
    /// Founds the data directory of a replica that is new. Without it the replica does not start: an empty disk is never taken for a new
    /// replica.
    ///
    /// # Errors
    /// If the directory holds something of a replica already, or the configuration does not fit together.
    pub fn format(&self) -> Result<(), StartError> {
        Ok(Directory::format(self.directory()?, self.owner()?)?)
    }

    /// Founds the data directory of a replica that is not new, and has lost its disk: it gets back from its peers what counts. A log that
    /// is there and damaged is set aside; the path says where to. One that is whole is set aside only to `discard` it.
    ///
    /// # Errors
    /// If the directory belongs to another replica or holds a log that is whole, or the configuration does not fit together.
    pub fn recover(&self, discard: bool) -> Result<Option<PathBuf>, StartError> {
        Ok(Directory::recover(self.directory()?, self.owner()?, discard)?)
    }

    /// Whether the data directory was formatted, for whichever replica.
    ///
    /// # Errors
    /// If that cannot be seen.
    pub fn is_formatted(&self) -> Result<bool, StartError> {
        Ok(directory::is_formatted(self.directory()?)?)
    }

    fn directory(&self) -> Result<&Path, StartError> {
        match &self.memory {
            KeptIn::Directory(path) => Ok(path),
            KeptIn::Process { .. } => Err(StartError::NoDirectory { id: self.id }),
        }
    }

    fn owner(&self) -> Result<Owner, StartError> {
        self.cluster.config(self.id)?;
        Ok(Owner {
            cluster: self.cluster.fingerprint(),
            replica: self.id,
        })
    }
}

/// Why a replica did not start. Nothing was changed, but where it [is the disk](StartError::is_of_disk).
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration does not fit together.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data directory cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A directory is to be prepared for a replica that uses none.
    #[error(
        "replica {id} keeps its memory in its process, so that it has no directory to prepare; start it as it is"
    )]
    NoDirectory {
        /// Which.
        id: ReplicaId,
    },
    /// A port cannot be had.
    #[error("cannot listen for {what} on {address}: {error}; choose a free address of this machine")]
    Bind {
        /// For whom.
        what: &'static str,
        /// Where.
        address: String,
        /// Why not.
        error: io::Error,
    },
    /// The system refuses something that every program needs.
    #[error("the system gives no {what}: {error}")]
    System {
        /// What.
        what: &'static str,
        /// Why.
        error: io::Error,
    },
}

impl StartError {
    /// Whether the disk failed or is full: what stops a replica that runs with [`NodeError::Disk`]. Then it may be that something was
    /// changed, and is not finished; the next start does that.
    #[must_use]
    pub fn is_of_disk(&self) -> bool {
        let error = match self {
            StartError::Directory(DirectoryError::Io { error, .. }) => error,
            StartError::Directory(DirectoryError::Log(LogError::Io { error, .. })) => error,
            _ => return false,
        };
        is_disk_failure(error)
    }
}

/// Why a replica that ran has stopped without being asked to.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// It has met what only a lying peer or disk can cause.
    #[error("replica {id} halts: {reason}")]
    Halted {
        /// Which.
        id: ReplicaId,
        /// Why.
        reason: Reason,
    },
    /// Its disk failed: what it was about to promise cannot be made durable.
    #[error(transparent)]
    Disk(#[from] LogError),
    /// Its event loop panicked: an invariant of our own is broken.
    #[error("replica {id} stops: an invariant was broken ({panic}); please report this with its log")]
    Broken {
        /// Which.
        id: ReplicaId,
        /// What the panic said.
        panic: String,
    },
}

/// A running replica. Dropping it stops the replica as a crash would; [`stop`](Node::stop) is the gentle way.
#[derive(Debug)]
pub struct Node {
    handle: NodeHandle,
    event_loop: JoinHandle<Result<(), NodeError>>,
    /// Aborted when dropped.
    tasks: JoinSet<()>,
    peer_address: Option<SocketAddr>,
    client_address: Option<SocketAddr>,
    udp_address: Option<SocketAddr>,
}

/// Talks to a running replica; as many as are wanted.
#[derive(Clone, Debug)]
pub struct NodeHandle {
    id: ReplicaId,
    spare: usize,
    keeps_records: bool,
    controls: mpsc::Sender<Control>,
}

impl NodeHandle {
    /// Which replica it is.
    #[must_use]
    pub fn id(&self) -> ReplicaId {
        self.id
    }

    /// How many acceptors of the cluster may be without memory at once, so that each gets it back from the others.
    #[must_use]
    pub fn spare_memories(&self) -> usize {
        self.spare
    }

    /// Whether what it promised and accepted outlives its roles and its process.
    #[must_use]
    pub fn keeps_records(&self) -> bool {
        self.keeps_records
    }

    /// Lets a role fail on purpose: its memory is gone, and it hears nothing until it restarts.
    pub async fn fail(&self, role: Role) {
        self.control(Control::Fail(role)).await;
    }

    /// Lets a role that has failed start again.
    pub async fn restart(&self, role: Role, remembers: Remembers) {
        self.control(Control::Restart(role, remembers)).await;
    }

    /// What the replica knows of itself and its peers; `None` if it has stopped.
    pub async fn status(&self) -> Option<Status> {
        let (answer, status) = oneshot::channel();
        self.control(Control::Status(answer)).await;
        status.await.ok()
    }

    async fn control(&self, control: Control) {
        // A replica that has stopped has no roles to fail.
        let _ = self.controls.send(control).await;
    }
}

impl Node {
    /// Opens the data directory and starts the replica on these sockets.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(options: NodeOptions, sockets: Sockets) -> Result<Node, StartError> {
        let owner = options.owner()?;
        let NodeOptions {
            id,
            cluster,
            memory,
            bounds,
        } = options;
        let config = cluster.config(id)?;
        let system = |what| move |error| StartError::System { what, error };
        let bits = entropy().map_err(system("random bits"))?;
        let spare = spare_memories(&config);
        let (found, opened) = match memory {
            KeptIn::Directory(path) => {
                let Opened {
                    directory,
                    memory,
                    log,
                } = Directory::open(&path, owner)?;
                (memory, Some((directory, log)))
            }
            KeptIn::Process { new_cluster: true } => {
                let founding = draw().map(Founding).map_err(system("random bits"))?;
                (Memory::Kept(vec![Record::Founded { founding }]), None)
            }
            KeptIn::Process { new_cluster: false } => (Memory::Lost, None),
        };
        let clock = Clock::start();
        let replica = Replica::new(config, found, bits, clock.now())?;
        let founding = replica.founding();

        let (disk_sender, disk_events) = mpsc::unbounded_channel();
        let keeps_records = opened.is_some();
        let (directory, disk) = match opened {
            Some((directory, log)) => {
                let disk = Disk::start(log, disk_sender).map_err(system("threads"))?;
                (Some(directory), Storage::Disk(disk))
            }
            None => (None, Storage::Process(disk_sender)),
        };
        let (from_peers, peers) = mpsc::channel(ARRIVALS);
        let (from_clients, clients) = mpsc::channel(ARRIVALS);
        let (controls, controls_receiver) = mpsc::channel(16);

        let mut tasks = JoinSet::new();
        let links = Links::spawn(&mut tasks, id, founding, &cluster);
        let peer_address = sockets.peers.local_addr().ok();
        let client_address = sockets.clients.local_addr().ok();
        let udp_address = sockets.udp.as_ref().and_then(|udp| udp.local_addr().ok());
        tasks.spawn(inbound::serve(
            sockets.peers,
            inbound::Door {
                id,
                cluster: cluster.fingerprint(),
                members: cluster.peers.members(),
                founding,
                arrivals: from_peers,
                kicks: links.kicks,
            },
        ));
        let names = Arc::new(tcp::Names::default());
        let mut event_loop = EventLoop::new(
            replica,
            clock,
            disk,
            Doors {
                peers,
                clients,
                controls: controls_receiver,
                disk: disk_events,
            },
            &links.outboxes,
        );
        if let Some(socket) = sockets.udp {
            let (replies_sender, replies) = mpsc::channel(bounds.datagrams);
            let client = names.next();
            event_loop.join(client, Sink::Datagrams(replies_sender));
            let door = udp::Door {
                id,
                client,
                socket,
                arrivals: from_clients.clone(),
                replies,
                limit: bounds.datagrams,
            };
            tasks.spawn(door.serve());
        }
        tasks.spawn(tcp::serve(
            sockets.clients,
            tcp::Door {
                id,
                arrivals: from_clients,
                names,
                bounds,
            },
        ));
        let event_loop = tokio::spawn(async move {
            let result = event_loop.run().await;
            // The lock goes last: until here the disk thread may still have written.
            drop(directory);
            result
        });
        Ok(Node {
            handle: NodeHandle {
                id,
                spare,
                keeps_records,
                controls,
            },
            event_loop,
            tasks,
            peer_address,
            client_address,
            udp_address,
        })
    }

    /// A handle to it.
    #[must_use]
    pub fn handle(&self) -> NodeHandle {
        self.handle.clone()
    }

    /// Where it listens to peers.
    #[must_use]
    pub fn peer_address(&self) -> Option<SocketAddr> {
        self.peer_address
    }

    /// Where it listens to clients over TCP.
    #[must_use]
    pub fn client_address(&self) -> Option<SocketAddr> {
        self.client_address
    }

    /// Where it listens to clients over UDP, if it does.
    #[must_use]
    pub fn udp_address(&self) -> Option<SocketAddr> {
        self.udp_address
    }

    /// Stops it: what it has written is synced, its connections are closed.
    ///
    /// # Errors
    /// If it had stopped by itself before, or its last sync failed.
    pub async fn stop(mut self) -> Result<(), NodeError> {
        self.handle.control(Control::Stop).await;
        let result = self.wait().await;
        self.tasks.shutdown().await;
        result
    }

    /// Waits until it stops by itself.
    ///
    /// # Errors
    /// Why it did.
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

/// n - r: see [`kvpaxos::recovery`].
fn spare_memories(config: &Config) -> usize {
    let replicas = config.members.len();
    answers_needed(config.quorums, replicas).map_or(0, |needed| replicas - needed)
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

/// The outgoing links to everybody else.
struct Links {
    outboxes: BTreeMap<ReplicaId, Arc<Outbox>>,
    kicks: BTreeMap<ReplicaId, Arc<Notify>>,
}

impl Links {
    fn spawn(tasks: &mut JoinSet<()>, id: ReplicaId, founding: Option<Founding>, cluster: &Cluster) -> Links {
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
