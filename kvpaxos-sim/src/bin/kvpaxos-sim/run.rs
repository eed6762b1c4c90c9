//! `kvpaxos-sim run`: simulates one seed.

use std::time::Instant;

use clap::Args;
use kvpaxos::Replica;
use kvpaxos_sim::invariants::excerpt;
use kvpaxos_sim::mutants::Mutant;
use kvpaxos_sim::world::{Player, per_second};
use kvpaxos_sim::{Setup, Trace, Violation, run as play};
use kvpaxos_sim::{say, say_part};

use crate::scenario;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The seed to simulate.
    #[arg(long, value_name = "N")]
    seed: u64,
    /// Put this mutant in the place of the replicas. `kvpaxos-sim mutants --list` names all.
    #[arg(long, value_name = "NAME", value_parser = scenario::mutant)]
    mutant: Option<Mutant>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    /// Print a line for each event.
    #[arg(long, conflicts_with = "json")]
    trace: bool,
}

/// How many lines of a trace are kept to choose an excerpt from.
const TRACE_LINES: usize = 50_000;

/// Simulates the seed and prints the report.
pub(crate) fn run(what: &Arguments) -> u8 {
    let player = what
        .mutant
        .map_or(play::<Replica> as Player, |mutant| mutant.player());
    let began = Instant::now();
    let mut report = player(
        Setup::drawn(what.seed),
        if what.trace { Trace::Print } else { Trace::Off },
    );
    let took = began.elapsed();
    let micros = u64::try_from(took.as_micros()).expect("a run ends within centuries");
    let rate = per_second(report.counts.events, micros);
    if let Some(violation) = &mut report.violation {
        violation.history = history(violation, player);
    }
    if what.json {
        let mut value = serde_json::json!(report);
        value["events_per_second"] = rate.into();
        say!("{value}");
    } else {
        say_part!("{report}");
        say!("  speed       {rate} events/s ({} ms)", took.as_millis());
        if let Some(violation) = &report.violation {
            say_part!("{}", violation_text(violation, what.mutant));
        }
    }
    u8::from(report.violation.is_some())
}

/// The part of the history that shows the violation. If the violation has none, the seed is simulated again
/// to get an excerpt of its trace.
pub(crate) fn history(violation: &Violation, player: Player) -> Vec<String> {
    if !violation.history.is_empty() {
        return violation.history.clone();
    }
    let again = player(Setup::drawn(violation.seed), Trace::keep(TRACE_LINES));
    let lines = again
        .violation
        .map(|violation| violation.history)
        .unwrap_or_default();
    excerpt(violation, &lines)
}

/// A violation as text: the property and the seed, the part of the history that shows it, and the command
/// that repeats it.
pub(crate) fn violation_text(violation: &Violation, mutant: Option<Mutant>) -> String {
    let mut text = format!("\n{violation}\n");
    for line in &violation.history {
        text.push_str("  ");
        text.push_str(&shortened(line));
        text.push('\n');
    }
    let seed = violation.seed;
    let of = mutant.map_or_else(String::new, |mutant| format!(" --mutant {}", mutant.name));
    text.push_str(&format!(
        "repeat it with: kvpaxos-sim run --seed {seed}{of} --trace\n\
         shrink it with: kvpaxos-sim shrink --seed {seed}{of} -o seed-{seed}.txt\n\
         see it with: kvpaxos-sim report --seed {seed}{of} -o seed-{seed}.html\n"
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
