//! Load on etcd, in a closed loop like that of `kvpaxos bench`: the same keys, values and counting.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use etcd_client::{Client, Error, KvClient};
use hdrhistogram::Histogram;
use kvpaxos::Random;

use crate::Extent;
use crate::figures::Figures;
use crate::rows::Row;

/// How many keys are written at a time before reads are measured.
const PRELOADERS: usize = 64;
/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How many bytes a value has.
const VALUE: usize = 100;
/// The pause of a client after an error, as in `kvpaxos bench`.
const PAUSE: Duration = Duration::from_millis(10);

/// Checks that every member serves.
pub(crate) async fn serves(endpoints: &[String]) -> Result<(), String> {
    for endpoint in endpoints {
        let asked = tokio::time::timeout(Duration::from_secs(2), async {
            let mut client = connect(endpoint).await?;
            client.put("bench/warm-up", "x", None).await.map(drop)
        });
        match asked.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(format!("{endpoint}: {error}")),
            Err(_) => return Err(format!("{endpoint} does not answer")),
        }
    }
    Ok(())
}

async fn connect(endpoint: &str) -> Result<KvClient, Error> {
    // A connection of its own.
    Ok(Client::connect([endpoint], None).await?.kv_client())
}

fn key(number: u64) -> String {
    format!("key{number:013}")
}

/// What all clients of a load share.
struct Load {
    from: Instant,
    until: Instant,
    keys: u64,
    is_read: bool,
}

/// What a client has counted.
struct Tally {
    latencies: Histogram<u64>,
    /// Requests that ended well while it was measured.
    completed: u64,
    errors: u64,
    /// Reads that found nothing.
    missing: u64,
}

impl Tally {
    fn new() -> Result<Tally, String> {
        Ok(Tally {
            latencies: Histogram::new(3).map_err(|error| error.to_string())?,
            completed: 0,
            errors: 0,
            missing: 0,
        })
    }
}

/// Measures a row, with so many connections, which the clients share.
pub(crate) async fn measure(
    row: &Row,
    connections: usize,
    endpoints: &[String],
    extent: Extent,
) -> Result<Figures, String> {
    let mut connected = Vec::new();
    for number in 0..connections {
        let endpoint = &endpoints[number % endpoints.len()];
        let mut client = connect(endpoint)
            .await
            .map_err(|error| format!("{endpoint}: {error}"))?;
        // Connections are made before anything is measured.
        client
            .get("bench/warm-up", None)
            .await
            .map_err(|error| format!("{endpoint}: {error}"))?;
        connected.push(client);
    }
    // A clone shares its connection.
    let clients: Vec<KvClient> = (0..row.etcd_clients())
        .map(|number| connected[number % connections].clone())
        .collect();
    if row.is_read {
        preload(&clients, extent.keys).await?;
    }
    let from = Instant::now() + Duration::from_millis(extent.warm_up_millis);
    let load = Arc::new(Load {
        from,
        until: from + Duration::from_secs(extent.seconds),
        keys: extent.keys,
        is_read: row.is_read,
    });
    let mut root = Random::from_seed(extent.round + 1);
    let tasks: Vec<_> = clients
        .into_iter()
        .map(|client| tokio::spawn(ask(client, Arc::clone(&load), Random::new(root.entropy()))))
        .collect();
    let mut all = Tally::new()?;
    for task in tasks {
        let tally = task.await.map_err(|error| format!("a client ended: {error}"))??;
        all.latencies
            .add(&tally.latencies)
            .map_err(|error| error.to_string())?;
        all.completed += tally.completed;
        all.errors += tally.errors;
        all.missing += tally.missing;
    }
    if all.missing > 0 {
        return Err(format!(
            "{} reads found nothing, although every key was written",
            all.missing
        ));
    }
    let millis = |percent| all.latencies.value_at_percentile(percent) as f64 / 1e6;
    Ok(Figures {
        throughput: all.completed as f64 / extent.seconds as f64,
        p50: millis(50.0),
        p99: millis(99.0),
        errors: all.errors,
    })
}

/// Puts every key.
async fn preload(clients: &[KvClient], keys: u64) -> Result<(), String> {
    let next = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..PRELOADERS)
        .map(|number| {
            let (mut client, next) = (clients[number % clients.len()].clone(), Arc::clone(&next));
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= keys {
                        return Ok(());
                    }
                    client.put(key(number), vec![b'v'; VALUE], None).await?;
                }
            })
        })
        .collect();
    for task in tasks {
        let put: Result<(), Error> = task.await.map_err(|error| format!("a client ended: {error}"))?;
        put.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// A client: one request after the other.
async fn ask(mut client: KvClient, load: Arc<Load>, mut random: Random) -> Result<Tally, String> {
    let mut tally = Tally::new()?;
    loop {
        let began = Instant::now();
        if began >= load.until {
            return Ok(tally);
        }
        let key = key(random.below(load.keys));
        let asked = tokio::time::timeout(TIMEOUT, async {
            if load.is_read {
                let found = client.get(key, None).await?;
                Ok(!found.kvs().is_empty())
            } else {
                client.put(key, vec![b'v'; VALUE], None).await.map(|_| true)
            }
        });
        let asked: Result<Result<bool, Error>, _> = asked.await;
        let ended = Instant::now();
        let is_measured = load.from <= began;
        match asked {
            Ok(Ok(found)) => {
                tally.missing += u64::from(!found);
                tally.completed += u64::from(load.from <= ended && ended < load.until);
                if is_measured {
                    let nanos = u64::try_from((ended - began).as_nanos()).unwrap_or(u64::MAX);
                    tally.latencies.record(nanos).map_err(|error| error.to_string())?;
                }
            }
            Ok(Err(_)) | Err(_) => {
                tally.errors += u64::from(is_measured);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
