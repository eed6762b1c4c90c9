//! The speed of simulation with every check on, on one core. Run it with `cargo bench -p kvpaxos-sim --bench worlds`.
//!
//! The first row plays `--seeds N` drawn seeds (default 2,000) from `--first SEED` on. Its rates are sums over all of them. The
//! second row is a world without faults, in which 20 clients do about 200 operations in a simulated second, for `--quiet SECONDS`
//! of simulated time (default 1,000). Rates count processor time of the thread that plays, which other programs on the machine
//! affect least. Sweeps play as many seeds at a time as there are cores; `--jobs N` does so here.
//!
//! `--quiet 0` leaves out the second row, `--seeds 0` the first.

use std::time::Duration;

use kvpaxos_sim::parallel::{self, processor_time};
use kvpaxos_sim::world::{Length, Workload};
use kvpaxos_sim::{Report, Setup, Trace, run, run_seed};

use kvpaxos::{Micros, Replica};

fn main() {
    let (mut first, mut seeds, mut quiet, mut jobs) = (0, 2_000, 1_000, 1);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let number = match argument.as_str() {
            "--first" => &mut first,
            "--seeds" => &mut seeds,
            "--quiet" => &mut quiet,
            "--jobs" => &mut jobs,
            "--bench" => continue, // cargo passes it
            other => panic!("{other} is none of --first, --seeds, --quiet, --jobs"),
        };
        let given = arguments.next().and_then(|n| n.parse::<u64>().ok());
        *number = given.unwrap_or_else(|| panic!("{argument} needs a whole number"));
    }
    let jobs = usize::try_from(jobs).expect("there are not so many cores");
    println!(
        "{:<22}{:>8}{:>14}{:>14}{:>12}{:>20}{:>14}",
        "", "runs", "events", "events/s", "ns/event", "simulated s per s", "operations/s"
    );
    if seeds > 0 {
        let played = parallel::map(first..first + seeds, jobs, |seed| {
            timed(|| run_seed(seed, Trace::Off))
        });
        print_row("drawn seeds", &played);
    }
    if quiet > 0 {
        let played = timed(|| run::<Replica>(two_hundred_a_second(quiet), Trace::Off));
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
