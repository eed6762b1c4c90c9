//! The connection of a client to one server, over TCP or UDP.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kvpaxos::codec::{self, DecodeError, MAX_DATAGRAM};
use kvpaxos::{Password, Reply, Request, RequestBody};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::client::options::Transport;
use crate::tls::client::ClientTls;
use crate::tls::connect::{connect as tls_connect, host_name};
use crate::tls::fault::{TlsFault, explained};
use crate::tls::stream::Stream;
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

/// How servers are connected to.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) transport: Transport,
    pub(crate) tls: Option<ClientTls>,
    /// The frame that is sent first, which shows the password; empty if there is none.
    pub(crate) greeting: Vec<u8>,
}

impl Way {
    pub(crate) fn new(transport: Transport, tls: Option<ClientTls>, password: Option<Password>) -> Way {
        let mut greeting = Vec::new();
        if let Some(password) = password {
            let body = RequestBody::Authenticate { password };
            // The reply is for nobody: what was asked is answered by itself, or refused.
            let id = u64::MAX;
            codec::encode_into(&Request { id, body }, &mut greeting).expect("a password is short");
        }
        Way {
            transport,
            tls,
            greeting,
        }
    }
}

/// What a connection reports to the client's task. Servers are numbered by their places in the client's list.
#[derive(Debug)]
pub(crate) enum ConnectionEvent {
    Replies {
        server: usize,
        replies: Vec<Reply>,
    },
    /// The connection is made.
    Up {
        server: usize,
        generation: u64,
    },
    /// The connection broke, or could not be made.
    Down {
        server: usize,
        generation: u64,
        why: ConnectionError,
    },
}

/// Why a connection broke, or could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    /// The host is unknown, or cannot be looked up.
    #[error("the host cannot be found ({0})")]
    Host(io::Error),
    /// Nobody accepts connections there, or the way is blocked.
    #[error("{}", refused(.0))]
    Connect(io::Error),
    /// No connection within TLS can be made, or only within TLS.
    #[error("{0}")]
    Tls(TlsFault),
    /// The replica speaks TLS only.
    #[error("the replica speaks TLS only; say which authority to trust (--tls-ca)")]
    WantsTls,
    /// The host of an address is no name that a certificate can have.
    #[error("the host of this address cannot stand in a certificate")]
    Nameless,
    /// Nobody accepts connections there in time.
    #[error("no connection within {} s", CONNECT.as_secs())]
    Slow,
    /// The other side ended the connection.
    #[error("the connection was closed")]
    Closed,
    /// The other side sent something else than replies.
    #[error("this is not the address of a replica for clients over {0} ({1})")]
    Foreign(Transport, DecodeError),
    /// The connection broke.
    #[error("the connection broke ({})", explained(.0))]
    Broken(io::Error),
}

fn refused(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused: nobody listens there".to_owned(),
        _ => format!("no connection ({error})"),
    }
}

impl ConnectionError {
    /// What ended a connection that was up.
    pub(crate) fn broken(error: ReadError, transport: Transport) -> ConnectionError {
        match error {
            ReadError::Decode(error) => ConnectionError::Foreign(transport, error),
            ReadError::WantsTls => ConnectionError::WantsTls,
            error if error.is_disconnect() => ConnectionError::Closed,
            ReadError::Io(error) => ConnectionError::Broken(error),
            other => ConnectionError::Broken(io::Error::other(other)),
        }
    }
}

/// A connection. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Connection {
    generation: u64,
    queue: Queue,
    /// The requests that wait until the connection is made; `None` once it is.
    waiting: Option<Vec<WaitingRequest>>,
    task: AbortHandle,
}

