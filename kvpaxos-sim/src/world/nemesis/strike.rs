//! Crashes that follow a [`Moment`] of a replica.

use kvpaxos::{Micros, ReplicaId, Role};

use crate::engine::{Alarm, Decision, EntryKind, Stream};
use crate::subject::Subject;
use crate::world::audited::AuditedEngine;
use crate::world::moments::{Moment, Moments};

use super::fault::{Fault, LastingFault};
use super::state::Nemesis;

const STREAM: Stream = Stream::Moments;

/// A crash that follows a moment.
pub(super) struct Strike {
    moment: Moment,
    fault: LastingFault,
}

/// What crashes.
#[derive(Clone, Copy)]
enum Target {
    Process,
    Role { lost: bool },
}

impl Nemesis {
    /// From now on the moments are noted after which a crash may follow.
    pub(super) fn wait_for_moments<M: Subject>(&self, engine: &mut AuditedEngine<M>) {
        let waits = self.awake && self.plan.is_none() && !self.faults.moments.is_empty();
        engine.observer.moments = waits.then(Moments::default);
    }

    /// Draws whether a crash follows one of the last event's moments.
    pub(in crate::world) fn on_moments<M: Subject>(&mut self, engine: &mut AuditedEngine<M>) {
        let Some(moments) = &mut engine.observer.moments else {
            return;
        };
        for (id, moment) in moments.take() {
            if self.awake && self.strike.is_none() && engine.now() >= self.quiet_until {
                self.on_moment(id, moment, engine);
            }
        }
    }

    fn on_moment<M: Subject>(&mut self, id: ReplicaId, moment: Moment, engine: &mut AuditedEngine<M>) {
        let sync = self.sync;
        let per_million = self.faults.after(moment) * 10_000;
        let decider = engine.decider();
        if !decider.chance(STREAM, Decision::FaultMoment, per_million) {
            return;
        }
        // Within two syncs: what is being written is durable in part. At once, in a quarter of the cases.
        let at_once = decider.chance(STREAM, Decision::FaultMoment, 250_000);
        let within = 2 * decider.spread(STREAM, Decision::FaultMoment, &sync);
        let delay = decider.below(STREAM, Decision::FaultMoment, within);
        let targets = [
            (4, Target::Process),
            (3, Target::Role { lost: false }),
            (2, Target::Role { lost: true }),
        ];
        let target = decider.weighted(STREAM, Decision::FaultKind, &targets);
        let fault = match target {
            Some(Target::Role { lost }) => {
                // The acceptor writes most of what is dangerous to lose.
                let roles = [Role::Acceptor, Role::Acceptor, Role::Learner, Role::Proposer];
                let role = decider.pick(STREAM, Decision::FaultDetail, &roles);
                LastingFault::Role { id, role, lost }
            }
            _ => LastingFault::Down {
                id,
                lost: false,
                damage: None,
            },
        };
        self.strike = Some(Strike { moment, fault });
        let delay = Micros(if at_once { 1 } else { 1 + delay });
        engine.alarm(engine.now().after(delay), Alarm::Strike);
    }

    /// The crash begins that follows a moment, unless it cannot any more.
    pub(in crate::world) fn on_strike<M: Subject>(&mut self, engine: &mut AuditedEngine<M>) {
        let Some(Strike { moment, fault }) = self.strike.take().filter(|_| self.awake) else {
            return;
        };
        let Some(fault) = self.admitted(fault, engine) else {
            return;
        };
        let numbers = [engine.now().0, moment as u64, self.next.into()];
        engine.add_to_digest(EntryKind::Strike, numbers);
        engine.observer.coverage.hit(moment.situation());
        // Some work must be done before the next one.
        self.quiet_until = engine.now().after(Micros(self.faults.pause.0 / 4));
        let longest = self.faults.length.0.div_ceil(4);
        let lasts = engine.decider().below(STREAM, Decision::FaultLength, longest);
        let lasts = Micros(lasts + 1);
        self.record(lasts, Fault::Lasting(fault.clone()), engine);
        self.inflict(&fault, self.next, engine);
        self.activate_next(lasts, fault, engine);
    }
}
