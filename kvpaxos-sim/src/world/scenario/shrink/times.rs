//! The run ends sooner, and pauses in which nothing is planned become shorter.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use kvpaxos::{Micros, Time};

use super::Shrinker;
use crate::shrinking::{Player, Progress};
use crate::world::scenario::play::Recording;
use crate::world::scenario::{End, Scenario};

/// Pauses that are not longer stay as they are.
const SHORTEST: Micros = Micros(50_000);

impl<P, H> Shrinker<P, H>
where
    P: Player<Scenario = Scenario, Outcome = Recording>,
    H: FnMut(&Progress<'_, Recording>) -> ControlFlow<()>,
{
    /// The run ends where it has violated the property: what is found when a run is judged, as a wrong answer is,
    /// may have happened long before. And if faults must stop for the violation, they stop as soon as possible.
    pub(super) fn truncate(&mut self) {
        if let End::Heal(_) = self.search.scenario().end {
            let now = Time(self.search.best().report.simulated.0);
            self.search.attempt_with(|scenario| scenario.end = End::Stop(now));
        }
        let (mut low, mut step) = (0, u64::MAX);
        // If it cannot end a little sooner, it is not tried at all.
        let (End::Stop(end) | End::Heal(end)) = self.search.scenario().end;
        if !self.end_at(end.0.saturating_sub(1)) {
            return;
        }
        while step > SHORTEST.0 && !self.search.is_stopped() {
            let (End::Stop(end) | End::Heal(end)) = self.search.scenario().end;
            step = end.0.saturating_sub(low) / 2;
            if !self.end_at(low + step) {
                low += step;
            }
        }
    }

    fn end_at(&mut self, at: u64) -> bool {
        self.search.attempt_with(|scenario| {
            let (End::Stop(end) | End::Heal(end)) = &mut scenario.end;
            *end = Time(at);
        })
    }

    /// Everything comes sooner: pauses in which nothing is planned become shorter.
    pub(super) fn times(&mut self) {
        let mut divisor = 8;
        while divisor >= 2 && !self.search.is_stopped() {
            let mut at = 0;
            while let Some((from, length)) = pause(self.search.scenario(), at) {
                let shorter = Micros((length.0 / divisor).max(SHORTEST.0));
                let by = Micros(length.0 - shorter.0);
                if !self.search.attempt_with(|scenario| shorten(scenario, from, by)) {
                    at += 1;
                }
                if self.search.is_stopped() {
                    return;
                }
            }
            divisor /= 2;
        }
    }
}

/// The pause of this number among the pauses that can be shorter: where it begins, and its length.
fn pause(scenario: &Scenario, number: usize) -> Option<(Time, Micros)> {
    let (End::Stop(end) | End::Heal(end)) = scenario.end;
    let ends = scenario
        .faults
        .iter()
        .map(|fault| fault.at.after(fault.lasts))
        .filter(|at| *at < end);
    let begins = scenario.faults.iter().map(|fault| fault.at);
    let calls = scenario.calls.iter().map(|call| call.at);
    let all: BTreeSet<Time> = [Time(0), end]
        .into_iter()
        .chain(ends)
        .chain(begins)
        .chain(calls)
        .collect();
    let pauses = all.iter().zip(all.iter().skip(1));
    let mut long = pauses
        .map(|(from, to)| (*from, Micros(to.0 - from.0)))
        .filter(|(_, length)| length.0 > 2 * SHORTEST.0);
    long.nth(number)
}

/// Moves everything that comes after `from` forward by `by`.
fn shorten(scenario: &mut Scenario, from: Time, by: Micros) {
    let moved = |at: Time| if at > from { Time(at.0 - by.0) } else { at };
    for fault in &mut scenario.faults {
        let end = moved(fault.at.after(fault.lasts));
        fault.at = moved(fault.at);
        fault.lasts = Micros(end.0 - fault.at.0);
    }
    for call in &mut scenario.calls {
        call.at = moved(call.at);
    }
    let (End::Stop(end) | End::Heal(end)) = &mut scenario.end;
    *end = moved(*end);
}
