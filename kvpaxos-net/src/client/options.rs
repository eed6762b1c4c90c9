//! What a client is made with.

use std::io;
use std::time::Duration;

use kvpaxos::types::MAX_REPLICAS;

/// How requests travel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Transport {
    /// A connection to each replica that is asked.
    #[default]
    Tcp,
    /// A datagram for each request and each reply.
    Udp,
}

impl Transport {
    /// How long to wait for one replica before asking the next. A broken connection is known at once, so that over TCP only a
    /// replica that hangs is waited for: longer than it takes one that lives to say that it reaches no leader, and who is
    /// silent. A datagram may simply be lost.
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
    /// Where replicas listen for clients, at most [`MAX_REPLICAS`]; any of them will do.
    pub servers: Vec<String>,
    /// Which of them to ask first; otherwise one drawn by lot.
    pub first: Option<usize>,
    /// How requests travel.
    pub transport: Transport,
    /// How long to wait for one replica before asking the next; by default, see [`Transport::attempt`].
    pub attempt: Option<Duration>,
    /// How long a call may take in all.
    pub deadline: Duration,
}

impl ClientOptions {
    /// A client of these servers with default patience, over TCP.
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

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientOptionsError {
    /// Nobody to ask, or more than a cluster can have.
    #[error("a client needs the addresses of 1 to {MAX_REPLICAS} replicas, not {count}")]
    Servers {
        /// How many were given.
        count: usize,
    },
    /// The system refuses random bits.
    #[error("the system gives no random bits: {0}")]
    Entropy(#[from] io::Error),
}
