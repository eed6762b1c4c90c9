//! The outgoing link to one peer: dials, says hello, writes what the event loop has queued, and dials again when the
//! connection breaks. Each replica sends on its own outgoing connection and hears on those that others made to it.

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
use crate::wire::write::write_all;

/// A host that does not answer at all is given up after this.
const CONNECT: Duration = Duration::from_secs(1);
/// A peer that takes in nothing for so long is dead or as good as that; a new connection may find it alive.
const STALL: Duration = Duration::from_secs(10);
/// A connection that lasted so long was accepted: the next one is tried quickly again.
const HELD: Duration = Duration::from_secs(1);

/// See the module.
pub(crate) struct Link {
    pub(crate) from: ReplicaId,
    pub(crate) to: ReplicaId,
    pub(crate) address: String,
    /// What is said first.
    pub(crate) hello: Hello,
    pub(crate) outbox: Arc<Outbox>,
    /// Rung when the peer itself has called: it is there, dial at once.
    pub(crate) kick: Arc<Notify>,
}

impl Link {
    /// Runs until the task is dropped.
    pub(crate) async fn run(self) {
        let mut backoff = Backoff::new();
        let mut told = false;
        loop {
            let began = Instant::now();
            match self.connect().await {
                Ok(stream) => {
                    told = false;
                    let why = self.talk(stream).await;
                    self.outbox.shut();
                    tracing::info!(replica = %self.from, peer = %self.to, address = self.address, %why, "link is gone");
                }
                // Once: a peer that is down for long would fill the log.
                Err(_) if told => {}
                Err(LinkError::Io(error)) => {
                    told = true;
                    tracing::info!(
                        replica = %self.from, peer = %self.to, address = self.address, %error,
                        "cannot reach the peer yet; trying on"
                    );
                }
                Err(error) => {
                    told = true;
                    tracing::warn!(
                        replica = %self.from, peer = %self.to, address = self.address, %error,
                        "cannot talk to the peer; trying on"
                    );
                }
            }
            if began.elapsed() > HELD {
                backoff.reset();
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.wait()) => {}
                () = self.kick.notified() => {}
            }
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

    /// Writes until the connection breaks; answers why it did.
    async fn talk(&self, stream: TcpStream) -> io::Error {
        tracing::info!(replica = %self.from, peer = %self.to, address = self.address, "link is up");
        let (reader, mut writer) = stream.into_split();
        self.outbox.open();
        let write = async {
            let mut buffer = Vec::new();
            while self.outbox.take(&mut buffer).await {
                write_all(&mut writer, &buffer, STALL).await?;
            }
            Ok(())
        };
        tokio::select! {
            result = write => match result {
                Ok(()) => io::Error::other("the replica stops"),
                Err(error) => error,
            },
            error = hung_up(reader) => error,
        }
    }
}

/// Why a link is not there.
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
    #[error("whoever listens there did not answer the hello; if it is a replica, its log says why")]
    Refused,
    #[error(transparent)]
    Hello(#[from] HelloError),
    #[error("{found} listens there; check the peers' addresses")]
    Other { found: ReplicaId },
}

/// Peers never answer on a link that is not theirs: the end of what can be read is the end of the link.
async fn hung_up(mut reader: OwnedReadHalf) -> io::Error {
    let mut byte = [0];
    match reader.read(&mut byte).await {
        Ok(0) => io::Error::new(io::ErrorKind::UnexpectedEof, "the peer closed it"),
        Ok(_) => io::Error::new(
            io::ErrorKind::InvalidData,
            "the peer sent bytes where it has nothing to say",
        ),
        Err(error) => error,
    }
}
