//! The table at the end.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::figures::{Figures, median};
use crate::loss;
use crate::rows::{Measure, ROWS, Row};
use crate::systems::System;

/// The figures of all rounds.
#[derive(Debug, Default)]
pub(crate) struct Results {
    figures: BTreeMap<(&'static str, System), Vec<Figures>>,
    /// Without a leader, in milliseconds.
    gaps: BTreeMap<System, Vec<f64>>,
}

impl Results {
    pub(crate) fn add(&mut self, row: &Row, system: System, figures: Figures) {
        self.figures.entry((row.name, system)).or_default().push(figures);
    }

    /// The longest time without a completion after the leader was killed, in milliseconds.
    pub(crate) fn add_gap(&mut self, system: System, millis: f64) {
        self.gaps.entry(system).or_default().push(millis);
    }

    fn median(&self, row: &Row, system: System) -> Option<Figures> {
        self.figures
            .get(&(row.name, system))
            .map(|rounds| Figures::median(rounds))
    }

    /// The medians of all rounds as a table in Markdown, with the ratios of kvpaxos to the others.
    pub(crate) fn table(&self, systems: &[System]) -> String {
        let others: Vec<System> = systems
            .iter()
            .copied()
            .filter(|system| *system != System::Kvpaxos)
            .collect();
        let mut out = "| medians | kvpaxos |".to_owned();
        let mut rule = "| --- | --- |".to_owned();
        for other in &others {
            // Nothing that is written to a string fails.
            let _ = write!(out, " {} | ratio |", other.name());
            rule += " --- | --- |";
        }
        out = format!("{out}\n{rule}\n");
        for row in &ROWS {
            let throughput: Cell = (
                |figures| figures.throughput,
                |number| format!("{}/s", grouped(number)),
            );
            let p50: Cell = (|figures| figures.p50, |number| format!("{number:.2} ms"));
            let p99: Cell = (|figures| figures.p99, |number| format!("{number:.2} ms"));
            match row.measure {
                Measure::Throughput => {
                    self.line(row, "", throughput, &others, &mut out);
                    self.line(row, "p99", p99, &others, &mut out);
                }
                Measure::Latency => {
                    self.line(row, "p50", p50, &others, &mut out);
                    self.line(row, "p99", p99, &others, &mut out);
                }
            }
        }
        let gaps = |system| self.gaps.get(&system).map(|gaps| median(gaps.clone()));
        Self::cells(
            &format!("{}: median", loss::NAME),
            gaps,
            millis,
            &others,
            &mut out,
        );
        let longest = |system| Some(self.gaps.get(&system)?.iter().copied().fold(0.0, f64::max));
        Self::cells(
            &format!("{}: longest", loss::NAME),
            longest,
            millis,
            &others,
            &mut out,
        );
        let errors: u64 = self
            .figures
            .values()
            .flatten()
            .map(|figures| figures.errors)
            .sum();
        let _ = write!(
            out,
            "\nerrors in all: {errors}; a ratio is kvpaxos to the other system"
        );
        out
    }

    fn line(&self, row: &Row, what: &str, (figure, text): Cell, others: &[System], out: &mut String) {
        let comma = if what.is_empty() { "" } else { ": " };
        let of = |system| self.median(row, system).map(|figures| figure(&figures));
        Self::cells(&format!("{}{comma}{what}", row.name), of, text, others, out);
    }

    /// A line, unless it was not measured on kvpaxos.
    fn cells(
        name: &str,
        of: impl Fn(System) -> Option<f64>,
        text: fn(f64) -> String,
        others: &[System],
        out: &mut String,
    ) {
        let Some(ours) = of(System::Kvpaxos) else {
            return;
        };
        let _ = write!(out, "| {name} | {} |", text(ours));
        for other in others {
            let _ = match of(*other) {
                Some(number) if number > 0.0 => write!(out, " {} | {:.2} |", text(number), ours / number),
                Some(number) => write!(out, " {} | |", text(number)),
                None => write!(out, " | |"),
            };
        }
        out.push('\n');
    }
}

fn millis(number: f64) -> String {
    format!("{number:.0} ms")
}

/// Which figure, and how it is written.
type Cell = (fn(&Figures) -> f64, fn(f64) -> String);

/// A whole number with commas between thousands.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(
            [7.0, 999.6, 12345.0, 1e6].map(grouped),
            ["7", "1,000", "12,345", "1,000,000"]
        );
    }

    #[test]
    fn a_table_has_medians_and_ratios() {
        let mut results = Results::default();
        for (throughput, p99) in [(30_000.0, 4.0), (50_000.0, 6.0), (40_000.0, 5.0)] {
            for (system, divisor) in [(System::Kvpaxos, 1.0), (System::Etcd, 4.0)] {
                let figures = Figures {
                    throughput: throughput / divisor,
                    p50: 1.0,
                    p99: p99 * divisor,
                    errors: 1,
                };
                results.add(&ROWS[0], system, figures);
            }
        }
        let table = results.table(&[System::Kvpaxos, System::Etcd]);
        for line in [
            "| medians | kvpaxos | etcd | ratio |",
            "| PUT, 256 connections, one in flight each | 40,000/s | 10,000/s | 4.00 |",
            "| PUT, 256 connections, one in flight each: p99 | 5.00 ms | 20.00 ms | 0.25 |",
            "errors in all: 6",
        ] {
            assert!(table.contains(line), "{line}: {table}");
        }
        assert_eq!(
            table.lines().count(),
            6,
            "rows that were not measured are left out: {table}"
        );
    }
}
