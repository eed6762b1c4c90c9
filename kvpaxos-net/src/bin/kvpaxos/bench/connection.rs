//! The stores under load: clusters by their own protocol over TCP and UDP, and servers of the Redis protocol.

use bytes::Bytes;
use kvpaxos::{Revision, Step, StepResult, Transaction};
use kvpaxos_net::{Client, ClientError};

use crate::bench::mix::Kind;
use crate::bench::redis::{RedisClient, RedisError};

/// A request, as it is drawn.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Request {
    pub(crate) kind: Kind,
    pub(crate) key: Bytes,
    /// What is written or appended; nothing for the other kinds.
    pub(crate) value: Bytes,
    /// What a compare-and-swap expects.
    pub(crate) expect: Option<Bytes>,
}

/// What a request that was done answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    Value(Option<Bytes>),
    /// A write took effect.
    Written,
    Deleted {
        existed: bool,
    },
    Swapped {
        applied: bool,
    },
}

impl Answer {
    /// Whether there was no value to read or to delete, or another one than was expected.
    pub(crate) fn is_miss(&self) -> bool {
        match self {
            Answer::Value(value) => value.is_none(),
            Answer::Written => false,
            Answer::Deleted { existed } => !existed,
            Answer::Swapped { applied } => !applied,
        }
    }
}

/// A request that was done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Done {
    pub(crate) answer: Answer,
    /// Its place in the order of all requests, if the store tells it.
    pub(crate) revision: Option<Revision>,
}

/// How a request failed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum FailureKind {
    /// The store refused; nothing was changed.
    Refused,
    /// The value of the key does not allow it; nothing was changed.
    Impossible,
    /// Nobody could serve it; nothing was changed.
    Unavailable,
    /// It may have been done, or may still be.
    Unknown,
}

impl FailureKind {
    /// All kinds, in the order in which they are printed.
    pub(crate) const ALL: [FailureKind; 4] = [
        FailureKind::Refused,
        FailureKind::Impossible,
        FailureKind::Unavailable,
        FailureKind::Unknown,
    ];

    /// Its name in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            FailureKind::Refused => "refused",
            FailureKind::Impossible => "impossible",
            FailureKind::Unavailable => "unavailable",
            FailureKind::Unknown => "outcome_unknown",
        }
    }

    /// Its name in sentences.
    pub(crate) fn words(self) -> &'static str {
        match self {
            FailureKind::Refused => "refused",
            FailureKind::Impossible => "impossible on the value",
            FailureKind::Unavailable => "unavailable",
            FailureKind::Unknown => "of unknown outcome",
        }
    }
}

/// A request that failed, or is not known to have been done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    /// Why, in words.
    pub(crate) text: String,
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        let kind = match error {
            ClientError::Refused(_) | ClientError::TooLong { .. } => FailureKind::Refused,
            ClientError::Failed(_) => FailureKind::Impossible,
            ClientError::Unavailable { .. } => FailureKind::Unavailable,
            ClientError::Unknown { .. } | ClientError::Gone => FailureKind::Unknown,
        };
        let text = error.to_string();
        Failure { kind, text }
    }
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Failure {
        let kind = match &error {
            // The codes of kvpaxos's own port; a Redis has others for what it cannot serve.
            RedisError::Answer(text) => match text.split(' ').next().unwrap_or_default() {
                "UNKNOWN" => FailureKind::Unknown,
                "TRYAGAIN" | "CLUSTERDOWN" | "LOADING" | "BUSY" | "MASTERDOWN" => FailureKind::Unavailable,
                "WRONGTYPE" => FailureKind::Impossible,
                _ => FailureKind::Refused,
            },
            RedisError::Unsent(_) => FailureKind::Unavailable,
            RedisError::Lost(_) | RedisError::Strange(_) => FailureKind::Unknown,
        };
        let text = error.to_string();
        Failure { kind, text }
    }
}

/// A client of a store. Clones share its connection, and may ask at the same time.
#[derive(Clone, Debug)]
pub(crate) enum Connection {
    Kvpaxos(Client),
    Redis(RedisClient),
}

impl Connection {
    /// Carries out a request.
    pub(crate) async fn perform(&self, request: Request) -> Result<Done, Failure> {
        match self {
            Connection::Kvpaxos(client) => Ok(ask(client, request).await?),
            Connection::Redis(client) => {
                let is_read = request.kind.is_read();
                match client.perform(request).await {
                    Ok(answer) => Ok(Done {
                        answer,
                        revision: None,
                    }),
                    Err(error) => {
                        let mut failure = Failure::from(error);
                        if is_read && failure.kind == FailureKind::Unknown {
                            // A read changes nothing in any case.
                            failure.kind = FailureKind::Unavailable;
                        }
                        Err(failure)
                    }
                }
            }
        }
    }

    /// Ends the client's session.
    pub(crate) async fn close(self) {
        if let Connection::Kvpaxos(client) = self {
            client.close().await;
        }
    }
}

async fn ask(client: &Client, request: Request) -> Result<Done, ClientError> {
    let Request {
        kind,
        key,
        value,
        expect,
    } = request;
    let (answer, revision) = match kind {
        Kind::Get => {
            let read = client.get(key).await?;
            (Answer::Value(read.value), read.revision)
        }
        Kind::Put => (Answer::Written, client.put(key, value).await?),
        Kind::Delete => {
            let deleted = client.delete(key).await?;
            let existed = deleted.existed;
            (Answer::Deleted { existed }, deleted.revision)
        }
        Kind::Cas => {
            let swapped = client.cas(key, expect, Some(value)).await?;
            let applied = swapped.applied;
            (Answer::Swapped { applied }, swapped.revision)
        }
        Kind::Increment => (Answer::Written, step(client, Step::Add { key, delta: 1 }).await?),
        Kind::Append => (Answer::Written, step(client, Step::Append { key, value }).await?),
    };
    let revision = Some(revision);
    Ok(Done { answer, revision })
}

/// Carries out one step as a transaction, whose result tells its revision.
async fn step(client: &Client, step: Step) -> Result<Revision, ClientError> {
    let transaction = Transaction {
        conditions: Vec::new(),
        steps: vec![step],
    };
    let executed = client.transaction(transaction).await?;
    match executed.results.and_then(|mut results| results.pop()) {
        Some(StepResult::Failed(error)) => Err(ClientError::Failed(error)),
        _ => Ok(executed.revision),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_redis_protocol_tell_whether_anything_was_changed() {
        let kind = |error: RedisError| Failure::from(error).kind;
        for (text, expected) in [
            ("UNKNOWN no quorum has answered", FailureKind::Unknown),
            ("TRYAGAIN no leader", FailureKind::Unavailable),
            ("CLUSTERDOWN", FailureKind::Unavailable),
            ("WRONGTYPE Operation against a key", FailureKind::Impossible),
            ("ERR unknown command", FailureKind::Refused),
            ("", FailureKind::Refused),
        ] {
            assert_eq!(kind(RedisError::Answer(text.to_owned())), expected, "{text}");
        }
        assert_eq!(
            kind(RedisError::Unsent("refused".to_owned())),
            FailureKind::Unavailable
        );
        assert_eq!(kind(RedisError::Lost("closed".to_owned())), FailureKind::Unknown);
        assert_eq!(FailureKind::ALL.map(FailureKind::name).len(), 4);
    }
}
