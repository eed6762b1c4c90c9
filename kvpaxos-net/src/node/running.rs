//! One running replica: its data directory, its sockets, its tasks, and a handle to talk to it.

use std::net::SocketAddr;
use std::sync::Arc;

use kvpaxos::recovery::answers_needed;
use kvpaxos::{Config, Founding, Memory, Record, Replica};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

use crate::links::spawn::Links;
use crate::listen::{peers as inbound, tcp, udp};
use crate::node::error::StartError;
use crate::node::handle::NodeHandle;
use crate::node::options::{KeptIn, NodeOptions};
use crate::node::sockets::Sockets;
use crate::replica::error::NodeError;
use crate::replica::event_loop::EventLoop;
use crate::replica::inbox::{Control, Doors, Sink};
use crate::storage::directory::{Directory, Opened};
use crate::storage::disk::Disk;
use crate::storage::store::Storage;
use crate::system::clock::Clock;
use crate::system::random::{draw, entropy};

/// Batches of arrivals that may wait for the event loop; sockets are not read meanwhile.
const ARRIVALS: usize = 256;
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
