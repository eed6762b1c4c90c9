//! The sums of a sweep as text.

use std::fmt::Write as _;

use kvpaxos_sim::invariants::Sometimes;
use kvpaxos_sim::mutants::Mutant;
use kvpaxos_sim::world::Summary;

use crate::run;

/// The sums of a sweep, and its violations.
pub(crate) fn summary_text(summary: &Summary, mutant: Option<Mutant>) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write_summary(&mut text, summary).and_then(|()| write_failures(&mut text, summary, mutant));
    text
}

fn write_summary(text: &mut String, summary: &Summary) -> std::fmt::Result {
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
    Ok(())
}

fn write_failures(text: &mut String, summary: &Summary, mutant: Option<Mutant>) -> std::fmt::Result {
    for (place, violation) in summary.violations.iter().enumerate() {
        if place == 0 {
            write!(text, "{}", run::violation_text(violation, mutant))?;
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
    Ok(())
}

/// The verdict in a few words.
pub(crate) fn verdict(summary: &Summary) -> String {
    match summary.violations.len() {
        0 if summary.is_good() => "good".to_owned(),
        0 => "some situations never occurred".to_owned(),
        failures => format!("{failures} of {} seeds failed", summary.seeds),
    }
}
