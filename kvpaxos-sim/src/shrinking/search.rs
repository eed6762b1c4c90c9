//! The search: it plays candidates and keeps the best.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// What a search plays, and how it measures.
pub trait Player {
    /// What can be played.
    type Scenario: Clone + PartialEq;
    /// The outcome of a run.
    type Outcome;
    /// Why a candidate cannot be played.
    type Error;

    /// Plays a candidate.
    ///
    /// # Errors
    /// If it cannot be played: the search ends.
    fn play(&mut self, candidate: &Self::Scenario) -> Result<Self::Outcome, Self::Error>;

    /// The scenario that repeats a run: without what did not occur in it.
    fn scenario(outcome: &Self::Outcome) -> &Self::Scenario;

    /// How large a run is; `None` if it does not fail in the way of the first one.
    fn cost(&self, outcome: &Self::Outcome) -> Option<Cost>;

    /// How many events were played.
    fn events(outcome: &Self::Outcome) -> u64;
}

/// How large a run is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cost {
    /// For people: what counts most stands first.
    pub parts: [u64; 4],
    /// For the search: how long it takes to go on from there.
    pub weight: u64,
}

/// What a search makes smaller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Goal {
    /// The weight, until the run is so short that it can be played often.
    Weight,
    /// The parts.
    Parts,
}

/// How much a search may play.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// So many runs.
    pub runs: u64,
    /// So many events in all runs together.
    pub events: u64,
}

/// How far a search has come, after a run.
#[derive(Debug)]
pub struct Progress<'a, O> {
    /// How many candidates were played.
    pub runs: u64,
    /// How many events they had.
    pub events: u64,
    /// The smallest run so far.
    pub best: &'a O,
    /// Whether the last candidate is the best.
    pub improved: bool,
}

/// Plays candidates, and keeps the smallest that fails in the same way.
pub struct Search<P: Player, H> {
    player: P,
    progress: H,
    limits: Limits,
    best: P::Outcome,
    cost: Cost,
    /// The smallest run for people, while the search goes on from another one.
    saved: Option<(P::Outcome, Cost)>,
    goal: Goal,
    runs: u64,
    events: u64,
    stopped: bool,
    error: Option<P::Error>,
}

