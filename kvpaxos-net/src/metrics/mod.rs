//! What a replica counts, for Prometheus. Counting costs an atomic addition, or the lock of a histogram that
//! nobody else takes but a scrape; what changes all the time and is known elsewhere is read when it is asked for.

pub(crate) mod chaos;
pub(crate) mod operation;
pub(crate) mod sample;

use kvpaxos::{Observation, Outcome, Record, Refusal, ReplicaId};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::metrics::chaos::ChaosMetrics;
use crate::metrics::operation::{OPERATIONS, Operation};
use crate::metrics::sample::{Sample, SampledMetrics};

/// What [`Metrics::encode`] returns.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const OUTCOMES: [&str; 3] = ["done", "refused", "unknown"];
const REFUSALS: [&str; 15] = [
    "key_too_long",
    "value_too_long",
    "busy",
    "session_expired",
    "already_answered",
    "out_of_window",
    "unavailable",
    "memory_lost",
    "differs",
    "too_many",
    "transaction_too_long",
    "answer_too_long",
    "password_required",
    "wrong_password",
    "stopping",
];

/// The metrics of one replica.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: [[Counter; OUTCOMES.len()]; OPERATIONS.len()],
    latencies: [Histogram; OPERATIONS.len()],
    refusals: [Counter; REFUSALS.len()],
    candidacies: Counter,
    elections: Counter,
    depositions: Counter,
    chosen: Counter,
    applied: Counter,
    snapshots: Counter,
    recoveries: Counter,
    commands: Histogram,
    storage: StorageMetrics,
    chaos: ChaosMetrics,
    sampled: SampledMetrics,
}

/// What the disk thread counts.
#[derive(Clone, Debug)]
pub(crate) struct StorageMetrics {
    /// How long syncs take, in seconds.
    pub(crate) syncs: Histogram,
    /// Bytes written to the log.
    pub(crate) written: Counter,
    /// Bytes that the log takes on the disk, without the room that is made in advance.
    pub(crate) size: Gauge,
}

/// Buckets for times from 50 microseconds to 6.5 seconds.
fn times() -> Histogram {
    Histogram::new(exponential_buckets(50e-6, 2.0, 18))
}

/// Buckets for the number of commands in a slot, from none (a no-op) to thousands.
fn numbers() -> Histogram {
    Histogram::new(std::iter::once(0.0).chain(exponential_buckets(1.0, 2.0, 13)))
}

type Labels<const N: usize> = [(&'static str, &'static str); N];

impl Metrics {
    /// The metrics of this replica, all zero. Each carries its id as a label.
    pub(crate) fn new(id: ReplicaId) -> Metrics {
        let label = ("replica".into(), id.to_string().into());
        let mut registry = Registry::with_prefix_and_labels("kvpaxos", [label].into_iter());
        let requests = Family::<Labels<2>, Counter>::default();
        let latencies = Family::<Labels<1>, Histogram>::new_with_constructor(times);
        let refusals = Family::<Labels<1>, Counter>::default();
        registry.register(
            "requests",
            "Requests of clients that were answered",
            requests.clone(),
        );
        registry.register(
            "request_seconds",
            "Time from the arrival of a request to its answer",
            latencies.clone(),
        );
        registry.register(
            "refusals",
            "Requests that were refused, by reason",
            refusals.clone(),
        );
        let counter = |registry: &mut Registry, name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let histogram = |registry: &mut Registry, name: &str, help: &str, histogram: Histogram| {
            registry.register(name, help, histogram.clone());
            histogram
        };
        let size = Gauge::default();
        registry.register("log_bytes", "Bytes that the log takes on the disk", size.clone());
        let new = &mut registry;
        Metrics {
            requests: OPERATIONS.map(|operation| {
                OUTCOMES.map(|outcome| {
                    let labels = [("operation", operation), ("outcome", outcome)];
                    requests.get_or_create(&labels).clone()
                })
            }),
            latencies: OPERATIONS.map(|name| latencies.get_or_create(&[("operation", name)]).clone()),
            refusals: REFUSALS.map(|reason| refusals.get_or_create(&[("reason", reason)]).clone()),
            candidacies: counter(new, "candidacies", "Times that this replica stood for election"),
            elections: counter(new, "elections", "Times that this replica was elected leader"),
            depositions: counter(new, "depositions", "Times that this replica gave up a ballot"),
            chosen: counter(
                new,
                "chosen_slots",
                "Slots that this replica saw chosen as their leader",
            ),
            applied: counter(new, "applied_slots", "Slots that this replica applied"),
            snapshots: counter(
                new,
                "installed_snapshots",
                "Snapshots of other replicas that were installed",
            ),
            recoveries: counter(
                new,
                "recoveries",
                "Times that the acceptor got back a lost memory",
            ),
            commands: histogram(
                new,
                "slot_commands",
                "Commands in a slot that this replica accepted",
                numbers(),
            ),
            storage: StorageMetrics {
                syncs: histogram(new, "sync_seconds", "Time that a sync of the log takes", times()),
                written: counter(new, "log_written_bytes", "Bytes written to the log"),
                size,
            },
            chaos: ChaosMetrics::register(new),
            sampled: SampledMetrics::register(new),
            registry,
        }
    }

