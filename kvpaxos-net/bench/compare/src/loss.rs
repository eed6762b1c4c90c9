//! The leader is killed under load: how long does nobody get an answer?

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use etcd_client::Client;
use serde_json::Value;
use tokio::process::Command;

use crate::systems::{Running, System};

/// The name of the row.
pub(crate) const NAME: &str = "longest time without a completion, 64 connections, kill -9 of the leader";

/// Clients, each with a connection to a server that stays and one write in flight.
const CLIENTS: usize = 64;
/// When the leader is killed.
const BEFORE: Duration = Duration::from_secs(2);
/// How long the load goes on after that.
const AFTER: Duration = Duration::from_secs(6);
const SECONDS: u64 = BEFORE.as_secs() + AFTER.as_secs();
/// How long a write may take. Some are lost with the leader.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Kills the leader under load. Returns the longest time between two completions, in milliseconds; `None` for a
/// system without a leader. Afterwards the system runs without that server.
///
/// # Errors
/// If there is no leader, or no load.
pub(crate) async fn measure(running: &Running, program: &Path) -> Result<Option<f64>, String> {
    let leader = match running.system() {
        System::Kvpaxos => kvpaxos_leader(running, program).await?,
        System::Etcd => etcd_leader(running.endpoints()).await?,
        System::RedisAlways | System::Redis => return Ok(None),
    };
    let mut others = running.endpoints().to_vec();
    others.remove(leader);
    let load = async {
        match running.system() {
            System::Etcd => etcd_gap(&others).await,
            _ => kvpaxos_gap(&others, running.dir(), program).await,
        }
    };
    let killed = async {
        tokio::time::sleep(BEFORE).await;
        running.kill(leader)
    };
    let (gap, killed) = tokio::join!(load, killed);
    killed?;
    Ok(Some(gap?.as_secs_f64() * 1e3))
}

async fn kvpaxos_leader(running: &Running, program: &Path) -> Result<usize, String> {
    let mut status = Command::new(program);
    status.args(["status", "--json", "--servers", &running.endpoints().join(",")]);
    let output = status.output().await.map_err(|error| error.to_string())?;
    let status: Value = serde_json::from_slice(&output.stdout).map_err(|error| format!("status: {error}"))?;
    let leader = status.get("leader").and_then(Value::as_u64);
    let leader = leader.and_then(|leader| usize::try_from(leader).ok());
    leader
        .filter(|leader| *leader < running.endpoints().len())
        .ok_or_else(|| format!("nobody leads: {status}"))
}

/// The place of the member that leads.
async fn etcd_leader(endpoints: &[String]) -> Result<usize, String> {
    for (place, endpoint) in endpoints.iter().enumerate() {
        let failed = |error| format!("{endpoint}: {error}");
        let mut client = Client::connect([endpoint], None).await.map_err(failed)?;
        let status = client.status().await.map_err(failed)?;
        if status
            .header()
            .is_some_and(|header| header.member_id() == status.leader())
        {
            return Ok(place);
        }
    }
    Err("no member says that it leads".to_owned())
}

/// The longest time between two completions of `kvpaxos bench`.
async fn kvpaxos_gap(endpoints: &[String], dir: &Path, program: &Path) -> Result<Duration, String> {
    let history = dir.join("history");
    let mut bench = Command::new(program);
    bench.args([
        "bench",
        "--json",
        "--warm-up",
        "0ms",
        "--servers",
        &endpoints.join(","),
    ]);
    bench.args([
        "--clients",
        &CLIENTS.to_string(),
        "--seconds",
        &SECONDS.to_string(),
    ]);
    bench.args(["--timeout", &format!("{}s", TIMEOUT.as_secs()), "--history"]);
    bench.arg(&history).stdin(Stdio::null()).kill_on_drop(true);
    let output = bench.output().await.map_err(|error| error.to_string())?;
    // 1 says that some requests failed.
    if !matches!(output.status.code(), Some(0 | 1)) {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("kvpaxos bench: {}: {}", output.status, why.trim()));
    }
    let text = std::fs::read_to_string(&history)
        .map_err(|error| format!("cannot read {}: {error}", history.display()))?;
    let mut gap = Gap::default();
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))?;
        let (kind, time) = (event.get("type"), event.get("time").and_then(Value::as_u64));
        if let (Some("ok"), Some(micros)) = (kind.and_then(Value::as_str), time) {
            gap.completed(Duration::from_micros(micros));
        }
    }
    gap.until(Duration::from_secs(SECONDS))
}

/// The longest time between two completions of the same load on etcd.
async fn etcd_gap(endpoints: &[String]) -> Result<Duration, String> {
    let gap = Arc::new(Mutex::new(Gap::default()));
    let began = Instant::now();
    let mut tasks = Vec::new();
    for number in 0..CLIENTS {
        let endpoint = endpoints[number % endpoints.len()].clone();
        let client = Client::connect([&endpoint], None).await;
        let mut client = client
            .map_err(|error| format!("{endpoint}: {error}"))?
            .kv_client();
        let gap = Arc::clone(&gap);
        tasks.push(tokio::spawn(async move {
            let mut count = 0;
            while began.elapsed() < BEFORE + AFTER {
                count += 1;
                let put = client.put(format!("loss/{number}/{count}"), vec![b'v'; 100], None);
                match tokio::time::timeout(TIMEOUT, put).await {
                    Ok(Ok(_)) => {
                        let mut gap = gap.lock().unwrap_or_else(PoisonError::into_inner);
                        gap.completed(began.elapsed());
                    }
                    // As in `kvpaxos bench`.
                    Ok(Err(_)) | Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        }));
    }
    for task in tasks {
        task.await.map_err(|error| format!("a client ended: {error}"))?;
    }
    let gap = gap.lock().unwrap_or_else(PoisonError::into_inner);
    gap.until(BEFORE + AFTER)
}

/// The longest time between two completions.
#[derive(Clone, Copy, Debug, Default)]
struct Gap {
    /// When the last one was.
    last: Option<Duration>,
    longest: Duration,
}

impl Gap {
    fn completed(&mut self, at: Duration) {
        if let Some(last) = self.last {
            self.longest = self.longest.max(at.saturating_sub(last));
        }
        self.last = Some(at);
    }

    /// The longest, with the time from the last completion to the end of the load.
    ///
    /// # Errors
    /// If nothing was ever completed.
    fn until(mut self, end: Duration) -> Result<Duration, String> {
        if self.last.is_none() {
            return Err("nothing was done".to_owned());
        }
        self.completed(end);
        Ok(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_between_completions_or_at_the_end() {
        let millis = Duration::from_millis;
        let mut gap = Gap::default();
        assert!(gap.until(millis(5)).is_err());
        for at in [1000, 1010, 1500, 1510] {
            gap.completed(millis(at));
        }
        assert_eq!(gap.until(millis(1600)), Ok(millis(490)));
        assert_eq!(gap.until(millis(2100)), Ok(millis(590)));
    }
}
