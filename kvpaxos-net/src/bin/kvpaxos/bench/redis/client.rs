//! The connection: what is asked meanwhile leaves in one write, and replies come in the order of the requests.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use kvpaxos::Password;
use kvpaxos_net::ClientTls;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

use crate::bench::connection::{Answer, Request};
use crate::bench::redis::command::{answer, encode, encode_request};
use crate::bench::redis::decode::{Reply, decode};

/// Requests that may be queued for the connection; further callers wait.
const QUEUE: usize = 1024;
/// No further requests are taken while this many bytes wait to be written.
const UNWRITTEN: usize = 256 * 1024;

/// Why a request of the Redis protocol has no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum RedisError {
    /// The server answered with an error.
    #[error("{0}")]
    Answer(String),
    /// It was not sent, as there is no connection.
    #[error("{0}; nothing was changed")]
    Unsent(String),
    /// It was sent, and the connection ended or its time passed.
    #[error("{0}; it may have been done, or may still be")]
    Lost(String),
    /// The answer is not one to such a request.
    #[error("{0}, which is no answer to it")]
    Strange(String),
}

/// What a client is made with.
#[derive(Clone, Debug)]
pub(crate) struct RedisOptions {
    /// Where servers listen, `host:port`. When a connection fails, the next one goes to the next server.
    pub(crate) servers: Vec<String>,
    /// The place in the list of the server that is asked first.
    pub(crate) first: usize,
    /// How long a request may take, and how long a connection may take to be made.
    pub(crate) timeout: Duration,
    /// What to trust and to show, if the servers speak TLS.
    pub(crate) tls: Option<ClientTls>,
    /// The password for AUTH.
    pub(crate) password: Option<Password>,
}

/// A client with one connection. Clones share it, and may ask at the same time.
#[derive(Clone, Debug)]
pub(crate) struct RedisClient {
    orders: mpsc::Sender<Order>,
}

#[derive(Debug)]
struct Order {
    request: Request,
    answer: oneshot::Sender<Result<Reply, RedisError>>,
}

/// A request that was sent.
struct Pending {
    answer: oneshot::Sender<Result<Reply, RedisError>>,
    sent: Instant,
}

impl RedisClient {
    /// Makes a client. It connects with its first request.
    pub(crate) fn new(options: RedisOptions) -> RedisClient {
        let (orders, inbox) = mpsc::channel(QUEUE);
        tokio::spawn(run(options, inbox));
        RedisClient { orders }
    }

    /// Carries out a request.
    pub(crate) async fn perform(&self, request: Request) -> Result<Answer, RedisError> {
        let kind = request.kind;
        let (answered, reply) = oneshot::channel();
        let order = Order {
            request,
            answer: answered,
        };
        let gone = || "the client was shut down".to_owned();
        self.orders
            .send(order)
            .await
            .map_err(|_| RedisError::Unsent(gone()))?;
        let reply = reply.await.map_err(|_| RedisError::Lost(gone()))??;
        answer(kind, reply)
    }
}

/// A connection, whatever it is within.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Serves orders until nobody can place any. Each that waits for a connection learns if there is none.
async fn run(options: RedisOptions, mut inbox: mpsc::Receiver<Order>) {
    let mut server = options.first;
    while let Some(order) = inbox.recv().await {
        let address = &options.servers[server % options.servers.len()];
        let connected = tokio::time::timeout(options.timeout, connect(address, &options)).await;
        match connected.unwrap_or_else(|_| Err("it takes too long".to_owned())) {
            Ok(stream) => {
                let why = serve(stream, order, &mut inbox, options.timeout).await;
                tracing::debug!(%address, %why, "the connection ended");
            }
            Err(why) => {
                let why = format!("cannot connect to {address}: {why}");
                let _ = order.answer.send(Err(RedisError::Unsent(why)));
            }
        }
        server = server.wrapping_add(1);
    }
}

