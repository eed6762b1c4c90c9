//! The program `kvpaxos-sim`: simulates clusters from seeds, hunts mutants, judges and generates histories,
//! and runs the model checker.
//!
//! The exit codes are in the help.
#![warn(clippy::disallowed_macros)]

mod check;
mod colour;
mod exhaust;
mod exit;
mod explain;
mod forks;
mod generate;
mod interrupt;
mod junit;
mod merge;
mod model;
mod mutants;
mod origin;
mod recording;
mod report;
mod run;
mod scenario;
mod shard;
mod source;
mod store;
mod summary;
mod sweep;
mod whole_file;
mod witness;

use std::ops::Range;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use kvpaxos_sim::parallel;
use kvpaxos_sim::world::seed_range;

use crate::colour::ColourArgument;

/// Deterministic simulation of kvpaxos: networks, disks, clocks and crashes from a seed, and a check of every
/// promise.
///
/// Exit codes: 0 everything held; 1 a property was violated, or a situation that must occur never did; 2 the
/// command line is wrong; 4 everything held, but that, or a file, could not be written; 5 the model checker
/// stopped at a limit. The help of a command says where its codes differ.
#[derive(Parser)]
#[command(version, max_term_width = 110)]
struct Cli {
    /// Whether tables and verdicts have colours.
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value = "auto")]
    color: ColourArgument,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Simulate one seed. Prints what the seed drew, what happened and whether everything held.
    Run(run::Arguments),
    /// Simulate one seed and write what was decided to a scenario file.
    ///
    /// Exit codes: 0 everything held, 1 a property was violated, 2 the command line is wrong, 4 the file cannot
    /// be written.
    Record(scenario::Record),
    /// Play a scenario file, or what real replicas recorded. Prints what happened and whether everything held.
    ///
    /// Exit codes: 0 everything held, 1 a property was violated, 2 the command line is wrong, 3 the file or the
    /// recording cannot be read or played.
    Replay(scenario::Replay),
    /// Draw a seed or a scenario as one page for a browser: who sent what to whom, what was lost, the state of every replica at every
    /// event, and what led to it.
    ///
    /// Exit codes: 0 the page is written, whether everything held or not; 2 the command line is wrong; 3 the scenario cannot be read
    /// or played; 4 the page cannot be written.
    Report(report::Report),
    /// Look for the smallest scenario that violates the same property in the same way as a seed or a scenario, or for
    /// the fewest inputs that do so in what real replicas recorded.
    ///
    /// Exit codes: 0 the scenario or the recording is written, 2 the command line is wrong, 3 the scenario or the
    /// recording cannot be read or played again, 4 a file cannot be written, 5 every property holds and there is
    /// nothing to shrink.
    Shrink(scenario::Shrink),
    /// Look for the event after which the failure of a seed, a scenario or a recording was likely, and the one after
    /// which it was certain, by drawing the future of the run again from points of it.
    ///
    /// Exit codes: 0 it is explained, as far as samples tell; 2 the command line is wrong; 3 the scenario or the
    /// recording cannot be read or played; 5 every property holds and there is nothing to explain.
    Explain(explain::Explain),
    /// Simulate many seeds. Prints sums, the first violation, and the command that repeats it.
    ///
    /// Exit codes: 0 everything held; 1 a property was violated, or a situation that must occur never did; 2 the
    /// command line is wrong; 3 the receipt cannot be read or continued; 4 a file cannot be written.
    Sweep(sweep::Arguments),
    /// Add up the receipts of the shards of a sweep. Prints which seeds are missing, and whether all held.
    ///
    /// Exit codes: 0 all seeds of the sweep were played and everything held; 1 a property was violated, a
    /// situation that must occur never did, or two receipts disagree; 2 the command line is wrong; 3 a receipt
    /// cannot be read, or they do not belong together; 4 the file cannot be written; 5 everything held, but seeds
    /// are missing.
    Merge(merge::Arguments),
    /// Print what identifies this build in receipts: its version, the digest of eight short runs, and that of
    /// its sources.
    Build,
    /// Simulate disks that lose synced data unnoticed. Prints whether replicas whose states differ notice and
    /// stop.
    Forks {
        /// The seeds from A to B, without B.
        #[arg(long, value_name = "A..B", value_parser = seed_range)]
        seeds: Range<u64>,
        /// How many seeds to simulate at a time. Default: one per core.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
        jobs: Option<u16>,
        /// Print a line for each event.
        #[arg(long)]
        trace: bool,
    },
    /// Simulate replicas that are wrong on purpose, in the ways in which real systems were. Prints which
    /// check finds each, and with which seed.
    ///
    /// Exit codes: 0 all were found, 1 one was not, 2 there is no such mutant.
    Mutants {
        /// How many seeds to simulate at most for each mutant.
        #[arg(long, value_name = "N", default_value_t = 2000)]
        seeds: u64,
        /// How many seeds to simulate at a time. Default: one per core.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
        jobs: Option<u16>,
        /// Print the names of all mutants and simulate nothing.
        #[arg(long)]
        list: bool,
        /// The mutants to hunt. Default: all.
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
    /// Judge whether histories of clients are linearizable (kv-history/1, JSON lines).
    ///
    /// Exit codes: 0 all are linearizable; 1 one is not, and its bad keys are named; 2 the command line is
    /// wrong, and nothing was judged; 3 one cannot be read, or a line of it is malformed; 4 the page could not
    /// be written, or all are linearizable and that could not be printed; 5 one could not be decided within
    /// the budget. With several files the worst counts: 1, then 3, then 5.
    Check(check::Check),
    /// Write a history that is made from a seed (kv-history/1, JSON lines), linearizable or with one wrong
    /// answer.
    ///
    /// Exit codes: 0 the history is written; 2 the command line is wrong; 4 the history cannot be written.
    Generate(generate::Generate),
    /// Play every run of a small world within bounds: three replicas, two clients, a few messages that may be lost or
    /// late, and a few faults.
    ///
    /// Exit codes: 0 every property of safety holds in every run; 1 one is violated; 2 the command line is wrong; 4 the
    /// scenario cannot be written; 5 the limit of runs was reached, and every property holds in those.
    Exhaust(exhaust::Exhaust),
    /// Explore every order of delivery, loss, duplication and crash of a few acceptors and proposers. Prints
    /// whether every invariant holds.
    ///
    /// Exit codes: 0 every invariant holds in every state; 1 one is violated; 2 the command line is wrong; 5 a
    /// limit was reached, and every invariant holds in the states that were seen.
    Model(model::Model),
}

