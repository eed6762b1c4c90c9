//! Floods, garbage, half of everything and forgeries, on every port at once, while an honest client works. Limits
//! hold, memory stays within its bounds, and what was acknowledged is there.

use std::net::SocketAddr;
use std::time::Duration;

use kvpaxos::codec::{self, Hello, PeerFrame};
use kvpaxos::{ReplicaId, ReplicaSet, Request, RequestBody};
use kvpaxos_net::{Bounds, Client};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;

use crate::common::local::{LocalCluster, send};
use crate::common::{PATIENCE, runtime};

/// So small that an attack reaches them soon.
const BOUNDS: Bounds = Bounds {
    connections: 80,
    requests: 4 * 1024 * 1024,
    client_outbox: 2 * 1024 * 1024,
    outboxes: 4 * 1024 * 1024,
    datagrams: 64,
};

/// The peers' door has room for 64 strangers.
const STRANGERS: usize = 80;

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.expect("it listens")
}

fn request(body: RequestBody) -> Vec<u8> {
    let mut bytes = Vec::new();
    codec::encode_into(&Request { id: 1, body }, &mut bytes).expect("short enough");
    bytes
}

fn submit(length: usize) -> Vec<u8> {
    request(RequestBody::Submit {
        payload: vec![7; length].into(),
    })
}

/// An honest client, which must be served meanwhile.
struct Honest {
    client: Client,
    writes: usize,
}

impl Honest {
    async fn write(&mut self, length: usize) {
        let value = "0".repeat(length) + &self.writes.to_string();
        let put = self.client.put(format!("honest/{}", self.writes), value);
        let done = tokio::time::timeout(PATIENCE, put).await;
        done.expect("it is served in time").expect("it is done");
        self.writes += 1;
    }

    async fn read_all(&self, through: &Client) {
        for number in 0..self.writes {
            let found = through
                .get(format!("honest/{number}"))
                .await
                .expect("it is answered");
            let value = found.value.unwrap_or_else(|| panic!("write {number} is lost"));
            let text = String::from_utf8(value.to_vec()).expect("digits");
            assert_eq!(text.parse::<usize>().expect("a number"), number);
        }
    }
}

