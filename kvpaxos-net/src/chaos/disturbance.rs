//! One disturbance at one replica.

use std::fmt;
use std::time::Duration;

use kvpaxos::{Random, ReplicaId, Role};

use crate::chaos::rule::{ChaosRule, RoleChoice, Target};
use crate::links::faults::{LinkDirection, LinkFault};
use crate::metrics::chaos::KINDS;
use crate::replica::inbox::RestartMemory;

/// What is disturbed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Disturbance {
    /// Roles are down.
    Roles {
        /// Which; never [`RoleChoice::All`].
        choice: RoleChoice,
        /// The memory with which they come back.
        memory: RestartMemory,
    },
    /// A link has a fault.
    Link {
        /// To which replica.
        peer: ReplicaId,
        /// What is wrong with it.
        fault: LinkFault,
        /// In which direction.
        direction: LinkDirection,
    },
}

impl Disturbance {
    /// Draws one by a rule, and how long it lasts.
    pub(crate) fn draw(
        rule: &ChaosRule,
        peers: &[ReplicaId],
        random: &mut Random,
    ) -> Option<(Disturbance, Duration)> {
        let length = rule.length.draw(random);
        let disturbance = match rule.target {
            Target::Roles { choice, memory } => {
                // The number is drawn in any case, so that every disturbance takes as many.
                let single = *pick(&RoleChoice::EACH[..4], random)?;
                let choice = match choice {
                    RoleChoice::All => single,
                    choice => choice,
                };
                Disturbance::Roles { choice, memory }
            }
            Target::Link { fault, direction } => Disturbance::Link {
                peer: *pick(peers, random)?,
                fault,
                direction,
            },
        };
        Some((disturbance, length))
    }

    /// The same at a replica that keeps nothing on disk, whose roles have no memory to come back with.
    pub(crate) fn without_disk(self) -> Disturbance {
        match self {
            Disturbance::Roles { choice, .. } => Disturbance::Roles {
                choice,
                memory: RestartMemory::Lost,
            },
            link @ Disturbance::Link { .. } => link,
        }
    }

    /// Whether the acceptor is without memory from its beginning on until it has recovered.
    #[must_use]
    pub fn loses_memory(self) -> bool {
        match self {
            Disturbance::Roles { choice, memory } => {
                memory == RestartMemory::Lost && choice.roles().contains(&Role::Acceptor)
            }
            Disturbance::Link { .. } => false,
        }
    }

    /// Its place in [`KINDS`].
    pub(crate) fn kind(self) -> usize {
        match self {
            Disturbance::Roles { choice, .. } => match choice {
                RoleChoice::Acceptor => 0,
                RoleChoice::Proposer => 1,
                RoleChoice::Learner => 2,
                RoleChoice::Replica | RoleChoice::All => 3,
            },
            Disturbance::Link { fault, .. } => match fault {
                LinkFault::Drop(_) => 4,
                LinkFault::Delay(_) => 5,
                LinkFault::Cut => 6,
            },
        }
    }

    /// In one word.
    pub(crate) fn word(self) -> &'static str {
        KINDS[self.kind()]
    }
}

/// `acceptor memory=lost`, or `link to r2 drop=20% direction=both`.
impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Disturbance::Roles { choice, memory } => write!(f, "{} memory={memory}", choice.name()),
            Disturbance::Link {
                peer,
                fault,
                direction,
            } => write!(f, "link to {peer} {fault} direction={direction}"),
        }
    }
}

pub(crate) fn pick<'a, T>(from: &'a [T], random: &mut Random) -> Option<&'a T> {
    let index = random.below(from.len() as u64);
    from.get(usize::try_from(index).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_drawn_and_named_once() {
        let rules: crate::chaos::ChaosRules = "all;link:drop=5%;link:delay=1s;link".parse().unwrap();
        let mut random = Random::from_seed(1);
        let peers = [ReplicaId(2), ReplicaId(3)];
        let mut found = [0; KINDS.len()];
        let mut texts = std::collections::BTreeSet::new();
        for _ in 0..50 {
            for rule in &rules.0 {
                let (disturbance, length) = Disturbance::draw(rule, &peers, &mut random).unwrap();
                assert!(length >= Duration::from_secs(1) && length <= Duration::from_secs(3));
                found[disturbance.kind()] += 1;
                texts.insert(disturbance.to_string());
            }
        }
        assert!(found.iter().all(|count| *count > 0), "{found:?}");
        assert!(texts.contains("acceptor memory=lost"), "{texts:?}");
        assert!(texts.contains("link to r3 drop=5% direction=both"), "{texts:?}");
        assert_eq!(texts.len(), 4 + 2 * 3);
        let alone = Disturbance::draw(&rules.0[1], &[], &mut random);
        assert_eq!(alone, None, "there is no link");
    }
}
