//! The search for a smaller scenario that fails in the same way: what is left out, and in which order.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::ops::ControlFlow;

use kvpaxos::Time;

use super::play::{Recording, play};
use super::scenario::Scenario;
use super::seam::{Protocol, RequestOf};
use super::setup::Setup;
use crate::decisions::{name_by_time, settings};
use crate::engine::Fate;
use crate::shrinking::{Cost, Goal, Limits, Player, Progress, Search};

/// Makes a run smaller that violates something. `progress` is told of each run that is played, and may stop the
/// search: the smallest one so far is kept. Returns `None` if the run violates nothing.
pub fn shrink<P: Protocol>(
    protocol: &P,
    first: Recording<P>,
    limits: Limits,
    progress: impl FnMut(&Progress<'_, Recording<P>>) -> ControlFlow<()>,
) -> Option<Recording<P>> {
    let manner = first.violation.as_ref()?.manner();
    let player = Alike { protocol, manner };
    let mut search = Search::new(first, limits, player, progress)?;
    search.aim(Goal::Parts);
    loop {
        let before = search.cost().parts;
        search.leave_out();
        if search.is_stopped() || search.cost().parts == before {
            let Ok(smallest) = search.end();
            return Some(smallest);
        }
    }
}

/// Plays candidates that must fail as the first run does.
struct Alike<'a, P> {
    protocol: &'a P,
    manner: String,
}

impl<P: Protocol> Player for Alike<'_, P> {
    type Scenario = Scenario<RequestOf<P>>;
    type Outcome = Recording<P>;
    type Error = Infallible;

    fn play(&mut self, candidate: &Self::Scenario) -> Result<Recording<P>, Infallible> {
        Ok(play(self.protocol, candidate))
    }

    fn scenario(outcome: &Recording<P>) -> &Self::Scenario {
        &outcome.scenario
    }

    fn cost(&self, outcome: &Recording<P>) -> Option<Cost> {
        let violation = outcome.violation.as_ref()?;
        let Scenario {
            setup,
            stop,
            faults,
            calls,
            deviations,
            ..
        } = &outcome.scenario;
        let decisions = faults.len() + calls.len() + deviations.len();
        let settings = settings::lines(setup, &Setup::quiet(setup.seed)).len();
        (violation.manner() == self.manner).then_some(Cost {
            parts: [decisions as u64, settings as u64, stop.0, outcome.counts.events],
            weight: outcome.counts.events,
        })
    }

    fn events(outcome: &Recording<P>) -> u64 {
        outcome.counts.events
    }
}

/// What can be left out.
impl<P, H> Search<Alike<'_, P>, H>
where
    P: Protocol,
    H: FnMut(&Progress<'_, Recording<P>>) -> ControlFlow<()>,
{
    fn leave_out(&mut self) {
        self.end_sooner();
        self.attempt_with(|scenario| {
            scenario.deviations.syncs.clear();
            scenario.deviations.draws.clear();
            scenario
                .deviations
                .fates
                .retain(|_, fate| matches!(fate, Fate::Lost));
        });
        self.without(
            |best| (0..best.scenario.faults.len()).collect(),
            |scenario, gone| retain(&mut scenario.faults, gone),
        );
        self.without(
            |best| (0..best.scenario.calls.len()).collect(),
            |scenario, gone| retain(&mut scenario.calls, gone),
        );
        // The last ones first: what comes before them stays as it is.
        self.without(
            |best| {
                let mut names: Vec<_> = best.scenario.deviations.fates.keys().copied().collect();
                names.sort_by_key(|name| std::cmp::Reverse(best.sent.get(name).copied()));
                names
            },
            |scenario, gone| scenario.deviations.fates.retain(|name, _| !gone.contains(name)),
        );
        self.without(
            |best| best.scenario.deviations.syncs.keys().copied().collect(),
            |scenario, gone| scenario.deviations.syncs.retain(|name, _| !gone.contains(name)),
        );
        self.without(
            |best| best.scenario.deviations.draws.keys().copied().collect(),
            |scenario, gone| scenario.deviations.draws.retain(|name, _| !gone.contains(name)),
        );
        self.settings();
        self.end_sooner();
    }

    /// Leaves out items, in chunks that are halved. Without some of them other messages may have their names; so if that fails, disturbed messages are named by the times at which they were sent.
    fn without<K: Ord + Clone>(
        &mut self,
        keys: impl Fn(&Recording<P>) -> Vec<K>,
        remove: impl Fn(&mut Scenario<RequestOf<P>>, &BTreeSet<K>),
    ) {
        self.minimize(u64::MAX, keys, |search, gone| {
            let mut candidate = search.scenario().clone();
            remove(&mut candidate, gone);
            if search.attempt(&candidate) {
                return true;
            }
            let Scenario {
                deviations,
                variation,
                ..
            } = &mut candidate;
            name_by_time(deviations, variation, &search.best().sent) && search.attempt(&candidate)
        });
    }

    /// Settings become those of the default, and the clients that make no calls go.
    fn settings(&mut self) {
        let calls = self.scenario().calls.iter();
        let used = calls.map(|call| call.client + 1).max().unwrap_or(0);
        self.attempt_with(|scenario| scenario.setup.clients = used);
        let default = Setup::quiet(self.scenario().setup.seed);
        for path in settings::paths(&self.scenario().setup, &default) {
            let mut setup = self.scenario().setup.clone();
            if path != "clients" && settings::reset(&mut setup, &default, &path) {
                self.attempt_with(|scenario| scenario.setup = setup);
            }
        }
    }

    /// The run is judged as early as it fails.
    fn end_sooner(&mut self) {
        let mut low = 0;
        while !self.is_stopped() && self.scenario().stop.0 - low > 1_000 {
            let middle = low + (self.scenario().stop.0 - low) / 2;
            if !self.attempt_with(|scenario| scenario.stop = Time(middle)) {
                low = middle;
            }
        }
    }
}

fn retain<T>(list: &mut Vec<T>, gone: &BTreeSet<usize>) {
    let mut place = 0..;
    list.retain(|_| place.next().is_some_and(|place| !gone.contains(&place)));
}
