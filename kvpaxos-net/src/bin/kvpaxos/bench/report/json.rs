//! The report for programs. The page on benchmarks says what the fields mean.

use serde_json::{Map, Value, json};

use crate::bench::connection::FailureKind;
use crate::bench::load::Measurement;
use crate::bench::report::{PERCENTILES, Report, TargetReport};
use crate::bench::tally::{Latencies, Tally};

impl Report<'_> {
    pub(super) fn json(&self) -> Value {
        let plan = self.plan;
        let draw = &plan.draw;
        let mix: Map<String, Value> = draw
            .mix
            .weights()
            .iter()
            .map(|(kind, weight)| (kind.name().to_owned(), json!(weight)))
            .collect();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "loop": if plan.arrivals.is_some() { "open" } else { "closed" },
            "rate": plan.arrivals.map(|arrivals| arrivals.rate),
            "clients": plan.clients,
            "pipeline": plan.pipeline,
            "warm_up_seconds": plan.warm_up.as_secs_f64(),
            "seconds": plan.measured.as_secs_f64(),
            "mix": mix,
            "keys": draw.keys,
            "distribution": draw.distribution.to_string(),
            "value_size": draw.sizes.to_string(),
            "seed": draw.seed,
            "preload": plan.preload,
            "targets": self.targets.iter().map(|target| self.target_json(target)).collect::<Vec<_>>(),
        })
    }

    fn target_json(&self, target: &TargetReport<'_>) -> Value {
        let ratios = self.ratios(target);
        let mut object = json!({
            "name": target.target.name,
            "transport": target.target.transport.to_string(),
            "servers": target.target.servers.list(),
            "operations_per_second": target.throughput,
            "ratio_to_first": {
                "operations_per_second": ratios.throughput,
                "p50": ratios.p50,
                "p99": ratios.p99,
            },
            "rounds": target.rounds.iter().map(round).collect::<Vec<_>>(),
        });
        if let Some(fields) = object.as_object_mut() {
            fields.extend(counts(&target.tally, target.seconds(), target.in_flight()));
        }
        object
    }
}

fn round(round: &Measurement) -> Value {
    let mut fields = counts(&round.tally, round.measured.as_secs_f64(), round.in_flight);
    fields.insert("operations_per_second".to_owned(), json!(round.throughput()));
    Value::Object(fields)
}

/// What was counted in a round, or in all.
fn counts(tally: &Tally, seconds: f64, in_flight: u64) -> Map<String, Value> {
    let errors: Map<String, Value> = FailureKind::ALL
        .into_iter()
        .map(|kind| {
            let count = tally.failures.get(&kind).map_or(0, |failures| failures.count);
            (kind.name().to_owned(), json!(count))
        })
        .collect();
    let by_kind: Map<String, Value> = tally
        .kinds
        .iter()
        .map(|(kind, tally)| {
            let misses = json!(tally.misses);
            let latencies = latencies(&tally.latencies);
            (
                kind.name().to_owned(),
                json!({ "misses": misses, "latency_ms": latencies }),
            )
        })
        .collect();
    let fields = json!({
        "measured_seconds": seconds,
        "operations": tally.completed,
        "errors": errors,
        "in_flight_at_end": in_flight,
        "unsent_at_end": tally.unsent.count(),
        "latency_ms": latencies(&tally.latencies()),
        "since_sent_ms": (tally.service.count() > 0).then(|| latencies(&tally.service)),
        "by_kind": by_kind,
    });
    match fields {
        Value::Object(fields) => fields,
        _ => unreachable!("an object was made"),
    }
}

fn latencies(latencies: &Latencies) -> Value {
    let mut fields = Map::new();
    fields.insert("count".to_owned(), json!(latencies.count()));
    fields.insert("mean".to_owned(), json!(latencies.mean()));
    for percent in PERCENTILES {
        fields.insert(format!("p{percent}"), json!(latencies.percentile(percent)));
    }
    fields.insert("max".to_owned(), json!(latencies.greatest()));
    Value::Object(fields)
}
