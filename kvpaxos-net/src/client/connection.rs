//! The connection of a client to one server, over TCP or UDP.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use kvpaxos::Reply;
use kvpaxos::codec::{self, MAX_DATAGRAM};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::client::options::Transport;
use crate::wire::frames::{Frames, ReadError};
use crate::wire::outbox::Outbox;
use crate::wire::write::write_queued;

/// How long a host may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(1);
/// A server that takes in nothing for this long is given up.
const STALL: Duration = Duration::from_secs(10);
/// Bytes of requests that may wait for one server. What does not fit is asked again later.
const OUTBOX: usize = 64 * 1024 * 1024;
/// Datagrams that may wait to be sent.
const DATAGRAMS: usize = 1024;

/// What a connection reports to the client's task. Servers are numbered by their places in the client's list.
#[derive(Debug)]
pub(crate) enum ConnectionEvent {
    Replies {
        server: usize,
        replies: Vec<Reply>,
    },
    /// The connection broke, or could not be made.
    Down {
        server: usize,
        generation: u64,
        why: ReadError,
    },
}

/// A connection. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Connection {
    generation: u64,
    queue: Queue,
    task: AbortHandle,
}

#[derive(Debug)]
enum Queue {
    Stream(Arc<Outbox>),
    Datagrams(mpsc::Sender<Vec<u8>>),
}

/// Where a connection reports, and as which.
#[derive(Clone)]
struct ConnectionReports {
    server: usize,
    generation: u64,
    events: mpsc::Sender<ConnectionEvent>,
}

impl Connection {
    /// Begins to connect. Frames that are pushed meanwhile are sent once the connection is up.
    pub(crate) fn open(
        transport: Transport,
        server: usize,
        address: &str,
        generation: u64,
        events: mpsc::Sender<ConnectionEvent>,
    ) -> Connection {
        let address = address.to_owned();
        let reports = ConnectionReports {
            server,
            generation,
            events,
        };
        let (queue, task) = match transport {
            Transport::Tcp => {
                let outbox = Arc::new(Outbox::new(OUTBOX));
                outbox.open();
                let stream = stream(address, Arc::clone(&outbox), reports.clone());
                (Queue::Stream(outbox), reports.spawn(stream))
            }
            Transport::Udp => {
                let (frames, queue) = mpsc::channel(DATAGRAMS);
                let datagrams = datagrams(address, queue, reports.clone());
                (Queue::Datagrams(frames), reports.spawn(datagrams))
            }
        };
        Connection {
            generation,
            queue,
            task,
        }
    }

    /// The number that tells this connection from earlier ones to the same server.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Queues a frame. A frame that does not fit is dropped, as the network might drop it; the client asks
    /// again.
    pub(crate) fn push(&self, frame: &[u8]) {
        match &self.queue {
            Queue::Stream(outbox) => {
                outbox.push(frame);
            }
            Queue::Datagrams(frames) => {
                let _ = frames.try_send(frame.to_vec());
            }
        }
    }

    /// Sends what was pushed.
    pub(crate) fn wake(&self) {
        if let Queue::Stream(outbox) = &self.queue {
            outbox.wake();
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ConnectionReports {
    /// Runs a connection in a task of its own, and reports its end.
    fn spawn(self, connection: impl Future<Output = Result<(), ReadError>> + Send + 'static) -> AbortHandle {
        let task = tokio::spawn(async move {
            let why = match connection.await {
                Ok(()) => ReadError::Io(io::ErrorKind::UnexpectedEof.into()),
                Err(error) => error,
            };
            let down = ConnectionEvent::Down {
                server: self.server,
                generation: self.generation,
                why,
            };
            // If the client's task has ended, nobody needs to know.
            let _ = self.events.send(down).await;
        });
        task.abort_handle()
    }

    /// Hands on replies. Returns `false` once the client's task has ended.
    async fn replies(&self, replies: Vec<Reply>) -> bool {
        let server = self.server;
        let event = ConnectionEvent::Replies { server, replies };
        self.events.send(event).await.is_ok()
    }
}

async fn stream(address: String, outbox: Arc<Outbox>, reports: ConnectionReports) -> Result<(), ReadError> {
    let connected = tokio::time::timeout(CONNECT, TcpStream::connect(&address)).await;
    let stream = connected.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let read = async {
        let mut frames = Frames::<Reply, _>::new(reader);
        let mut replies = Vec::new();
        while frames.fill(&mut replies).await? {
            if !reports.replies(std::mem::take(&mut replies)).await {
                break;
            }
        }
        Ok(())
    };
    tokio::select! {
        result = write_queued(&outbox, &mut writer, STALL) => Ok(result?),
        result = read => result,
    }
}

async fn datagrams(
    address: String,
    mut queue: mpsc::Receiver<Vec<u8>>,
    reports: ConnectionReports,
) -> Result<(), ReadError> {
    let target = tokio::net::lookup_host(&address)
        .await?
        .next()
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))?;
    let own = if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(own).await?;
    // A connected socket receives datagrams of this server only, and learns if nobody listens there.
    socket.connect(target).await?;
    let mut datagram = vec![0; MAX_DATAGRAM + 1];
    loop {
        tokio::select! {
            frame = queue.recv() => match frame {
                None => return Ok(()),
                Some(frame) => {
                    socket.send(&frame).await?;
                }
            },
            received = socket.recv(&mut datagram) => {
                match codec::decode_datagram::<Reply>(&datagram[..received?]) {
                    Ok(reply) => {
                        if !reports.replies(vec![reply]).await {
                            return Ok(());
                        }
                    }
                    Err(error) => tracing::debug!(%address, %error, "a datagram is dropped"),
                }
            }
        }
    }
}
