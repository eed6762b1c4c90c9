//! `kvpaxos bench`: clients that keep a number of requests in flight, and the throughput and latencies that
//! result.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use kvpaxos::{Entropy, Random};
use kvpaxos_history::Operation;
use kvpaxos_net::{Client, ClientOptions};
use tokio::runtime::Runtime;

use crate::args::BenchArguments;
use crate::exit::Exit;
use crate::recorder::{Completion, Recorder, perform};
use crate::terminal::{complain, say};

/// How long the load runs before anything is measured.
const WARM_UP: Duration = Duration::from_millis(500);

/// The pause of a lane after an error: nobody may be able to serve it for a moment.
const PAUSE: Duration = Duration::from_millis(10);

pub(crate) fn run(arguments: BenchArguments, runtime: &Runtime) -> Result<Exit, String> {
    runtime.block_on(bench(arguments))
}

/// What all workers share.
struct Plan {
    arguments: BenchArguments,
    /// What the names of keys begin with.
    prefix: String,
    value: Bytes,
    /// The history, if one is written.
    recorder: Option<Recorder>,
    from: Instant,
    until: Instant,
    errors: AtomicU64,
}

async fn bench(arguments: BenchArguments) -> Result<Exit, String> {
    let (prefix, recorder) = match &arguments.history {
        None => ("key".to_owned(), None),
        Some(path) => {
            let recorder = Recorder::create(Some(path))
                .map_err(|error| format!("cannot write the history to {}: {error}", path.display()))?;
            (unused_prefix()?, Some(recorder))
        }
    };
    let mut clients = Vec::new();
    for index in 0..arguments.clients {
        let options = ClientOptions {
            first: Some(index % arguments.servers.list().len()),
            ..arguments.servers.options()
        };
        clients.push(Client::new(options).map_err(|error| error.to_string())?);
    }
    // Each client opens its session and its connection, which also shows that the cluster serves.
    for client in &clients {
        if let Err(error) = client.put("bench/warm-up", "x").await {
            return Err(format!("the cluster does not serve: {error}"));
        }
    }
    let from = Instant::now() + WARM_UP;
    let plan = Arc::new(Plan {
        prefix,
        value: Bytes::from(vec![b'v'; arguments.value_size]),
        recorder,
        until: from + Duration::from_secs(arguments.seconds),
        from,
        errors: AtomicU64::new(0),
        arguments,
    });
    let mut workers = Vec::new();
    for (index, client) in clients.iter().enumerate() {
        for lane in 0..plan.arguments.pipeline {
            let seed = (index * plan.arguments.pipeline + lane) as u64;
            workers.push(tokio::spawn(work(client.clone(), Arc::clone(&plan), seed)));
        }
    }
    let mut latencies = Vec::new();
    for worker in workers {
        latencies.extend(
            worker
                .await
                .map_err(|error| format!("a worker panicked: {error}"))?,
        );
    }
    let errors = plan.errors.load(Ordering::Relaxed);
    report(&plan.arguments, latencies, errors);
    for client in clients {
        client.close().await;
    }
    if let Some(recorder) = &plan.recorder {
        recorder.finish()?;
    }
    Ok(if errors == 0 { Exit::Done } else { Exit::Negative })
}

/// A prefix of keys that nobody has written: a history begins with keys that have no value.
fn unused_prefix() -> Result<String, String> {
    let Entropy(bits) =
        kvpaxos_net::entropy().map_err(|error| format!("the system gives no random bits: {error}"))?;
    Ok(bits[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>()
        + "/")
}

/// Sends one request after the other, and returns how many microseconds each took.
async fn work(client: Client, plan: Arc<Plan>, lane: u64) -> Vec<u32> {
    let mut random = Random::from_seed(lane);
    let mut latencies = Vec::new();
    for number in 0_u64.. {
        let began = Instant::now();
        if began >= plan.until {
            break;
        }
        let key = format!("{}{:013}", plan.prefix, random.below(plan.arguments.keys));
        let is_read = random.below(100) < u64::from(plan.arguments.reads);
        let result = match &plan.recorder {
            Some(recorder) => {
                let operation = if is_read {
                    Operation::get(key)
                } else {
                    // No two values are alike, so a read shows which write it saw.
                    let width = plan.arguments.value_size;
                    Operation::put(key, format!("{:v<width$}", format!("{lane}-{number}-")))
                };
                match perform(&client, lane, &operation, recorder).await {
                    Completion::Done(..) => Ok(()),
                    Completion::Refused => Err("a request was refused".to_owned()),
                    Completion::Unknown => Err("the outcome of a request is unknown".to_owned()),
                }
            }
            None if is_read => client.get(key).await.map(drop).map_err(|error| error.to_string()),
            None => {
                let put = client.put(key, plan.value.clone()).await;
                put.map(drop).map_err(|error| error.to_string())
            }
        };
        let ended = Instant::now();
        match result {
            Ok(()) if began >= plan.from && ended <= plan.until => {
                let micros = (ended - began).as_micros();
                // One of more than 71 minutes counts as 71 minutes.
                latencies.push(u32::try_from(micros).unwrap_or(u32::MAX));
            }
            Ok(()) => {}
            Err(error) => {
                if plan.errors.fetch_add(1, Ordering::Relaxed) == 0 {
                    complain(format_args!("the first error: {error}"));
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    latencies
}

fn report(arguments: &BenchArguments, mut latencies: Vec<u32>, errors: u64) {
    latencies.sort_unstable();
    let count = latencies.len();
    let per_second = count as f64 / arguments.seconds as f64;
    say!(
        "{} clients, {} in flight each, {}% reads, values of {} bytes, {} s",
        arguments.clients,
        arguments.pipeline,
        arguments.reads,
        arguments.value_size,
        arguments.seconds
    );
    say!("{per_second:.0} operations/s ({count} in all, {errors} errors)");
    if count == 0 {
        return;
    }
    let at = |per_mille: usize| f64::from(latencies[(count - 1) * per_mille / 1000]) / 1e3;
    say!(
        "latency ms: p50 {:.3}, p90 {:.3}, p99 {:.3}, p99.9 {:.3}, max {:.3}",
        at(500),
        at(900),
        at(990),
        at(999),
        at(1000)
    );
}
