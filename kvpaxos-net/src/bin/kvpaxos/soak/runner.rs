//! Runs round after round, and checks that every acknowledged write is still there.

use std::time::{Duration, Instant};

use kvpaxos::Random;
use kvpaxos_history::{Answer, Operation};

use crate::args::SoakArguments;
use crate::processes::Processes;
use crate::recorder::{Completion, Recorder, perform};
use crate::soak::damage::{DiskDamage, inflict};
use crate::soak::load;
use crate::soak::round::Round;
use crate::soak::totals::Totals;
use crate::terminal::say;

pub(crate) const REPLICAS: usize = 5;
/// The number of the first process of the history that only reads. The clients of the load come before.
const READERS: u64 = 1000;

/// How many of five replicas may be without memory at once: n - r of `kvpaxos::recovery`, with majorities.
const MAX_LOSSES: usize = 2;
/// How often a damage is tried, until it hits something that was synced.
const ATTEMPTS: usize = 20;

/// The state of a soak.
pub(crate) struct Soak<'a> {
    pub(crate) arguments: &'a SoakArguments,
    pub(crate) processes: Processes,
    pub(crate) recorder: Recorder,
    pub(crate) random: Random,
    pub(crate) totals: Totals,
    pub(crate) began: Instant,
}

impl Soak<'_> {
    pub(crate) async fn rounds(&mut self) -> Result<(), String> {
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
            let summary = self
                .run_round(&round)
                .await
                .map_err(|error| format!("round {number} ({round}): {error}"))?;
            let counts = self.recorder.counts();
            say!(
                "{:7.1} s  round {number}: {summary}; {} done, {} refused, {} unknown",
                self.began.elapsed().as_secs_f64(),
                counts.done,
                counts.refused,
                counts.unknown
            );
        }
        Ok(())
    }

    /// Waits until the cluster serves again: until every client has done two more operations, on average.
    async fn progress(&mut self) -> Result<(), String> {
        let began = Instant::now();
        let goal = self.recorder.counts().done + 2 * self.arguments.clients;
        while self.recorder.counts().done < goal {
            self.processes.check()?;
            if began.elapsed() > self.arguments.patience {
                return Err(format!(
                    "the cluster does not serve: {} operations are done after {} s, not {goal}",
                    self.recorder.counts().done,
                    self.arguments.patience.as_secs()
                ));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Reads every key, spread over the replicas, so that the history shows whether every acknowledged write
    /// is there.
    pub(crate) async fn read_all(&mut self) -> Result<(), String> {
        let readers = self.processes.addresses().into_iter().zip(READERS..);
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
                    let read = Operation::get(load::key(number));
                    match perform(&client, process, &read, &recorder).await {
                        Completion::Done(Answer::Value(_), _) => {}
                        other => return Err(format!("cannot read {}: {other:?}", read.key)),
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

    pub(crate) fn summary(&self) {
        let counts = self.recorder.counts();
        say!(
            "{} in {:.0} s; operations: {} done, {} refused, {} of unknown outcome",
            self.totals,
            self.began.elapsed().as_secs_f64(),
            counts.done,
            counts.refused,
            counts.unknown
        );
        if let Some(history) = &self.arguments.history {
            say!("check the history: kvpaxos-sim check {}", history.display());
        }
    }

    /// Runs a round, and returns what was done in words.
    async fn run_round(&mut self, round: &Round) -> Result<String, String> {
        assert!(
            round.killed.iter().filter(|(_, damage)| damage.is_some()).count() <= MAX_LOSSES,
            "more would be without memory than can recover from the others"
        );
        tokio::time::sleep(round.before).await;
        let replicas: Vec<usize> = round.killed.iter().map(|(replica, _)| *replica).collect();
        self.kill(&replicas)?;
        tokio::time::sleep(round.away).await;
        let mut losers = Vec::new();
        for (replica, damage) in &round.killed {
            if round.memory_only || self.damage(*replica, *damage)? {
                losers.push(*replica);
            }
        }
        self.start(&replicas)?;
        if let Some((replicas, after)) = &round.again {
            tokio::time::sleep(*after).await;
            self.kill(replicas)?;
            self.start(replicas)?;
        }
        let took = self.processes.wait_until_voting(self.arguments.patience).await?;
        let slowest = losers.iter().map(|replica| took[*replica]).max();
        self.totals.slowest = self.totals.slowest.max(slowest.unwrap_or_default());
        self.totals.losses += losers.len() as u64;
        self.totals.rounds += 1;
        self.check_set_aside(round, &losers)?;
        self.progress().await?;
        let mut summary = round.to_string();
        if let Some(slowest) = slowest {
            summary += &format!(", memory recovered after {:.2} s", slowest.as_secs_f64());
        }
        if round.is_total(self.processes.len()) {
            self.totals.total += 1;
            self.read_all().await?;
            summary += ", every key read";
        }
        Ok(summary)
    }

    fn kill(&mut self, replicas: &[usize]) -> Result<(), String> {
        for replica in replicas {
            self.processes.kill(*replica)?;
            self.totals.kills += 1;
        }
        Ok(())
    }

    fn start(&mut self, replicas: &[usize]) -> Result<(), String> {
        replicas
            .iter()
            .try_for_each(|replica| self.processes.start(*replica))
    }

    /// Damages a disk as planned. Returns whether the replica has lost its memory by that.
    fn damage(&mut self, replica: usize, damage: Option<DiskDamage>) -> Result<bool, String> {
        let Some(damage) = damage else { return Ok(false) };
        let data = self.processes.data(replica);
        let mut done = false;
        for _ in 0..ATTEMPTS {
            done = inflict(damage, &data, &mut self.random)?;
            if done {
                break;
            }
        }
        if done && damage.is_recovered_by_operator() {
            self.processes.run("recover", replica)?;
        }
        Ok(done)
    }

    /// Checks that every replica that was not recovered by the operator noticed the damage and set its log
    /// aside. Deletes the logs that were set aside, to save room.
    fn check_set_aside(&mut self, round: &Round, losers: &[usize]) -> Result<(), String> {
        for (replica, damage) in &round.killed {
            let Some(damage) = damage.filter(|_| losers.contains(replica)) else {
                continue;
            };
            let data = self.processes.data(*replica);
            let failed = |error: std::io::Error| format!("cannot look into {}: {error}", data.display());
            let mut found = damage.is_recovered_by_operator();
            for entry in std::fs::read_dir(&data).map_err(failed)? {
                let path = entry.map_err(failed)?.path();
                if path
                    .file_name()
                    .is_some_and(|name| name.to_string_lossy().starts_with("damaged."))
                {
                    found = true;
                    std::fs::remove_dir_all(path).map_err(failed)?;
                }
            }
            // If the only segment of a log was deleted, nothing is left to set aside.
            if !found && damage != DiskDamage::Segment {
                return Err(format!(
                    "r{replica} did not notice the damage to its log ({damage})"
                ));
            }
        }
        Ok(())
    }
}
