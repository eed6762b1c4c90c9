//! One connection of a client to one server, over TCP or UDP.

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
use crate::wire::write::write_all;

/// A host that does not answer at all is given up after this.
const CONNECT: Duration = Duration::from_secs(1);
/// A server that takes in nothing for so long is given up.
const STALL: Duration = Duration::from_secs(10);
/// Bytes of requests that may wait for one server; what does not fit is asked again later.
const OUTBOX: usize = 64 * 1024 * 1024;
/// Datagrams that may wait to be sent.
const DATAGRAMS: usize = 1024;

/// What a line tells the client's task.
#[derive(Debug)]
pub(crate) enum LineEvent {
    Replies {
        server: usize,
        replies: Vec<Reply>,
    },
    /// It is gone, or could not be made.
    Down {
        server: usize,
        generation: u64,
        why: ReadError,
    },
}

/// See the module. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Line {
    generation: u64,
    queue: Queue,
    task: AbortHandle,
}

#[derive(Debug)]
enum Queue {
    Stream(Arc<Outbox>),
    Datagrams(mpsc::Sender<Vec<u8>>),
}

impl Line {
    /// Begins to connect; what is pushed meanwhile is sent once the connection is there.
    pub(crate) fn open(
        transport: Transport,
        server: usize,
        address: &str,
        generation: u64,
        events: mpsc::Sender<LineEvent>,
    ) -> Line {
        let address = address.to_owned();
        let end = Ending {
            server,
            generation,
            events,
        };
        let (queue, task) = match transport {
            Transport::Tcp => {
                let outbox = Arc::new(Outbox::new(OUTBOX));
                outbox.open();
                let task = end.after(stream(address, Arc::clone(&outbox), server, end.events.clone()));
                (Queue::Stream(outbox), task)
            }
            Transport::Udp => {
                let (frames, queue) = mpsc::channel(DATAGRAMS);
                let task = end.after(datagrams(address, queue, server, end.events.clone()));
                (Queue::Datagrams(frames), task)
            }
        };
        Line {
            generation,
            queue,
            task,
        }
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Queues a frame. One that does not fit is lost, as it might be on its way; the client asks again.
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

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Tells the client's task that a line has ended.
struct Ending {
    server: usize,
    generation: u64,
    events: mpsc::Sender<LineEvent>,
}

impl Ending {
    fn after(&self, talk: impl Future<Output = Result<(), ReadError>> + Send + 'static) -> AbortHandle {
        let (server, generation, events) = (self.server, self.generation, self.events.clone());
        let task = tokio::spawn(async move {
            let why = match talk.await {
                Ok(()) => ReadError::Io(std::io::ErrorKind::UnexpectedEof.into()),
                Err(error) => error,
            };
            let down = LineEvent::Down {
                server,
                generation,
                why,
            };
            // A client that is gone does not care.
            let _ = events.send(down).await;
        });
        task.abort_handle()
    }
}

async fn stream(
    address: String,
    outbox: Arc<Outbox>,
    server: usize,
    events: mpsc::Sender<LineEvent>,
) -> Result<(), ReadError> {
    let connected = tokio::time::timeout(CONNECT, TcpStream::connect(&address)).await;
    let stream = connected.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))??;
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let write = async {
        let mut buffer = Vec::new();
        while outbox.take(&mut buffer).await {
            write_all(&mut writer, &buffer, STALL).await?;
        }
        Ok(())
    };
    let read = async {
        let mut frames = Frames::<Reply, _>::new(reader);
        let mut replies = Vec::new();
        while frames.fill(&mut replies).await? {
            let replies = std::mem::take(&mut replies);
            if events.send(LineEvent::Replies { server, replies }).await.is_err() {
                break;
            }
        }
        Ok(())
    };
    tokio::select! {
        result = write => result,
        result = read => result,
    }
}

async fn datagrams(
    address: String,
    mut queue: mpsc::Receiver<Vec<u8>>,
    server: usize,
    events: mpsc::Sender<LineEvent>,
) -> Result<(), ReadError> {
    let target = tokio::net::lookup_host(&address)
        .await?
        .next()
        .ok_or_else(|| std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address"))?;
    let own = if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(own).await?;
    // From now on only datagrams of this server come in, and a server that is not there is told of.
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
                        let replies = vec![reply];
                        if events.send(LineEvent::Replies { server, replies }).await.is_err() {
                            return Ok(());
                        }
                    }
                    Err(error) => tracing::debug!(%address, %error, "a datagram is dropped"),
                }
            }
        }
    }
}