/// Half of a large request on each of many connections, as long as the result is not dropped.
async fn halves(address: SocketAddr) -> JoinSet<()> {
    let half = &submit(1_000_000)[..500_000];
    let mut sending = JoinSet::new();
    for _ in 0..60 {
        let mut stream = connect(address).await;
        let half = half.to_vec();
        sending.spawn(async move {
            // It waits for its turn, or is closed.
            let _ = stream.write_all(&half).await;
            std::future::pending::<()>().await;
        });
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    sending
}

/// Asks for much, and reads none of it.
async fn reads_nothing(address: SocketAddr, key: &str) -> TcpStream {
    let mut stream = connect(address).await;
    let get = request(RequestBody::Get {
        key: key.to_owned().into(),
    });
    // It may be disconnected before all is asked.
    let _ = stream.write_all(&get.repeat(40)).await;
    stream
}

async fn garbage(local: &LocalCluster) {
    let forged = |hello: Hello| {
        let mut bytes = Vec::new();
        codec::encode_into(&PeerFrame::Hello(hello), &mut bytes).expect("short enough");
        bytes
    };
    let hello = Hello {
        cluster: local.cluster.fingerprint(),
        from: ReplicaId(1),
        to: ReplicaId(0),
        members: local.cluster.peers.members(),
        founding: None,
    };
    let mut long = submit(10);
    long[4..8].fill(0xff);
    let mut long_hello = forged(hello);
    long_hello[4..8].copy_from_slice(&1_000_000_u32.to_le_bytes());
    let foreign = Hello { cluster: 1, ..hello };
    let unlike = Hello {
        members: ReplicaSet::EMPTY,
        ..hello
    };
    let itself = Hello {
        from: ReplicaId(0),
        ..hello
    };
    let pieces: [&[u8]; 9] = [
        &[0; 4096],
        &[0xff; 100_000],
        b"GET / HTTP/1.1\r\n\r\n",
        &long,
        &long_hello,
        &forged(foreign),
        &forged(unlike),
        &forged(itself),
        // A hello is said once.
        &[forged(hello), forged(hello)].concat(),
    ];
    for bytes in pieces {
        for address in [local.peers(0), local.http(0)] {
            send(address, bytes).await;
        }
        if bytes[..2] != *b"GE" {
            assert_eq!(
                send(local.clients(0), bytes).await,
                "",
                "bad bytes are not answered"
            );
        }
    }
}

/// Datagrams of garbage and, again and again, of the same good request.
async fn datagrams(address: SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let good = request(RequestBody::Status);
    for number in 0..4000_u32 {
        // The system may have no room for more.
        let _ = socket.send_to(&number.to_le_bytes(), address).await;
        let _ = socket.send_to(&good, address).await;
    }
}

/// Half of a request of 500 kB on each of many connections to the Redis port, as long as the result is not dropped.
async fn redis_halves(address: SocketAddr) -> JoinSet<()> {
    let mut half = b"*3\r\n$3\r\nSET\r\n$4\r\nhalf\r\n$1000000\r\n".to_vec();
    half.resize(500_000, b'v');
    let mut sending = JoinSet::new();
    for _ in 0..60 {
        let mut stream = connect(address).await;
        let half = half.clone();
        sending.spawn(async move {
            // It waits for its turn, or is closed.
            let _ = stream.write_all(&half).await;
            std::future::pending::<()>().await;
        });
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    sending
}

/// Asks a Redis port as an honest client would, and returns the reply's first line.
async fn ask_redis(address: SocketAddr, command: &str) -> String {
    let asked = async {
        let mut stream = connect(address).await;
        stream.write_all(command.as_bytes()).await.expect("it is read");
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(stream.read_u8().await.expect("it is answered"));
        }
        String::from_utf8_lossy(&line).trim_end().to_owned()
    };
    tokio::time::timeout(PATIENCE, asked)
        .await
        .expect("it is served in time")
}

/// What is no request, or one that is too long, each on a connection of its own: it is told so, or closed.
async fn redis_garbage(address: SocketAddr) {
    let long = [b"GET ".as_slice(), &[b'k'; 200_000], b"\r\n"].concat();
    let pieces: [&[u8]; 8] = [
        b"*-7\r\n",
        b"*1\r\n$99999999999999999999\r\n",
        b"*2147483647\r\n",
        b"*1\r\n$2000000000\r\n",
        b"*1\r\n+GET\r\n",
        &[0xff; 100_000],
        &long,
        b"POST / HTTP/1.1\r\nHost: x\r\n\r\n",
    ];
    for bytes in pieces {
        let mut stream = connect(address).await;
        // It may be closed before all is written.
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        // Reset, if not all was read.
        let _ = read.expect("it is closed in the end");
    }
    // A pipeline of many requests that are all wrong is answered one by one.
    assert!(
        ask_redis(address, &"NONSENSE\r\n".repeat(10_000))
            .await
            .starts_with("-ERR")
    );
}

/// Asks a Redis port for much, and reads none of it.
async fn redis_reads_nothing(address: SocketAddr, key: &str) -> TcpStream {
    let mut stream = connect(address).await;
    // It may be disconnected before all is asked.
    let _ = stream
        .write_all(format!("GET {key}\r\n").repeat(40).as_bytes())
        .await;
    stream
}

/// Connections to the port for metrics that ask nothing, drip, or never end their head; more than there is room for.
async fn http_strangers(address: SocketAddr) -> Vec<TcpStream> {
    let mut held = Vec::new();
    for number in 0..100 {
        let mut stream = connect(address).await;
        let part: &[u8] = match number % 3 {
            0 => b"",
            1 => b"GET /met",
            _ => b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Long: ",
        };
        // It may have had to go already.
        let _ = stream.write_all(part).await;
        held.push(stream);
    }
    held
}

#[test]
fn the_redis_port_and_the_http_port_hold_under_attack() {
    runtime().block_on(async {
        let local = LocalCluster::start(3, BOUNDS).await;
        let redis = local.redis(0);
        let mut honest = Honest {
            client: local.client(0),
            writes: 0,
        };
        let large = "v".repeat(900_000);
        honest.client.put("large", large).await.expect("it is done");

        // Memory for requests.
        let halves = redis_halves(redis).await;
        honest.write(1000).await;
        assert_eq!(ask_redis(redis, "SET small value\r\n").await, "+OK");
        let held = local.metric(0, "kvpaxos_request_memory_bytes").await;
        println!("60 redis connections with 500 kB of a request each hold {held} bytes");
        assert!(held <= BOUNDS.requests as f64, "{held}");
        drop(halves);

        // Memory for replies: those who read nothing give way to each other, and to an honest client.
        let mut readers = Vec::new();
        for _ in 0..40 {
            readers.push(redis_reads_nothing(redis, "large").await);
        }
        let held = async {
            loop {
                let held = local.metric(0, "kvpaxos_reply_memory_bytes").await;
                if held > 0.0 {
                    break held;
                }
            }
        };
        let held = tokio::time::timeout(PATIENCE, held)
            .await
            .expect("some are answered");
        println!("40 redis clients that read none of 40 replies of 900 kB each hold {held} bytes");
        // What is over: replies of up to 16 KiB take no share.
        assert!(held <= (BOUNDS.outboxes + 40 * 20_000) as f64, "{held}");
        honest.write(1000).await;
        assert_eq!(ask_redis(redis, "GET small\r\n").await, "$5");
        assert_eq!(ask_redis(redis, "GET large\r\n").await, "$900000");
        let held = local.metric(0, "kvpaxos_reply_memory_bytes").await;
        assert!(held <= (BOUNDS.outboxes + 40 * 20_000) as f64, "{held}");
        drop(readers);

        redis_garbage(redis).await;
        honest.write(1000).await;

        // The port for metrics answers beside those who ask nothing.
        let strangers = http_strangers(local.http(0)).await;
        assert!(local.metric(0, "kvpaxos_up").await > 0.0);
        let endless = [b"GET / HTTP/1.1\r\nX: ".as_slice(), &[b'x'; 1_000_000]].concat();
        send(local.http(0), &endless).await;
        send(local.http(0), b"\x16\x03\x01garbage\r\n\r\n").await;
        assert!(local.metric(0, "kvpaxos_up").await > 0.0);
        drop(strangers);

        // Connections that say nothing, more than are admitted.
        let mut silent = Vec::new();
        for _ in 0..2 * BOUNDS.connections {
            silent.push(connect(redis).await);
        }
        let served = local.metric(0, "kvpaxos_client_connections").await;
        assert!(served <= BOUNDS.connections as f64, "{served}");
        // Those who are there are served.
        honest.write(1000).await;
        honest.read_all(&honest.client).await;
        for replica in 1..3 {
            honest.read_all(&local.client(replica)).await;
        }
        drop(silent);
    });
}

#[test]
fn honest_clients_are_served_under_attack() {
    runtime().block_on(async {
        let local = LocalCluster::start(3, BOUNDS).await;
        let mut honest = Honest {
            client: local.client(0),
            writes: 0,
        };
        honest.write(1000).await;
        let large = "v".repeat(900_000);
        honest.client.put("large", large).await.expect("it is done");

        // Memory for requests: small ones need none of it, and a large one gets its share.
        let halves = halves(local.clients(0)).await;
        honest.write(1000).await;
        honest.write(900_000).await;
        let held = local.metric(0, "kvpaxos_request_memory_bytes").await;
        println!("60 connections with 500 kB of a request each hold {held} bytes");
        assert!(held <= BOUNDS.requests as f64, "{held}");
        drop(halves);

        // Memory for replies.
        let mut readers = Vec::new();
        for _ in 0..12 {
            readers.push(reads_nothing(local.clients(0), "large").await);
        }
        honest.write(1000).await;
        let held = local.metric(0, "kvpaxos_reply_memory_bytes").await;
        println!("12 clients that read none of 40 replies of 900 kB each hold {held} bytes");
        // A queue that is empty takes one reply, whatever its length.
        assert!(held <= (BOUNDS.outboxes + 12 * 1_000_000) as f64, "{held}");
        drop(readers);

        // Peers: strangers who say nothing, more than there is room for, and a peer that comes back.
        let mut strangers = Vec::new();
        for _ in 0..STRANGERS {
            strangers.push(connect(local.peers(0)).await);
        }
        let mut closed = [0];
        let first = tokio::time::timeout(PATIENCE, strangers[0].read(&mut closed)).await;
        assert!(matches!(first, Ok(Ok(0) | Err(_))), "the oldest goes: {first:?}");
        honest.write(1000).await;

        garbage(&local).await;
        datagrams(local.udp(0)).await;
        honest.write(1000).await;
        let dropped = local.metric(0, "kvpaxos_dropped_datagrams_total").await;
        let summed_up = local.metric(0, "kvpaxos_repeated_log_lines_total").await;
        println!("{dropped} datagrams were dropped, {summed_up} log lines were summed up");
        assert!(
            dropped > 0.0 && summed_up >= dropped / 2.0,
            "{dropped}, {summed_up}"
        );

        // Connections: more than are admitted. Those who say nothing make room in the end.
        let mut silent = Vec::new();
        for _ in 0..2 * BOUNDS.connections {
            silent.push(connect(local.clients(0)).await);
        }
        honest.write(1000).await;
        let served = local.metric(0, "kvpaxos_client_connections").await;
        assert!(served <= BOUNDS.connections as f64, "{served}");
        assert!(local.metric(0, "kvpaxos_refused_connections_total").await > 0.0);
        let mut other = Honest {
            client: local.client(0),
            writes: honest.writes,
        };
        other.write(1000).await;

        // All is there, at every replica.
        for replica in 0..3 {
            let client = if replica == 0 {
                other.client.clone()
            } else {
                local.client(replica)
            };
            other.read_all(&client).await;
        }
        drop((strangers, silent));
    });
}
