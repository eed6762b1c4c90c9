//! `kvpaxos soak`: kills real processes and damages their disks, round after round, under load. No
//! acknowledged write may be lost.

mod damage;
mod load;
mod round;
mod runner;
mod together;
mod totals;

use std::path::Path;
use std::time::Instant;

use kvpaxos::Random;
use tokio::runtime::Runtime;

use crate::args::SoakArguments;
use crate::exit::Exit;
use crate::processes::Processes;
use crate::recorder::Recorder;
use crate::signal::StopSignal;
use crate::terminal::{complain, say};
use load::{Load, LoadSettings};
use runner::{REPLICAS, Soak};
use totals::Totals;

/// Where the replicas record what they take in, within the directory of the soak.
const RECORDINGS: &str = "recordings";

pub(crate) fn run(arguments: &SoakArguments, runtime: &Runtime) -> Result<Exit, String> {
    let temporary = match &arguments.dir {
        Some(_) => None,
        None => {
            let made = tempfile::tempdir();
            Some(made.map_err(|error| format!("cannot make a temporary directory: {error}"))?)
        }
    };
    let dir = match (&arguments.dir, &temporary) {
        (Some(dir), _) => dir.clone(),
        (None, Some(temporary)) => temporary.path().to_owned(),
        (None, None) => return Err("no directory for the replicas' data".to_owned()),
    };
    let result = runtime.block_on(async {
        let signal = StopSignal::listen().map_err(|error| format!("cannot listen for signals: {error}"))?;
        tokio::select! {
            result = soak(arguments, &dir) => result,
            name = signal.wait() => Err(format!("{name}: the replicas are killed, and the soak ends without a result")),
        }
    });
    if result.is_err() {
        if let Some(temporary) = temporary {
            let kept = temporary.keep();
            complain(format_args!("data and logs are kept in {}", kept.display()));
        }
        complain(format_args!(
            "what the replicas took in is recorded; execute it again: kvpaxos-sim replay --recording {}",
            dir.join(RECORDINGS).display()
        ));
    }
    result.map(|()| Exit::Done)
}

async fn soak(arguments: &SoakArguments, dir: &Path) -> Result<(), String> {
    std::fs::create_dir_all(dir).map_err(|error| format!("cannot make {}: {error}", dir.display()))?;
    let began = Instant::now();
    let recorder = Recorder::create(arguments.history.as_deref())
        .map_err(|error| format!("cannot write the history: {error}"))?;
    let recordings = dir.join(RECORDINGS);
    let extra = vec![
        "--log-bytes".to_owned(),
        arguments.log_bytes.to_string(),
        "--record".to_owned(),
        recordings.display().to_string(),
    ];
    let mut processes = Processes::new(REPLICAS, dir, arguments.memory_only, extra)?;
    processes.found()?;
    processes.wait_until_voting(arguments.patience).await?;
    say!(
        "{REPLICAS} replicas run{}; seed {}, {} clients on {} keys",
        if arguments.memory_only {
            " and keep nothing on disk"
        } else {
            ""
        },
        arguments.seed,
        arguments.clients,
        arguments.keys
    );
    let settings = LoadSettings {
        clients: arguments.clients,
        keys: arguments.keys,
        pace: arguments.pace,
        seed: arguments.seed,
    };
    let addresses = processes.addresses();
    let load = Load::start(settings, &addresses, &addresses, &recorder)?;
    let mut soak = Soak {
        arguments,
        processes,
        recorder,
        random: Random::from_seed(arguments.seed),
        totals: Totals::default(),
        began,
    };
    let result = soak.rounds().await;
    load.stop().await?;
    let result = match result {
        // Finally every key is read, through every replica.
        Ok(()) => soak.read_all().await,
        error => error,
    };
    let result = result.and_then(|()| soak.processes.stop());
    let finished = soak.recorder.finish();
    soak.summary();
    result.and(finished)
}
