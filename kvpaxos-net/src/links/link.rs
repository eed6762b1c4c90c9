//! The outgoing link to one peer: dials, says hello, writes what the event loop has queued, and dials again
//! when the connection breaks. A replica sends only on connections that it made, and receives only on those
//! that others made.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kvpaxos::ReplicaId;
use kvpaxos::codec::{self, EncodeError, Hello, HelloError, PeerFrame, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::links::faults::{LinkFaults, Way};
use crate::listen::door::PeerHosts;
use crate::system::backoff::Backoff;
use crate::system::repeats::{Repeats, Subject, info_repeated, warn_repeated};
use crate::tls;
use crate::tls::fault::TlsFault;
use crate::tls::names::server_name;
use crate::tls::replica::ReplicaTls;
use crate::tls::stream::{ReadHalf, Stream};
use crate::wire::frames::{Frames, ReadError};
use crate::wire::outbox::Outbox;
use crate::wire::write::write_held;

/// How long a host may take to accept a connection, and then a replica to answer the hello.
const CONNECT: Duration = Duration::from_secs(1);
/// A peer that takes in nothing for this long is dead, or as good as dead; it may well answer on a new
/// connection.
const STALL: Duration = Duration::from_secs(10);
/// A connection that lasted this long had been accepted, so the next attempt follows soon.
const ACCEPTED: Duration = Duration::from_secs(1);
/// The pauses between two attempts at a peer that refuses this replica grow from the first to the longest.
const FIRST_REFUSED: Duration = Duration::from_millis(250);
const LONGEST_REFUSED: Duration = Duration::from_secs(10);

/// The link to one peer. See the module's docs.
pub(crate) struct Link {
    pub(crate) from: ReplicaId,
    pub(crate) to: ReplicaId,
    /// `host:port`; the name is looked up at every attempt.
    pub(crate) address: String,
    /// What the other end must agree on.
    pub(crate) settings: Settings,
    /// What is said first.
    pub(crate) hello: Hello,
    /// What is shown and trusted; `None` for a plain connection.
    pub(crate) tls: Option<ReplicaTls>,
    pub(crate) outbox: Arc<Outbox>,
    /// Notified when the peer itself has connected: it is up, so dial at once.
    pub(crate) redial: Arc<Notify>,
    pub(crate) repeats: Arc<Repeats>,
    pub(crate) faults: Arc<LinkFaults>,
    pub(crate) hosts: Arc<PeerHosts>,
}

impl Link {
    /// Runs until the task is dropped.
    pub(crate) async fn run(self) {
        let mut backoff = Backoff::new();
        // A peer that refuses this replica goes on refusing it until an operator acts.
        let mut refusals = Backoff::between(FIRST_REFUSED, LONGEST_REFUSED);
        let mut failure = None;
        loop {
            let pause = match self.connect().await {
                Ok(stream) => {
                    failure = None;
                    refusals.reset();
                    let began = Instant::now();
                    let why = self.send(stream).await;
                    self.outbox.disconnect();
                    info_repeated!(
                        self.repeats,
                        Subject::peer(self.to),
                        {replica = %self.from, peer = %self.to, address = self.address, %why},
                        "link is down"
                    );
                    if began.elapsed() > ACCEPTED {
                        backoff.reset();
                    }
                    backoff.wait()
                }
                Err(error) => {
                    // Logged when it becomes another: a peer that is down for long would fill the log.
                    let text = error.to_string();
                    if failure.as_ref() != Some(&text) {
                        self.log_failure(&error);
                        failure = Some(text);
                    }
                    if error.is_refusal() {
                        refusals.wait()
                    } else {
                        backoff.wait()
                    }
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.redial.notified() => {}
            }
        }
    }

    fn log_failure(&self, error: &LinkError) {
        if error.is_refusal() {
            warn_repeated!(
                self.repeats,
                Subject::peer(self.to),
                {replica = %self.from, peer = %self.to, address = self.address, %error},
                "cannot talk to the peer; trying again"
            );
        } else {
            info_repeated!(
                self.repeats,
                Subject::peer(self.to),
                {replica = %self.from, peer = %self.to, address = self.address, %error},
                "cannot reach the peer yet; trying again"
            );
        }
    }

    /// Dials, and exchanges hellos.
    async fn connect(&self) -> Result<Stream, LinkError> {
        let connect = async {
            let found = tokio::net::lookup_host(&self.address).await?;
            let addresses: Vec<SocketAddr> = found.collect();
            self.hosts.set(self.to, &addresses);
            TcpStream::connect(&addresses[..]).await
        };
        let stream = timeout(CONNECT, connect).await.map_err(|_| LinkError::Silent)??;
        stream.set_nodelay(true)?;
        let mut stream = match &self.tls {
            None => Stream::Plain(stream),
            Some(tls) => {
                let config = Arc::clone(&tls.present().links);
                tls::connect::connect(config, server_name(self.to), stream).await?
            }
        };
        let mut bytes = Vec::new();
        codec::encode_into(&PeerFrame::Hello(self.hello), &mut bytes)?;
        stream.write_all(&bytes).await?;
        stream.flush().await?;
        let mut frames = Frames::<PeerFrame, _>::new(&mut stream);
        let mut answers = Vec::new();
        let answered = timeout(CONNECT, frames.fill(&mut answers)).await;
        if !answered
            .map_err(|_| LinkError::Silent)?
            .map_err(LinkError::Read)?
        {
            return Err(LinkError::Refused);
        }
        match answers[..] {
            [PeerFrame::Hello(ref answer)] => {
                answer.check(self.hello.cluster, self.from, self.hello.members)?;
                if answer.from != self.to {
                    return Err(LinkError::Other { found: answer.from });
                }
            }
            [PeerFrame::Settings(ref theirs)] => {
                return Err(LinkError::Settings {
                    differences: self.settings.differences(theirs),
                });
            }
            _ => return Err(LinkError::Refused),
        }
        Ok(stream)
    }

    /// Writes until the connection breaks, and returns why it did.
    async fn send(&self, stream: Stream) -> io::Error {
        info_repeated!(
            self.repeats,
            Subject::peer(self.to),
            {replica = %self.from, peer = %self.to, address = self.address},
            "link is up"
        );
        let (reader, mut writer) = stream.into_split();
        self.outbox.open();
        let hold = || self.faults.delay(Way::Out, self.to);
        tokio::select! {
            result = write_held(&self.outbox, &mut writer, STALL, hold) => match result {
                Ok(()) => io::Error::other("the replica is stopping"),
                Err(error) => error,
            },
            error = closed_by_peer(reader) => error,
        }
    }
}

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Tls(#[from] TlsFault),
    #[error(transparent)]
    Read(ReadError),
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error("nobody answers there")]
    Silent,
    #[error("the program that listens there did not answer the hello; if it is a replica, its log says why")]
    Refused,
    #[error(
        "it belongs to another cluster: {differences}. Start all replicas of a cluster with the same settings"
    )]
    Settings { differences: String },
    #[error(transparent)]
    Hello(#[from] HelloError),
    #[error("{found} listens there; check the peers' addresses")]
    Other { found: ReplicaId },
}

