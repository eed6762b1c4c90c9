//! kvpaxos, etcd and Redis on one machine, in turn under the same load. The page on benchmarks
//! (`kvpaxos-net/docs/benchmarks.md`) says what is measured, and `run` beside this crate builds and starts it.
//!
//! In each round each system is started anew, alone on the machine, with empty data directories on the same
//! disk; then all rows are measured, and it is stopped. Processes and directories are removed however this
//! ends, except by SIGKILL.

mod etcd;
mod figures;
mod kvpaxos_bench;
mod loss;
mod machine;
mod output;
mod process;
mod report;
mod rows;
mod systems;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::figures::Figures;
use crate::output::{complain, say};
use crate::report::Results;
use crate::rows::{ROWS, Row};
use crate::systems::{Running, System};

/// Runs kvpaxos, etcd and Redis in turn under the same load, and prints throughput and latencies with the
/// ratios.
#[derive(Parser, Debug)]
struct Arguments {
    /// The program kvpaxos, built for release.
    #[arg(long, value_name = "FILE")]
    program: PathBuf,
    /// How many seconds to measure each row.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// How long the load runs before anything is measured, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(0..=60_000))]
    warm_up: u64,
    /// How often to measure everything. The figures are medians.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    rounds: u64,
    /// How many different keys there are.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    keys: u64,
    /// Keep the data directories in a directory that is made here, instead of where the system keeps temporary
    /// files. What is synced goes to the disk that this is on.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// How long and how much is measured.
#[derive(Clone, Copy, Debug)]
struct Extent {
    seconds: u64,
    warm_up_millis: u64,
    keys: u64,
    /// The number of the round, from which the keys are drawn.
    round: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(dir) = &arguments.dir
        && let Err(error) = std::fs::create_dir_all(dir)
    {
        complain(&format!(
            "--dir {}: cannot make this directory: {error}",
            dir.display()
        ));
        return ExitCode::FAILURE;
    }
    // As many threads as `kvpaxos bench` has.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(async {
            tokio::select! {
                result = compare(&arguments) => result,
                name = stopped() => Err(format!("{name}: stopped, and everything is removed")),
            }
        }),
        Err(error) => Err(format!("the system gives no threads: {error}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Waits for a signal that asks this to stop.
async fn stopped() -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut hangup)) = (signal(SignalKind::terminate()), signal(SignalKind::hangup()))
    else {
        return "there are no signals here";
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
        _ = hangup.recv() => "SIGHUP",
    }
}

async fn compare(arguments: &Arguments) -> Result<(), String> {
    let program = std::fs::canonicalize(&arguments.program)
        .map_err(|error| format!("there is no program at {}: {error}", arguments.program.display()))?;
    machine::describe(arguments.dir.as_deref());
    let mut systems = Vec::new();
    for system in System::ALL {
        match system.version(&program) {
            Ok(version) => {
                say(&format!("{}: {version}; {}", system.name(), system.settings()));
                systems.push(system);
            }
            Err(why) if system == System::Kvpaxos => return Err(why),
            Err(why) => say(&format!("skipped: {}: {why}", system.name())),
        }
    }
    say(&format!(
        "keys of 16 bytes, {} of them, uniform; values of 100 bytes; closed loop; {} s for each row after {} ms; rounds: {}",
        arguments.keys, arguments.seconds, arguments.warm_up, arguments.rounds
    ));
    let mut results = Results::default();
    for round in 0..arguments.rounds {
        let extent = Extent {
            seconds: arguments.seconds,
            warm_up_millis: arguments.warm_up,
            keys: arguments.keys,
            round,
        };
        // Another one begins in each round.
        let first = usize::try_from(round).unwrap_or_default() % systems.len();
        systems.rotate_left(first);
        for system in &systems {
            say(&format!(
                "\nround {} of {}: {}",
                round + 1,
                arguments.rounds,
                system.name()
            ));
            let running = Running::start(*system, &program, arguments.dir.as_deref()).await?;
            for row in &ROWS {
                let figures = measure(row, &running, &program, extent).await?;
                say(&format!("  {:55} {figures}", row.name));
                results.add(row, *system, figures);
            }
            // The last, as a server is missing afterwards.
            let gap = loss::measure(&running, &program).await;
            let gap = gap.map_err(|why| format!("{}: {}: {why}", system.name(), loss::NAME))?;
            if let Some(gap) = gap {
                say(&format!("  {}: {gap:.0} ms", loss::NAME));
                results.add_gap(*system, gap);
            }
        }
        systems.rotate_right(first);
    }
    say("");
    say(&results.table(&systems));
    Ok(())
}

/// Measures a row of etcd on as many connections as suit it best.
async fn measure_etcd(row: &Row, running: &Running, extent: Extent) -> Result<Figures, String> {
    let mut best: Option<Figures> = None;
    let ways = row.etcd_connections();
    for connections in &ways {
        let figures = etcd::measure(row, *connections, running.endpoints(), extent).await?;
        if ways.len() > 1 {
            let way = format!("{} on {connections} connections", row.name);
            say(&format!("    {way:53} {figures}"));
        }
        if best.is_none_or(|best| figures.throughput > best.throughput) {
            best = Some(figures);
        }
    }
    best.ok_or_else(|| "no number of connections was tried".to_owned())
}

async fn measure(
    row: &Row,
    running: &Running,
    program: &std::path::Path,
    extent: Extent,
) -> Result<Figures, String> {
    let system = running.system();
    let measured = match system {
        System::Etcd => measure_etcd(row, running, extent).await,
        _ => kvpaxos_bench::measure(row, running, program, extent).await,
    };
    let done_something = measured.and_then(|figures| {
        let is_alive = figures.throughput > 0.0;
        is_alive
            .then_some(figures)
            .ok_or_else(|| "nothing was done".to_owned())
    });
    done_something.map_err(|why| format!("{}: {}: {why}", system.name(), row.name))
}
