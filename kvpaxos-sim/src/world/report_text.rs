//! The outcome of a run as a table for people.

use std::fmt;

use kvpaxos::{Limits, Micros, Time, Timing, Update};
use serde::Serialize;

use crate::engine::{Format, LinkProfile, Traffic, regions};
use crate::world::clients::OperationCounts;
use crate::world::report::Report;
use crate::world::setup::{Cluster, FaultKind, Faults, Setup, Workload};

/// Rows without a label stand below what has one.
const INDENT: &str = "              ";

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Setup {
            seed,
            cluster,
            links,
            clients,
            faults,
            ..
        } = &self.setup;
        writeln!(f, "seed {seed}")?;
        write_cluster(f, cluster)?;
        self.write_network(f, links)?;
        write_clients(f, clients)?;
        self.write_faults(f, faults)?;
        self.write_happened(f)?;
        self.write_coverage(f)?;
        self.write_end(f)
    }
}

fn write_cluster(f: &mut fmt::Formatter<'_>, cluster: &Cluster) -> fmt::Result {
    let quorums = cluster.quorums;
    let update = match cluster.update {
        Update::Quorum => "a quorum accepts",
        Update::TwoPhase => "every replica has applied it",
    };
    writeln!(
        f,
        "  cluster     {} replicas, quorums {} and {}; a write is acknowledged when {update}",
        cluster.replicas, quorums.phase1, quorums.phase2
    )?;
    let Timing {
        tick,
        heartbeat,
        patience,
        jitter,
        resend,
        deadline,
    } = cluster.timing;
    writeln!(
        f,
        "  timing      tick {} ms; in ticks: heartbeat {heartbeat}, patience {patience}, jitter {jitter}, resend {resend}, deadline {deadline}",
        tick.0 / 1000
    )?;
    let limits = changed(&cluster.limits, &Limits::default());
    let limits = if limits.is_empty() {
        "as by default".to_owned()
    } else {
        format!("{}; the others as by default", limits.join(", "))
    };
    writeln!(f, "  limits      {limits}")
}

/// The fields that differ from the default, with their values.
fn changed(what: &impl Serialize, default: &impl Serialize) -> Vec<String> {
    let (Ok(serde_json::Value::Object(what)), Ok(default)) =
        (serde_json::to_value(what), serde_json::to_value(default))
    else {
        return Vec::new();
    };
    let fields = what
        .iter()
        .filter(|(name, value)| default.get(name.as_str()) != Some(*value));
    fields
        .map(|(name, value)| format!("{} {value}", name.replace('_', " ")))
        .collect()
}

fn write_clients(f: &mut fmt::Formatter<'_>, clients: &Workload) -> fmt::Result {
    let [put, get, delete, cas] = clients.mix;
    writeln!(
        f,
        "  clients     {} with {} in flight each, {} of them over connections; {} keys, {} values",
        clients.count,
        clients.lanes,
        clients.connected,
        clients.keys,
        if clients.unique { "unique" } else { "repeated" }
    )?;
    write!(
        f,
        "{INDENT}mix: put {put}, get {get}, delete {delete}, compare-and-swap {cas}"
    )?;
    if clients.shared > 0 {
        write!(
            f,
            "; {} in a hundred operations concern {} shared keys",
            clients.shared, clients.shared_keys
        )?;
    }
    writeln!(f)?;
    let Workload {
        hot,
        value_bytes,
        counters,
        burst,
        ..
    } = clients;
    if *hot > 0 {
        writeln!(f, "{INDENT}{hot} in a hundred operations concern one key")?;
    }
    if *counters > 0 {
        writeln!(f, "{INDENT}{counters} in a hundred operations add to a counter")?;
    }
    if *value_bytes > 0 {
        writeln!(
            f,
            "{INDENT}values of up to {value_bytes} bytes more than they need"
        )?;
    }
    if burst.0 > 0 {
        writeln!(
            f,
            "{INDENT}all begin operations in bursts, {} ms apart",
            burst.0 / 1000
        )?;
    }
    Ok(())
}

impl Report {
    fn write_network(&self, f: &mut fmt::Formatter<'_>, links: &LinkProfile) -> fmt::Result {
        writeln!(
            f,
            "  network     {} delays, {} lost and {} repeated in a million, {}",
            links.delay.name,
            links.drop,
            links.duplicate,
            if links.reorder { "reordered" } else { "in order" }
        )?;
        if self.setup.regions > 1 {
            writeln!(
                f,
                "{INDENT}{} regions, up to {} ms from each other",
                self.setup.regions,
                regions::longest(self.setup.regions) / 1000
            )?;
        }
        let logs = match self.setup.format {
            Format::Bytes => "bytes",
            Format::Plain => "records",
        };
        let memory = if self.setup.memory_only {
            "; they do not survive their processes"
        } else {
            ""
        };
        writeln!(
            f,
            "  disks       {} syncs, logs in {logs}{memory}",
            self.setup.sync.name
        )
    }

