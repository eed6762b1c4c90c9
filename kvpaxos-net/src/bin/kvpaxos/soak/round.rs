//! The plan of one round: which replicas are killed, and what happens to their disks meanwhile.

use std::fmt;
use std::time::Duration;

use kvpaxos::Random;

use crate::soak::damage::{DiskDamage, random_index};

/// The plan of a round.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Round {
    /// The replicas that are killed, and the damage to the disk of each.
    pub(crate) killed: Vec<(usize, Option<DiskDamage>)>,
    /// How long clients work before that.
    pub(crate) before: Duration,
    /// How long the replicas stay down.
    pub(crate) away: Duration,
    /// The replicas that are killed a second time, and how long after the restart.
    pub(crate) again: Option<(Vec<usize>, Duration)>,
    pub(crate) memory_only: bool,
}

impl Round {
    /// Draws a plan.
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
            let replica = left.remove(random_index(random, left.len()));
            let is_damaged = !all && !memory_only && random.below(10) < 6;
            killed.push((replica, is_damaged.then(|| DiskDamage::draw(random))));
        }
        let lose = memory_only || killed.iter().any(|(_, damage)| damage.is_some());
        let again = (lose && random.below(3) == 0).then(|| {
            // Replicas that are still without memory are killed again; or all are, if they have disks.
            let killed_again = if !memory_only && random.below(2) == 0 {
                (0..replicas).collect()
            } else {
                killed.iter().map(|(replica, _)| *replica).collect()
            };
            (killed_again, millis(random, 200))
        });
        Round {
            killed,
            before: millis(random, 600),
            away: millis(random, 400),
            again,
            memory_only,
        }
    }

    /// Whether all replicas are down at once at some time of the round.
    pub(crate) fn is_total(&self, replicas: usize) -> bool {
        let again = self.again.as_ref().map_or(0, |(replicas, _)| replicas.len());
        self.killed.len() == replicas || again == replicas
    }
}

/// The plan in words.
impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("kill -9 of")?;
        for (place, (replica, damage)) in self.killed.iter().enumerate() {
            write!(f, "{} r{replica}", if place == 0 { "" } else { "," })?;
            if let Some(damage) = damage {
                write!(f, " ({damage})")?;
            }
        }
        if let Some((replicas, after)) = &self.again {
            let names: Vec<String> = replicas.iter().map(|replica| format!("r{replica}")).collect();
            write!(
                f,
                ", and {} ms after their restart of {}",
                after.as_millis(),
                names.join(", ")
            )?;
        }
        Ok(())
    }
}

/// A random time below this many milliseconds.
fn millis(random: &mut Random, most: u64) -> Duration {
    Duration::from_millis(random.below(most))
}
