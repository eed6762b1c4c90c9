//! A stretch of a run as a scenario.

use std::collections::BTreeMap;

use kvpaxos::{Micros, Time};

use crate::decisions::{Anchor, Deviations, Variation};
use crate::world::clients::PlannedCall;
use crate::world::nemesis::{Fault, PlannedFault};
use crate::world::scenario::play::Recording;
use crate::world::scenario::{End, Scenario};

/// A stretch of time of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) from: Time,
    pub(super) to: Time,
    /// How long a run of it goes on before the stretch begins, at least: so long a cluster needs for an election.
    pub(super) lead: Micros,
    /// Everything happens so many times as fast.
    pub(super) squeeze: u64,
}

impl Window {
    /// By how many microseconds everything comes earlier.
    fn shift(&self) -> u64 {
        self.from.0.saturating_sub(self.lead.0)
    }

    /// The faults and calls of this stretch of a run; messages have the fates that messages of their kind had at these
    /// times. `fates` are those of the whole run, in the order of the times.
    ///
    /// A long run has thousands of fates, and a stretch of it few: so those outside are never copied.
    pub(super) fn of(&self, best: &Recording, fates: &[Anchor]) -> Scenario {
        let (from, shift) = (self.from, self.shift());
        let earlier = |at: Time| Time(at.0.saturating_sub(shift) / self.squeeze);
        let whole = shift == 0;
        let Deviations { syncs, draws, .. } = &best.scenario.deviations;
        let mut scenario = Scenario {
            mutant: best.scenario.mutant.clone(),
            setup: best.scenario.setup.clone(),
            faults: best.scenario.faults.clone(),
            calls: Vec::new(),
            deviations: Deviations {
                fates: BTreeMap::new(),
                syncs: if whole { syncs.clone() } else { BTreeMap::new() },
                draws: draws.clone(),
            },
            variation: Variation {
                anchors: Vec::new(),
                sampling: None,
            },
            ..best.scenario
        };
        // A clock that is wrong stays wrong.
        let stays = |fault: &PlannedFault| {
            matches!(fault.fault, Fault::Speed { .. }) || fault.at.after(fault.lasts) >= from
        };
        scenario.faults.retain(|fault| stays(fault) && fault.at < self.to);
        for fault in &mut scenario.faults {
            let end = earlier(fault.at.after(fault.lasts));
            fault.at = earlier(fault.at);
            fault.lasts = Micros(end.0 - fault.at.0);
        }
        let within = |call: &&PlannedCall| whole || (from..self.to).contains(&call.at);
        scenario.calls = best.scenario.calls.iter().filter(within).cloned().collect();
        for call in &mut scenario.calls {
            call.at = earlier(call.at);
        }
        let (End::Stop(end) | End::Heal(end)) = &mut scenario.end;
        *end = earlier(self.to);
        let first = fates.partition_point(|anchor| anchor.at < from);
        let moved = |anchor: &Anchor| Anchor {
            at: earlier(anchor.at),
            ..*anchor
        };
        let anchors = &mut scenario.variation.anchors;
        anchors.extend(fates[first..].iter().map(moved));
        anchors.sort_by_key(|anchor| (anchor.at, anchor.name));
        scenario
    }
}
