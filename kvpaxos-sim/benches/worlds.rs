//! The speed of simulation with every check on, on one core. Run it with `cargo bench -p kvpaxos-sim --bench worlds`.
//!
//! The first row plays drawn seeds. Its rates are sums over all of them. The second row is a world without faults, in which 20
//! clients do about 200 operations in a simulated second. Rates count processor time of the thread that plays, which other
//! programs on the machine affect least. Sweeps play as many seeds at a time as there are cores; `--jobs N` does so here. `--help`
//! lists the flags.

use std::time::Duration;

use kvpaxos_sim::parallel::{self, processor_time};
use kvpaxos_sim::world::{Length, Workload};
use kvpaxos_sim::{Report, Setup, Trace, run, run_seed};

use clap::{Parser, value_parser};
use kvpaxos::{Micros, Replica};

/// The speed of simulation with every check on.
#[derive(Parser)]
struct Settings {
    /// The first drawn seed.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// How many seeds are drawn; 0 leaves out the first row.
    #[arg(long, default_value_t = 2_000)]
    seeds: u64,
    /// The simulated seconds of the world without faults; 0 leaves out the second row.
    #[arg(long, default_value_t = 1_000)]
    quiet: u64,
    /// Seeds at a time.
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u16).range(1..))]
    jobs: u16,
    /// Cargo passes it.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let settings = Settings::parse();
    println!(
        "{:<22}{:>8}{:>14}{:>14}{:>12}{:>20}{:>14}",
        "", "runs", "events", "events/s", "ns/event", "simulated s per s", "operations/s"
    );
    if settings.seeds > 0 {
        let seeds = settings.first..settings.first.saturating_add(settings.seeds);
        let played = parallel::map(seeds, settings.jobs.into(), |seed| {
            timed(|| run_seed(seed, Trace::Off))
        });
        print_row("drawn seeds", &played);
    }
    if settings.quiet > 0 {
        let world = two_hundred_a_second(settings.quiet);
        let played = timed(|| run::<Replica>(world, Trace::Off));
        print_row("200 operations/s", &[played]);
    }
}

/// What was played, and the processor time that it took.
struct Played {
    report: Report,
    took: Duration,
}

fn timed(play: impl FnOnce() -> Report) -> Played {
    let began = processor_time();
    let report = play();
    let took = processor_time().saturating_sub(began);
    assert!(report.violation.is_none(), "{report}");
    Played { report, took }
}

/// A world without faults. Its clients together do about 200 operations in a simulated second.
fn two_hundred_a_second(seconds: u64) -> Setup {
    Setup {
        clients: Workload {
            keys: 1_000,
            think: Micros(196_000),
            ..Workload::some(20)
        },
        length: Length {
            faults: Micros(seconds * 1_000_000),
            operations: 0,
            events: 0,
        },
        ..Setup::quiet(1)
    }
}

fn print_row(name: &str, played: &[Played]) {
    let sum = |what: fn(&Report) -> u64| played.iter().map(|run| what(&run.report)).sum::<u64>();
    let took: Duration = played.iter().map(|run| run.took).sum();
    let (events, simulated) = (sum(|run| run.counts.events), sum(|run| run.simulated.0));
    let seconds = took.as_secs_f64();
    let as_float = |number: u64| Duration::from_micros(number).as_secs_f64() * 1e6;
    println!(
        "{name:<22}{:>8}{events:>14}{:>14.0}{:>12.0}{:>20.0}{:>14.1}",
        played.len(),
        as_float(events) / seconds,
        seconds * 1e9 / as_float(events),
        as_float(simulated) / 1e6 / seconds,
        as_float(sum(|run| run.operations.begun)) / (as_float(simulated) / 1e6),
    );
}
