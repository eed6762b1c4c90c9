//! The outgoing link to one peer: dials, says hello, writes what the event loop has queued, and dials again
//! when the connection breaks. A replica sends only on connections that it made, and receives only on those
//! that others made.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kvpaxos::ReplicaId;
use kvpaxos::codec::{self, EncodeError, Hello, HelloError, PeerFrame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::system::backoff::Backoff;
use crate::wire::frames::{Frames, ReadError};
use crate::wire::outbox::Outbox;
use crate::wire::write::write_queued;

/// How long a host may take to accept a connection, and then a replica to answer the hello.
const CONNECT: Duration = Duration::from_secs(1);
/// A peer that takes in nothing for this long is dead, or as good as dead; it may well answer on a new
/// connection.
const STALL: Duration = Duration::from_secs(10);
/// A connection that lasted this long had been accepted, so the next attempt follows soon.
const ACCEPTED: Duration = Duration::from_secs(1);

/// The link to one peer. See the module's docs.
pub(crate) struct Link {
    pub(crate) from: ReplicaId,
    pub(crate) to: ReplicaId,
    /// `host:port`; the name is looked up at every attempt.
    pub(crate) address: String,
    /// What is said first.
    pub(crate) hello: Hello,
    pub(crate) outbox: Arc<Outbox>,
    /// Notified when the peer itself has connected: it is up, so dial at once.
    pub(crate) redial: Arc<Notify>,
}

impl Link {
    /// Runs until the task is dropped.
    pub(crate) async fn run(self) {
        let mut backoff = Backoff::new();
        let mut failing = false;
        loop {
            let began = Instant::now();
            match self.connect().await {
                Ok(stream) => {
                    failing = false;
                    let why = self.send(stream).await;
                    self.outbox.disconnect();
                    tracing::info!(replica = %self.from, peer = %self.to, address = self.address, %why, "link is down");
                }
                Err(error) => {
                    // Logged once until the next success: a peer that is down for long would fill the log.
                    if !std::mem::replace(&mut failing, true) {
                        self.log_failure(&error);
                    }
                }
            }
            if began.elapsed() > ACCEPTED {
                backoff.reset();
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.wait()) => {}
                () = self.redial.notified() => {}
            }
        }
    }

    fn log_failure(&self, error: &LinkError) {
        if let LinkError::Io(error) = error {
            tracing::info!(
                replica = %self.from, peer = %self.to, address = self.address, %error,
                "cannot reach the peer yet; trying again"
            );
        } else {
            tracing::warn!(
                replica = %self.from, peer = %self.to, address = self.address, %error,
                "cannot talk to the peer; trying again"
            );
        }
    }

    /// Dials, and exchanges hellos.
    async fn connect(&self) -> Result<TcpStream, LinkError> {
        let mut stream = timeout(CONNECT, TcpStream::connect(&self.address))
            .await
            .map_err(|_| LinkError::Silent)??;
        stream.set_nodelay(true)?;
        let mut bytes = Vec::new();
        codec::encode_into(&PeerFrame::Hello(self.hello), &mut bytes)?;
        stream.write_all(&bytes).await?;
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
            [PeerFrame::Hello(answer)] => {
                answer.check(self.hello.cluster, self.from, self.hello.members)?;
                if answer.from != self.to {
                    return Err(LinkError::Other { found: answer.from });
                }
            }
            _ => return Err(LinkError::Refused),
        }
        Ok(stream)
    }

    /// Writes until the connection breaks, and returns why it did.
    async fn send(&self, stream: TcpStream) -> io::Error {
        tracing::info!(replica = %self.from, peer = %self.to, address = self.address, "link is up");
        let (reader, mut writer) = stream.into_split();
        self.outbox.open();
        tokio::select! {
            result = write_queued(&self.outbox, &mut writer, STALL) => match result {
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
    Read(ReadError),
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error("nobody answers there")]
    Silent,
    #[error("the program that listens there did not answer the hello; if it is a replica, its log says why")]
    Refused,
    #[error(transparent)]
    Hello(#[from] HelloError),
    #[error("{found} listens there; check the peers' addresses")]
    Other { found: ReplicaId },
}

/// Waits for the end of the connection. A peer sends nothing after its hello on a link that it did not make.
async fn closed_by_peer(mut reader: OwnedReadHalf) -> io::Error {
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
