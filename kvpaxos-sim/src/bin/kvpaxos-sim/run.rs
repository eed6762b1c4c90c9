//! One seed.

use std::process::ExitCode;
use std::time::Instant;

use kvpaxos_sim::invariants::excerpt;
use kvpaxos_sim::world::per_second;
use kvpaxos_sim::{Trace, Violation, run_seed};

/// How much of a trace is kept to choose an excerpt from.
const KEPT: usize = 50_000;

/// Plays the seed and tells.
pub(crate) fn run(seed: u64, json: bool, trace: bool) -> ExitCode {
    let began = Instant::now();
    let mut report = run_seed(seed, if trace { Trace::Print } else { Trace::Off });
    let took = began.elapsed();
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let rate = per_second(report.counts.events, micros);
    if let Some(violation) = &mut report.violation {
        violation.history = history(violation);
    }
    if json {
        let mut value = serde_json::json!(report);
        value["events_per_second"] = rate.into();
        println!("{value}");
    } else {
        print!("{report}");
        println!("  speed       {rate} events/s ({} ms)", took.as_millis());
        if let Some(violation) = &report.violation {
            print!("{}", told(violation));
        }
    }
    ExitCode::from(u8::from(report.violation.is_some()))
}

/// The part of the history that shows what happened; the seed is played again to get it.
pub(crate) fn history(violation: &Violation) -> Vec<String> {
    if !violation.history.is_empty() {
        return violation.history.clone();
    }
    let again = run_seed(violation.seed, Trace::keep(KEPT));
    let lines = again
        .violation
        .map(|violation| violation.history)
        .unwrap_or_default();
    excerpt(violation, &lines)
}

/// A violation for people: the seed, the property, the part of the history, the command that repeats it.
pub(crate) fn told(violation: &Violation) -> String {
    let mut text = format!("\n{violation}\n");
    for line in &violation.history {
        text.push_str("  ");
        text.push_str(&shortened(line));
        text.push('\n');
    }
    let seed = violation.seed;
    text.push_str(&format!(
        "repeat it with: kvpaxos-sim run --seed {seed} --trace\n"
    ));
    text
}

fn shortened(line: &str) -> String {
    const WIDTH: usize = 240;
    match line.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{} ...", &line[..end]),
        None => line.to_owned(),
    }
}