async fn connect(address: &str, options: &RedisOptions) -> Result<Box<dyn Stream>, String> {
    let socket = TcpStream::connect(address)
        .await
        .map_err(|error| error.to_string())?;
    socket.set_nodelay(true).map_err(|error| error.to_string())?;
    let mut stream: Box<dyn Stream> = match &options.tls {
        None => Box::new(socket),
        Some(tls) => Box::new(tls.handshake(address, socket).await?),
    };
    if let Some(password) = &options.password {
        authenticate(&mut stream, password).await?;
    }
    Ok(stream)
}

async fn authenticate(stream: &mut Box<dyn Stream>, password: &Password) -> Result<(), String> {
    let mut command = Vec::new();
    encode(&[b"AUTH", password.as_bytes()], &mut command);
    stream
        .write_all(&command)
        .await
        .map_err(|error| error.to_string())?;
    stream.flush().await.map_err(|error| error.to_string())?;
    let mut buffer = BytesMut::new();
    loop {
        match decode(&mut buffer)? {
            Some(Reply::Status(_)) => return Ok(()),
            Some(Reply::Error(text)) => return Err(text),
            Some(_) => return Err("AUTH was answered with no status".to_owned()),
            None => {}
        }
        let read = stream.read_buf(&mut buffer).await;
        if read.map_err(|error| error.to_string())? == 0 {
            return Err("the server closed the connection".to_owned());
        }
    }
}

/// Sends this order and those that come, and hands out the replies, until the connection ends. Returns why.
async fn serve(
    stream: Box<dyn Stream>,
    first: Order,
    inbox: &mut mpsc::Receiver<Order>,
    timeout: Duration,
) -> String {
    let (mut pending, mut input, mut output) = (VecDeque::new(), BytesMut::new(), Vec::new());
    let (mut written, mut is_flushed) = (0, true);
    let take = |order: Order, pending: &mut VecDeque<Pending>, output: &mut Vec<u8>| {
        encode_request(&order.request, output);
        let (answer, sent) = (order.answer, Instant::now());
        pending.push_back(Pending { answer, sent });
    };
    take(first, &mut pending, &mut output);
    let (mut reader, mut writer) = tokio::io::split(stream);
    // It is set anew only when it has passed: a timer for each request would take longer than the rest.
    let mut alarm = std::pin::pin!(tokio::time::sleep(timeout));
    let why = loop {
        // What has come meanwhile goes out with it.
        while output.len() - written < UNWRITTEN
            && let Ok(order) = inbox.try_recv()
        {
            take(order, &mut pending, &mut output);
        }
        tokio::select! {
            biased;
            read = reader.read_buf(&mut input) => match on_read(read, &mut input, &mut pending) {
                Ok(()) => {}
                Err(why) => break why,
            },
            sent = send(&mut writer, &output[written..]), if written < output.len() || !is_flushed => match sent {
                Ok(0) => is_flushed = true,
                Ok(count) => {
                    (written, is_flushed) = (written + count, false);
                    if written == output.len() {
                        output.clear();
                        written = 0;
                    }
                }
                Err(error) => break error.to_string(),
            },
            order = inbox.recv(), if output.len() - written < UNWRITTEN => match order {
                Some(order) => {
                    take(order, &mut pending, &mut output);
                    // Those who were answered together ask again now: their requests go out together, too.
                    tokio::task::yield_now().await;
                }
                // Whoever asks holds the client, so nothing is pending.
                None => break "nobody asks any more".to_owned(),
            },
            () = &mut alarm => {
                let now = Instant::now();
                let due = pending.front().map_or(now, |oldest: &Pending| oldest.sent) + timeout;
                if due <= now {
                    break format!("no answer came in {timeout:?}");
                }
                alarm.as_mut().reset(due.into());
            }
        }
    };
    for order in pending {
        let _ = order.answer.send(Err(RedisError::Lost(why.clone())));
    }
    why
}

/// Writes some of these bytes, and returns how many. If there are none, what was written leaves: within TLS it
/// need not have yet.
async fn send(writer: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<usize> {
    if bytes.is_empty() {
        return writer.flush().await.map(|()| 0);
    }
    match writer.write(bytes).await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        count => Ok(count),
    }
}

