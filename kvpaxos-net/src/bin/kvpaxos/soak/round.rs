//! One round: who is killed, what becomes of the disks meanwhile, and whether all come back.

use std::fmt;
use std::time::Duration;

use kvpaxos::Random;

use super::Soak;
use super::harm::{Harm, inflict};

/// How many of five may be without memory at once: n - r, with majorities.
const FORGETFUL: usize = 2;
/// Tries to find something in a log that was synced and can be damaged.
const TRIES: usize = 20;

/// What happens in a round.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Round {
    /// Who is killed, and what is done to the disk of each.
    killed: Vec<(usize, Option<Harm>)>,
    /// How long clients work before.
    before: Duration,
    /// How long the replicas stay away.
    away: Duration,
    /// Who is killed a second time, so long after they were started again.
    again: Option<(Vec<usize>, Duration)>,
    memory_only: bool,
}

impl Round {
    pub(crate) fn draw(random: &mut Random, replicas: usize, memory_only: bool) -> Round {
        let all = !memory_only && random.below(5) == 0;
        let mut left: Vec<usize> = (0..replicas).collect();
        let count = if all {
            replicas
        } else {
            1 + usize::from(random.below(2) == 0)
        };
        let mut killed = Vec::new();
        for _ in 0..count {
            let replica = left.remove(below(random, left.len()));
            let harmed = !all && !memory_only && random.below(10) < 6;
            killed.push((replica, harmed.then(|| Harm::draw(random))));
        }
        let lose = memory_only || killed.iter().any(|(_, harm)| harm.is_some());
        let again = (lose && random.below(3) == 0).then(|| {
            // Who has not got back its memory falls again; or everybody does, who has a disk to come back with.
            let whom = if !memory_only && random.below(2) == 0 {
                (0..replicas).collect()
            } else {
                killed.iter().map(|(replica, _)| *replica).collect()
            };
            (whom, millis(random, 200))
        });
        Round {
            killed,
            before: millis(random, 600),
            away: millis(random, 400),
            again,
            memory_only,
        }
    }

    /// Everybody falls at some time of the round.
    fn is_total(&self, replicas: usize) -> bool {
        let again = self.again.as_ref().map_or(0, |(whom, _)| whom.len());
        self.killed.len() == replicas || again == replicas
    }
}

impl Soak<'_> {
    /// Plays a round, and says what was done.
    pub(super) async fn play(&mut self, round: &Round) -> Result<String, String> {
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

/// What all rounds came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) rounds: u64,
    pub(crate) kills: u64,
    /// Rounds in which everybody was down at once.
    pub(crate) total: u64,
    pub(crate) losses: u64,
    pub(crate) slowest: Duration,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} rounds, {} kills, {} times of all; memory lost {} times, got back within {:.2} s",
            self.rounds,
            self.kills,
            self.total,
            self.losses,
            self.slowest.as_secs_f64()
        )
    }
}

/// What is planned.
impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("kill -9 of")?;
        for (place, (replica, harm)) in self.killed.iter().enumerate() {
            write!(f, "{} r{replica}", if place == 0 { "" } else { "," })?;
            if let Some(harm) = harm {
                write!(f, " ({harm})")?;
            }
        }
        if let Some((whom, after)) = &self.again {
            let names: Vec<String> = whom.iter().map(|replica| format!("r{replica}")).collect();
            write!(
                f,
                ", {} ms after their return of {}",
                after.as_millis(),
                names.join(", ")
            )?;
        }
        Ok(())
    }
}

fn below(random: &mut Random, bound: usize) -> usize {
    usize::try_from(random.below(bound.max(1) as u64)).unwrap_or(0)
}

fn millis(random: &mut Random, most: u64) -> Duration {
    Duration::from_millis(random.below(most))
}
