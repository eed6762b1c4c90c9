//! What this shell tells of itself beside the status of its replica: a JSON object, whose members may become
//! more.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use prometheus_client::metrics::gauge::Gauge;
use serde_json::{Value, json};

use crate::listen::bounds::Shared;
use crate::system::problem::{LastProblem, last_problem};

/// What the shell of a replica tells of itself. What a replica of another release does not tell is left out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DriverStatus {
    /// The release of the program.
    pub version: Option<String>,
    /// What is disturbed on purpose at the replica now.
    pub disturbance: Option<PresentDisturbance>,
    /// The bytes that its log takes on the disk; `None` if it keeps none.
    pub log_bytes: Option<u64>,
    /// The TCP connections of its clients, over all protocols.
    pub connections: Option<u64>,
    /// The last warning or error that the program has logged.
    pub last_problem: Option<LastProblem>,
}

/// What is disturbed on purpose at a replica now, and for how long.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PresentDisturbance {
    /// In words: `acceptor memory=lost`.
    pub what: String,
    /// The time until it ends. Zero: it has ended, and the replica has not recovered yet.
    pub left: Duration,
}

impl DriverStatus {
    /// Reads what [`Board::json`] has written. What is not there is left out.
    pub(crate) fn parse(json: &[u8]) -> DriverStatus {
        let value: Value = serde_json::from_slice(json).unwrap_or_default();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let disturbance = value.get("disturbance").and_then(|value| {
            Some(PresentDisturbance {
                what: text(value.get("what")?)?,
                left: Duration::from_millis(value.get("millis_left")?.as_u64()?),
            })
        });
        let last_problem = value.get("last_problem").and_then(|value| {
            Some(LastProblem {
                text: text(value.get("text")?)?,
                ago: Duration::from_millis(value.get("millis_ago")?.as_u64()?),
            })
        });
        DriverStatus {
            version: value.get("version").and_then(text),
            disturbance,
            log_bytes: value.get("log_bytes").and_then(Value::as_u64),
            connections: value.get("connections").and_then(Value::as_u64),
            last_problem,
        }
    }
}

/// What other tasks of this shell have to tell. Clones are the same board.
#[derive(Clone, Debug, Default)]
pub(crate) struct Board {
    disturbance: Arc<Mutex<Option<(String, Instant)>>>,
    shared: Option<Arc<Shared>>,
    log_bytes: Option<Gauge>,
}

impl Board {
    /// The board of a replica with these ports for clients, and a log of so many bytes if it keeps one.
    pub(crate) fn new(shared: Arc<Shared>, log_bytes: Option<Gauge>) -> Board {
        Board {
            disturbance: Arc::default(),
            shared: Some(shared),
            log_bytes,
        }
    }

    /// This is disturbed on purpose from now on, until then.
    pub(crate) fn begin(&self, what: String, until: Instant) {
        *self.lock() = Some((what, until));
    }

    /// Nothing is disturbed any more.
    pub(crate) fn end(&self) {
        *self.lock() = None;
    }

    /// The answer to who asks.
    pub(crate) fn json(&self) -> Bytes {
        let disturbance = self.lock().as_ref().map(|(what, until)| {
            let left = until.saturating_duration_since(Instant::now());
            let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
            json!({ "what": what, "millis_left": millis })
        });
        let last_problem = last_problem().map(|last| {
            let millis = u64::try_from(last.ago.as_millis()).unwrap_or(u64::MAX);
            json!({ "text": last.text, "millis_ago": millis })
        });
        let status = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "disturbance": disturbance,
            "log_bytes": self.log_bytes.as_ref().map(|bytes| bytes.get()),
            "connections": self.shared.as_ref().map(|shared| shared.admission.served()),
            "last_problem": last_problem,
        });
        Bytes::from(status.to_string())
    }

    fn lock(&self) -> MutexGuard<'_, Option<(String, Instant)>> {
        // It is set as a whole, whatever panics elsewhere.
        self.disturbance.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use kvpaxos::ReplicaId;

    use super::*;
    use crate::listen::bounds::Bounds;
    use crate::system::problem::remember_problem;

    #[test]
    fn it_is_read_as_it_is_written() {
        let log_bytes = Gauge::default();
        log_bytes.set(300);
        let board = Board::new(Shared::new(ReplicaId(0), Bounds::default()), Some(log_bytes));
        let version = Some(env!("CARGO_PKG_VERSION").to_owned());
        let quiet = DriverStatus {
            version: version.clone(),
            log_bytes: Some(300),
            connections: Some(0),
            disturbance: None,
            last_problem: None,
        };
        let read = || DriverStatus {
            // Another test may have logged one.
            last_problem: None,
            ..DriverStatus::parse(&board.json())
        };
        assert_eq!(read(), quiet);
        let minute = Duration::from_secs(60);
        board
            .clone()
            .begin("acceptor".to_owned(), Instant::now() + minute);
        let found = DriverStatus::parse(&board.json()).disturbance.unwrap();
        assert!(
            found.what == "acceptor" && found.left <= minute && !found.left.is_zero(),
            "{found:?}"
        );
        board.begin("link".to_owned(), Instant::now());
        let over = DriverStatus::parse(&board.json()).disturbance.unwrap();
        assert_eq!((over.what.as_str(), over.left), ("link", Duration::ZERO));
        board.end();
        assert_eq!(read(), quiet);
        remember_problem("no room".to_owned());
        let problem = DriverStatus::parse(&board.json()).last_problem;
        assert!(problem.is_some_and(|problem| problem.ago < minute));
    }

    #[test]
    fn what_others_write_is_read_as_far_as_it_is_understood() {
        for text in [
            "{}",
            "",
            "7",
            "{\"disturbance\":{\"what\":7}}",
            "{\"version\":[],\"new\":1}",
        ] {
            assert_eq!(
                DriverStatus::parse(text.as_bytes()),
                DriverStatus::default(),
                "{text}"
            );
        }
    }
}
