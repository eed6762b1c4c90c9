//! `kvpaxos bench`: clients that keep a number of requests in flight, and the throughput and latencies that
//! result.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use kvpaxos::Random;
use kvpaxos_net::{Client, ClientError, ClientOptions};
use tokio::runtime::Runtime;

use crate::args::BenchArguments;
use crate::exit::Exit;
use crate::terminal::{complain, say};

/// How long the load runs before anything is measured.
const WARM_UP: Duration = Duration::from_millis(500);

pub(crate) fn run(arguments: BenchArguments, runtime: &Runtime) -> Result<Exit, String> {
    runtime.block_on(bench(arguments))
}

/// What all workers share.
struct Plan {
    arguments: BenchArguments,
    value: Bytes,
    from: Instant,
    until: Instant,
    errors: AtomicU64,
}

async fn bench(arguments: BenchArguments) -> Result<Exit, String> {
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
        value: Bytes::from(vec![b'v'; arguments.value_size]),
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
    Ok(if errors == 0 { Exit::Done } else { Exit::Negative })
}

/// Sends one request after the other, and returns how many microseconds each took.
async fn work(client: Client, plan: Arc<Plan>, seed: u64) -> Vec<u32> {
    let mut random = Random::from_seed(seed);
    let mut latencies = Vec::new();
    loop {
        let began = Instant::now();
        if began >= plan.until {
            return latencies;
        }
        let key = format!("key{:013}", random.below(plan.arguments.keys));
        let result: Result<(), ClientError> = if random.below(100) < u64::from(plan.arguments.reads) {
            client.get(key).await.map(drop)
        } else {
            client.put(key, plan.value.clone()).await.map(drop)
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
            }
        }
    }
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
