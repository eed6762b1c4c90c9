//! What is read when the metrics are asked for, because it is known elsewhere.

use std::sync::atomic::Ordering;

use kvpaxos::Status;
use kvpaxos::status::{AcceptorStatus, LearnerStatus, ProposerStatus};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The values at one moment.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    /// `None` if the replica has stopped.
    pub(crate) status: Option<Status>,
    /// Connections of clients, the most that are admitted, and how many were refused.
    pub(crate) client_connections: usize,
    pub(crate) client_connections_limit: usize,
    pub(crate) refused_clients: u64,
    pub(crate) peer_connections: usize,
    /// Bytes of requests that are not complete, and of replies that are not read.
    pub(crate) request_bytes: usize,
    pub(crate) reply_bytes: usize,
    /// Bytes that were read and written.
    pub(crate) received_from_clients: u64,
    pub(crate) sent_to_clients: u64,
    pub(crate) received_from_peers: u64,
    pub(crate) sent_to_peers: u64,
    /// Messages that a peer did not take in.
    pub(crate) dropped_messages: u64,
    /// Datagrams that were received, and of these the ones that were dropped.
    pub(crate) datagrams: u64,
    pub(crate) dropped_datagrams: u64,
    /// Log lines that were summed up.
    pub(crate) repeated_lines: u64,
    /// When others will refuse the certificate, in seconds since 1970; 0 without TLS.
    pub(crate) certificate_expiry: u64,
}

/// A value of a sample.
#[derive(Debug)]
struct Field<M> {
    metric: M,
    read: fn(&Sample) -> u64,
}

/// The metrics that are set from a [`Sample`].
#[derive(Debug)]
pub(crate) struct SampledMetrics {
    gauges: Vec<Field<Gauge>>,
    counters: Vec<Field<Counter>>,
}

type Row = (&'static str, &'static str, fn(&Sample) -> u64);

const GAUGES: [Row; 18] = [
    ("up", "Whether the replica has not stopped", |sample| {
        sample.status.is_some().into()
    }),
    ("leads", "Whether this replica leads", |sample| {
        of(sample, |status| {
            matches!(status.proposer, ProposerStatus::Leading { .. }).into()
        })
    }),
    (
        "knows_leader",
        "Whether this replica has heard from a leader recently",
        |sample| of(sample, |status| status.leader.is_some().into()),
    ),
    (
        "votes",
        "Whether the acceptor votes: it has not failed, and has its memory",
        |sample| {
            of(sample, |status| {
                matches!(status.acceptor, AcceptorStatus::Voting { .. }).into()
            })
        },
    ),
    (
        "applied_slot",
        "The first slot that is not applied; the difference between replicas is their lag",
        |sample| learner(sample, |applied, _, _| applied),
    ),
    ("keys", "Keys in the store", |sample| {
        learner(sample, |_, keys, _| keys)
    }),
    ("sessions", "Open sessions", |sample| {
        learner(sample, |_, _, sessions| sessions)
    }),
    (
        "pending_requests",
        "Requests that wait for their answer",
        |sample| of(sample, |status| status.pending),
    ),
    (
        "silent_replicas",
        "Replicas that this one has not heard from recently",
        |sample| of(sample, |status| status.silent.len() as u64),
    ),
    (
        "lost_memories",
        "Acceptors without memory, as far as this replica knows",
        |sample| of(sample, |status| status.lost.len() as u64),
    ),
    (
        "differing_replicas",
        "Replicas whose states differ from that of this one",
        |sample| of(sample, |status| status.differing.len() as u64),
    ),
    (
        "refuses_all",
        "Whether this replica serves nobody, because others differ from it",
        |sample| of(sample, |status| status.doubt.is_some().into()),
    ),
    ("client_connections", "TCP connections of clients", |sample| {
        sample.client_connections as u64
    }),
    (
        "client_connections_limit",
        "The most TCP connections of clients",
        |sample| sample.client_connections_limit as u64,
    ),
    (
        "peer_connections",
        "Connections that other replicas made",
        |sample| sample.peer_connections as u64,
    ),
    (
        "request_memory_bytes",
        "Memory of large requests that are not complete",
        |sample| sample.request_bytes as u64,
    ),
    (
        "reply_memory_bytes",
        "Memory of replies that clients have not read",
        |sample| sample.reply_bytes as u64,
    ),
    (
        "certificate_expiry_timestamp_seconds",
        "When others will refuse the certificate, in seconds since 1970; 0 without TLS",
        |sample| sample.certificate_expiry,
    ),
];

const COUNTERS: [Row; 9] = [
    (
        "refused_connections",
        "Connections of clients that were not admitted",
        |sample| sample.refused_clients,
    ),
    (
        "client_received_bytes",
        "Bytes received from clients over TCP",
        |sample| sample.received_from_clients,
    ),
    ("client_sent_bytes", "Bytes sent to clients over TCP", |sample| {
        sample.sent_to_clients
    }),
    (
        "peer_received_bytes",
        "Bytes received from other replicas",
        |sample| sample.received_from_peers,
    ),
    ("peer_sent_bytes", "Bytes sent to other replicas", |sample| {
        sample.sent_to_peers
    }),
    (
        "peer_dropped_messages",
        "Messages that were dropped as the peer does not keep up",
        |sample| sample.dropped_messages,
    ),
    ("datagrams", "Datagrams received", |sample| sample.datagrams),
    (
        "dropped_datagrams",
        "Datagrams that were no requests, or too many",
        |sample| sample.dropped_datagrams,
    ),
    (
        "repeated_log_lines",
        "Log lines that were summed up because they repeat",
        |sample| sample.repeated_lines,
    ),
];

fn of(sample: &Sample, read: impl Fn(&Status) -> u64) -> u64 {
    sample.status.as_ref().map_or(0, read)
}

fn learner(sample: &Sample, read: impl Fn(u64, u64, u64) -> u64) -> u64 {
    of(sample, |status| match status.learner {
        LearnerStatus::Failed => 0,
        LearnerStatus::Learning {
            applied,
            keys,
            sessions,
            ..
        } => read(applied.0, keys, sessions),
    })
}

impl SampledMetrics {
    pub(crate) fn register(registry: &mut Registry) -> SampledMetrics {
        let gauges = GAUGES.map(|(name, help, read)| {
            let metric = Gauge::default();
            registry.register(name, help, metric.clone());
            Field { metric, read }
        });
        let counters = COUNTERS.map(|(name, help, read)| {
            let metric = Counter::default();
            registry.register(name, help, metric.clone());
            Field { metric, read }
        });
        SampledMetrics {
            gauges: gauges.into(),
            counters: counters.into(),
        }
    }

    pub(crate) fn set(&self, sample: &Sample) {
        for Field { metric, read } in &self.gauges {
            metric.set(i64::try_from(read(sample)).unwrap_or(i64::MAX));
        }
        for Field { metric, read } in &self.counters {
            metric.inner().store(read(sample), Ordering::Relaxed);
        }
    }
}
