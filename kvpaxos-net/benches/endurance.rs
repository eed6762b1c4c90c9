//! Full load for an hour: whether anybody stands for election though nothing failed, and what a follower that is away
//! for long costs when it comes back. Run with `cargo bench -p kvpaxos-net --bench endurance`.
//!
//! Five processes serve on loopback, and clients of four of them keep 256 writes of 100 bytes in flight. After a
//! third of the time the fifth, a follower, is killed, and started again after it was away. `--help` lists the flags.
//!
//! A line is printed for each minute: writes a second, the longest time without a completed write, and how often
//! replicas stood for election since the load began, by their own logs.

mod load;
mod processes;

use std::io::Result;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::{Parser, value_parser};
use kvpaxos::Slot;
use kvpaxos::status::LearnerStatus;

use crate::load::{Load, client, follower, kill};
use crate::processes::{Processes, REPLICAS};

const MINUTE: Duration = Duration::from_secs(60);
/// How often completed writes are counted: what the longest time without one is accurate to.
const GLANCE: Duration = Duration::from_millis(20);

/// Full load on five durable replicas for a long time.
#[derive(Parser)]
struct Settings {
    /// Minutes in all.
    #[arg(long, default_value_t = 60, value_parser = value_parser!(u32).range(1..))]
    minutes: u32,
    /// Minutes for which the follower is away.
    #[arg(long, default_value_t = 10, value_parser = value_parser!(u32).range(1..))]
    away: u32,
    /// Keys that are written in turn.
    #[arg(long, default_value_t = 1_000_000, value_parser = value_parser!(u64).range(1..))]
    keys: u64,
    /// Where the data goes [default: a temporary directory that is removed].
    #[arg(long = "dir")]
    directory: Option<PathBuf>,
    /// Cargo passes it.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A measured time under load.
struct Measured {
    /// Completed writes a second.
    rate: f64,
    /// The longest time without a completed write.
    longest: Duration,
}

/// Five processes, four of them under load.
struct Endurance {
    processes: Processes,
    directory: PathBuf,
    load: Load,
    began: Instant,
    /// How often somebody had stood for election before the load began.
    before: usize,
}

impl Endurance {
    /// Measures until this ends.
    async fn measure(&self, until: impl Future<Output = ()>) -> Measured {
        let mut until = pin!(until);
        let (began, at_first) = (Instant::now(), self.load.done());
        let (mut last, mut last_done, mut longest) = (began, at_first, Duration::ZERO);
        // It goes on while writes are counted: what it waits for must not hide a time without a write.
        while tokio::time::timeout(GLANCE, &mut until).await.is_err() {
            let done = self.load.done();
            // A write may have ended any time since the last glance, so this is the most that it can have been.
            longest = longest.max(last.elapsed());
            if done > last_done {
                (last, last_done) = (Instant::now(), done);
            }
        }
        Measured {
            rate: (self.load.done() - at_first) as f64 / began.elapsed().as_secs_f64(),
            longest,
        }
    }

    /// Measures so many minutes, and prints a line for each.
    async fn minutes(&self, count: u32, what: &str) -> Result<Vec<Measured>> {
        let mut measured = Vec::new();
        for _ in 0..count {
            let minute = self.measure(tokio::time::sleep(MINUTE)).await;
            println!(
                "minute {:>3}: {:>7.0} writes/s, at most {:>4} ms without one, {} candidacies, {what}",
                self.began.elapsed().as_secs() / MINUTE.as_secs(),
                minute.rate,
                minute.longest.as_millis(),
                candidacies(&self.directory)? - self.before,
            );
            measured.push(minute);
        }
        Ok(measured)
    }

    /// A follower comes back; waits until it has applied what the others have applied now.
    async fn comes_back(&mut self, replica: usize) -> Result<(Duration, Measured)> {
        let target = applied(&self.processes, (replica + 1) % REPLICAS).await;
        self.processes.serve(replica)?;
        let began = Instant::now();
        let catches_up = async {
            while applied(&self.processes, replica).await < target {
                tokio::time::sleep(GLANCE).await;
            }
        };
        let meanwhile = self.measure(catches_up).await;
        Ok((began.elapsed(), meanwhile))
    }
}

/// How often replicas stood for election, by their logs.
fn candidacies(directory: &Path) -> Result<usize> {
    let mut count = 0;
    for replica in 0..REPLICAS {
        let log = std::fs::read_to_string(directory.join(format!("r{replica}.log")))?;
        count += log.matches("stands for election").count();
    }
    Ok(count)
}

fn mean(minutes: &[Measured]) -> f64 {
    minutes.iter().map(|minute| minute.rate).sum::<f64>() / minutes.len() as f64
}

/// How far a replica has applied the log.
async fn applied(processes: &Processes, replica: usize) -> Slot {
    let status = client(&[processes.address(replica)], 0).status().await;
    match status.map(|status| status.learner) {
        Ok(LearnerStatus::Learning { applied, .. }) => applied,
        _ => Slot::ZERO,
    }
}

async fn measure(settings: &Settings, directory: &Path) -> Result<()> {
    let processes = Processes::start(directory)?;
    let all: Vec<String> = (0..REPLICAS).map(|replica| processes.address(replica)).collect();
    client(&all, 0)
        .put("key", "value")
        .await
        .expect("the cluster serves");
    let replica = follower(&processes).await;
    let others: Vec<String> = all
        .into_iter()
        .filter(|it| *it != processes.address(replica))
        .collect();
    let before = candidacies(directory)?;
    let mut endurance = Endurance {
        load: Load::start(&others, 32, 8, settings.keys, &Bytes::from(vec![b'v'; 100])),
        processes,
        directory: directory.to_owned(),
        began: Instant::now(),
        before,
    };
    let first = (settings.minutes / 3).max(1);
    let with = mean(&endurance.minutes(first, "all serve").await?);
    kill(&mut endurance.processes, replica)?;
    let without = endurance.minutes(settings.away, "a follower is away").await?;
    let without = mean(&without);
    let (took, meanwhile) = endurance.comes_back(replica).await?;
    println!(
        "a follower that was away for {} minutes caught up in {took:.1?}, at {:.0} writes/s: {:.2} of the rate without \
         it, {:.2} of that before; at most {} ms without a write",
        settings.away,
        meanwhile.rate,
        meanwhile.rate / without,
        meanwhile.rate / with,
        meanwhile.longest.as_millis()
    );
    let rest = settings.minutes.saturating_sub(first + settings.away);
    endurance.minutes(rest, "all serve").await?;
    endurance.load.assert_good();
    let spurious = candidacies(directory)? - endurance.before;
    println!("{} writes, {spurious} candidacies", endurance.load.done());
    Ok(())
}

fn main() -> Result<()> {
    let settings = Settings::parse();
    let temporary = tempfile::tempdir()?;
    let directory = settings.directory.as_deref().unwrap_or(temporary.path());
    std::fs::create_dir_all(directory)?;
    tokio::runtime::Runtime::new()?.block_on(measure(&settings, directory))
}