impl<P, H> Search<P, H>
where
    P: Player,
    H: FnMut(&Progress<'_, P::Outcome>) -> ControlFlow<()>,
{
    /// A search that begins with a run. `progress` is told of each run, and may stop the search. Returns `None` if
    /// the first run does not fail.
    pub fn new(first: P::Outcome, limits: Limits, player: P, progress: H) -> Option<Search<P, H>> {
        Some(Search {
            cost: player.cost(&first)?,
            player,
            progress,
            limits,
            best: first,
            saved: None,
            goal: Goal::Weight,
            runs: 0,
            events: 0,
            stopped: false,
            error: None,
        })
    }

    /// The run that the search goes on from: the smallest one, but on a detour.
    pub fn best(&self) -> &P::Outcome {
        &self.best
    }

    /// The scenario of that run.
    pub fn scenario(&self) -> &P::Scenario {
        P::scenario(&self.best)
    }

    /// How large that run is.
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// What counts as smaller from now on.
    pub fn aim(&mut self, goal: Goal) {
        self.goal = goal;
    }

    /// How many candidates were played.
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// How many events were played.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Whether the search was stopped, has come to a limit, or failed.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// The smallest run.
    ///
    /// # Errors
    /// Why a candidate could not be played.
    pub fn end(mut self) -> Result<P::Outcome, P::Error> {
        self.return_from_detour();
        self.error.map_or(Ok(self.best), Err)
    }

    /// Begins a detour: the search may go on from a run that is larger for people. The smallest one is kept.
    pub fn begin_detour(&mut self)
    where
        P::Outcome: Clone,
    {
        self.saved = Some((self.best.clone(), self.cost));
    }

    /// Ends a detour. Unless it led to a smaller run, the search goes on from where it began. Returns whether it did.
    pub fn return_from_detour(&mut self) -> bool {
        match self.saved.take() {
            Some((outcome, cost)) if cost.parts <= self.cost.parts => {
                self.best = outcome;
                self.cost = cost;
                false
            }
            saved => saved.is_some(),
        }
    }

    /// Plays a candidate. If it fails in the same way and is smaller, what it recorded becomes the best.
    pub fn attempt(&mut self, candidate: &P::Scenario) -> bool {
        if self.stopped || candidate == P::scenario(&self.best) {
            return false;
        }
        let outcome = match self.player.play(candidate) {
            Ok(outcome) => outcome,
            Err(error) => {
                self.error = Some(error);
                self.stopped = true;
                return false;
            }
        };
        self.runs += 1;
        self.events += P::events(&outcome);
        let smaller = self.player.cost(&outcome).filter(|cost| self.is_smaller(*cost));
        if let Some(cost) = smaller {
            self.cost = cost;
            self.best = outcome;
        }
        let Limits { runs, events } = self.limits;
        self.stopped = self.runs >= runs || self.events >= events;
        let (best, improved) = match &self.saved {
            Some((saved, cost)) if cost.parts <= self.cost.parts => (saved, false),
            _ => (&self.best, smaller.is_some()),
        };
        let progress = Progress {
            runs: self.runs,
            events: self.events,
            best,
            improved,
        };
        self.stopped |= (self.progress)(&progress).is_break();
        smaller.is_some()
    }

    /// Something must have become less, or the search would not end.
    fn is_smaller(&self, cost: Cost) -> bool {
        match self.goal {
            Goal::Weight => cost.weight < self.cost.weight,
            Goal::Parts => cost.parts < self.cost.parts,
        }
    }

    /// Attempts the best scenario with a change.
    pub fn attempt_with(&mut self, change: impl FnOnce(&mut P::Scenario)) -> bool {
        let mut candidate = self.scenario().clone();
        change(&mut candidate);
        self.attempt(&candidate)
    }

    /// Attempts to leave out items, in chunks that become smaller and smaller. Gives up when it has played
    /// `patience` events since the last success. `attempt` makes a candidate without some items, and attempts it.
    pub fn minimize<K: Ord + Clone>(
        &mut self,
        patience: u64,
        keys: impl Fn(&P::Outcome) -> Vec<K>,
        attempt: impl Fn(&mut Self, &BTreeSet<K>) -> bool,
    ) {
        let mut size = keys(&self.best).len();
        let mut since = self.events;
        while size > 0 && !self.stopped {
            let mut at = 0;
            loop {
                let all = keys(&self.best);
                let Some(rest) = all.get(at..).filter(|rest| !rest.is_empty()) else {
                    break;
                };
                let chunk: BTreeSet<K> = rest.iter().take(size).cloned().collect();
                if attempt(self, &chunk) {
                    since = self.events;
                } else {
                    at += size;
                }
                if self.stopped || self.events > since.saturating_add(patience) {
                    return;
                }
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers fail together if 3 and 7 are among them. An event for each number.
    struct Numbers;

    impl Player for Numbers {
        type Scenario = Vec<u64>;
        type Outcome = Vec<u64>;
        type Error = &'static str;

        fn play(&mut self, candidate: &Vec<u64>) -> Result<Vec<u64>, &'static str> {
            if candidate.contains(&99) {
                return Err("99 cannot be played");
            }
            Ok(candidate.clone())
        }

        fn scenario(outcome: &Vec<u64>) -> &Vec<u64> {
            outcome
        }

        fn cost(&self, outcome: &Vec<u64>) -> Option<Cost> {
            let fails = outcome.contains(&3) && outcome.contains(&7);
            fails.then(|| Cost {
                parts: [outcome.len() as u64, outcome.iter().sum(), 0, 0],
                weight: outcome.iter().sum(),
            })
        }

        fn events(outcome: &Vec<u64>) -> u64 {
            outcome.len() as u64
        }
    }

    const MANY: Limits = Limits {
        runs: 1_000,
        events: 10_000,
    };

    type Watched = fn(&Progress<'_, Vec<u64>>) -> ControlFlow<()>;

    fn search(first: Vec<u64>, limits: Limits) -> Search<Numbers, Watched> {
        let watch: Watched = |_| ControlFlow::Continue(());
        let mut search = Search::new(first, limits, Numbers, watch).expect("the first run fails");
        search.aim(Goal::Parts);
        search
    }

    fn minimize(search: &mut Search<Numbers, Watched>, patience: u64) {
        search.minimize(patience, Vec::clone, |search, gone| {
            search.attempt_with(|numbers| numbers.retain(|number| !gone.contains(number)))
        });
    }

    #[test]
    fn chunks_become_single_items() {
        let mut search = search((0..64).collect(), MANY);
        minimize(&mut search, u64::MAX);
        assert_eq!(*search.scenario(), [3, 7]);
        assert!(search.runs() < 64, "{} runs", search.runs());
        assert!(!search.is_stopped());
        assert_eq!(search.end(), Ok(vec![3, 7]));
    }

    #[test]
    fn limits_and_patience_end_it() {
        let mut few = search((0..64).collect(), Limits { runs: 5, ..MANY });
        minimize(&mut few, u64::MAX);
        assert_eq!((few.runs(), few.is_stopped()), (5, true));
        let mut short = search((0..64).collect(), Limits { events: 50, ..MANY });
        minimize(&mut short, u64::MAX);
        assert!(
            short.is_stopped() && short.events() < 50 + 64,
            "{}",
            short.events()
        );
        let mut impatient = search((0..64).collect(), MANY);
        minimize(&mut impatient, 0);
        assert!(!impatient.is_stopped(), "another pass may go on");
        assert!(impatient.scenario().len() > 2);
    }

    #[test]
    fn a_detour_comes_back_unless_it_led_to_less() {
        let mut search = search(vec![3, 7, 100], MANY);
        search.begin_detour();
        search.aim(Goal::Weight);
        assert!(search.attempt(&vec![3, 7, 50, 1]));
        assert!(!search.return_from_detour());
        assert_eq!(*search.scenario(), [3, 7, 100]);
        search.begin_detour();
        assert!(search.attempt(&vec![3, 7, 50, 1]) && search.attempt(&vec![3, 7, 1]));
        assert!(search.return_from_detour());
        assert_eq!(*search.scenario(), [3, 7, 1]);
        search.begin_detour();
        assert_eq!(search.end(), Ok(vec![3, 7, 1]));
    }

    #[test]
    fn only_what_is_smaller_in_the_present_sense_is_kept() {
        let mut search = search(vec![3, 7, 100], MANY);
        assert!(!search.attempt(&vec![3, 7, 101]), "larger");
        assert!(!search.attempt(&vec![3, 7, 50, 1]), "more items");
        search.aim(Goal::Weight);
        assert!(search.attempt(&vec![3, 7, 50, 1]), "a smaller sum");
        assert!(!search.attempt(&vec![3]), "it does not fail");
        assert!(!search.attempt(&vec![3, 7, 99]) && search.is_stopped());
        assert_eq!(search.end(), Err("99 cannot be played"));
        let nothing = Search::new(vec![1], MANY, Numbers, |_: &Progress<'_, Vec<u64>>| {
            ControlFlow::Continue(())
        });
        assert!(nothing.is_none(), "the first run holds");
    }
}
