//! `kvpaxos-sim sweep`: simulates many seeds.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use kvpaxos_sim::invariants::Sometimes;
use kvpaxos_sim::output::UNWRITTEN;
use kvpaxos_sim::world::{Summary, Sweep, sweep as play};
use kvpaxos_sim::{note, say, say_part};

use crate::run;

/// Simulates the seeds and prints the summary.
pub(crate) fn sweep(what: &Sweep, digests: Option<&Path>, json: bool) -> u8 {
    let total = what.seeds.end - what.seeds.start;
    let mut progress = Progress::new(total);
    let mut summary = play(what, |so_far| progress.update(so_far));
    progress.end();
    if let Some(violation) = summary.violations.first_mut() {
        violation.history = run::history(violation);
    }
    if json {
        let mut value = serde_json::json!(summary);
        value["missing"] = summary.missing().into_iter().map(Sometimes::says).collect();
        say!("{value}");
    } else {
        say_part!("{}", summary_text(&summary));
    }
    if let Some(path) = digests
        && let Err(why) = write_digests(path, &summary)
    {
        note!("the digests could not be written to {}: {why}", path.display());
        return UNWRITTEN;
    }
    u8::from(!summary.is_good())
}

fn write_digests(path: &Path, summary: &Summary) -> std::io::Result<()> {
    let mut text = String::new();
    for (seed, digest) in &summary.digests {
        text.push_str(&format!("{seed} {digest}\n"));
    }
    std::fs::write(path, text)
}

/// A progress bar on a terminal; elsewhere a line every few seconds.
struct Progress {
    bar: Option<ProgressBar>,
    total: u64,
    last: Instant,
}

impl Progress {
    fn new(total: u64) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total);
            if let Ok(style) =
                ProgressStyle::with_template("{bar:40} {pos}/{len} seeds, {per_sec}, {eta} left {msg}")
            {
                bar.set_style(style);
            }
            bar
        });
        Progress {
            bar,
            total,
            last: Instant::now(),
        }
    }

    fn update(&mut self, summary: &Summary) {
        let failures = summary.violations.len();
        if let Some(bar) = &self.bar {
            bar.set_position(summary.seeds);
            if failures > 0 {
                bar.set_message(format!("{failures} failed"));
            }
        } else if self.last.elapsed() > Duration::from_secs(5) {
            self.last = Instant::now();
            note!("{}/{} seeds, {failures} failed", summary.seeds, self.total);
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn summary_text(summary: &Summary) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write_summary(&mut text, summary);
    text
}

fn write_summary(text: &mut String, summary: &Summary) -> std::fmt::Result {
    let rate = summary.seeds_per_second();
    writeln!(
        text,
        "{} seeds in {} s: {}.{:02} seeds/s, {} events/s a core, {} simulated seconds",
        summary.seeds,
        summary.wall_micros / 1_000_000,
        rate / 100,
        rate % 100,
        summary.events_per_second(),
        summary.simulated_seconds
    )?;
    writeln!(
        text,
        "  events      {} in all, at least {} a seed (seed {})",
        summary.events, summary.fewest_events.0, summary.fewest_events.1
    )?;
    writeln!(
        text,
        "  operations  {} in all, at least {} a seed (seed {})",
        summary.operations, summary.fewest_operations.0, summary.fewest_operations.1
    )?;
    writeln!(
        text,
        "  replicas    {} elections won, {} slots chosen; leaders changed in {} seeds, roles failed in {}",
        summary.elected, summary.chosen, summary.with_leader_change, summary.with_role_failures
    )?;
    writeln!(
        text,
        "  healing     clients were served at most {} ms (seed {}) and {}.{:02} rounds (seed {}) after a quorum healed",
        summary.slowest_serving.0 / 1000,
        summary.slowest_serving.1,
        summary.most_rounds.0 / 100,
        summary.most_rounds.0 % 100,
        summary.most_rounds.1
    )?;
    writeln!(
        text,
        "  fairness    the slowest client of a seed completed at least one operation for each {} that its clients completed on average (seed {})",
        summary.least_fair.0, summary.least_fair.1
    )?;
    writeln!(
        text,
        "  digests     {} seeds were simulated twice, with the same digest",
        summary.repeated
    )?;
    if summary.undecided > 0 {
        writeln!(
            text,
            "  undecided   {} keys were too hard to judge",
            summary.undecided
        )?;
    }
    if summary.unwitnessed > 0 {
        writeln!(
            text,
            "  revisions   explain all answers, except on {} keys that they leave undecided",
            summary.unwitnessed
        )?;
    }
    writeln!(text, "  coverage")?;
    for (situation, count) in summary.coverage.iter() {
        writeln!(text, "    {count:>9}  {situation}")?;
    }
    write_violations(text, summary)
}

fn write_violations(text: &mut String, summary: &Summary) -> std::fmt::Result {
    for (place, violation) in summary.violations.iter().enumerate() {
        if place == 0 {
            write!(text, "{}", run::violation_text(violation))?;
        } else {
            writeln!(text, "{violation}")?;
        }
    }
    let missing: Vec<&str> = summary.missing().into_iter().map(Sometimes::says).collect();
    if !missing.is_empty() {
        writeln!(
            text,
            "situations that never occurred, so that the sweep says nothing about them: {}",
            missing.join(", ")
        )?;
    }
    let verdict = match summary.violations.len() {
        0 if summary.is_good() => "good".to_owned(),
        0 => "some situations never occurred".to_owned(),
        failures => format!("{failures} of {} seeds failed", summary.seeds),
    };
    writeln!(text, "verdict: {verdict}")
}