/// The number of threads for `--jobs`.
fn threads(jobs: Option<u16>) -> usize {
    jobs.map_or_else(parallel::cores, usize::from)
}

fn main() -> ExitCode {
    // With a wrong command line or --help the program ends here, with exit code 2 or 0.
    let cli = Cli::parse();
    colour::set(cli.color);
    let verdict = run_command(cli.command);
    ExitCode::from(kvpaxos_sim::output::finish(verdict))
}

/// Runs a command, and returns the exit code.
fn run_command(command: Command) -> u8 {
    match command {
        Command::Run(what) => run::run(&what),
        Command::Record(what) => scenario::record(&what),
        Command::Replay(what) => scenario::replay(&what),
        Command::Report(what) => report::report(&what),
        Command::Shrink(what) => scenario::shrink_command(&what),
        Command::Exhaust(what) => exhaust::exhaust_command(&what),
        Command::Explain(what) => explain::explain(&what),
        Command::Model(what) => model::model(&what),
        Command::Sweep(what) => sweep::sweep(&what),
        Command::Merge(what) => merge::merge(&what),
        Command::Build => merge::build(),
        Command::Forks { seeds, jobs, trace } => {
            forks::run(seeds, if trace { 1 } else { threads(jobs) }, trace)
        }
        Command::Mutants { list: true, .. } => mutants::list(),
        Command::Mutants {
            seeds, jobs, names, ..
        } => mutants::hunt(0..seeds, threads(jobs), &names),
        Command::Check(what) => check::run(&what),
        Command::Generate(what) => generate::run(&what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