/// Hands out the replies that have come.
fn on_read(
    read: io::Result<usize>,
    input: &mut BytesMut,
    pending: &mut VecDeque<Pending>,
) -> Result<(), String> {
    match read {
        Ok(0) => return Err("the server closed the connection".to_owned()),
        Ok(_) => {}
        Err(error) => return Err(error.to_string()),
    }
    while let Some(reply) = decode(input)? {
        let Some(order) = pending.pop_front() else {
            return Err("the server sent a reply that nobody had asked for".to_owned());
        };
        let _ = order.answer.send(Ok(reply));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::net::TcpListener;

    use super::*;
    use crate::bench::mix::Kind;

    fn get(key: &'static str) -> Request {
        Request {
            kind: Kind::Get,
            key: Bytes::from_static(key.as_bytes()),
            value: Bytes::new(),
            expect: None,
        }
    }

    fn client(servers: Vec<String>, password: Option<&str>) -> RedisClient {
        RedisClient::new(RedisOptions {
            servers,
            first: 0,
            timeout: Duration::from_secs(20),
            tls: None,
            password: password.and_then(|password| Password::new(password.to_owned())),
        })
    }

    /// Reads until the bytes so far end like this.
    async fn expect(stream: &mut TcpStream, end: &str) {
        let mut bytes = Vec::new();
        while !bytes.ends_with(end.as_bytes()) {
            let count = stream.read_buf(&mut bytes).await.unwrap();
            assert!(
                count > 0,
                "the client closed after {:?}",
                String::from_utf8_lossy(&bytes)
            );
        }
    }

    #[tokio::test]
    async fn replies_belong_to_requests_in_their_order() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            expect(&mut stream, "*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n").await;
            stream.write_all(b"+OK\r\n").await.unwrap();
            expect(&mut stream, "a\r\n*2\r\n$3\r\nGET\r\n$1\r\nb\r\n").await;
            stream.write_all(b"$1\r\n1\r\n$-1\r\n").await.unwrap();
            stream
        });
        let client = client(vec![address], Some("secret"));
        let (a, b) = tokio::join!(client.perform(get("a")), client.perform(get("b")));
        assert_eq!(a, Ok(Answer::Value(Some(Bytes::from_static(b"1")))));
        assert_eq!(b, Ok(Answer::Value(None)));
        server.await.unwrap();
    }

    #[tokio::test]
    async fn what_was_sent_is_lost_with_its_connection_and_the_next_server_is_asked() {
        let (one, two) = (
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
        );
        let servers = [&one, &two]
            .map(|listener| listener.local_addr().unwrap().to_string())
            .to_vec();
        let server = tokio::spawn(async move {
            let (mut stream, _) = one.accept().await.unwrap();
            expect(&mut stream, "a\r\n").await;
            drop((stream, one));
            let (mut stream, _) = two.accept().await.unwrap();
            expect(&mut stream, "b\r\n").await;
            stream.write_all(b"-ERR no\r\n").await.unwrap();
            expect(&mut stream, "c\r\n").await;
            stream.write_all(b"*0\r\n").await.unwrap();
            stream
        });
        let client = client(servers, None);
        let lost = client.perform(get("a")).await;
        assert!(matches!(&lost, Err(RedisError::Lost(_))), "{lost:?}");
        assert_eq!(
            client.perform(get("b")).await,
            Err(RedisError::Answer("ERR no".to_owned()))
        );
        let strange = client.perform(get("c")).await;
        assert!(
            matches!(&strange, Err(RedisError::Lost(why)) if why.contains("'*'")),
            "{strange:?}"
        );
        let unsent = client.perform(get("d")).await;
        assert!(
            matches!(&unsent, Err(RedisError::Unsent(why)) if why.contains("cannot connect")),
            "{unsent:?}"
        );
        drop(server.await.unwrap());
    }
}
