//! Pauses in which nothing is planned become shorter.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use kvpaxos::{Micros, Time};

use super::search::Search;
use crate::world::scenario::measure::Size;
use crate::world::scenario::play::Recording;
use crate::world::scenario::{End, Scenario};

impl<E, P, H> Search<E, P, H>
where
    P: FnMut(&Scenario) -> Result<Recording, E>,
    H: FnMut(u64, Size, &Scenario) -> ControlFlow<()>,
{
    /// Everything comes sooner: pauses in which nothing is planned become shorter.
    pub(super) fn times(&mut self) {
        let mut divisor = 8;
        while divisor >= 2 && !self.stopped {
            let mut at = 0;
            while let Some((from, length)) = pause(&self.best.scenario, at) {
                let shorter = Micros((length.0 / divisor).max(SHORTEST.0));
                if !self.attempt_with(|scenario| shorten(scenario, from, Micros(length.0 - shorter.0))) {
                    at += 1;
                }
                if self.stopped {
                    return;
                }
            }
            divisor /= 2;
        }
    }
}

/// Pauses that are not longer stay as they are.
const SHORTEST: Micros = Micros(50_000);

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
