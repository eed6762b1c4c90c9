//! Clusters within this process, which keep nothing on disk: cheap, and their bounds can be set.

use std::net::SocketAddr;

use kvpaxos::ReplicaId;
use kvpaxos_net::{
    Bounds, Client, ClientOptions, Cluster, MemoryLocation, Node, NodeOptions, PeerAddresses, RedisOptions,
    Security, Sockets,
};

use super::PATIENCE;

/// The replicas of a cluster in this process.
pub(crate) struct LocalCluster {
    pub(crate) cluster: Cluster,
    pub(crate) nodes: Vec<Node>,
}

impl LocalCluster {
    /// Starts this many replicas, each with all its ports, and waits until they serve.
    pub(crate) async fn start(replicas: u8, bounds: Bounds) -> LocalCluster {
        LocalCluster::start_with(replicas, bounds, &RedisOptions::default()).await
    }

    /// The same, with these options for Redis clients.
    pub(crate) async fn start_with(replicas: u8, bounds: Bounds, redis: &RedisOptions) -> LocalCluster {
        let udp = Some("127.0.0.1:0");
        let local = LocalCluster::start_secured(replicas, bounds, redis, udp, |_| Security::default()).await;
        local.client(0).put("first", "value").await.expect("it serves");
        local
    }

    /// The same, with datagrams at this address if there is one, each replica with this security.
    pub(crate) async fn start_secured(
        replicas: u8,
        bounds: Bounds,
        redis: &RedisOptions,
        udp: Option<&str>,
        security: impl Fn(ReplicaId) -> Security,
    ) -> LocalCluster {
        let mut sockets = Vec::new();
        for _ in 0..replicas {
            let any = "127.0.0.1:0";
            let bound = Sockets::bind(any, any, udp).await.expect("free ports");
            let bound = bound.with_http(any).await.expect("a free port");
            sockets.push(bound.with_redis(any).await.expect("a free port"));
        }
        let peers = sockets
            .iter()
            .map(|sockets| sockets.peers.local_addr().expect("an address"));
        let peers = PeerAddresses::in_order(peers).expect("addresses");
        let cluster = Cluster::new("local", peers);
        let mut nodes = Vec::new();
        for (id, sockets) in (0..replicas).map(ReplicaId).zip(sockets) {
            let options = NodeOptions {
                id,
                cluster: cluster.clone(),
                memory: MemoryLocation::Process { new_cluster: true },
                bounds,
                redis: redis.clone(),
                security: security(id),
                record: None,
            };
            nodes.push(Node::start(options, sockets).expect("it starts"));
        }
        LocalCluster { cluster, nodes }
    }

    /// A patient client of one replica.
    pub(crate) fn client(&self, replica: usize) -> Client {
        let options = ClientOptions {
            deadline: PATIENCE,
            ..ClientOptions::new([self.clients(replica).to_string()])
        };
        Client::new(options).expect("a client")
    }

    pub(crate) fn clients(&self, replica: usize) -> SocketAddr {
        self.nodes[replica].client_address().expect("it has an address")
    }

    pub(crate) fn peers(&self, replica: usize) -> SocketAddr {
        self.nodes[replica].peer_address().expect("it has an address")
    }

    pub(crate) fn udp(&self, replica: usize) -> SocketAddr {
        self.nodes[replica].udp_address().expect("it has an address")
    }

    pub(crate) fn http(&self, replica: usize) -> SocketAddr {
        self.nodes[replica].http_address().expect("it has an address")
    }

    pub(crate) fn redis(&self, replica: usize) -> SocketAddr {
        self.nodes[replica].redis_address().expect("it has an address")
    }

    /// The value of a metric of a replica, by its name and labels but for the replica's.
    pub(crate) async fn metric(&self, replica: usize, name: &str) -> f64 {
        let (_, text) = get(self.http(replica), "/metrics").await;
        let name = match name.split_once('{') {
            Some((name, labels)) => format!("{name}{{replica=\"r{replica}\",{labels} "),
            None => format!("{name}{{replica=\"r{replica}\"}} "),
        };
        let value = text.lines().find_map(|line| line.strip_prefix(&name));
        value
            .unwrap_or_else(|| panic!("{name} is not in {text}"))
            .parse()
            .expect("a number")
    }
}

/// Asks over HTTP: the status line and all that follows.
pub(crate) async fn get(address: SocketAddr, path: &str) -> (String, String) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: kvpaxos\r\n\r\n");
    let answer = send(address, request.as_bytes()).await;
    let (status, rest) = answer.split_once("\r\n").unwrap_or((&answer, ""));
    (status.to_owned(), rest.to_owned())
}

/// Sends bytes and returns what comes back until the connection is closed.
pub(crate) async fn send(address: SocketAddr, bytes: &[u8]) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("it listens");
    // It may be closed before all is written.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    // Reset, if not all was read.
    let _ = read.expect("it is closed in the end");
    String::from_utf8_lossy(&answer).into_owned()
}
