//! What a client is made with.

use std::fmt;
use std::io;
use std::time::Duration;

use kvpaxos::Password;
use kvpaxos::codec::{HEADER, MAX_DATAGRAM, MAX_REQUEST_PAYLOAD};
use kvpaxos::types::MAX_REPLICAS;

use crate::address::{AddressError, check_address};
use crate::tls::client::ClientTls;

/// The most bytes that a payload has besides keys and values: numbers and lengths.
const OVERHEAD: usize = 64;

/// How requests travel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Transport {
    /// Over a connection to each replica that is asked.
    #[default]
    Tcp,
    /// In a datagram for each request and each reply.
    Udp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Transport::Tcp => "TCP",
            Transport::Udp => "UDP",
        })
    }
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

    /// How many bytes the key and the values of one request can have together. The limits of the cluster may
    /// be lower; a replica refuses what is over them.
    #[must_use]
    pub fn capacity(self) -> usize {
        match self {
            Transport::Tcp => MAX_REQUEST_PAYLOAD - OVERHEAD,
            Transport::Udp => MAX_DATAGRAM - HEADER - OVERHEAD,
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
    /// What is trusted and shown if the replicas speak TLS; `None` for plain connections. Not over UDP.
    pub tls: Option<ClientTls>,
    /// What is shown to each replica before anything is asked. Not over UDP.
    pub password: Option<Password>,
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
            tls: None,
            password: None,
        }
    }
}

impl ClientOptions {
    /// Checks the list of servers, and how it is asked.
    ///
    /// # Errors
    /// If it is empty or too long, or something in it is not an address; or if datagrams would have to keep what
    /// they do not.
    pub fn check(&self) -> Result<(), ClientOptionsError> {
        let count = self.servers.len();
        if !(1..=MAX_REPLICAS).contains(&count) {
            return Err(ClientOptionsError::Servers { count });
        }
        for server in &self.servers {
            check_address(server)?;
        }
        if self.transport == Transport::Udp && (self.tls.is_some() || self.password.is_some()) {
            return Err(ClientOptionsError::Datagrams);
        }
        Ok(())
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
    /// A server of the list is not `host:port`.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// UDP with TLS or a password.
    #[error("datagrams are not encrypted and show no password; use TCP with TLS or a password")]
    Datagrams,
    /// The operating system gives no random bits.
    #[error("the system gives no random bits: {0}")]
    Entropy(#[from] io::Error),
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kvpaxos::codec::{self, MAX_COUNTER, MAX_SMALL_COUNTER};
    use kvpaxos::{Op, Request, RequestBody, Revision, Sequence, SessionId, Slot};

    use super::*;

    /// What is within the capacity can be sent, however large the numbers beside it are.
    #[test]
    fn a_request_within_the_capacity_can_be_encoded() {
        let session = SessionId(Revision {
            slot: Slot(MAX_COUNTER),
            index: MAX_SMALL_COUNTER,
        });
        for transport in [Transport::Tcp, Transport::Udp] {
            let length = (transport.capacity() - 3) / 2;
            let request = Request {
                id: u64::MAX,
                body: RequestBody::Apply {
                    session,
                    sequence: Sequence(MAX_COUNTER),
                    lowest_unanswered: Sequence(MAX_COUNTER),
                    op: Op::Cas {
                        key: Bytes::from_static(b"key"),
                        expect: Some(Bytes::from(vec![b'x'; length])),
                        value: Some(Bytes::from(vec![b'x'; length])),
                    },
                },
            };
            let mut frame = Vec::new();
            codec::encode_into(&request, &mut frame).expect("it fits");
            assert!(
                transport == Transport::Tcp || frame.len() <= MAX_DATAGRAM,
                "{}",
                frame.len()
            );
        }
    }

    #[test]
    fn lists_that_are_wrong_are_refused() {
        let check = |servers: &[&str]| ClientOptions::new(servers.iter().copied()).check();
        assert!(matches!(
            check(&[]),
            Err(ClientOptionsError::Servers { count: 0 })
        ));
        assert!(matches!(check(&["a:1", ""]), Err(ClientOptionsError::Address(_))));
        assert!(check(&["a:1"; MAX_REPLICAS]).is_ok());
        assert!(check(&["a:1"; MAX_REPLICAS + 1]).is_err());
    }
}