    pub(crate) fn storage(&self) -> StorageMetrics {
        self.storage.clone()
    }

    pub(crate) fn chaos(&self) -> ChaosMetrics {
        self.chaos.clone()
    }

    /// A request was answered.
    pub(crate) fn on_reply(&self, operation: Operation, outcome: &Outcome, seconds: f64) {
        let index = match outcome {
            Outcome::Refused(refusal) => {
                self.refusals[reason(refusal)].inc();
                1
            }
            Outcome::Unknown { .. } => 2,
            _ => 0,
        };
        self.requests[operation as usize][index].inc();
        self.latencies[operation as usize].observe(seconds);
    }

    /// The acceptor has voted for these values.
    pub(crate) fn on_records(&self, records: &[Record]) {
        for record in records {
            if let Record::Accepted { value, .. } = record {
                let commands = u32::try_from(value.commands().len()).unwrap_or(u32::MAX);
                self.commands.observe(commands.into());
            }
        }
    }

    pub(crate) fn on_observation(&self, observation: &Observation) {
        let counter = match observation {
            Observation::Candidate { .. } => &self.candidacies,
            Observation::Elected { .. } => &self.elections,
            Observation::Deposed { .. } => &self.depositions,
            Observation::Chosen { .. } => &self.chosen,
            Observation::Applied { .. } => &self.applied,
            Observation::Installed { .. } => &self.snapshots,
            Observation::Recovered { .. } => &self.recoveries,
            _ => return,
        };
        counter.inc();
    }

    /// All metrics as OpenMetrics text, with what is only read now.
    pub(crate) fn encode(&self, sample: &Sample) -> String {
        self.sampled.set(sample);
        let mut text = String::new();
        // Writing to a string does not fail; if it did, the scrape would be incomplete, which its end tells.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// Its place in [`REFUSALS`].
fn reason(refusal: &Refusal) -> usize {
    match refusal {
        Refusal::KeyTooLong { .. } => 0,
        Refusal::ValueTooLong { .. } => 1,
        Refusal::Busy { .. } => 2,
        Refusal::SessionExpired { .. } => 3,
        Refusal::AlreadyAnswered { .. } => 4,
        Refusal::OutOfWindow { .. } => 5,
        Refusal::Unavailable { .. } => 6,
        Refusal::MemoryLost { .. } => 7,
        Refusal::Differs { .. } => 8,
        Refusal::TooMany { .. } => 9,
        Refusal::TransactionTooLong { .. } => 10,
        Refusal::AnswerTooLong { .. } => 11,
        Refusal::PasswordRequired => 12,
        Refusal::WrongPassword => 13,
        Refusal::Stopping => 14,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use kvpaxos::ReplicaSet;

    use super::*;

    #[test]
    fn answers_are_counted_by_operation_and_outcome() {
        let metrics = Metrics::new(ReplicaId(3));
        let silent = ReplicaSet::EMPTY;
        metrics.on_reply(Operation::Put, &Outcome::Closed, 0.001);
        metrics.on_reply(Operation::Put, &Outcome::Closed, 0.001);
        metrics.on_reply(
            Operation::Get,
            &Outcome::Refused(Refusal::Unavailable { silent }),
            0.1,
        );
        let text = metrics.encode(&Sample::default());
        for line in [
            r#"kvpaxos_requests_total{replica="r3",operation="put",outcome="done"} 2"#,
            r#"kvpaxos_requests_total{replica="r3",operation="get",outcome="refused"} 1"#,
            r#"kvpaxos_refusals_total{replica="r3",reason="unavailable"} 1"#,
            r#"kvpaxos_request_seconds_count{replica="r3",operation="put"} 2"#,
            r#"kvpaxos_elections_total{replica="r3"} 0"#,
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} is not in\n{text}"
            );
        }
    }

    /// The names of the metrics in a text.
    fn names(text: &str) -> BTreeSet<&str> {
        let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
        text.match_indices("kvpaxos_")
            .map(|(at, _)| {
                let rest = &text[at..];
                let name = &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())];
                ["_total", "_bucket", "_sum", "_count"]
                    .iter()
                    .find_map(|suffix| name.strip_suffix(suffix))
                    .unwrap_or(name)
            })
            .collect()
    }

    /// Each metric has its place on the dashboard, and the dashboard asks for no other.
    #[test]
    fn the_dashboard_shows_what_is_exported() {
        let dashboard = include_str!("../../deploy/grafana.json");
        serde_json::from_str::<serde_json::Value>(dashboard).unwrap();
        let exported = Metrics::new(ReplicaId(0)).encode(&Sample::default());
        assert_eq!(names(dashboard), names(&exported));
    }
}
