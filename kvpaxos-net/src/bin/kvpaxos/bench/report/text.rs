//! The report for people.

use std::fmt::Write;

use crate::bench::connection::FailureKind;
use crate::bench::report::{Report, TargetReport};
use crate::bench::tally::Latencies;

impl Report<'_> {
    pub(super) fn text(&self) -> String {
        let mut out = self.settings();
        for target in &self.targets {
            out += "\n";
            self.target(target, &mut out);
        }
        if self.targets.len() > 1 {
            out += "\n";
            self.comparison(&mut out);
        }
        out
    }

    fn settings(&self) -> String {
        let plan = self.plan;
        let (clients, pipeline) = (plan.clients, plan.pipeline);
        let requests = if pipeline == 1 { "request" } else { "requests" };
        let how = match plan.arrivals {
            None => format!(
                "closed loop: {clients} clients, each with {pipeline} {requests} in flight; \
                 a latency is counted from when its request was sent"
            ),
            Some(arrivals) => format!(
                "open loop: {} requests/s, whatever becomes of earlier ones; {clients} clients, each with at most \
                 {pipeline} {requests} in flight; a latency is counted from when it was due",
                arrivals.rate
            ),
        };
        let draw = &plan.draw;
        format!(
            "{how}\n{}; {} keys, {}; values of {} bytes; seed {}; {} s of warm-up, then {} s\n",
            draw.mix,
            draw.keys,
            draw.distribution,
            draw.sizes,
            draw.seed,
            plan.warm_up.as_secs_f64(),
            plan.measured.as_secs_f64()
        )
    }

    fn target(&self, target: &TargetReport<'_>, out: &mut String) {
        let tally = &target.tally;
        let rates = target
            .rounds
            .iter()
            .map(|round| format!("{:.0}", round.throughput()));
        let rates = match rates.collect::<Vec<_>>() {
            rates if rates.len() > 1 => format!(", the median of {}", rates.join(", ")),
            _ => String::new(),
        };
        // Nothing that is written to a string fails.
        let _ = writeln!(
            out,
            "{} ({}, {}): {:.0} operations/s{rates}",
            target.target.name,
            target.target.transport,
            counted(target.target.servers.list().len() as u64, "server"),
            target.throughput
        );
        let errors = match tally.errors() {
            0 => "no errors".to_owned(),
            errors => counted(errors, "error"),
        };
        let _ = writeln!(
            out,
            "  {} in {:.0} s, {errors}",
            tally.completed,
            target.seconds()
        );
        for kind in FailureKind::ALL {
            if let Some(failures) = tally.failures.get(&kind) {
                let _ = writeln!(
                    out,
                    "  {} {}, the first: {}",
                    failures.count,
                    kind.words(),
                    failures.first
                );
            }
        }
        let is_open = self.plan.arrivals.is_some();
        if is_open {
            let (in_flight, unsent) = (target.in_flight(), tally.unsent.count());
            let _ = write!(
                out,
                "  at the end {in_flight} were in flight, and {unsent} were still waiting to be sent"
            );
            *out += match unsent {
                0 => "\n",
                _ => ", which are counted with the time that they had waited\n",
            };
        }
        self.latencies(target, is_open, out);
    }

    fn latencies(&self, target: &TargetReport<'_>, is_open: bool, out: &mut String) {
        let tally = &target.tally;
        if target.latencies.count() == 0 {
            return;
        }
        let _ = writeln!(
            out,
            "  latency, ms      count     mean      p50      p90      p99    p99.9   p99.99      max"
        );
        for (kind, tally) in &tally.kinds {
            row(kind.name(), &tally.latencies, out);
        }
        if tally.kinds.len() > 1 || tally.unsent.count() > 0 {
            row("all", &target.latencies, out);
        }
        if is_open && tally.service.count() > 0 {
            row("since sent", &tally.service, out);
        }
        for (kind, tally) in tally.kinds.iter().filter(|(_, tally)| tally.misses > 0) {
            let what = match kind {
                crate::bench::mix::Kind::Cas => "did not find the value that they expected",
                _ => "found no value",
            };
            let _ = writeln!(out, "  {} of the {} requests {what}", tally.misses, kind.name());
        }
    }

    fn comparison(&self, out: &mut String) {
        let name = |target: &TargetReport<'_>| target.target.name.chars().count();
        let width = self.targets.iter().map(name).max().unwrap_or(0).max(6);
        let first = &self.targets[0].target.name;
        let _ = writeln!(
            out,
            "{:width$}  operations/s   ratio     p50 ms   ratio     p99 ms   ratio   (ratios to {first})",
            "target"
        );
        for target in &self.targets {
            let ratios = self.ratios(target);
            let percentile = |percent| target.latencies.percentile(percent);
            let _ = writeln!(
                out,
                "{:width$}  {:12.0} {:7.2} {:10.3} {:7.2} {:10.3} {:7.2}",
                target.target.name,
                target.throughput,
                ratios.throughput,
                percentile(50.0),
                ratios.p50,
                percentile(99.0),
                ratios.p99
            );
        }
    }
}

fn row(name: &str, latencies: &Latencies, out: &mut String) {
    let _ = write!(
        out,
        "  {name:10} {:11} {:8.3}",
        latencies.count(),
        latencies.mean()
    );
    for percent in super::PERCENTILES {
        let _ = write!(out, " {:8.3}", latencies.percentile(percent));
    }
    let _ = writeln!(out, " {:8.3}", latencies.greatest());
}

fn counted(count: u64, what: &str) -> String {
    if count == 1 {
        format!("1 {what}")
    } else {
        format!("{count} {what}s")
    }
}
