//! What is counted of failures on purpose.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::metrics::Labels;

/// The kinds of disturbances.
pub(crate) const KINDS: [&str; 7] = [
    "acceptor",
    "proposer",
    "learner",
    "replica",
    "link_drop",
    "link_delay",
    "link_cut",
];

/// How often there were disturbances of each kind, and of which there is one now.
#[derive(Clone, Debug)]
pub(crate) struct ChaosMetrics {
    begun: Family<Labels<1>, Counter>,
    active: Family<Labels<1>, Gauge>,
    /// Disturbances for which there was no room.
    pub(crate) refusals: Counter,
    /// Messages that were dropped, and batches of messages that were held back.
    pub(crate) drops: Counter,
    pub(crate) delays: Counter,
}

impl ChaosMetrics {
    /// Registers them, all zero.
    pub(crate) fn register(registry: &mut Registry) -> ChaosMetrics {
        let metrics = ChaosMetrics {
            begun: Family::default(),
            active: Family::default(),
            refusals: Counter::default(),
            drops: Counter::default(),
            delays: Counter::default(),
        };
        for kind in KINDS {
            drop(metrics.begun.get_or_create(&[("kind", kind)]));
            drop(metrics.active.get_or_create(&[("kind", kind)]));
        }
        registry.register(
            "chaos_disturbances",
            "Disturbances on purpose that began",
            metrics.begun.clone(),
        );
        registry.register(
            "chaos_active",
            "Whether there is such a disturbance on purpose now",
            metrics.active.clone(),
        );
        registry.register(
            "chaos_refusals",
            "Disturbances on purpose that did not begin, as too many replicas were disturbed",
            metrics.refusals.clone(),
        );
        registry.register(
            "chaos_dropped_messages",
            "Messages of other replicas and to them that were dropped on purpose",
            metrics.drops.clone(),
        );
        registry.register(
            "chaos_delayed_batches",
            "Batches of messages of other replicas and to them that were held back on purpose",
            metrics.delays.clone(),
        );
        metrics
    }

    /// A disturbance begins.
    pub(crate) fn begin(&self, kind: &'static str) {
        self.begun.get_or_create(&[("kind", kind)]).inc();
        self.active.get_or_create(&[("kind", kind)]).set(1);
    }

    /// It is over: the replica has recovered from it.
    pub(crate) fn end(&self, kind: &'static str) {
        self.active.get_or_create(&[("kind", kind)]).set(0);
    }
}
