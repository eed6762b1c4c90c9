//! One round: who is killed, what becomes of the disks meanwhile, and whether all come back.

use std::fmt;
use std::time::Duration;

use kvpaxos::Random;

use crate::soak::harm::Harm;

/// What happens in a round.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Round {
    /// Who is killed, and what is done to the disk of each.
    pub(crate) killed: Vec<(usize, Option<Harm>)>,
    /// How long clients work before.
    pub(crate) before: Duration,
    /// How long the replicas stay away.
    pub(crate) away: Duration,
    /// Who is killed a second time, so long after they were started again.
    pub(crate) again: Option<(Vec<usize>, Duration)>,
    pub(crate) memory_only: bool,
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
    pub(crate) fn is_total(&self, replicas: usize) -> bool {
        let again = self.again.as_ref().map_or(0, |(whom, _)| whom.len());
        self.killed.len() == replicas || again == replicas
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
