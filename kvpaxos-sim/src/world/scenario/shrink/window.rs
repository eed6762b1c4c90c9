//! A stretch of a run as a scenario.

use kvpaxos::{Micros, Time};

use crate::decisions::anchors;
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

    /// The faults and calls of this stretch; messages have the fates that messages of their kind had at these times.
    pub(super) fn of(&self, best: &Recording) -> Scenario {
        let (from, shift) = (self.from, self.shift());
        let earlier = |at: Time| Time(at.0.saturating_sub(shift) / self.squeeze);
        let whole = shift == 0;
        let mut scenario = best.scenario.clone();
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
        scenario
            .calls
            .retain(|call| whole || (from..self.to).contains(&call.at));
        for call in &mut scenario.calls {
            call.at = earlier(call.at);
        }
        let (End::Stop(end) | End::Heal(end)) = &mut scenario.end;
        *end = earlier(self.to);
        let fates = std::mem::take(&mut scenario.deviations.fates);
        scenario.variation.anchors = anchors(&fates, &best.sent, from, earlier);
        if !whole {
            scenario.deviations.syncs.clear();
        }
        scenario
    }
}
