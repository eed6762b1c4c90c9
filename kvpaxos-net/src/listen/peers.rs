//! Connections from other replicas. Each begins with a hello, and from then on brings only messages.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kvpaxos::codec::{self, EncodeError, Hello, HelloError, PeerFrame};
use kvpaxos::{Founding, ReplicaId, ReplicaSet};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};

use crate::listen::accept::Listener;
use crate::replica::inbox::Arrival;
use crate::wire::frames::{Frames, ReadError};

/// How long a new connection may take to say hello.
const HELLO: Duration = Duration::from_secs(5);
/// Connections per peer: an old one may linger after the peer has connected again.
const PER_PEER: usize = 4;

/// Serves the connections of peers.
pub(crate) struct PeerService {
    /// This replica.
    pub(crate) id: ReplicaId,
    /// The fingerprint of the cluster.
    pub(crate) cluster: u64,
    pub(crate) members: ReplicaSet,
    /// The founding of this replica, for its hello.
    pub(crate) founding: Option<Founding>,
    pub(crate) arrivals: mpsc::Sender<Arrival>,
    /// Wakes the outgoing link to a peer that has just connected: the peer is up, so the link need not wait.
    pub(crate) redials: BTreeMap<ReplicaId, Arc<Notify>>,
}

/// Why this side closed the connection of a peer.
#[derive(Debug, thiserror::Error)]
enum CloseReason {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("no hello within {} s: is this a replica at all?", HELLO.as_secs())]
    Silent,
    #[error("it did not begin with a hello: is this a replica of this release?")]
    NoHello,
    #[error(transparent)]
    Hello(#[from] HelloError),
    #[error("cannot encode the answer to its hello: {0}")]
    Encode(#[from] EncodeError),
    #[error("it said hello twice on one connection")]
    HelloAgain,
    #[error("this replica is stopping")]
    Stopping,
}

impl PeerService {
    /// Accepts connections until it is dropped.
    pub(crate) async fn serve(self, socket: TcpListener) {
        let listener = Listener {
            socket,
            id: self.id,
            from: "peer",
            limit: self.members.len() * PER_PEER,
        };
        let service = Arc::new(self);
        listener
            .serve(move |stream, address| Arc::clone(&service).connection(stream, address))
            .await;
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, address: SocketAddr) {
        match self.receive(stream, address).await {
            Ok(()) | Err(CloseReason::Stopping) => {}
            Err(CloseReason::Read(error)) if error.is_disconnect() => {
                tracing::debug!(replica = %self.id, %address, %error, "peer disconnected");
            }
            Err(why) => tracing::warn!(replica = %self.id, %address, %why, "peer connection closed"),
        }
    }

    /// Exchanges hellos, and hands on messages until the peer disconnects.
    async fn receive(&self, stream: TcpStream, address: SocketAddr) -> Result<(), CloseReason> {
        let mut frames = Frames::<PeerFrame, _>::new(stream);
        let mut batch = Vec::new();
        let greeted = tokio::time::timeout(HELLO, frames.fill(&mut batch)).await;
        if !greeted.map_err(|_| CloseReason::Silent)?? {
            return Ok(());
        }
        let mut received = batch.drain(..);
        let Some(PeerFrame::Hello(hello)) = received.next() else {
            return Err(CloseReason::NoHello);
        };
        let mut batch: Vec<PeerFrame> = received.collect();
        hello.check(self.cluster, self.id, self.members)?;
        self.answer(&hello, &mut frames).await?;
        let Hello { from, founding, .. } = hello;
        tracing::debug!(replica = %self.id, peer = %from, %address, "peer connected");
        if let Some(redial) = self.redials.get(&from) {
            redial.notify_one();
        }
        loop {
            let mut messages = Vec::with_capacity(batch.len());
            for frame in batch.drain(..) {
                match frame {
                    PeerFrame::Message(message) => messages.push(message),
                    PeerFrame::Hello(_) => return Err(CloseReason::HelloAgain),
                }
            }
            if !messages.is_empty() {
                let arrival = Arrival::Peer {
                    from,
                    founding,
                    messages,
                };
                let sent = self.arrivals.send(arrival).await;
                sent.map_err(|_| CloseReason::Stopping)?;
            }
            if !frames.fill(&mut batch).await? {
                return Ok(());
            }
        }
    }

    async fn answer(
        &self,
        hello: &Hello,
        frames: &mut Frames<PeerFrame, TcpStream>,
    ) -> Result<(), CloseReason> {
        let answer = Hello {
            from: self.id,
            to: hello.from,
            founding: self.founding,
            ..*hello
        };
        let mut bytes = Vec::new();
        codec::encode_into(&PeerFrame::Hello(answer), &mut bytes)?;
        Ok(frames.stream().write_all(&bytes).await.map_err(ReadError::from)?)
    }
}
