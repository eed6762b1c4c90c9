//! The client of a cluster. It asks any replica, goes on to the next when one fails, and repeats a write
//! under the same sequence number, so that the write takes effect once. [`kvpaxos::client`] decides what is
//! sent when; this folder has the sockets and the clock.

use std::time::Duration;

use bytes::Bytes;
use kvpaxos::client::{Call, ClientConfig, Completion};
use kvpaxos::{Op, Outcome, Refusal, ReplicaId, ReplicaSet, Revision, Status};
use tokio::sync::{mpsc, oneshot};

use crate::client::answer::{CasResult, ClientError, DeleteResult, GetResult};
use crate::client::driver::{CallEnd, CallOrder, Driver};
use crate::client::options::{ClientOptions, ClientOptionsError, Transport};
use crate::system::clock::micros;
use crate::system::random::entropy;

/// Calls that may be queued for the client's task; further callers wait.
const CALLS: usize = 1024;
/// How long [`Client::close`] waits for the session to end. Replicas drop a session that is not used some day
/// anyway.
const FAREWELL: Duration = Duration::from_millis(500);

/// A client of a cluster. Clones share its session and its connections; they may call at the same time.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use kvpaxos_net::{Client, ClientOptions};
///
/// let client = Client::new(ClientOptions::new(["127.0.0.1:8000", "127.0.0.1:8001"]))?;
/// client.put("greeting", "hello").await?;
/// assert_eq!(client.get("greeting").await?.value.as_deref(), Some(&b"hello"[..]));
/// client.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    orders: mpsc::Sender<CallOrder>,
    transport: Transport,
}

impl Client {
    /// Makes a client. It connects with its first call.
    ///
    /// # Errors
    /// If the list of servers is empty or too long, one is no address, or the system gives no random bits.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn new(options: ClientOptions) -> Result<Client, ClientOptionsError> {
        options.check()?;
        // The state machine numbers servers by their places in the list, whatever their ids are in the
        // cluster.
        let server = |place: usize| u8::try_from(place).map(ReplicaId).ok();
        let config = ClientConfig {
            first: options.first.and_then(server),
            attempt: micros(options.attempt.unwrap_or(options.transport.attempt())),
            deadline: micros(options.deadline),
            repeats: options.transport == Transport::Udp,
            ..ClientConfig::new(ReplicaSet::first(options.servers.len()))
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

    /// Sets a key, and returns the revision of the write.
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
            other => unreachable!("the state machine answers a put with its revision, not with {other:?}"),
        }
    }

    /// Reads a key. The read is linearizable: it sees every write that was answered before the read was
    /// asked.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn get(&self, key: impl Into<Bytes>) -> Result<GetResult, ClientError> {
        match self.call(Call::Get { key: key.into() }).await? {
            Outcome::Value { revision, value } => Ok(GetResult { revision, value }),
            other => unreachable!("the state machine answers a get with a value, not with {other:?}"),
        }
    }

    /// Removes a key.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn delete(&self, key: impl Into<Bytes>) -> Result<DeleteResult, ClientError> {
        match self.write(Op::Delete { key: key.into() }).await? {
            Outcome::Deleted { revision, existed } => Ok(DeleteResult { revision, existed }),
            other => unreachable!("the state machine answers a delete with its result, not with {other:?}"),
        }
    }

    /// Compares and swaps: if the key holds `expect` (`None`: if it has no value), sets it to `value`
    /// (`None`: removes it).
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn cas(
        &self,
        key: impl Into<Bytes>,
        expect: Option<Bytes>,
        value: Option<Bytes>,
    ) -> Result<CasResult, ClientError> {
        let op = Op::Cas {
            key: key.into(),
            expect,
            value,
        };
        match self.write(op).await? {
            Outcome::Swapped { revision, applied } => Ok(CasResult { revision, applied }),
            other => unreachable!(
                "the state machine answers a compare-and-swap with its result, not with {other:?}"
            ),
        }
    }

    /// Returns what one replica knows of itself and its peers; the first server of the list that answers is
    /// asked.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn status(&self) -> Result<Status, ClientError> {
        match self.call(Call::Status).await? {
            Outcome::Status(status) => Ok(*status),
            other => unreachable!("the state machine answers a status with one, not with {other:?}"),
        }
    }

    /// Ends the session, so that the cluster need not remember it. Waits for half a second at most.
    pub async fn close(self) {
        let _ = tokio::time::timeout(FAREWELL, self.call(Call::Close)).await;
    }

    async fn write(&self, op: Op) -> Result<Outcome, ClientError> {
        self.call(Call::Write(op)).await
    }

    async fn call(&self, call: Call) -> Result<Outcome, ClientError> {
        let (length, limit) = (length(&call), self.transport.capacity());
        if length > limit {
            let transport = self.transport;
            return Err(ClientError::TooLong {
                length,
                limit,
                transport,
            });
        }
        let (answer, ended) = oneshot::channel();
        let order = CallOrder { call, answer };
        self.orders.send(order).await.map_err(|_| ClientError::Gone)?;
        let CallEnd { completion, failures } = ended.await.map_err(|_| ClientError::Gone)?;
        match completion {
            Completion::Done(outcome) => Ok(outcome),
            Completion::Refused(Refusal::Unavailable { silent }) => {
                Err(ClientError::Unavailable { silent, failures })
            }
            Completion::Refused(refusal) => Err(ClientError::Refused(refusal)),
            Completion::Unknown { silent } => Err(ClientError::Unknown { silent, failures }),
        }
    }
}

/// The bytes of the key and the values of a call.
fn length(call: &Call) -> usize {
    match call {
        Call::Write(op) => op.key().len() + op.values().map(Bytes::len).sum::<usize>(),
        Call::Get { key } => key.len(),
        Call::Status | Call::Close => 0,
    }
}
