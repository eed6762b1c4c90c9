//! What a client is made with.

use std::io;
use std::time::Duration;

use kvpaxos::types::MAX_REPLICAS;

/// How requests travel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Transport {
    /// Over a connection to each replica that is asked.
    #[default]
    Tcp,
    /// In a datagram for each request and each reply.
    Udp,
}

impl Transport {
    /// The default of [`ClientOptions::attempt`].
    ///
    /// Over TCP, 2.5 s: a broken connection is noticed at once, so only a replica that hangs is waited for. A
    /// healthy replica that reaches no leader says so, and names the silent replicas, within this time. Over
    /// UDP, 0.5 s: a datagram may simply be lost.
    #[must_use]
    pub fn attempt(self) -> Duration {
        match self {
            Transport::Tcp => Duration::from_millis(2_500),
            Transport::Udp => Duration::from_millis(500),
        }
    }
}

/// What a client is made with.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Where replicas listen for clients (`host:port`): 1 to [`MAX_REPLICAS`] of them, in any order.
    pub servers: Vec<String>,
    /// The place in the list of the server that is asked first; a random one if `None`.
    pub first: Option<usize>,
    /// How requests travel.
    pub transport: Transport,
    /// How long to wait for one replica before the next is asked; [`Transport::attempt`] if `None`.
    pub attempt: Option<Duration>,
    /// How long a call may take in all.
    pub deadline: Duration,
}

impl ClientOptions {
    /// A client of these servers over TCP, with a deadline of 10 s.
    pub fn new<S: Into<String>>(servers: impl IntoIterator<Item = S>) -> ClientOptions {
        ClientOptions {
            servers: servers.into_iter().map(Into::into).collect(),
            first: None,
            transport: Transport::Tcp,
            attempt: None,
            deadline: Duration::from_secs(10),
        }
    }
}

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientOptionsError {
    /// The list of servers is empty, or longer than a cluster can be.
    #[error("a client needs the addresses of 1 to {MAX_REPLICAS} replicas, not {count}")]
    Servers {
        /// How many were given.
        count: usize,
    },
    /// The operating system gives no random bits.
    #[error("the system gives no random bits: {0}")]
    Entropy(#[from] io::Error),
}
