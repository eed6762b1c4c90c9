//! `kvpaxos growth`: whether memory and disk grow with uptime. Five durable replicas, each a process, take
//! millions of writes over the same keys; what they use of memory and disk is printed from time to time.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use kvpaxos::Random;
use kvpaxos_net::{Client, ClientOptions};
use tokio::runtime::Runtime;

use crate::args::GrowthArguments;
use crate::exit::Exit;
use crate::processes::Processes;
use crate::signal::StopSignal;
use crate::terminal::say;

const REPLICAS: usize = 5;
/// After how many tenths of all operations it is measured.
const TENTHS: [u64; 4] = [1, 2, 5, 10];
const MIB: f64 = 1024.0 * 1024.0;

pub(crate) fn run(arguments: &GrowthArguments, runtime: &Runtime) -> Result<Exit, String> {
    let dir = tempfile::tempdir().map_err(|error| format!("cannot make a temporary directory: {error}"))?;
    runtime.block_on(async {
        let signal = StopSignal::listen().map_err(|error| format!("cannot listen for signals: {error}"))?;
        // A signal must not leave replicas behind.
        tokio::select! {
            result = grow(arguments, dir.path()) => result.map(|()| Exit::Done),
            name = signal.wait() => Err(format!("{name}: the replicas are killed")),
        }
    })
}

async fn grow(arguments: &GrowthArguments, dir: &Path) -> Result<(), String> {
    let extra = arguments
        .log_bytes
        .map(|bytes| vec!["--log-bytes".to_owned(), bytes.to_string()])
        .unwrap_or_default();
    let mut processes = Processes::new(REPLICAS, dir, false, extra)?;
    processes.found()?;
    processes.wait_until_voting(Duration::from_secs(60)).await?;
    say!(
        "{} writes over {} keys with values of {} bytes, {} in flight; {REPLICAS} durable replicas",
        arguments.operations,
        arguments.keys,
        arguments.value_size,
        arguments.clients * arguments.pipeline
    );
    say!("     writes    time   writes/s   memory of each replica, MiB            on disk, MiB");
    let begun = Arc::new(AtomicU64::new(0));
    let done = Arc::new(AtomicU64::new(0));
    let addresses = processes.addresses();
    let mut workers = Vec::new();
    for index in 0..arguments.clients {
        let options = ClientOptions {
            first: Some(index % REPLICAS),
            deadline: Duration::from_secs(60),
            ..ClientOptions::new(addresses.iter().cloned())
        };
        let client = Client::new(options).map_err(|error| error.to_string())?;
        for lane in 0..arguments.pipeline {
            let worker = Worker {
                client: client.clone(),
                random: Random::from_seed((index * arguments.pipeline + lane) as u64),
                value: Bytes::from(vec![b'v'; arguments.value_size]),
                keys: arguments.keys,
                most: arguments.operations,
                begun: Arc::clone(&begun),
                done: Arc::clone(&done),
            };
            workers.push(tokio::spawn(worker.run()));
        }
    }
    let began = Instant::now();
    let mut last = (0, began);
    for tenths in TENTHS {
        let goal = arguments.operations * tenths / 10;
        while done.load(Ordering::Relaxed) < goal {
            processes.check()?;
            if workers.iter().all(tokio::task::JoinHandle::is_finished) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let (count, now) = (done.load(Ordering::Relaxed), Instant::now());
        let rate = (count - last.0) as f64 / (now - last.1).as_secs_f64();
        last = (count, now);
        let mut line = format!("{count:11} {:5.0} s {rate:10.0}  ", (now - began).as_secs_f64());
        let memory = (0..REPLICAS).map(|replica| resident(&processes, replica));
        for bytes in memory.collect::<Result<Vec<u64>, String>>()? {
            line += &format!(" {:6.1}", bytes as f64 / MIB);
        }
        line += "   ";
        for replica in 0..REPLICAS {
            line += &format!(" {:6.1}", allocated(&processes.data(replica))? as f64 / MIB);
        }
        say!("{line}");
    }
    for worker in workers {
        worker
            .await
            .map_err(|error| format!("a worker panicked: {error}"))??;
    }
    processes.stop()
}

/// Sends one request after the other.
struct Worker {
    client: Client,
    random: Random,
    value: Bytes,
    keys: u64,
    most: u64,
    begun: Arc<AtomicU64>,
    done: Arc<AtomicU64>,
}

impl Worker {
    async fn run(mut self) -> Result<(), String> {
        while self.begun.fetch_add(1, Ordering::Relaxed) < self.most {
            let key = format!("key{:013}", self.random.below(self.keys));
            let written = self.client.put(key, self.value.clone()).await;
            written.map_err(|error| format!("a write failed: {error}"))?;
            self.done.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// The resident memory of a replica's process, in bytes.
fn resident(processes: &Processes, replica: usize) -> Result<u64, String> {
    let id = processes
        .process(replica)
        .ok_or_else(|| format!("r{replica} does not run"))?;
    let path = format!("/proc/{id}/status");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("cannot read {path}: {error}"))?;
    let kib = text.lines().find_map(|line| {
        line.strip_prefix("VmRSS:")?
            .trim()
            .strip_suffix(" kB")?
            .parse::<u64>()
            .ok()
    });
    kib.map(|kib| kib * 1024)
        .ok_or_else(|| format!("{path} does not say how much memory the process holds"))
}

/// The bytes that the files of a directory take on disk. The holes at the ends of logs take none.
fn allocated(directory: &Path) -> Result<u64, String> {
    let failed = |error: std::io::Error| format!("cannot look into {}: {error}", directory.display());
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        // A file that was deleted meanwhile takes nothing.
        if let Ok(metadata) = entry.map_err(failed)?.metadata() {
            bytes += metadata.blocks() * 512;
        }
    }
    Ok(bytes)
}
