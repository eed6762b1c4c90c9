//! What was measured, for people and for programs.

mod json;
mod text;

use crate::bench::load::Measurement;
use crate::bench::plan::Plan;
use crate::bench::tally::{Latencies, Tally};
use crate::bench::target::Target;
use crate::terminal::say;

/// The percentiles that are printed.
const PERCENTILES: [f64; 5] = [50.0, 90.0, 99.0, 99.9, 99.99];

/// What was measured.
pub(crate) struct Report<'a> {
    plan: &'a Plan,
    targets: Vec<TargetReport<'a>>,
}

/// What was measured of a target.
struct TargetReport<'a> {
    target: &'a Target,
    rounds: Vec<Measurement>,
    /// All rounds together.
    tally: Tally,
    latencies: Latencies,
    /// The median of the rounds.
    throughput: f64,
}

/// A target compared with the first.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Ratios {
    throughput: f64,
    p50: f64,
    p99: f64,
}

impl<'a> Report<'a> {
    /// The rounds of each target of the plan. Targets without a round are left out.
    pub(crate) fn new(plan: &'a Plan, results: Vec<Vec<Measurement>>) -> Report<'a> {
        let targets = plan.targets.iter().zip(results);
        let targets = targets
            .filter(|(_, rounds)| !rounds.is_empty())
            .map(|(target, rounds)| TargetReport::new(target, rounds))
            .collect();
        Report { plan, targets }
    }

    /// How many requests failed, of all targets.
    pub(crate) fn errors(&self) -> u64 {
        self.targets.iter().map(|target| target.tally.errors()).sum()
    }

    /// Prints it for people.
    pub(crate) fn print(&self) {
        say!("{}", self.text().trim_end());
    }

    /// Prints it as a JSON object.
    pub(crate) fn print_json(&self) {
        say!("{}", self.json());
    }

    /// A target compared with the first.
    fn ratios(&self, target: &TargetReport<'_>) -> Ratios {
        let first = &self.targets[0];
        let percentile = |percent| {
            ratio(
                target.latencies.percentile(percent),
                first.latencies.percentile(percent),
            )
        };
        Ratios {
            throughput: ratio(target.throughput, first.throughput),
            p50: percentile(50.0),
            p99: percentile(99.0),
        }
    }
}

impl<'a> TargetReport<'a> {
    fn new(target: &'a Target, rounds: Vec<Measurement>) -> TargetReport<'a> {
        let mut tally = Tally::new();
        rounds.iter().for_each(|round| tally.merge(&round.tally));
        TargetReport {
            target,
            latencies: tally.latencies(),
            throughput: median(rounds.iter().map(Measurement::throughput).collect()),
            tally,
            rounds,
        }
    }

    /// How long was measured, in seconds, all rounds together.
    fn seconds(&self) -> f64 {
        self.rounds.iter().map(|round| round.measured.as_secs_f64()).sum()
    }

    fn in_flight(&self) -> u64 {
        self.rounds.iter().map(|round| round.in_flight).sum()
    }
}

/// One number by another; 0 if there is nothing to compare with.
fn ratio(number: f64, of: f64) -> f64 {
    if of > 0.0 { number / of } else { 0.0 }
}

/// The number in the middle, or the mean of the two there; 0 of none.
fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    match numbers.len() {
        0 => 0.0,
        count if count % 2 == 1 => numbers[count / 2],
        count => f64::midpoint(numbers[count / 2 - 1], numbers[count / 2]),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::*;
    use crate::args::{Arguments, Command};
    use crate::bench::connection::{Failure, FailureKind};
    use crate::bench::mix::Kind;

    fn plan(line: &str) -> Plan {
        let words = ["kvpaxos", "bench"].into_iter().chain(line.split(' '));
        match Arguments::try_parse_from(words).unwrap().command {
            Command::Bench(arguments) => Plan::new(&arguments).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// A round of two seconds, with so many puts of so many milliseconds.
    fn round(puts: u64, millis: u64) -> Measurement {
        let mut tally = Tally::new();
        for _ in 0..puts {
            tally.done(Kind::Put, Duration::from_millis(millis), false);
        }
        tally.completed = puts;
        Measurement {
            measured: Duration::from_secs(2),
            tally,
            in_flight: 0,
        }
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]).to_bits(), 2.0_f64.to_bits());
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]).to_bits(), 2.5_f64.to_bits());
        assert_eq!(median(vec![]).to_bits(), 0.0_f64.to_bits());
    }

    #[test]
    fn targets_are_compared_with_the_first() {
        let plan = plan("--targets a=tcp://a:1 b=redis://b:1 --rounds 3 --seconds 2");
        let rounds = |millis| vec![round(200, millis), round(100, millis), round(600, millis)];
        let report = Report::new(&plan, vec![rounds(10), vec![round(400, 5)]]);
        let text = report.text();
        for part in [
            "closed loop: 64 clients, each with 1 request in flight",
            "100 operations/s, the median of 100, 50, 300",
            "900 in 6 s, no errors",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let json = report.json();
        let throughput = |target: usize| json["targets"][target]["operations_per_second"].as_f64().unwrap();
        assert!(
            (throughput(0) - 100.0).abs() < 1e-6 && (throughput(1) - 200.0).abs() < 1e-6,
            "{json}"
        );
        let ratios = &json["targets"][1]["ratio_to_first"];
        assert!(
            (ratios["operations_per_second"].as_f64().unwrap() - 2.0).abs() < 1e-6,
            "{ratios}"
        );
        assert!((ratios["p50"].as_f64().unwrap() - 0.5).abs() < 0.01, "{ratios}");
        assert_eq!(json["loop"], "closed");
        assert_eq!(json["targets"][0]["rounds"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn an_open_loop_tells_what_still_waited() {
        let plan = plan("--servers a:1 --rate 1000/s --seconds 2 --mix get=1,put=1");
        let mut round = round(1_900, 7);
        round.in_flight = 40;
        (0..60).for_each(|_| round.tally.unsent.record(Duration::from_secs(1)));
        for _ in 0..2 {
            let text = "no quorum".to_owned();
            let kind = FailureKind::Unknown;
            round.tally.failed(Failure { kind, text });
        }
        let report = Report::new(&plan, vec![vec![round]]);
        assert_eq!(report.errors(), 2);
        let text = report.text();
        for part in [
            "open loop: 1000 requests/s, whatever becomes of earlier ones",
            "counted from when it was due",
            "2 errors",
            "2 of unknown outcome, the first: no quorum",
            "40 were in flight",
            "60 were still waiting to be sent",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let json = report.json();
        assert_eq!((&json["loop"], &json["rate"]), (&"open".into(), &1000.into()));
        let target = &json["targets"][0];
        assert_eq!(target["errors"]["outcome_unknown"], 2);
        assert_eq!(
            (&target["in_flight_at_end"], &target["unsent_at_end"]),
            (&40.into(), &60.into())
        );
        assert_eq!(
            target["latency_ms"]["count"], 1_960,
            "those that were not sent count"
        );
        assert!(
            (target["latency_ms"]["p99"].as_f64().unwrap() - 1_000.0).abs() < 2.0,
            "{target}"
        );
    }

    #[test]
    fn nothing_measured_is_printed_without_nonsense() {
        let plan = plan("--servers a:1");
        let report = Report::new(&plan, vec![vec![round(0, 0)]]);
        let text = report.text();
        assert!(text.contains("0 operations/s") && !text.contains("NaN"), "{text}");
        assert_eq!(report.json()["targets"][0]["latency_ms"]["count"], 0);
    }
}
