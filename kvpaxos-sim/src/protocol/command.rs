//! A command line for any protocol: a `main` of one line.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use super::explain::explain;
use super::picture::timeline;
use super::play::{Recording, find, record, replay};
use super::seam::Protocol;
use super::shrink::shrink;
use crate::explain::Plan;
use crate::shrinking::Limits;
use crate::timeline::page;
use crate::{note, output, parallel, say, say_part};

/// Simulates a protocol: finds a run that violates something, plays it again, makes it smaller, explains it.
#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Play seeds until one violates something.
    Find {
        /// Seeds 0 to this one, which is not played.
        #[arg(default_value_t = 1_000)]
        seeds: u64,
    },
    /// Play a seed or a scenario.
    Replay(Run),
    /// Write the run of a seed or a scenario as a scenario.
    Record {
        #[command(flatten)]
        run: Run,
        /// The file to write.
        #[arg(short, long)]
        output: PathBuf,
    },
    /// Look for the smallest run that fails in the same way, and write it as a scenario.
    Shrink {
        #[command(flatten)]
        run: Run,
        /// The file to write.
        #[arg(short, long)]
        output: PathBuf,
    },
    /// Draw a run as a page for a browser.
    Report {
        #[command(flatten)]
        run: Run,
        /// The file to write.
        #[arg(short, long)]
        output: PathBuf,
    },
    /// Say when the failure of a seed's run became likely, and certain.
    Explain {
        /// The seed.
        #[arg(long)]
        seed: u64,
        /// How many futures are drawn from a point.
        #[arg(long, default_value_t = 40)]
        samples: u64,
    },
}

/// What is played.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Run {
    /// A scenario.
    file: Option<PathBuf>,
    /// A seed.
    #[arg(long)]
    seed: Option<u64>,
}

/// The exit code if a run violates something.
const VIOLATED: u8 = 1;
/// The exit code if a file cannot be read or written, or is no scenario.
const UNUSABLE: u8 = 3;
/// A search plays at most so much.
const LIMITS: Limits = Limits {
    runs: 20_000,
    events: 200_000_000,
};

/// Runs the command line that the program was called with: `find`, `replay`, `record`, `shrink`, `report`, `explain`. The exit code is 0 if nothing is violated, 1 if something is (for `find`, `replay` and `record`), 2 if the command line is wrong, 3 if a file
/// cannot be used, 4 if standard output cannot be written.
pub fn command<P: Protocol>(protocol: &P) -> ExitCode {
    // A failed assertion is a violation like any other, and comes up in many runs.
    std::panic::set_hook(Box::new(|_| ()));
    let code = match Line::parse().command {
        Command::Find { seeds } => match find(protocol, 0..seeds) {
            Some(found) => {
                let seed = found.scenario.setup.seed;
                let code = tell(&found);
                say!("next: replay, shrink, report or explain --seed {seed}");
                Ok(code)
            }
            None => {
                say!("{seeds} seeds violate nothing");
                Ok(0)
            }
        },
        Command::Replay(run) => run.play(protocol).map(|recording| tell(&recording)),
        Command::Record { run, output } => run
            .play(protocol)
            .and_then(|recording| write(&output, &recording.scenario.to_string()).map(|()| tell(&recording))),
        Command::Shrink { run, output } => run
            .play(protocol)
            .and_then(|first| smaller(protocol, first, &output)),
        Command::Report { run, output } => run.play(protocol).and_then(|recording| {
            let page = page(&timeline(protocol, &recording));
            write(&output, &page)?;
            tell(&recording);
            Ok(0)
        }),
        Command::Explain { seed, samples } => {
            let plan = Plan::new(seed, samples, parallel::cores());
            match explain(protocol, seed, &plan, |_| ()) {
                Some(explained) => say_part!("{explained}"),
                None => say!("seed {seed} violates nothing: there is nothing to explain"),
            }
            Ok(0)
        }
    };
    output::finish(code.unwrap_or(UNUSABLE)).into()
}

impl Run {
    fn play<P: Protocol>(&self, protocol: &P) -> Result<Recording<P>, ()> {
        let (None, Some(file)) = (self.seed, &self.file) else {
            return Ok(record(protocol, self.seed.unwrap_or_default()));
        };
        let text =
            fs::read_to_string(file).map_err(|error| note!("{} cannot be read: {error}", file.display()))?;
        replay(protocol, &text).map_err(|error| note!("{}: {error}", file.display()))
    }
}

fn write(file: &Path, text: &str) -> Result<(), ()> {
    fs::write(file, text).map_err(|error| note!("{} cannot be written: {error}", file.display()))
}

fn tell<P: Protocol>(recording: &Recording<P>) -> u8 {
    say!("seed {}: {}", recording.scenario.setup.seed, recording.size());
    match &recording.violation {
        Some(violation) => {
            say!("{violation}");
            VIOLATED
        }
        None => {
            say!("nothing is violated");
            0
        }
    }
}

fn smaller<P: Protocol>(protocol: &P, first: Recording<P>, file: &Path) -> Result<u8, ()> {
    say!("before: {}", first.size());
    let mut runs = 0;
    let smallest = shrink(protocol, first, LIMITS, |progress| {
        runs = progress.runs;
        ControlFlow::Continue(())
    });
    let Some(smallest) = smallest else {
        say!("nothing is violated: there is nothing to shrink");
        return Ok(0);
    };
    write(file, &smallest.scenario.to_string())?;
    say!("after:  {}, after {runs} runs", smallest.size());
    say!("{}", file.display());
    Ok(0)
}
