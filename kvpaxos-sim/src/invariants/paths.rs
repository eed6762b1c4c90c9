//! The audit on paths of the model checker.
//!
//! The model checker comes into situations that no run of the simulator comes into, and checks them by invariants
//! of its own. Here each path is watched like a run: a right path must not be accused, and what the model checker
//! finds wrong the audit must find as well.

use kvpaxos::{Message, Observation, Quorums, Record, ReplicaId, Update};

use crate::model::{Bounds, Objection, ReplicaBounds, Replicas, Roles, Toured, Watched, Watcher, tour};

use super::audit::Audit;
use super::violation::Property;

impl Watcher for Audit {
    fn writes(&mut self, by: ReplicaId, records: &[Record], then: &[Message]) {
        Audit::writes(self, by, records, then.iter());
    }

    fn reports(&mut self, by: ReplicaId, what: &Observation) {
        self.observed(by, what);
    }

    fn objects(&self) -> bool {
        self.finding().is_some()
    }
}

/// A path of the model checker on which the audit finds a property violated.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Accusation {
    /// The property.
    pub property: Property,
    /// What happened, in a sentence.
    pub explanation: String,
    /// The steps of the path. In the last one the property is violated.
    pub steps: Vec<String>,
}

/// Audits paths of single roles that together take every step within their bounds, or as many as `most` allows,
/// counted over all paths.
///
/// # Errors
/// The first path on which a property is violated.
pub fn audit_roles(roles: &Roles, seed: u64, most: usize) -> Result<Toured, Box<Accusation>> {
    audit(roles, seed, most, || of_roles(roles.bounds()))
}

/// Audits paths of whole replicas, in the same way.
///
/// # Errors
/// The first path on which a property is violated.
pub fn audit_replicas(replicas: &Replicas, seed: u64, most: usize) -> Result<Toured, Box<Accusation>> {
    audit(replicas, seed, most, || of_replicas(replicas.bounds()))
}

fn of_roles(bounds: &Bounds) -> Audit {
    Audit::of_roles(bounds.acceptors, bounds.ballots, bounds.quorums)
}

fn of_replicas(bounds: &ReplicaBounds) -> Audit {
    let replicas = usize::from(bounds.replicas);
    Audit::new(replicas, Quorums::majority(replicas), Update::Quorum)
}

fn audit<S: Watched>(
    space: &S,
    seed: u64,
    most: usize,
    audit: impl Fn() -> Audit,
) -> Result<Toured, Box<Accusation>> {
    tour(space, seed, most, audit).map_err(|Objection { watcher, lines }| {
        let finding = watcher.finding().expect("an audit objects to what it has found");
        Box::new(Accusation {
            property: finding.property,
            explanation: finding.explanation.clone(),
            steps: lines,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::{mutants, thorough};

    fn right(bounds: Bounds, most: usize) -> Toured {
        audit_roles(&Roles::new(bounds), 1, most)
            .unwrap_or_else(|accusation| panic!("{bounds}: {accusation:#?}"))
    }

    /// Every step between all 970 states, of which the search pins the number.
    #[test]
    fn no_step_of_right_roles_is_accused() {
        let toured = right(Bounds::new(3, 1), usize::MAX);
        assert_eq!((toured.states, toured.complete), (970, true));
        let toured = right(thorough(Bounds::new(3, 0)), usize::MAX);
        assert_eq!((toured.states, toured.complete), (141, true));
    }

    #[test]
    fn no_path_of_right_roles_is_accused() {
        let three = Bounds::new(3, 2);
        let all = [
            thorough(three),
            Bounds {
                slots: 2,
                chunks: true,
                ..three
            },
            Bounds {
                slots: 2,
                cuts: true,
                ..three
            },
            Bounds { unsynced: 2, ..three },
            Bounds { ballots: 4, ..three },
            Bounds::new(5, 2),
            Bounds {
                quorums: Quorums { phase1: 3, phase2: 2 },
                ..Bounds::new(4, 1)
            },
        ];
        for bounds in all {
            let toured = right(bounds, 1_000);
            assert_eq!((toured.steps, toured.complete), (1_000, false), "{bounds}");
        }
    }

    #[test]
    fn no_path_of_right_replicas_is_accused() {
        let bounds = ReplicaBounds {
            replicas: 3,
            ticks: 3,
            commands: 2,
            losses: 1,
            hand_overs: 1,
        };
        let toured = audit_replicas(&Replicas::new(bounds), 1, 1_000)
            .unwrap_or_else(|accusation| panic!("{accusation:#?}"));
        assert!(toured.paths > 10, "{toured:?}");
    }

    /// The audit finds each mutant of the acceptors, and so does the specification alone.
    #[test]
    fn mutants_are_accused() {
        let accuse = |roles: &Roles, only: Option<Property>| {
            let begin = || {
                let mut begun = of_roles(roles.bounds());
                if let Some(property) = only {
                    begun.judge_only(property);
                }
                begun
            };
            audit(roles, 1, 20_000, begin).map_err(|accusation| accusation.property)
        };
        let found = [Property::A3, Property::P2, Property::P4];
        for (roles, property) in mutants().iter().zip(found) {
            assert_eq!(accuse(roles, None), Err(property));
            assert_eq!(accuse(roles, Some(Property::R1)), Err(Property::R1));
        }
    }

    #[test]
    fn an_accusation_comes_with_its_path() {
        let accusation = audit_roles(&mutants()[1], 1, 20_000).unwrap_err();
        assert!(accusation.steps.len() > 1, "{accusation:?}");
        assert!(
            accusation.steps.iter().all(|step| step.starts_with('r')),
            "{accusation:?}"
        );
    }
}