#[derive(Debug)]
struct WaitingRequest {
    id: u64,
    frame: Vec<u8>,
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
    /// Begins to connect. Requests that are pushed meanwhile wait for [`connected`](Connection::connected).
    pub(crate) fn open(
        way: &Way,
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
        let (queue, task) = match way.transport {
            Transport::Tcp => {
                let outbox = Arc::new(Outbox::new(OUTBOX));
                outbox.open();
                if !way.greeting.is_empty() {
                    outbox.push(&way.greeting);
                }
                let stream = stream(address, way.tls.clone(), Arc::clone(&outbox), reports.clone());
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
            waiting: Some(Vec::new()),
            task,
        }
    }

    /// The number that tells this connection from earlier ones to the same server.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Queues a request. One that does not fit is dropped, as the network might drop it; the client asks
    /// again.
    pub(crate) fn push(&mut self, id: u64, frame: &[u8]) {
        let Some(waiting) = &mut self.waiting else {
            return self.queue.push(frame);
        };
        let bytes: usize = waiting.iter().map(|request| request.frame.len()).sum();
        if bytes + frame.len() <= OUTBOX || waiting.is_empty() {
            let frame = frame.to_vec();
            waiting.push(WaitingRequest { id, frame });
        }
    }

    /// Takes back a request that still waits.
    pub(crate) fn withdraw(&mut self, id: u64) {
        if let Some(waiting) = &mut self.waiting {
            waiting.retain(|request| request.id != id);
        }
    }

    /// The connection is made: what waits is sent, and what is pushed from now on is sent at once.
    pub(crate) fn connected(&mut self) {
        for request in self.waiting.take().unwrap_or_default() {
            self.queue.push(&request.frame);
        }
    }

    /// Whether the connection is made.
    pub(crate) fn is_connected(&self) -> bool {
        self.waiting.is_none()
    }

    /// Sends what was pushed.
    pub(crate) fn wake(&self) {
        if let Queue::Stream(outbox) = &self.queue {
            outbox.wake();
        }
    }
}

impl Queue {
    fn push(&self, frame: &[u8]) {
        match self {
            Queue::Stream(outbox) => {
                outbox.push(frame);
            }
            Queue::Datagrams(frames) => {
                let _ = frames.try_send(frame.to_vec());
            }
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
    fn spawn(
        self,
        connection: impl Future<Output = Result<(), ConnectionError>> + Send + 'static,
    ) -> AbortHandle {
        let task = tokio::spawn(async move {
            let why = match connection.await {
                Ok(()) => ConnectionError::Closed,
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

    /// Reports that the connection is made.
    async fn up(&self) {
        let up = ConnectionEvent::Up {
            server: self.server,
            generation: self.generation,
        };
        // If the client's task has ended, nobody needs to know.
        let _ = self.events.send(up).await;
    }

    /// Hands on replies. Returns `false` once the client's task has ended.
    async fn replies(&self, replies: Vec<Reply>) -> bool {
        let server = self.server;
        let event = ConnectionEvent::Replies { server, replies };
        self.events.send(event).await.is_ok()
    }
}

/// Looks up the host of an address.
async fn look_up(address: &str) -> Result<Vec<SocketAddr>, ConnectionError> {
    let found = tokio::net::lookup_host(address).await;
    let found: Vec<SocketAddr> = found.map_err(ConnectionError::Host)?.collect();
    if found.is_empty() {
        let error = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        return Err(ConnectionError::Host(error));
    }
    Ok(found)
}

/// Connects to a server over TCP, and within TLS if that is wanted.
pub(crate) async fn dial(address: &str, tls: Option<ClientTls>) -> Result<Stream, ConnectionError> {
    let connect = async {
        let addresses = look_up(address).await?;
        TcpStream::connect(&addresses[..])
            .await
            .map_err(ConnectionError::Connect)
    };
    let stream = tokio::time::timeout(CONNECT, connect)
        .await
        .map_err(|_| ConnectionError::Slow)??;
    stream.set_nodelay(true).map_err(ConnectionError::Connect)?;
    match tls {
        None => Ok(Stream::Plain(stream)),
        Some(ClientTls(config)) => {
            let name = host_name(address).ok_or(ConnectionError::Nameless)?;
            let handshake = tls_connect(config, name, stream).await;
            handshake.map_err(ConnectionError::Tls)
        }
    }
}

async fn stream(
    address: String,
    tls: Option<ClientTls>,
    outbox: Arc<Outbox>,
    reports: ConnectionReports,
) -> Result<(), ConnectionError> {
    let stream = dial(&address, tls).await?;
    reports.up().await;
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
    let ended: Result<(), ReadError> = tokio::select! {
        result = write_queued(&outbox, &mut writer, STALL) => result.map_err(ReadError::from),
        result = read => result,
    };
    ended.map_err(|error| ConnectionError::broken(error, Transport::Tcp))
}

async fn datagrams(
    address: String,
    mut queue: mpsc::Receiver<Vec<u8>>,
    reports: ConnectionReports,
) -> Result<(), ConnectionError> {
    let target = look_up(&address).await?[0];
    let own = if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(own).await.map_err(ConnectionError::Connect)?;
    // A connected socket receives datagrams of this server only, and learns if nobody listens there.
    socket.connect(target).await.map_err(ConnectionError::Connect)?;
    reports.up().await;
    let mut datagram = vec![0; MAX_DATAGRAM + 1];
    loop {
        tokio::select! {
            frame = queue.recv() => match frame {
                None => return Ok(()),
                Some(frame) => {
                    socket.send(&frame).await.map_err(ConnectionError::Connect)?;
                }
            },
            received = socket.recv(&mut datagram) => {
                let length = received.map_err(ConnectionError::Connect)?;
                match codec::decode_datagram::<Reply>(&datagram[..length]) {
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
