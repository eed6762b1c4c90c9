//! Connections from other replicas. Each begins with a hello, and from then on brings only messages. Until then
//! it has a small place of its own, so that silent ones keep no peer out ([`crate::listen::door`]).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use kvpaxos::codec::{self, EncodeError, Hello, HelloError, PeerFrame, Settings};
use kvpaxos::{Founding, ReplicaId, ReplicaSet};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use crate::links::faults::{LinkFaults, Way};
use crate::listen::accept::Listener;
use crate::listen::door::{PeerConnection, PeerConnections, PeerHosts, STRANGERS, Stranger, Strangers};
use crate::replica::inbox::Arrival;
use crate::system::repeats::{Repeats, Subject, info_repeated, warn_repeated};
use crate::tls::accept;
use crate::tls::fault::TlsFault;
use crate::tls::replica::ReplicaTls;
use crate::tls::stream::Stream;
use crate::wire::frames::{Frames, ReadError, ReadLimits};

/// How long a new connection may take to say hello.
const HELLO: Duration = Duration::from_secs(5);
/// A hello is short, and nothing else is read before.
const HELLO_LIMITS: ReadLimits = ReadLimits {
    time: HELLO,
    longest: 1024,
    ..ReadLimits::ALONE
};

/// Serves the connections of peers.
pub(crate) struct PeerService {
    /// This replica.
    pub(crate) id: ReplicaId,
    /// What all replicas of the cluster agree on, and its fingerprint.
    pub(crate) settings: Settings,
    pub(crate) cluster: u64,
    pub(crate) members: ReplicaSet,
    /// The founding of this replica, for its hello.
    pub(crate) founding: Option<Founding>,
    pub(crate) arrivals: mpsc::Sender<Arrival>,
    /// Wakes the outgoing link to a peer that has just connected: the peer is up, so the link need not wait.
    pub(crate) redials: BTreeMap<ReplicaId, Arc<Notify>>,
    /// What is shown and trusted; `None` for plain connections.
    pub(crate) tls: Option<ReplicaTls>,
    pub(crate) connections: Arc<PeerConnections>,
    /// Where the other replicas connect from, most likely.
    pub(crate) hosts: Arc<PeerHosts>,
    /// Counts the bytes that peers send.
    pub(crate) received: Arc<AtomicU64>,
    pub(crate) repeats: Arc<Repeats>,
    /// Faults on purpose: messages that are received.
    pub(crate) faults: Arc<LinkFaults>,
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
    #[error("{error}")]
    Hello { from: ReplicaId, error: HelloError },
    #[error("it says that it is {from}, and does not prove it: {fault}")]
    Unproven { from: ReplicaId, fault: TlsFault },
    #[error(transparent)]
    Tls(#[from] TlsFault),
    #[error("cannot encode the answer to its hello: {0}")]
    Encode(#[from] EncodeError),
    #[error("it said hello twice on one connection")]
    HelloAgain,
    #[error("{from} has connected again and again; this connection brought nothing for the longest time")]
    Replaced { from: ReplicaId },
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
            repeats: Arc::clone(&self.repeats),
        };
        let service = Arc::new(self);
        let mut connections = JoinSet::new();
        let mut strangers = Strangers::new(STRANGERS);
        loop {
            while connections.try_join_next().is_some() {}
            let (stream, address) = listener.accept().await;
            let known = Arc::new(AtomicBool::new(false));
            let connection = Arc::clone(&service).connection(stream, address, Arc::clone(&known));
            let task = connections.spawn(connection);
            let is_expected = service.hosts.have(address);
            if strangers.add(Stranger {
                host: address.ip().into(),
                task,
                known,
                is_expected,
            }) {
                warn_repeated!(
                    service.repeats,
                    Subject::ANY,
                    {replica = %service.id, %address, limit = STRANGERS},
                    "too many connections that have not said hello; one of the host with most of them was closed for the next"
                );
            }
            // Each may say hello before the next comes.
            tokio::task::yield_now().await;
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, address: SocketAddr, known: Arc<AtomicBool>) {
        match self.receive(stream, address, &known).await {
            Ok(()) | Err(CloseReason::Stopping) => {}
            Err(CloseReason::Read(error)) if error.is_disconnect() => {
                tracing::debug!(replica = %self.id, %address, %error, "peer disconnected");
            }
            Err(CloseReason::Tls(TlsFault::Io(error))) => {
                tracing::debug!(replica = %self.id, %address, %error, "peer disconnected");
            }
            Err(why) => self.log_closed(address, &why),
        }
    }

    /// Garbage has another kind of line than a peer that is configured wrongly, which is not to be missed.
    fn log_closed(&self, address: SocketAddr, why: &CloseReason) {
        if let CloseReason::Hello { from, error } = why {
            let subject = if self.members.contains(*from) {
                Subject::peer(*from)
            } else {
                Subject::cause(error)
            };
            warn_repeated!(
                self.repeats,
                subject,
                {replica = %self.id, %address, why = %error},
                "the hello of a peer is refused"
            );
        } else {
            let subject = match why {
                CloseReason::Read(error) => error.subject(),
                CloseReason::Tls(fault) => Subject::cause(fault),
                why => Subject::cause(why),
            };
            warn_repeated!(
                self.repeats,
                subject,
                {replica = %self.id, %address, %why},
                "peer connection closed"
            );
        }
    }

    /// Exchanges hellos, and hands on messages until the peer disconnects.
    async fn receive(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        known: &AtomicBool,
    ) -> Result<(), CloseReason> {
        let stream = accept::peer(self.tls.as_ref(), stream).await?;
        let mut frames = Frames::<PeerFrame, _>::within(stream, HELLO_LIMITS);
        let mut batch = Vec::new();
        let greeted = tokio::time::timeout(HELLO, frames.fill(&mut batch)).await;
        if !greeted.map_err(|_| CloseReason::Silent)?? {
            return Ok(());
        }
        let mut received = batch.drain(..);
        let Some(PeerFrame::Hello(hello)) = received.next() else {
            return Err(CloseReason::NoHello);
        };
        let batch: Vec<PeerFrame> = received.collect();
        let Hello { from, founding, .. } = hello;
        if let Err(error) = hello.check(self.cluster, self.id, self.members) {
            if matches!(error, HelloError::Cluster { .. }) {
                // So that the other end can say what differs.
                let settings = PeerFrame::Settings(self.settings.clone());
                self.send(&settings, &mut frames).await?;
            }
            return Err(CloseReason::Hello { from, error });
        }
        if let Err(fault) = accept::is_proven(frames.stream(), from) {
            return Err(CloseReason::Unproven { from, fault });
        }
        known.store(true, Ordering::Relaxed);
        frames.set_limits(ReadLimits {
            received: Some(Arc::clone(&self.received)),
            ..ReadLimits::ALONE
        });
        self.answer(&hello, &mut frames).await?;
        info_repeated!(
            self.repeats,
            Subject::peer(from),
            {replica = %self.id, peer = %from, %address},
            "a peer has connected"
        );
        if let Some(redial) = self.redials.get(&from) {
            redial.notify_one();
        }
        let connection = self.connections.add(from);
        let handed_on = self.hand_on(from, founding, frames, batch, &connection);
        tokio::select! {
            result = handed_on => result,
            () = connection.replaced() => Err(CloseReason::Replaced { from }),
        }
    }

    /// Hands on messages until the peer disconnects.
    async fn hand_on(
        &self,
        from: ReplicaId,
        founding: Option<Founding>,
        mut frames: Frames<PeerFrame, Stream>,
        mut batch: Vec<PeerFrame>,
        connection: &PeerConnection<'_>,
    ) -> Result<(), CloseReason> {
        loop {
            let mut messages = Vec::with_capacity(batch.len());
            for frame in batch.drain(..) {
                match frame {
                    PeerFrame::Message(_) if self.faults.drops(Way::In, from) => {}
                    PeerFrame::Message(message) => messages.push(message),
                    PeerFrame::Hello(_) | PeerFrame::Settings(_) => return Err(CloseReason::HelloAgain),
                }
            }
            if !messages.is_empty() {
                connection.on_message();
                if let Some(pause) = self.faults.delay(Way::In, from) {
                    tokio::time::sleep(pause).await;
                }
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

    async fn answer(&self, hello: &Hello, frames: &mut Frames<PeerFrame, Stream>) -> Result<(), CloseReason> {
        let answer = Hello {
            from: self.id,
            to: hello.from,
            founding: self.founding,
            ..*hello
        };
        self.send(&PeerFrame::Hello(answer), frames).await
    }

    async fn send(
        &self,
        frame: &PeerFrame,
        frames: &mut Frames<PeerFrame, Stream>,
    ) -> Result<(), CloseReason> {
        let mut bytes = Vec::new();
        codec::encode_into(frame, &mut bytes)?;
        let stream = frames.stream();
        stream.write_all(&bytes).await.map_err(ReadError::from)?;
        Ok(stream.flush().await.map_err(ReadError::from)?)
    }
}
