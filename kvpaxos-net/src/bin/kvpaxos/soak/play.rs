//! Plays round after round, and looks whether all that was acknowledged is still there.

use std::time::{Duration, Instant};

use kvpaxos::Random;
use kvpaxos_history::{Answer, Operation};

use crate::args::SoakArguments;
use crate::processes::Cluster;
use crate::soak::harm::{Harm, inflict};
use crate::soak::history::{Completion, Recorder};
use crate::soak::load;
use crate::soak::round::Round;
use crate::soak::tally::Tally;

pub(crate) const REPLICAS: usize = 5;
/// Processes of the history that only read, after the clients of the load.
const READERS: u64 = 1000;

/// How many of five may be without memory at once: n - r, with majorities.
const FORGETFUL: usize = 2;
/// Tries to find something in a log that was synced and can be damaged.
const TRIES: usize = 20;

pub(crate) struct Soak<'a> {
    pub(crate) arguments: &'a SoakArguments,
    pub(crate) cluster: Cluster,
    pub(crate) recorder: Recorder,
    pub(crate) random: Random,
    pub(crate) tally: Tally,
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
    pub(crate) async fn read_all(&mut self) -> Result<(), String> {
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
                    let read = Operation::get(load::key(number));
                    match load::perform(&client, process, &read, &recorder).await {
                        Completion::Done(Answer::Value(_), _) => {}
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

    pub(crate) fn summary(&self) {
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

    /// Plays a round, and says what was done.
    async fn play(&mut self, round: &Round) -> Result<String, String> {
        assert!(
            round.killed.iter().filter(|(_, harm)| harm.is_some()).count() <= FORGETFUL,
            "more would be without memory than the others can make up for"
        );
        tokio::time::sleep(round.before).await;
        let whom: Vec<usize> = round.killed.iter().map(|(replica, _)| *replica).collect();
        self.kill(&whom)?;
        tokio::time::sleep(round.away).await;
        let mut losers = Vec::new();
        for (replica, harm) in &round.killed {
            if round.memory_only || self.harm(*replica, *harm)? {
                losers.push(*replica);
            }
        }
        self.start(&whom)?;
        if let Some((whom, after)) = &round.again {
            tokio::time::sleep(*after).await;
            self.kill(whom)?;
            self.start(whom)?;
        }
        let took = self.cluster.whole(self.arguments.patience).await?;
        let slowest = losers.iter().map(|replica| took[*replica]).max();
        self.tally.slowest = self.tally.slowest.max(slowest.unwrap_or_default());
        self.tally.losses += losers.len() as u64;
        self.tally.rounds += 1;
        self.check_set_aside(round, &losers)?;
        self.progress().await?;
        let mut told = round.to_string();
        if let Some(slowest) = slowest {
            told += &format!(", memory back after {:.2} s", slowest.as_secs_f64());
        }
        if round.is_total(self.cluster.len()) {
            self.tally.total += 1;
            self.read_all().await?;
            told += ", every key read";
        }
        Ok(told)
    }

    fn kill(&mut self, whom: &[usize]) -> Result<(), String> {
        for replica in whom {
            self.cluster.kill(*replica)?;
            self.tally.kills += 1;
        }
        Ok(())
    }

    fn start(&mut self, whom: &[usize]) -> Result<(), String> {
        whom.iter().try_for_each(|replica| self.cluster.start(*replica))
    }

    /// Does what is to be done to a disk. Answers with whether the replica has lost its memory by that.
    fn harm(&mut self, replica: usize, harm: Option<Harm>) -> Result<bool, String> {
        let Some(harm) = harm else { return Ok(false) };
        let data = self.cluster.data(replica);
        let mut done = false;
        for _ in 0..TRIES {
            done = inflict(harm, &data, &mut self.random)?;
            if done {
                break;
            }
        }
        if done && harm.is_told() {
            self.cluster.errand("recover", replica)?;
        }
        Ok(done)
    }

    /// Whoever was not told of the damage has seen it, and has set the log aside. What was set aside goes, to save room.
    fn check_set_aside(&mut self, round: &Round, losers: &[usize]) -> Result<(), String> {
        for (replica, harm) in &round.killed {
            let Some(harm) = harm.filter(|_| losers.contains(replica)) else {
                continue;
            };
            let data = self.cluster.data(*replica);
            let failed = |error: std::io::Error| format!("cannot look into {}: {error}", data.display());
            let mut found = harm.is_told();
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
            // A log of one segment that is gone leaves nothing to set aside.
            if !found && harm != Harm::Segment {
                return Err(format!(
                    "r{replica} did not notice what was done to its log ({harm})"
                ));
            }
        }
        Ok(())
    }
}
