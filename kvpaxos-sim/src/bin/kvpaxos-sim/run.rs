//! `kvpaxos-sim run`: simulates one seed.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use kvpaxos_sim::invariants::excerpt;
use kvpaxos_sim::mutants::{self, Mutant};
use kvpaxos_sim::world::{Player, per_second};
use kvpaxos_sim::{Setup, Trace, Violation};
use kvpaxos_sim::{say, say_part};

use crate::colour::painted;
use crate::{junit, scenario};

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
    /// Write the result to this file in the JUnit format, for systems of continuous integration.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Print a line for each event.
    #[arg(long, conflicts_with = "json")]
    trace: bool,
}

/// How many lines of a trace are kept to choose an excerpt from.
const TRACE_LINES: usize = 50_000;

/// Simulates the seed and prints the report.
pub(crate) fn run(what: &Arguments) -> u8 {
    let player = mutants::player(what.mutant);
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
        value["mutant"] = what.mutant.map(|mutant| mutant.name).into();
        if report.violation.is_some() {
            value["commands"] = commands(what.seed, what.mutant)
                .map(|(_, command)| command)
                .to_vec()
                .into();
        }
        say!("{value}");
    } else {
        say_part!("{}", painted(&report.to_string()));
        say!("  speed       {rate} events/s ({} ms)", took.as_millis());
        if let Some(violation) = &report.violation {
            say_part!("{}", painted(&violation_text(violation, what.mutant)));
        }
    }
    let written = what.junit.as_ref().map_or(Ok(()), |path| {
        let results = junit::Results {
            name: format!("run {}", what.seed),
            violations: report.violation.as_slice(),
            mutant: what.mutant,
            situations: None,
            micros,
        };
        junit::write(path, &results)
    });
    match written {
        Err(code) if report.violation.is_none() => code,
        _ => u8::from(report.violation.is_some()),
    }
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
    for (what, command) in commands(violation.seed, mutant) {
        text.push_str(&format!("{what} it with: {command}\n"));
    }
    text
}

/// What shows more of a violation, and the command for it.
fn commands(seed: u64, mutant: Option<Mutant>) -> [(&'static str, String); 4] {
    let of = mutant.map_or_else(String::new, |mutant| format!(" --mutant {}", mutant.name));
    [
        ("repeat", format!("kvpaxos-sim run --seed {seed}{of} --trace")),
        (
            "shrink",
            format!("kvpaxos-sim shrink --seed {seed}{of} -o seed-{seed}.txt"),
        ),
        ("explain", format!("kvpaxos-sim explain --seed {seed}{of}")),
        (
            "see",
            format!("kvpaxos-sim report --seed {seed}{of} -o seed-{seed}.html"),
        ),
    ]
}

fn shortened(line: &str) -> String {
    const WIDTH: usize = 240;
    match line.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{} ...", &line[..end]),
        None => line.to_owned(),
    }
}
