//! `kvpaxos bench`: clients put load on a store, or on several in turn, and the throughput and latencies that
//! result are printed.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `plan` | what is measured, checked before anything is tried |
//! | `mix`, `keys`, `sizes`, `draw` | which requests are drawn |
//! | `pace` | when they are sent: the closed and the open loop |
//! | `target`, `connection`, `redis` | the stores, and how they are asked |
//! | `load`, `workers` | the load itself, and the threads that carry it |
//! | `tally` | what is counted |
//! | `history` | requests and answers as a history has them |
//! | `progress`, `report` | what is shown meanwhile, and printed at the end |

mod connection;
mod draw;
mod history;
mod keys;
mod load;
mod mix;
mod pace;
mod plan;
mod progress;
mod redis;
mod report;
mod sizes;
mod tally;
mod target;
mod workers;

use tokio::runtime::Runtime;

use crate::args::BenchArguments;
use crate::exit::Exit;
use crate::recorder::Recorder;
use crate::signal::StopSignal;
use crate::terminal::complain;
pub(crate) use keys::KeyDistribution;
pub(crate) use mix::Mix;
pub(crate) use sizes::ValueSizes;
pub(crate) use target::{LoadTransport, Target};

use connection::{Connection, Failure, FailureKind};
use load::{Measurement, Stop};
use plan::Plan;
use progress::Progress;
use report::Report;
use workers::Workers;

pub(crate) fn run(arguments: &BenchArguments, runtime: &Runtime) -> Result<Exit, String> {
    let plan = match Plan::new(arguments) {
        Ok(plan) => plan,
        Err(error) => {
            complain(error);
            return Ok(Exit::Usage);
        }
    };
    let recorder = match &arguments.history {
        None => None,
        Some(path) => Some(
            Recorder::create(Some(path))
                .map_err(|error| format!("cannot write the history to {}: {error}", path.display()))?,
        ),
    };
    let measured = runtime.block_on(bench(&plan, recorder.as_ref()));
    let report = match measured {
        Ok(report) => report,
        Err(End::Failed(error)) => return Err(error),
        Err(End::Unserved(exit, error)) => {
            complain(error);
            return Ok(exit);
        }
    };
    if arguments.json {
        report.print_json();
    } else {
        report.print();
    }
    if let Some(recorder) = &recorder {
        recorder.finish()?;
    }
    Ok(if report.errors() == 0 {
        Exit::Done
    } else {
        Exit::Negative
    })
}

/// Why there is nothing to report.
enum End {
    Failed(String),
    /// A target does not serve.
    Unserved(Exit, String),
}

/// Measures every target in every round, until a signal comes.
async fn bench<'a>(plan: &'a Plan, recorder: Option<&Recorder>) -> Result<Report<'a>, End> {
    let signal =
        StopSignal::listen().map_err(|error| End::Failed(format!("cannot listen for signals: {error}")))?;
    let (stopper, stop) = Stop::channel();
    let listener = tokio::spawn(async move {
        let name = signal.wait().await;
        stopper.send_replace(true);
        complain(format_args!("{name}: the measurement ends early"));
    });
    let workers = Workers::start()
        .map_err(|error| End::Failed(format!("the system gives no threads or timers: {error}")))?;
    let mut progress = Progress::new();
    let mut results: Vec<Vec<Measurement>> = vec![Vec::new(); plan.targets.len()];
    let ended = rounds(plan, &workers, recorder, &mut progress, &stop, &mut results).await;
    progress.clear();
    listener.abort();
    ended?;
    if results.iter().all(Vec::is_empty) {
        return Err(End::Failed("nothing was measured".to_owned()));
    }
    Ok(Report::new(plan, results))
}

async fn rounds(
    plan: &Plan,
    workers: &Workers,
    recorder: Option<&Recorder>,
    progress: &mut Progress,
    stop: &Stop,
    results: &mut [Vec<Measurement>],
) -> Result<(), End> {
    for round in 0..plan.rounds {
        for (target, results) in plan.targets.iter().zip(results.iter_mut()) {
            let title = match plan.rounds {
                1 => target.name.clone(),
                rounds => format!("{}, round {} of {rounds}", target.name, round + 1),
            };
            progress.begin(format!("{title}: clients connect"));
            let is_first = round == 0;
            let connections = tokio::select! {
                connections = connect(plan, target, workers, is_first) => connections?,
                () = stop.wait() => return Ok(()),
            };
            progress.begin(title);
            let measured = load::measure(plan, &connections, workers, round, recorder, progress, stop).await;
            results.push(measured.map_err(End::Failed)?);
            load::disconnect(connections).await;
            if stop.is_set() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Connects the clients of a target, and puts its keys if it is to have them.
async fn connect(
    plan: &Plan,
    target: &Target,
    workers: &Workers,
    is_first: bool,
) -> Result<Vec<Connection>, End> {
    let unserved = |failure: Failure| {
        let exit = match failure.kind {
            FailureKind::Refused | FailureKind::Impossible => Exit::Refused,
            FailureKind::Unavailable => Exit::Unavailable,
            FailureKind::Unknown => Exit::Unknown,
        };
        End::Unserved(exit, format!("{} does not serve: {}", target.name, failure.text))
    };
    let connections = load::connect(plan, target, workers).await.map_err(unserved)?;
    if plan.preload && is_first {
        load::preload(plan, &connections, workers)
            .await
            .map_err(unserved)?;
    }
    Ok(connections)
}
