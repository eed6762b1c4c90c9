//! `kvpaxos soak`: real processes are killed and their disks damaged, round after round, under load; every acknowledged write must
//! be there afterwards.

mod cluster;
mod harm;
mod history;
mod load;
mod round;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use kvpaxos::Random;
use tokio::runtime::Runtime;

use crate::args::duration;
use crate::exit::Exit;
use crate::serve::Signal;
pub(crate) use cluster::Cluster;
use history::{Operation, Recorder};
use load::{Load, Mix};
use round::{Round, Tally};

const REPLICAS: usize = 5;
/// Processes of the history that only read, after the clients of the load.
const READERS: u64 = 1000;

#[derive(Args, Debug)]
pub(crate) struct SoakArguments {
    /// How many rounds [default: 20, or as many as the minutes hold].
    #[arg(long, value_name = "N")]
    rounds: Option<u64>,
    /// How many minutes; a round that is under way ends.
    #[arg(long, value_name = "N", conflicts_with = "rounds")]
    minutes: Option<u64>,
    /// Draws who is killed when, what is damaged, and what clients do.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    /// Write what the clients did and saw here, for `kvpaxos-sim check`.
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    /// Keep data and logs here; it must be new or empty. Otherwise they go to a directory that is removed at the end.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Replicas keep nothing on disks: whoever is killed loses its memory. Never more than two at once.
    #[arg(long)]
    memory_only: bool,
    /// Clients, each with one operation in flight.
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..1000))]
    clients: u64,
    /// Different keys.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    keys: u64,
    /// The mean time a client waits between two operations.
    #[arg(long, value_name = "TIME", default_value = "10ms", value_parser = duration)]
    pace: Duration,
    /// The longest that the cluster may take to come back.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    patience: Duration,
    /// Replicas cut their logs after so many bytes of values: small, so that it happens often.
    #[arg(long, value_name = "BYTES", default_value_t = 16 * 1024)]
    log_bytes: usize,
}

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
        let signal = Signal::listen().map_err(|error| format!("cannot listen to signals: {error}"))?;
        tokio::select! {
            result = soak(arguments, &dir) => result,
            name = signal.wait() => Err(format!("{name}: the replicas are killed, and the soak ends undecided")),
        }
    });
    if result.is_err()
        && let Some(temporary) = temporary
    {
        let kept = temporary.keep();
        eprintln!("data and logs are kept in {}", kept.display());
    }
    result.map(|()| Exit::Done)
}

async fn soak(arguments: &SoakArguments, dir: &Path) -> Result<(), String> {
    std::fs::create_dir_all(dir).map_err(|error| format!("cannot make {}: {error}", dir.display()))?;
    let began = Instant::now();
    let recorder = Recorder::create(arguments.history.as_deref())
        .map_err(|error| format!("cannot write the history: {error}"))?;
    let extra = vec!["--log-bytes".to_owned(), arguments.log_bytes.to_string()];
    let mut cluster = Cluster::new(REPLICAS, dir, arguments.memory_only, extra)?;
    cluster.found()?;
    cluster.whole(arguments.patience).await?;
    println!(
        "{REPLICAS} replicas run{}; seed {}, {} clients on {} keys",
        if arguments.memory_only {
            " and keep nothing on disks"
        } else {
            ""
        },
        arguments.seed,
        arguments.clients,
        arguments.keys
    );
    let mix = Mix {
        clients: arguments.clients,
        keys: arguments.keys,
        pace: arguments.pace,
        seed: arguments.seed,
    };
    let addresses = cluster.addresses();
    let load = Load::start(mix, &addresses, &addresses, &recorder)?;
    let mut soak = Soak {
        arguments,
        cluster,
        recorder,
        random: Random::from_seed(arguments.seed),
        tally: Tally::default(),
        began,
    };
    let result = soak.rounds().await;
    load.stop().await?;
    let result = match result {
        // A last look at every key, through every replica.
        Ok(()) => soak.read_all().await,
        error => error,
    };
    let result = result.and_then(|()| soak.cluster.stop());
    let finished = soak.recorder.finish();
    soak.summary();
    result.and(finished)
}

struct Soak<'a> {
    arguments: &'a SoakArguments,
    cluster: Cluster,
    recorder: Recorder,
    random: Random,
    tally: Tally,
    began: Instant,
}

impl Soak<'_> {
    async fn rounds(&mut self) -> Result<(), String> {
        let minutes = self.arguments.minutes;
        let until = minutes.map(|minutes| self.began + Duration::from_secs(60 * minutes));
        let most = self
            .arguments
            .rounds
            .unwrap_or(if until.is_some() { u64::MAX } else { 20 });
        self.progress().await?;
        for number in 1..=most {
            if until.is_some_and(|until| Instant::now() >= until) {
                break;
            }
            let round = Round::draw(&mut self.random, REPLICAS, self.arguments.memory_only);
            let told = self
                .play(&round)
                .await
                .map_err(|error| format!("round {number} ({round}): {error}"))?;
            let counts = self.recorder.counts();
            println!(
                "{:7.1} s  round {number}: {told}; {} done, {} refused, {} unknown",
                self.began.elapsed().as_secs_f64(),
                counts.done,
                counts.refused,
                counts.unknown
            );
        }
        Ok(())
    }

    /// Waits until the cluster serves again: every client has one more operation done, on average.
    async fn progress(&mut self) -> Result<(), String> {
        let began = Instant::now();
        let goal = self.recorder.counts().done + 2 * self.arguments.clients;
        while self.recorder.counts().done < goal {
            self.cluster.check()?;
            if began.elapsed() > self.arguments.patience {
                return Err(format!(
                    "the cluster does not serve: {} operations are done after {} s, and not {goal}",
                    self.recorder.counts().done,
                    self.arguments.patience.as_secs()
                ));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Reads every key, spread over the replicas: what was acknowledged is there.
    async fn read_all(&mut self) -> Result<(), String> {
        let readers = self.cluster.addresses().into_iter().zip(READERS..);
        let mut tasks = Vec::new();
        let clients = (0..REPLICAS as u64).zip(readers);
        for (first, (address, process)) in clients {
            let options = kvpaxos_net::ClientOptions {
                deadline: self.arguments.patience,
                ..kvpaxos_net::ClientOptions::new([address])
            };
            let client = kvpaxos_net::Client::new(options).map_err(|error| error.to_string())?;
            let recorder = self.recorder.clone();
            let keys = self.arguments.keys;
            tasks.push(tokio::spawn(async move {
                for number in (first..keys).step_by(REPLICAS) {
                    let read = Operation {
                        key: load::key(number),
                        action: history::Action::Get,
                    };
                    match load::perform(&client, process, &read, &recorder).await {
                        history::Ended::Value(..) => {}
                        other => return Err(format!("{} cannot be read: {other:?}", read.key)),
                    }
                }
                client.close().await;
                Ok(())
            }));
        }
        for task in tasks {
            let read = task.await.map_err(|error| format!("a reader ended: {error}"))?;
            read?;
        }
        Ok(())
    }

    fn summary(&self) {
        let counts = self.recorder.counts();
        println!(
            "{} in {:.0} s; operations: {} done, {} refused, {} of unknown fate",
            self.tally,
            self.began.elapsed().as_secs_f64(),
            counts.done,
            counts.refused,
            counts.unknown
        );
        if let Some(history) = &self.arguments.history {
            println!("judge it: kvpaxos-sim check {}", history.display());
        }
    }
}
