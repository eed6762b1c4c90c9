//! How long clients wait while every replica of a cluster is stopped in order and started again, one after the
//! other. Run with `cargo bench -p kvpaxos-net --bench rolling`.
//!
//! Five processes serve on loopback. Requests begin at a fixed rate, whether or not earlier ones are answered, so
//! that a pause delays all that fall into it, and each is counted from when it should have begun. For every restart
//! the bench prints the longest wait of a request, and the longest time in which none was answered. The end is 1 if a
//! request failed. `--help` lists the flags.

mod processes;

use std::io::Result;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::{Parser, value_parser};
use kvpaxos::status::{LearnerStatus, ProposerStatus};
use kvpaxos::{Slot, Status};
use kvpaxos_net::{Client, ClientOptions, Transport};

use crate::processes::{Processes, REPLICAS};

/// Before the first restart, and after each.
const REST: Duration = Duration::from_secs(1);

/// All five replicas are stopped and started again, one after the other, under a steady load.
#[derive(Parser)]
struct Settings {
    /// Requests in a second.
    #[arg(long, default_value_t = 1000, value_parser = value_parser!(u32).range(1..))]
    rate: u32,
    /// Connections over which they are spread.
    #[arg(long, default_value_t = 10, value_parser = value_parser!(u32).range(1..))]
    clients: u32,
    /// Send datagrams.
    #[arg(long)]
    udp: bool,
    /// How often each replica is restarted.
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u32).range(1..))]
    rounds: u32,
    /// Where the data and the logs go [default: a temporary directory that is removed].
    #[arg(long = "dir")]
    directory: Option<PathBuf>,
    /// Cargo passes it.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Stops a replica in order.
fn stop(processes: &mut Processes, replica: usize) -> Result<()> {
    let Some(mut child) = processes.children[replica].take() else {
        return Ok(());
    };
    let told = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()?;
    assert!(told.success(), "replica {replica} cannot be told to stop");
    let ended = child.wait()?;
    assert!(ended.success(), "replica {replica} ended with {ended}");
    Ok(())
}

/// What happened to the requests.
#[derive(Default)]
struct Log {
    /// When a request should have begun, and when it was answered.
    done: Vec<(Instant, Instant)>,
    failed: Vec<String>,
}

/// Begins requests at a fixed rate, until it is dropped: every other one is a write.
async fn load(clients: Vec<Client>, rate: u32, log: Arc<Mutex<Log>>) {
    let clients: Vec<Arc<Client>> = clients.into_iter().map(Arc::new).collect();
    let pause = Duration::from_secs(1) / rate;
    let mut due = Instant::now();
    for (number, client) in (0..u64::MAX).zip(clients.iter().cycle()) {
        due += pause;
        tokio::time::sleep_until(due.into()).await;
        let (client, log) = (Arc::clone(client), Arc::clone(&log));
        tokio::spawn(async move {
            let key = format!("key{}", number / 2 % 1000);
            let ended = match number % 2 {
                0 => client
                    .put(key, "a value of thirty bytes or so..")
                    .await
                    .map(|_| ()),
                _ => client.get(key).await.map(|_| ()),
            };
            let answered = Instant::now();
            let mut log = log.lock().expect("nobody panics with it");
            match ended {
                Ok(()) => log.done.push((due, answered)),
                Err(error) => log.failed.push(error.to_string()),
            }
        });
    }
}

async fn status(processes: &Processes, replica: usize) -> Option<Status> {
    let options = ClientOptions {
        deadline: Duration::from_millis(500),
        ..ClientOptions::new([processes.address(replica)])
    };
    Client::new(options).ok()?.status().await.ok()
}

fn applied(status: &Status) -> Slot {
    match status.learner {
        LearnerStatus::Learning { applied, .. } => applied,
        LearnerStatus::Failed => Slot::ZERO,
    }
}

/// Whether a replica leads.
async fn leads(processes: &Processes, replica: usize) -> bool {
    let status = status(processes, replica).await;
    status.is_some_and(|status| matches!(status.proposer, ProposerStatus::Leading { .. }))
}

