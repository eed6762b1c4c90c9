//! The client of a cluster: asks any of its replicas, fails over, and repeats under the same sequence number, so that a
//! write takes effect once. What it says and when is decided by [`kvpaxos::client`]; here are the sockets and the clock.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use kvpaxos_net::{Client, ClientOptions};
//!
//! let client = Client::new(ClientOptions::new(["127.0.0.1:8000", "127.0.0.1:8001"]))?;
//! client.put("greeting", "hello").await?;
//! assert_eq!(client.get("greeting").await?.value.as_deref(), Some(&b"hello"[..]));
//! client.close().await;
//! # Ok(())
//! # }
//! ```

use std::time::Duration;

use bytes::Bytes;
use kvpaxos::client::{Call, ClientConfig, Fate};
use kvpaxos::codec::MAX_DATAGRAM;
use kvpaxos::types::MAX_REPLICAS;
use kvpaxos::{Op, Outcome, Refusal, ReplicaId, ReplicaSet, Revision, Status};
use tokio::sync::{mpsc, oneshot};

use crate::client::answer::{ClientError, Deleted, Read, Swapped};
use crate::client::driver::{Driver, Order};
use crate::client::options::{ClientOptions, ClientOptionsError, Transport};
use crate::system::clock::micros;
use crate::system::random::entropy;

/// Calls that may wait for the client's task; more wait in their callers.
const CALLS: usize = 1024;
/// What a request takes in a datagram beside its keys and values.
const DATAGRAM_OVERHEAD: usize = 128;
/// How long a client that closes waits for its session to end. The session would be dropped some day anyway.
const FAREWELL: Duration = Duration::from_millis(500);

/// A client. Clones share its session and its connections, and may call at the same time.
#[derive(Clone, Debug)]
pub struct Client {
    orders: mpsc::Sender<Order>,
    transport: Transport,
}

impl Client {
    /// A client that connects with its first call. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// If the list of servers is empty or too long.
    pub fn new(options: ClientOptions) -> Result<Client, ClientOptionsError> {
        let count = options.servers.len();
        if !(1..=MAX_REPLICAS).contains(&count) {
            return Err(ClientOptionsError::Servers { count });
        }
        // In the client's own count: the first of the list is 0, whoever it is in the cluster.
        let number = |index: usize| u8::try_from(index).map(ReplicaId).ok();
        let config = ClientConfig {
            first: options.first.and_then(number),
            attempt: micros(options.attempt.unwrap_or(options.transport.attempt())),
            deadline: micros(options.deadline),
            repeats: options.transport == Transport::Udp,
            ..ClientConfig::new(ReplicaSet::first(count))
        };
        let (orders, inbox) = mpsc::channel(CALLS);
        let core = kvpaxos::Client::new(config, entropy()?);
        let driver = Driver::new(core, options.servers, options.transport, inbox);
        tokio::spawn(driver.run());
        Ok(Client {
            orders,
            transport: options.transport,
        })
    }

    /// Sets a key.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn put(&self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Result<Revision, ClientError> {
        let op = Op::Put {
            key: key.into(),
            value: value.into(),
        };
        match self.write(op).await? {
            Outcome::Done { revision } => Ok(revision),
            other => unreachable!("a put is answered by its revision, not by {other:?}"),
        }
    }

    /// Reads a key, linearizably: it sees every write that was answered before it was asked.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn get(&self, key: impl Into<Bytes>) -> Result<Read, ClientError> {
        match self.call(Call::Get { key: key.into() }).await? {
            Outcome::Value { revision, value } => Ok(Read { revision, value }),
            other => unreachable!("a get is answered by a value, not by {other:?}"),
        }
    }

    /// Removes a key.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn delete(&self, key: impl Into<Bytes>) -> Result<Deleted, ClientError> {
        match self.write(Op::Delete { key: key.into() }).await? {
            Outcome::Deleted { revision, existed } => Ok(Deleted { revision, existed }),
            other => unreachable!("a delete is answered by its result, not by {other:?}"),
        }
    }

    /// Sets a key to `value` (`None` removes it) if it holds `expect` (`None`: has no value).
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn cas(
        &self,
        key: impl Into<Bytes>,
        expect: Option<Bytes>,
        value: Option<Bytes>,
    ) -> Result<Swapped, ClientError> {
        let op = Op::Cas {
            key: key.into(),
            expect,
            value,
        };
        match self.write(op).await? {
            Outcome::Swapped { revision, applied } => Ok(Swapped { revision, applied }),
            other => unreachable!("a compare-and-swap is answered by its result, not by {other:?}"),
        }
    }

    /// What the replica that is asked knows of itself and its peers.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn status(&self) -> Result<Status, ClientError> {
        match self.call(Call::Status).await? {
            Outcome::Status(status) => Ok(*status),
            other => unreachable!("a status is answered by one, not by {other:?}"),
        }
    }

    /// Ends the session, so that the cluster need not remember it. Waits a moment at most.
    pub async fn close(self) {
        let _ = tokio::time::timeout(FAREWELL, self.call(Call::Close)).await;
    }

    async fn write(&self, op: Op) -> Result<Outcome, ClientError> {
        if self.transport == Transport::Udp {
            let size = op.key().len() + op.values().map(Bytes::len).sum::<usize>();
            if size + DATAGRAM_OVERHEAD > MAX_DATAGRAM {
                return Err(ClientError::Refused(Refusal::ValueTooLong {
                    length: size as u64,
                    limit: (MAX_DATAGRAM - DATAGRAM_OVERHEAD) as u64,
                }));
            }
        }
        self.call(Call::Write(op)).await
    }

    async fn call(&self, call: Call) -> Result<Outcome, ClientError> {
        let (answer, fate) = oneshot::channel();
        let order = Order { call, answer };
        self.orders.send(order).await.map_err(|_| ClientError::Gone)?;
        match fate.await.map_err(|_| ClientError::Gone)? {
            Fate::Done(outcome) => Ok(outcome),
            Fate::Refused(Refusal::Unavailable { silent }) => Err(ClientError::Unavailable { silent }),
            Fate::Refused(refusal) => Err(ClientError::Refused(refusal)),
            Fate::Unknown { silent } => Err(ClientError::Unknown { silent }),
        }
    }
}