    /// The kinds of faults: how they were weighed, and how many began.
    fn write_faults(&self, f: &mut fmt::Formatter<'_>, faults: &Faults) -> fmt::Result {
        writeln!(
            f,
            "  faults      one within {} ms, each up to {} ms, {} in a hundred at the leader{}",
            faults.pause.0 / 1000,
            faults.length.0 / 1000,
            faults.at_leader,
            if faults.uneven_clocks {
                "; uneven clocks"
            } else {
                ""
            }
        )?;
        writeln!(
            f,
            "{INDENT}acceptors without memory at a time: at most {}",
            faults.losses
        )?;
        for (moment, percent) in &faults.moments {
            writeln!(
                f,
                "{INDENT}crashes follow {percent} in a hundred {}",
                moment.says()
            )?;
        }
        writeln!(f, "{INDENT}{:<16}{:>8}{:>8}", "kind", "weight", "began")?;
        for kind in FaultKind::ALL {
            let weight = faults
                .weights
                .iter()
                .find(|(one, _)| *one == kind)
                .map(|(_, weight)| weight);
            let began = self.faults.0.get(&kind).copied().unwrap_or(0);
            if weight.is_none() && began == 0 {
                continue;
            }
            let weight = weight.map_or_else(|| "-".to_owned(), ToString::to_string);
            writeln!(f, "{INDENT}{:<16}{weight:>8}{began:>8}", format!("{kind:?}"))?;
        }
        Ok(())
    }

    fn write_happened(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Traffic {
            sent,
            dropped,
            duplicated,
            cut,
        } = self.traffic;
        writeln!(
            f,
            "  messages    {sent} sent, {dropped} lost, {duplicated} repeated, {cut} cut off"
        )?;
        writeln!(f, "  replicas    {}", self.protocol)?;
        let OperationCounts {
            begun,
            done,
            refused,
            unknown,
        } = self.operations;
        writeln!(
            f,
            "  operations  {begun} begun, {done} done, {refused} refused, {unknown} unknown; the slowest took {} ms",
            self.slowest.0 / 1000
        )
    }

    fn write_coverage(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let never = self.coverage.iter().filter(|(_, count)| *count == 0).count();
        writeln!(
            f,
            "  coverage    situations that occurred, and {never} that did not:"
        )?;
        for (situation, count) in self.coverage.iter().filter(|(_, count)| *count > 0) {
            writeln!(f, "    {count:>9}  {situation}")?;
        }
        Ok(())
    }

    fn write_end(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(phases) = self.phases {
            writeln!(
                f,
                "  phases      {} with faults, all served {} ({}.{:02} rounds) after a quorum healed, all agreed {} after all healed",
                human(phases.faults),
                human(phases.serving),
                phases.serving_rounds / 100,
                phases.serving_rounds % 100,
                human(phases.agreeing)
            )?;
        }
        writeln!(
            f,
            "  events      {} in {} simulated",
            self.counts.events,
            human(self.simulated)
        )?;
        writeln!(f, "  digest      {}", self.digest)?;
        match &self.violation {
            None if self.undecided > 0 => {
                writeln!(
                    f,
                    "  verdict     good, but {} keys were too hard to judge",
                    self.undecided
                )
            }
            None => writeln!(f, "  verdict     good"),
            Some(violation) => writeln!(f, "  verdict     {violation}"),
        }
    }
}

fn human(length: Micros) -> String {
    format!("{} s", crate::invariants::seconds(Time(length.0)).trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::Trace;
    use crate::world::{Length, run_seed};

    #[test]
    fn a_report_is_a_table_and_prints_nothing_for_debugging() {
        let report = run_seed(9, Trace::Off);
        let text = report.to_string();
        for debug in ["{", "}", "Micros(", "Some("] {
            assert!(!text.contains(debug), "{debug} in {text}");
        }
        for (kind, weight) in &report.setup.faults.weights {
            let began = report.faults.0.get(kind).copied().unwrap_or(0);
            let row = format!("{INDENT}{:<16}{weight:>8}{began:>8}\n", format!("{kind:?}"));
            assert!(text.contains(&row), "{row} is not in {text}");
        }
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(140), "{widest:?}: {text}");
    }

    #[test]
    fn only_what_is_not_as_by_default_is_named() {
        let limits = Limits {
            log_slots: 7,
            ..Limits::default()
        };
        assert_eq!(changed(&limits, &Limits::default()), ["log slots 7"]);
        let none = Length {
            faults: Micros(1),
            operations: 0,
            events: 0,
        };
        assert!(changed(&none, &none).is_empty());
    }
}
