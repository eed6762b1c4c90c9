//! Which run comes next.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use kvpaxos::Random;

use crate::engine::Fork;
use crate::invariants::{Trace, Turn};
use crate::parallel;
use crate::subject::{Mutated, Subject};
use crate::world::World;
use crate::world::guided::lineage::Lineage;
use crate::world::report::{Report, caught};
use crate::world::setup::Setup;

/// So many runs are chosen together, whatever the number of threads.
const ROUND: usize = 16;
/// A run that was forked so many times stands for a turn only if no other run came to it.
const DEEPEST: usize = 6;

/// One run of a guided sweep.
#[derive(Clone, Debug)]
pub struct Guided {
    /// Its name.
    pub lineage: Lineage,
    /// Its report.
    pub report: Report,
    /// The turns that occurred while there were faults, each with the number of events after which it first had.
    pub turns: Vec<(Turn, u64)>,
}

/// Chooses the runs of a guided sweep.
pub struct Guide {
    next_seed: u64,
    random: Random,
    turns: BTreeMap<Turn, Known>,
}

/// A turn that occurred.
struct Known {
    /// In how many runs.
    runs: u64,
    /// How many runs were forked there.
    forks: u64,
    /// One of the runs in which it occurred, and the number of events after which it had.
    lineage: Lineage,
    after: u64,
}

impl Guide {
    /// A guide that begins with this seed. It draws what to fork from it as well.
    #[must_use]
    pub fn new(first: u64) -> Guide {
        Guide {
            next_seed: first,
            random: Random::from_seed(first),
            turns: BTreeMap::new(),
        }
    }

    /// The next run.
    pub fn choose(&mut self) -> Lineage {
        if self.random.below(2) == 0
            && let Some(known) = self
                .turns
                .values_mut()
                .min_by_key(|known| known.runs + 2 * known.forks)
        {
            known.forks += 1;
            let fork = Fork {
                after: known.after,
                seed: self.random.next_u64(),
            };
            return known.lineage.forked(fork);
        }
        let seed = self.next_seed;
        self.next_seed += 1;
        Lineage::of_seed(seed)
    }

    /// Learns what occurred in a run.
    pub fn learn(&mut self, run: &Guided) {
        for (turn, after) in &run.turns {
            let known = self.turns.entry(*turn).or_insert_with(|| Known {
                runs: 0,
                forks: 0,
                lineage: run.lineage.clone(),
                after: *after,
            });
            known.runs += 1;
            // Each of the runs is kept with the same probability.
            if run.lineage.forks.len() < DEEPEST && self.random.below(known.runs) == 0 {
                known.lineage.clone_from(&run.lineage);
                known.after = *after;
            }
        }
    }

    /// How many different turns occurred.
    #[must_use]
    pub fn seen(&self) -> usize {
        self.turns.len()
    }
}

/// Plays one run, of replicas or of mutants.
#[must_use]
pub fn play<M: Subject>(lineage: &Lineage, mutated: Option<Mutated>, trace: Trace) -> Guided {
    let setup = Setup {
        mutated,
        ..Setup::drawn(lineage.seed)
    };
    let mut world = World::<M>::decided_by(setup, lineage.decider()).expect("a drawn setup is valid");
    world.engine.observer.coverage.follow_turns();
    world.trace(trace);
    let played = caught(&mut world, World::play);
    let turns = std::mem::take(&mut world.turns);
    Guided {
        lineage: lineage.clone(),
        report: world.report(played),
        turns,
    }
}

/// Plays runs with `play`, so many at a time, until `heard` ends it. It gets each, and the guide.
pub fn guided(
    first: u64,
    jobs: usize,
    play: impl Fn(&Lineage) -> Guided + Sync,
    mut heard: impl FnMut(&Guide, Guided) -> ControlFlow<()>,
) {
    let mut guide = Guide::new(first);
    loop {
        let chosen: Vec<Lineage> = (0..ROUND).map(|_| guide.choose()).collect();
        for run in parallel::map(chosen, jobs, |lineage| play(&lineage)) {
            guide.learn(&run);
            if heard(&guide, run).is_break() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use kvpaxos::Replica;

    use super::*;
    use crate::invariants::Sometimes;
    use crate::world::report::run;

    /// Some report; what is in it does not matter.
    fn report() -> Report {
        let mut setup = Setup::quiet(1);
        setup.length.faults = kvpaxos::Micros(1);
        run::<Replica>(setup, Trace::Off)
    }

    #[test]
    fn a_fork_repeats_by_its_name_and_differs_from_the_run_only_after_its_event() {
        let run = play::<Replica>(&Lineage::of_seed(40), None, Trace::Off);
        let (turn, after) = *run.turns.last().expect("seed 40 meets faults");
        let lineage = run.lineage.forked(Fork { after, seed: 1 });
        let fork = play::<Replica>(&lineage, None, Trace::Off);
        assert!(fork.report.violation.is_none(), "{}", fork.report);
        assert!(
            fork.turns.contains(&(turn, after)),
            "{turn:?} in {:?}",
            fork.turns
        );
        assert_ne!(fork.report.digest, run.report.digest);
        let name: Lineage = lineage.to_string().parse().expect("it is written so");
        let again = play::<Replica>(&name, None, Trace::Off);
        assert_eq!(again.report.digest, fork.report.digest);
    }

    #[test]
    fn threads_change_nothing() {
        let report = report();
        let runs = |jobs| {
            let play = |lineage: &Lineage| Guided {
                lineage: lineage.clone(),
                report: report.clone(),
                turns: vec![(
                    Turn {
                        before: None,
                        now: Sometimes::ALL[(lineage.seed % 7) as usize],
                    },
                    lineage.seed,
                )],
            };
            let mut runs = Vec::new();
            guided(3, jobs, play, |guide, run| {
                runs.push((run.lineage.to_string(), guide.seen()));
                if runs.len() == 100 {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            });
            runs
        };
        assert_eq!(runs(1), runs(3));
    }

    #[test]
    fn what_is_rare_is_forked_first() {
        let report = report();
        let turn = |now| Turn { before: None, now };
        let run = |seed, turns: &[(Sometimes, u64)]| Guided {
            lineage: Lineage::of_seed(seed),
            report: report.clone(),
            turns: turns.iter().map(|(now, after)| (turn(*now), *after)).collect(),
        };
        let mut guide = Guide::new(1);
        for seed in 0..9 {
            guide.learn(&run(seed, &[(Sometimes::Crashed, 10)]));
        }
        guide.learn(&run(
            9,
            &[(Sometimes::Crashed, 10), (Sometimes::SeveralRecover, 70)],
        ));
        let forked = std::iter::repeat_with(|| guide.choose()).find(|lineage| !lineage.forks.is_empty());
        let forked = forked.expect("half of the runs are forks");
        assert_eq!((forked.seed, forked.forks[0].after), (9, 70));
    }
}