impl LinkError {
    /// Whether there is a program that listens, but does not take this replica for a peer. Else it is not
    /// there yet, or not any more.
    fn is_refusal(&self) -> bool {
        !matches!(
            self,
            LinkError::Io(_)
                | LinkError::Silent
                | LinkError::Tls(TlsFault::Io(_) | TlsFault::Slow(_) | TlsFault::Ended)
        )
    }
}

/// Waits for the end of the connection. A peer sends nothing after its hello on a link that it did not make.
async fn closed_by_peer(mut reader: ReadHalf) -> io::Error {
    let mut byte = [0];
    match reader.read(&mut byte).await {
        Ok(0) => io::Error::new(io::ErrorKind::UnexpectedEof, "the peer closed the connection"),
        Ok(_) => io::Error::new(
            io::ErrorKind::InvalidData,
            "the peer sent bytes on a connection that only this side writes to",
        ),
        Err(error) => error,
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::cluster::Cluster;

    fn link(cluster: &Cluster, address: String) -> Link {
        Link {
            from: ReplicaId(0),
            to: ReplicaId(1),
            address,
            settings: cluster.settings(),
            hello: Hello {
                cluster: cluster.fingerprint(),
                from: ReplicaId(0),
                to: ReplicaId(1),
                members: cluster.peers.members(),
                founding: None,
            },
            tls: None,
            outbox: Arc::new(Outbox::new(1)),
            redial: Arc::default(),
            repeats: Repeats::new(ReplicaId(0)),
            faults: Arc::new(LinkFaults::new(
                crate::metrics::Metrics::new(ReplicaId(0)).chaos(),
            )),
            hosts: Arc::default(),
        }
    }

    #[tokio::test]
    async fn a_peer_of_another_configuration_is_told_apart_by_what_differs() {
        let ours = Cluster::new("ours", "0=a:1,1=b:1,2=c:1".parse().unwrap());
        let theirs = ours.clone().two_phase();
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let link = link(&ours, socket.local_addr().unwrap().to_string());
        let answers = async {
            let (mut stream, _) = socket.accept().await.unwrap();
            let mut hellos = Vec::new();
            assert!(
                Frames::<PeerFrame, _>::new(&mut stream)
                    .fill(&mut hellos)
                    .await
                    .unwrap()
            );
            let mut bytes = Vec::new();
            codec::encode_into(&PeerFrame::Settings(theirs.settings()), &mut bytes).unwrap();
            stream.write_all(&bytes).await.unwrap();
        };
        let (connected, ()) = tokio::join!(link.connect(), answers);
        let error = connected.unwrap_err();
        assert!(error.is_refusal());
        assert_eq!(
            error.to_string(),
            "it belongs to another cluster: the phase-1 quorum is 1 there and 2 here; the phase-2 quorum is 3 there \
             and 2 here; two-phase update is true there and false here. Start all replicas of a cluster with the \
             same settings"
        );
    }
}
