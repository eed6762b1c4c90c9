//! The client of a cluster. It asks any replica, goes on to the next when one fails, and repeats a write
//! under the same sequence number, so that the write takes effect once. [`kvpaxos::client`] decides what is
//! sent when; this folder has the sockets and the clock.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use kvpaxos::client::{Call, ClientConfig, Completion};
use kvpaxos::{
    Op, Outcome, Query, Refusal, ReplicaId, ReplicaSet, Revision, Status, Step, StepResult, Transaction,
};
use tokio::sync::{mpsc, oneshot};

use crate::client::answer::{
    CasResult, ClientError, DeleteResult, GetManyResult, GetResult, LengthsResult, Page, TransactionResult,
};
use crate::client::connection::Way;
use crate::client::driver::{CallEnd, CallOrder, Driver};
use crate::client::options::{ClientOptions, ClientOptionsError, Transport};
use crate::replica::driver_status::DriverStatus;
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
    /// The number of the next call, in log lines.
    calls: Arc<AtomicU64>,
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
        let way = Way::new(options.transport, options.tls, options.password);
        let driver = Driver::new(core, options.servers, way, inbox);
        tokio::spawn(driver.run());
        Ok(Client {
            orders,
            transport: options.transport,
            calls: Arc::default(),
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
        let query = Query::Get { key: key.into() };
        match self.call(Call::Read(query)).await? {
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

    /// Executes the steps of a transaction together, if all its conditions hold. See
    /// [`kvpaxos::transaction`].
    ///
    /// # Errors
    /// See [`ClientError`]. A step that fails is no error: its result says so.
    pub async fn transaction(&self, transaction: Transaction) -> Result<TransactionResult, ClientError> {
        match self.write(Op::Transaction(transaction)).await? {
            Outcome::Executed { revision, results } => Ok(TransactionResult { revision, results }),
            other => {
                unreachable!("the state machine answers a transaction with its results, not with {other:?}")
            }
        }
    }

    /// Adds bytes to the end of the value of a key, and returns the length of the new value. An absent key is
    /// set.
    ///
    /// # Errors
    /// [`ClientError::Failed`] if the value would be too long; see [`ClientError`] for the others.
    pub async fn append(&self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Result<u64, ClientError> {
        let (key, value) = (key.into(), value.into());
        match self.step(Step::Append { key, value }).await? {
            StepResult::Length(length) => Ok(length),
            StepResult::Failed(error) => Err(ClientError::Failed(error)),
            other => unreachable!("the state machine answers an append with a length, not with {other:?}"),
        }
    }

    /// Adds to the decimal integer that a key holds, and returns the sum. An absent key counts as 0.
    ///
    /// # Errors
    /// [`ClientError::Failed`] if the key holds something else, or the sum does not fit in 64 bits; see
    /// [`ClientError`] for the others.
    pub async fn increment(&self, key: impl Into<Bytes>, delta: i64) -> Result<i64, ClientError> {
        let key = key.into();
        match self.step(Step::Add { key, delta }).await? {
            StepResult::Integer(sum) => Ok(sum),
            StepResult::Failed(error) => Err(ClientError::Failed(error)),
            other => unreachable!("the state machine answers an addition with a sum, not with {other:?}"),
        }
    }

    /// A transaction of one step; returns its result.
    async fn step(&self, step: Step) -> Result<StepResult, ClientError> {
        let transaction = Transaction {
            conditions: Vec::new(),
            steps: vec![step],
        };
        let results = self.transaction(transaction).await?.results;
        let result = results.and_then(|mut results| results.pop());
        Ok(result.expect("a transaction without conditions has a result for each step"))
    }

    /// Reads the values of some keys, all at one moment. Linearizable, like [`get`](Client::get).
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn get_many(&self, keys: Vec<Bytes>) -> Result<GetManyResult, ClientError> {
        match self.call(Call::Read(Query::GetMany { keys })).await? {
            Outcome::Values { revision, values } => Ok(GetManyResult { revision, values }),
            other => unreachable!("the state machine answers with values, not with {other:?}"),
        }
    }

    /// Reads the lengths of the values of some keys, all at one moment. Linearizable, like
    /// [`get`](Client::get).
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn lengths(&self, keys: Vec<Bytes>) -> Result<LengthsResult, ClientError> {
        match self.call(Call::Read(Query::Lengths { keys })).await? {
            Outcome::Lengths { revision, lengths } => Ok(LengthsResult { revision, lengths }),
            other => unreachable!("the state machine answers with lengths, not with {other:?}"),
        }
    }

    /// Reads a page of all keys: about `limit` of them, from `cursor` on, which is 0 for the first page. See
    /// [`Query::Scan`].
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn scan(&self, cursor: u64, limit: u32) -> Result<Page, ClientError> {
        match self.call(Call::Read(Query::Scan { cursor, limit })).await? {
            Outcome::Page { revision, keys, next } => Ok(Page { revision, keys, next }),
            other => unreachable!("the state machine answers a scan with a page, not with {other:?}"),
        }
    }

    /// Reads the number of keys that have a value. Linearizable, like [`get`](Client::get).
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn count(&self) -> Result<u64, ClientError> {
        match self.call(Call::Read(Query::Count)).await? {
            Outcome::Count { keys, .. } => Ok(keys),
            other => unreachable!("the state machine answers a count with a number, not with {other:?}"),
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

    /// Returns what the shell of one replica tells of itself; the first server of the list that answers is asked.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn driver_status(&self) -> Result<DriverStatus, ClientError> {
        match self.call(Call::DriverStatus).await? {
            Outcome::DriverStatus { json } => Ok(DriverStatus::parse(&json)),
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

    /// Carries out a call, and logs it and its end.
    async fn call(&self, call: Call) -> Result<Outcome, ClientError> {
        if !tracing::enabled!(tracing::Level::DEBUG) {
            return self.carry_out(call).await;
        }
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(call = number, "{}", CallText(&call));
        let began = Instant::now();
        let ended = self.carry_out(call).await;
        let micros = began.elapsed().as_micros();
        match &ended {
            Ok(outcome) => tracing::debug!(call = number, micros, "answer: {outcome}"),
            Err(error) => tracing::debug!(call = number, micros, "no answer: {error}"),
        }
        ended
    }

    async fn carry_out(&self, call: Call) -> Result<Outcome, ClientError> {
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

/// A call for a log line: long keys and values by their lengths.
struct CallText<'a>(&'a Call);

impl fmt::Display for CallText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Call::Write(op) => op.fmt(f),
            Call::Read(query) => query.fmt(f),
            Call::Status => f.write_str("status"),
            Call::DriverStatus => f.write_str("status of the driver"),
            Call::Close => f.write_str("close the session"),
        }
    }
}

/// The bytes of the keys and the values of a call, and a bit for each step of a transaction.
fn length(call: &Call) -> usize {
    match call {
        Call::Write(op) => op.size(),
        // The length of each key takes up to three bytes; there is room for that of one.
        Call::Read(query) => {
            let lengths = query.keys().iter().map(|key| key.len() + 3);
            lengths.sum::<usize>().saturating_sub(3)
        }
        Call::Status | Call::DriverStatus | Call::Close => 0,
    }
}
