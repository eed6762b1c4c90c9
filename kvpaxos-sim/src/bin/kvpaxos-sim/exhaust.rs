//! `kvpaxos-sim exhaust`: every run of a small world within bounds.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use kvpaxos::{Micros, Time};
use kvpaxos_sim::exhaust::{Bounds, Limits, exhaust};
use kvpaxos_sim::mutants::{self, Mutant};
use kvpaxos_sim::world::{Cluster, FaultKind, Faults, Workload};
use kvpaxos_sim::{Setup, note, say};

use crate::scenario::{mutant, write};
use crate::threads;

/// The exit code if a limit ended the search.
const LIMITED: u8 = 5;

/// How often a line tells how far it is.
const PAUSE: Duration = Duration::from_secs(5);

#[derive(Args)]
pub(crate) struct Exhaust {
    /// The first N messages between replicas, without heartbeats and greetings, arrive as usual, are lost, or arrive
    /// 200 ms late: each in turn.
    #[arg(long, value_name = "N", default_value_t = 4)]
    messages: usize,
    /// So many faults begin: each kind, at each replica, at two times, for two lengths.
    #[arg(long, value_name = "N", default_value_t = 1)]
    faults: usize,
    /// How many milliseconds are simulated.
    #[arg(long, value_name = "MS", default_value_t = 800, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    until: u64,
    /// The seed of random bits.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Put this mutant in the place of the replicas.
    #[arg(long, value_name = "NAME", value_parser = mutant)]
    mutant: Option<Mutant>,
    /// Stop after so many runs.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    runs: u64,
    /// How many runs to play at a time. Default: one per core. It changes nothing in what is found.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Write the scenario of a violation to this file.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Three replicas, one client that writes a key and one that reads it.
fn setup(seed: u64) -> Setup {
    let mut setup = Setup::quiet(seed);
    setup.cluster = Cluster::new(3);
    setup.clients = Workload {
        keys: 1,
        mix: [1, 1, 0, 0],
        think: Micros(100_000),
        // So that a client that hears nothing asks another replica while a fault lasts.
        attempt: Micros(100_000),
        ..Workload::some(2)
    };
    let kinds = [FaultKind::Crash, FaultKind::FailRole, FaultKind::Isolate];
    setup.faults = Faults {
        weights: kinds.iter().map(|kind| (*kind, 1)).collect(),
        // A fault begins an eighth or a quarter of it after the start or the fault before: in the first election, or
        // when the leader serves.
        pause: Micros(806_000),
        length: Micros(600_000),
        ..Faults::none()
    };
    setup
}

/// Plays every run within the bounds.
pub(crate) fn exhaust_command(what: &Exhaust) -> u8 {
    // A failed assertion is a violation like any other.
    std::panic::set_hook(Box::new(|_| ()));
    let bounds = Bounds {
        messages: what.messages,
        always: vec!["Heartbeat", "Hello"],
        faults: what.faults,
        ..Bounds::default()
    };
    let until = Time(what.until * 1_000);
    let began = Instant::now();
    let mut last = began;
    let (mut runs, mut events) = (0u64, 0u64);
    let limits = Limits {
        runs: what.runs,
        threads: threads(what.jobs),
    };
    let play = |decider| {
        let played = mutants::record_decided(setup(what.seed), what.mutant, decider, until);
        played.expect("the setup is valid")
    };
    let outcome = exhaust(&bounds, what.seed, limits, play, |recording| {
        runs += 1;
        events += recording.report.counts.events;
        if last.elapsed() > PAUSE {
            last = Instant::now();
            note!("{runs} runs");
        }
        if recording.report.violation.is_some() {
            ControlFlow::Break(recording)
        } else {
            ControlFlow::Continue(())
        }
    });
    let seconds = began.elapsed().as_secs();
    say!(
        "{} runs, {events} events, at most {} choices in a run, {seconds} s",
        outcome.runs,
        outcome.choices
    );
    let Some(found) = outcome.found else {
        say!(
            "{}",
            if outcome.is_complete {
                "verdict: every property of safety holds in every run within the bounds"
            } else {
                "verdict: every property of safety holds in these runs; there are more within the bounds"
            }
        );
        return if outcome.is_complete { 0 } else { LIMITED };
    };
    if let Some(violation) = &found.report.violation {
        say!("{violation}");
    }
    let Some(path) = &what.output else { return 1 };
    if let Err(code) = write(path, &found.scenario) {
        return code;
    }
    let path = path.display();
    say!("repeat it with: kvpaxos-sim replay {path} --trace");
    say!("shrink it with: kvpaxos-sim shrink {path} -o {path}");
    say!("explain it with: kvpaxos-sim explain {path}");
    1
}