/// Waits until a replica that was started follows a leader and has applied what the next one had.
async fn caught_up(processes: &Processes, replica: usize) {
    let next = status(processes, (replica + 1) % REPLICAS).await;
    let target = next.map_or(Slot::ZERO, |status| applied(&status));
    while !status(processes, replica)
        .await
        .is_some_and(|status| status.leader.is_some() && applied(&status) >= target)
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The longest wait of a request that was answered within these times, and the longest time without an answer.
fn longest(log: &Log, from: Instant, to: Instant) -> (Duration, Duration) {
    let mut answers = vec![from, to];
    let mut wait = Duration::ZERO;
    for (due, answered) in log
        .done
        .iter()
        .filter(|(_, answered)| (from..to).contains(answered))
    {
        wait = wait.max(answered.saturating_duration_since(*due));
        answers.push(*answered);
    }
    answers.sort_unstable();
    let gaps = answers.windows(2).map(|pair| pair[1] - pair[0]);
    (wait, gaps.max().unwrap_or_default())
}

fn median(mut sorted: Vec<Duration>) -> Duration {
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

async fn measure(settings: &Settings, directory: &Path) -> Result<bool> {
    let mut processes = Processes::start(directory)?;
    caught_up(&processes, 0).await;
    let servers: Vec<String> = (0..REPLICAS).map(|replica| processes.address(replica)).collect();
    let transport = if settings.udp {
        Transport::Udp
    } else {
        Transport::Tcp
    };
    let client = |number: u32| {
        let options = ClientOptions {
            first: Some(number as usize % REPLICAS),
            transport,
            ..ClientOptions::new(servers.clone())
        };
        Client::new(options).expect("the addresses are fine")
    };
    let log = Arc::new(Mutex::new(Log::default()));
    let clients = (0..settings.clients).map(client).collect();
    let load = tokio::spawn(load(clients, settings.rate, Arc::clone(&log)));
    println!("{} requests a second over {transport}", settings.rate);
    let window = |from| longest(&log.lock().expect("nobody panics with it"), from, Instant::now());
    let began = Instant::now();
    tokio::time::sleep(2 * REST).await;
    let (wait, gap) = window(began + REST);
    println!(
        "{:30} longest wait {wait:>9.1?}, longest time without an answer {gap:>9.1?}",
        "nothing happens:"
    );
    let (mut of_leaders, mut of_others) = (Vec::new(), Vec::new());
    for _ in 0..settings.rounds {
        for replica in 0..REPLICAS {
            let leads = leads(&processes, replica).await;
            let began = Instant::now();
            stop(&mut processes, replica)?;
            let stopped = began.elapsed();
            processes.serve(replica)?;
            caught_up(&processes, replica).await;
            tokio::time::sleep(REST).await;
            let (wait, gap) = window(began);
            let what = format!(
                "r{replica}{}, down in {stopped:.0?}:",
                if leads { ", the leader" } else { "" }
            );
            println!("{what:30} longest wait {wait:>9.1?}, longest time without an answer {gap:>9.1?}");
            let rows = if leads { &mut of_leaders } else { &mut of_others };
            rows.push((wait, gap));
        }
    }
    load.abort();
    for (name, rows) in [("leaders", of_leaders), ("others", of_others)] {
        let (waits, gaps): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        println!(
            "{} restarts of {name}: longest wait {:.1?} (median {:.1?}), longest time without an answer {:.1?} (median {:.1?})",
            waits.len(),
            waits.iter().max().copied().unwrap_or_default(),
            median(waits.clone()),
            gaps.iter().max().copied().unwrap_or_default(),
            median(gaps.clone()),
        );
    }
    let log = log.lock().expect("nobody panics with it");
    println!("{} requests done, {} failed", log.done.len(), log.failed.len());
    for error in log.failed.iter().take(5) {
        println!("failed: {error}");
    }
    Ok(log.failed.is_empty())
}

fn main() -> Result<ExitCode> {
    let settings = Settings::parse();
    let temporary = tempfile::tempdir()?;
    let directory = settings.directory.as_deref().unwrap_or(temporary.path());
    std::fs::create_dir_all(directory)?;
    let good = tokio::runtime::Runtime::new()?.block_on(measure(&settings, directory))?;
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
