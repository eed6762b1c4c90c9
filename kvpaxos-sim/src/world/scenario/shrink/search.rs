//! The search: it plays candidates and keeps the best.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use crate::decisions::{Anchor, MessageName};
use crate::engine::Fate;
use crate::world::scenario::Scenario;
use crate::world::scenario::measure::{Manner, Size, cost};
use crate::world::scenario::play::Recording;

/// How a candidate names the messages that are disturbed.
#[derive(Clone, Copy)]
pub(super) enum Naming {
    AsRecorded,
    /// If that fails, also by the times at which they were sent.
    AlsoByTime,
}

pub(super) struct Search<E, P, H> {
    pub(super) manner: Manner,
    pub(super) best: Recording,
    pub(super) size: Size,
    pub(super) runs: u64,
    pub(super) stopped: bool,
    pub(super) error: Option<E>,
    pub(super) play: P,
    pub(super) progress: H,
}

impl<E, P, H> Search<E, P, H>
where
    P: FnMut(&Scenario) -> Result<Recording, E>,
    H: FnMut(u64, Size, &Scenario) -> ControlFlow<()>,
{
    /// Plays a candidate. If it violates the property in the same manner, what it recorded becomes the best.
    pub(super) fn attempt(&mut self, candidate: &Scenario) -> bool {
        if self.stopped || *candidate == self.best.scenario {
            return false;
        }
        self.runs += 1;
        let recording = match (self.play)(candidate) {
            Ok(recording) => recording,
            Err(error) => {
                self.error = Some(error);
                self.stopped = true;
                return false;
            }
        };
        let violation = recording.report.violation.as_ref();
        // Something must have become less, or the search would not end.
        let holds = violation.is_some_and(|violation| Manner::of(violation) == self.manner)
            && cost(&recording) < cost(&self.best);
        if holds {
            self.size = Size::of(&recording);
            self.best = recording;
        }
        self.stopped |= (self.progress)(self.runs, self.size, &self.best.scenario).is_break();
        holds
    }

    /// Attempts the best scenario with a change.
    pub(super) fn attempt_with(&mut self, change: impl FnOnce(&mut Scenario)) -> bool {
        let mut candidate = self.best.scenario.clone();
        change(&mut candidate);
        self.attempt(&candidate)
    }

    /// Attempts the best scenario with a change of its calls or faults. Without a call other messages have
    /// its slot and the numbers of its requests. So if that fails, the disturbed messages are named by the
    /// times at which they were sent.
    pub(super) fn attempt_anchored(&mut self, change: impl FnOnce(&mut Scenario)) -> bool {
        let mut candidate = self.best.scenario.clone();
        change(&mut candidate);
        if self.attempt(&candidate) {
            return true;
        }
        let fates = std::mem::take(&mut candidate.deviations.fates);
        let sent = &self.best.sent;
        let anchor = |(name, fate): (&MessageName, &Fate)| {
            let (name, fate, at) = (*name, *fate, *sent.get(name)?);
            Some(Anchor { name, at, fate })
        };
        candidate.anchors = fates.iter().filter_map(anchor).collect();
        candidate.anchors.sort_by_key(|anchor| anchor.at);
        !candidate.anchors.is_empty() && self.attempt(&candidate)
    }

    /// Attempts to leave out items, in chunks that become smaller and smaller.
    pub(super) fn minimize<K: Ord + Clone>(
        &mut self,
        naming: Naming,
        keys: impl Fn(&Scenario) -> Vec<K>,
        remove: impl Fn(&mut Scenario, &BTreeSet<K>),
    ) {
        let mut size = keys(&self.best.scenario).len();
        while size > 0 && !self.stopped {
            let mut at = 0;
            loop {
                let all = keys(&self.best.scenario);
                let Some(rest) = all.get(at..).filter(|rest| !rest.is_empty()) else {
                    break;
                };
                let chunk: BTreeSet<K> = rest.iter().take(size).cloned().collect();
                let change = |scenario: &mut Scenario| remove(scenario, &chunk);
                let holds = match naming {
                    Naming::AsRecorded => self.attempt_with(change),
                    Naming::AlsoByTime => self.attempt_anchored(change),
                };
                if !holds {
                    at += size;
                }
                if self.stopped {
                    return;
                }
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
    }
}
