//! The door for peers: each connection begins with a hello, and then only brings messages.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kvpaxos::codec::{self, EncodeError, Hello, HelloError, PeerFrame};
use kvpaxos::{Founding, ReplicaId, ReplicaSet};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore, mpsc};

use crate::listen::accept::Listener;
use crate::replica::inbox::Arrival;
use crate::wire::frames::{Frames, ReadError};

/// A caller that has not said hello by then is closed.
const HELLO: Duration = Duration::from_secs(5);
/// Connections of one peer at once: an old one may linger while the peer has called again.
const PER_PEER: usize = 4;

/// What every connection's task needs to know.
pub(crate) struct Door {
    pub(crate) id: ReplicaId,
    pub(crate) cluster: u64,
    pub(crate) members: ReplicaSet,
    pub(crate) founding: Option<Founding>,
    pub(crate) arrivals: mpsc::Sender<Arrival>,
    /// To dial back at once whoever has called.
    pub(crate) kicks: BTreeMap<ReplicaId, Arc<Notify>>,
}

/// Accepts connections of peers until the task is dropped.
pub(crate) async fn serve(socket: TcpListener, door: Door) {
    let mut listener = Listener::new(socket, door.id, "peer");
    let door = Arc::new(door);
    let places = Arc::new(Semaphore::new(door.members.len() * PER_PEER));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let (stream, address) = listener.accept().await;
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!(replica = %door.id, %address, "too many connections of peers; this one is closed");
            continue;
        };
        let door = Arc::clone(&door);
        connections.spawn(async move {
            let _place = place;
            match listen(stream, address, &door).await {
                Ok(()) | Err(Closed::Stopping) => {}
                Err(Closed::Read(error)) if error.is_disconnect() => {
                    tracing::debug!(replica = %door.id, %address, %error, "peer hung up");
                }
                Err(why) => tracing::warn!(replica = %door.id, %address, %why, "peer connection is closed"),
            }
        });
    }
}

/// Why a peer's connection was closed by this side.
#[derive(Debug, thiserror::Error)]
enum Closed {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("no hello within {} s: is this a replica at all?", HELLO.as_secs())]
    Silent,
    #[error("it did not begin with a hello: is this a replica of this release?")]
    NoHello,
    #[error(transparent)]
    Hello(#[from] HelloError),
    #[error("the hello cannot be answered: {0}")]
    Encode(#[from] EncodeError),
    #[error("it said hello again on the same connection")]
    HelloAgain,
    #[error("this replica stops")]
    Stopping,
}

async fn listen(stream: TcpStream, address: SocketAddr, door: &Door) -> Result<(), Closed> {
    let mut frames = Frames::<PeerFrame, _>::new(stream);
    let mut batch = Vec::new();
    let greeted = tokio::time::timeout(HELLO, frames.fill(&mut batch)).await;
    if !greeted.map_err(|_| Closed::Silent)?? {
        return Ok(());
    }
    let mut first = batch.drain(..);
    let Some(PeerFrame::Hello(hello)) = first.next() else {
        return Err(Closed::NoHello);
    };
    let rest: Vec<PeerFrame> = first.collect();
    hello.check(door.cluster, door.id, door.members)?;
    let Hello { from, founding, .. } = hello;
    let answer = Hello {
        from: door.id,
        to: from,
        founding: door.founding,
        ..hello
    };
    let mut bytes = Vec::new();
    codec::encode_into(&PeerFrame::Hello(answer), &mut bytes)?;
    frames.stream().write_all(&bytes).await.map_err(ReadError::from)?;
    tracing::debug!(replica = %door.id, peer = %from, %address, "peer has called");
    if let Some(kick) = door.kicks.get(&from) {
        kick.notify_one();
    }
    batch = rest;
    loop {
        let mut messages = Vec::with_capacity(batch.len());
        for frame in batch.drain(..) {
            match frame {
                PeerFrame::Message(message) => messages.push(message),
                PeerFrame::Hello(_) => return Err(Closed::HelloAgain),
            }
        }
        if !messages.is_empty() {
            let arrival = Arrival::Peer {
                from,
                founding,
                messages,
            };
            door.arrivals.send(arrival).await.map_err(|_| Closed::Stopping)?;
        }
        if !frames.fill(&mut batch).await? {
            return Ok(());
        }
    }
}
