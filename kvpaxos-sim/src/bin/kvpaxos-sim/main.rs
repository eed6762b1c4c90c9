//! The program `kvpaxos-sim`: plays seeds, one or many, judges histories, and makes some to be judged.
//!
//! Exit codes: 0 all held, 1 a property was violated or a situation that must occur never did, 2 the command line makes no sense, or the model checker's
//! limit was reached. Those of `check` stand with it.

mod check;
mod exit;
mod forks;
mod generate;
mod model;
mod mutants;
mod run;
mod source;
mod sweep;
mod witness;

use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Deterministic simulation of kvpaxos: seeded networks, disks, clocks and crashes, and checks of every promise.
#[derive(Parser)]
#[command(version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Play one seed and say what was drawn, what happened and whether everything held.
    Run {
        /// The seed.
        #[arg(long, value_name = "N")]
        seed: u64,
        /// Write the report as JSON.
        #[arg(long)]
        json: bool,
        /// Print a line for each event.
        #[arg(long, conflicts_with = "json")]
        trace: bool,
    },
    /// Play many seeds and say how they went.
    Sweep {
        /// The seeds: from A up to, and without, B.
        #[arg(long, value_name = "A..B", value_parser = seeds)]
        seeds: Range<u64>,
        /// How many at a time; as many as there are cores if not given.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
        jobs: Option<u16>,
        /// Go on after a failure and collect them all.
        #[arg(long)]
        keep_going: bool,
        /// Write a line "seed digest" for each seed to this file.
        #[arg(long, value_name = "FILE")]
        digests: Option<PathBuf>,
        /// Write the summary as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Play seeds in which disks forget in silence what they had synced, and say whether replicas that differ notice and stop.
    Forks {
        /// The seeds: from A up to, and without, B.
        #[arg(long, value_name = "A..B", value_parser = seeds)]
        seeds: Range<u64>,
        /// How many at a time; as many as there are cores if not given.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
        jobs: Option<u16>,
        /// Print a line for each event.
        #[arg(long)]
        trace: bool,
    },
    /// Play replicas that are wrong on purpose, in the ways in which real systems were, and print which check finds each, and with which seed.
    ///
    /// Exit codes: 0 all were found, 1 one was not, 2 there is no such mutant.
    Mutants {
        /// How many seeds to play at most for each.
        #[arg(long, value_name = "N", default_value_t = 2000)]
        seeds: u64,
        /// How many at a time; as many as there are cores if not given.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
        jobs: Option<u16>,
        /// Print the names of all mutants and play nothing.
        #[arg(long)]
        list: bool,
        /// The mutants to hunt. Default: all.
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
    /// Say of histories that clients wrote down (kv-history/1, a JSON object a line) whether they are linearizable.
    ///
    /// Exit codes: 0 all are linearizable; 1 one is not, for the keys that are named; 2 the command line is wrong, and nothing was judged;
    /// 3 one cannot be read, or a line of it is malformed; 4 the verdicts are printed, but the page could not be written; 5 one could not
    /// be decided within the budget. With several files the worst counts: 1, then 3, then 5.
    Check(check::Check),
    /// Write a history that is made from a seed (kv-history/1, a JSON object a line), linearizable or with one wrong answer.
    ///
    /// Exit codes: 0 it is written, 2 the flags make no sense or it could not be written.
    Generate(generate::Generate),
    /// Explore every order of delivery, loss, duplication and crash of a few acceptors and proposers, and say whether every invariant holds.
    Model(model::Model),
}

/// Reads a range of seeds like `0..2000`.
fn seeds(text: &str) -> Result<Range<u64>, String> {
    let example = "write it as A..B, for example 0..2000";
    let (from, to) = text.split_once("..").ok_or_else(|| example.to_owned())?;
    let number = |text: &str| {
        let parsed = text.parse::<u64>();
        parsed.map_err(|why| format!("{text:?} is no seed ({why}); {example}"))
    };
    let (from, to) = (number(from)?, number(to)?);
    if from >= to {
        return Err(format!("there is no seed from {from} up to, and without, {to}"));
    }
    Ok(from..to)
}

fn cores(jobs: Option<u16>) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    jobs.map_or_else(cores, usize::from)
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run { seed, json, trace } => run::run(seed, json, trace),
        Command::Model(what) => model::model(&what),
        Command::Sweep {
            seeds,
            jobs,
            keep_going,
            digests,
            json,
        } => {
            let what = kvpaxos_sim::world::Sweep {
                seeds,
                jobs: cores(jobs),
                keep_going,
            };
            sweep::sweep(&what, digests.as_deref(), json)
        }
        Command::Forks { seeds, jobs, trace } => {
            forks::run(seeds, if trace { 1 } else { cores(jobs) }, trace)
        }
        Command::Mutants { list: true, .. } => mutants::list(),
        Command::Mutants {
            seeds, jobs, names, ..
        } => mutants::hunt(0..seeds, cores(jobs), &names),
        Command::Check(what) => check::run(&what),
        Command::Generate(what) => generate::run(&what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn ranges_of_seeds() {
        assert_eq!(seeds("3..7"), Ok(3..7));
        assert_eq!(
            seeds("7..7").unwrap_err(),
            "there is no seed from 7 up to, and without, 7"
        );
        assert!(seeds("7").unwrap_err().contains("0..2000"));
        assert!(seeds("a..7").unwrap_err().starts_with("\"a\" is no seed"));
    }
}
