//! How faults end.

use kvpaxos::{Micros, ReplicaId, Role};

use crate::engine::{Alarm, Damage, Decision, EntryKind, RoleState};
use crate::invariants::Sometimes;
use crate::subject::Subject;
use crate::world::audited::AuditedEngine;
use crate::world::partition;

use super::fault::{Fault, LastingFault, PlannedFault};
use super::inflict;
use super::state::{Nemesis, STREAM};

impl Nemesis {
    /// Notes a fault that has begun, and draws when it ends.
    pub(super) fn activate<M: Subject>(&mut self, fault: LastingFault, engine: &mut AuditedEngine<M>) {
        let short = matches!(fault, LastingFault::Flapping { .. });
        let lasts = self.draw_length(engine);
        let lasts = if short {
            Micros((lasts.0 - 1) / 8 + 1)
        } else {
            lasts
        };
        match &fault {
            // What comes and goes is recorded as one cut after another.
            LastingFault::Flapping { cut: false, .. } => {}
            LastingFault::Cut(cuts) | LastingFault::Flapping { cuts, .. } if cuts.is_empty() => {}
            LastingFault::Flapping { cuts, .. } => {
                let cut = Fault::Lasting(LastingFault::Cut(cuts.clone()));
                self.record(lasts, cut, engine);
            }
            fault => self.record(lasts, Fault::Lasting(fault.clone()), engine),
        }
        self.activate_next(lasts, fault, engine);
    }

    /// Notes a fault that has begun under the next number, and sets the alarm that ends it.
    pub(super) fn activate_next<M: Subject>(
        &mut self,
        lasts: Micros,
        fault: LastingFault,
        engine: &mut AuditedEngine<M>,
    ) {
        let number = self.next;
        self.next += 1;
        self.activate_for(number, lasts, fault, engine);
    }

    /// Draws how long a fault lasts.
    pub(super) fn draw_length<M: Subject>(&self, engine: &mut AuditedEngine<M>) -> Micros {
        let length = self.faults.length.0;
        Micros(engine.decider().below(STREAM, Decision::FaultLength, length) + 1)
    }

    /// Notes a fault that has begun, and sets the alarm that ends it.
    pub(super) fn activate_for<M: Subject>(
        &mut self,
        number: u32,
        lasts: Micros,
        fault: LastingFault,
        engine: &mut AuditedEngine<M>,
    ) {
        self.active.insert(number, fault);
        engine.alarm(engine.now().after(lasts), Alarm::FaultEnd(number));
    }

    /// Adds a fault that begins now to the record of the run.
    pub(super) fn record<M: Subject>(&mut self, lasts: Micros, fault: Fault, engine: &AuditedEngine<M>) {
        self.begun.push(PlannedFault {
            number: self.next,
            at: engine.now(),
            lasts,
            fault,
        });
    }

    /// A fault ends or, if its links come and go, goes on.
    pub(in crate::world) fn on_end<M: Subject>(&mut self, number: u32, engine: &mut AuditedEngine<M>) {
        if self.frozen {
            return;
        }
        let Some(active) = self.active.remove(&number) else {
            return;
        };
        engine.add_to_digest(EntryKind::FaultEnd, [engine.now().0, number.into(), 0]);
        let now = engine.now();
        engine
            .observer
            .picture(|timeline| timeline.fault_ends(now, number));
        if let LastingFault::Flapping { cuts, cut, times } = active {
            let cut = !cut;
            let now = engine.now();
            let line = || {
                format!(
                    "fault {number}: the links are {}",
                    if cut { "cut" } else { "mended" }
                )
            };
            engine.observer.trace.line(now, line);
            if cut {
                partition::cut(&cuts, &mut engine.network);
                let text = LastingFault::Cut(cuts.clone());
                engine
                    .observer
                    .picture(|timeline| timeline.fault_begins(now, self.next, text.to_string()));
            } else {
                partition::mend(&cuts, &mut engine.network);
            }
            if cut || times > 0 {
                let times = times.saturating_sub(1);
                self.activate(LastingFault::Flapping { cuts, cut, times }, engine);
            }
            return;
        }
        if let LastingFault::Stopping { id, down } = active {
            let (lost, damage) = (false, None);
            if let Some(fault) = self.admitted(LastingFault::Down { id, lost, damage }, engine) {
                self.inflict(&fault, number, engine);
                self.activate_for(number, down, fault, engine);
            }
            return;
        }
        self.undo(number, &active, engine);
    }

    /// Undoes what the fault with this number did.
    pub(super) fn undo<M: Subject>(&self, number: u32, active: &LastingFault, engine: &mut AuditedEngine<M>) {
        let now = engine.now();
        let line = || format!("fault {number} ends: {active}");
        engine.observer.trace.line(now, line);
        engine.decider().set_fault(Some(number));
        match active {
            LastingFault::Down { id, lost, damage } => {
                // Harmless damage does not lose the memory.
                let lost = match damage {
                    Some(damage) => damaged(*id, *damage, engine),
                    None => *lost,
                };
                engine.start(*id, lost);
            }
            // Only a new start makes it serve again.
            LastingFault::Stopping { id, .. } => {
                engine.crash(*id);
                engine.start(*id, self.memory_only);
            }
            LastingFault::Full(id) => {
                inflict::end(active, self.sync, engine);
                self.start_again(*id, Sometimes::DiskFull, engine);
            }
            LastingFault::CrashAtSync(id) => {
                inflict::end(active, self.sync, engine);
                self.start_again(*id, Sometimes::CrashedAtSync, engine);
            }
            other => inflict::end(other, self.sync, engine),
        }
        engine.decider().set_fault(None);
    }

    /// Starts a process if the fault made it stop, and no other fault will start it.
    pub(super) fn start_again<M: Subject>(
        &self,
        id: ReplicaId,
        why: Sometimes,
        engine: &mut AuditedEngine<M>,
    ) {
        if engine.machine(id).is_none() && !self.is_down(id) {
            engine.observer.coverage.hit(why);
            engine.start(id, false);
        }
    }

    /// Whether a fault under way will start the process when it ends.
    pub(super) fn is_down(&self, id: ReplicaId) -> bool {
        let mut active = self.active.values();
        active.any(|active| matches!(active, LastingFault::Down { id: other, .. } if *other == id))
    }
}

impl Nemesis {
    /// Whether an acceptor may lose its memory: it lacks it already, or fewer acceptors lack theirs than the
    /// setup allows.
    pub(super) fn may_lose<M: Subject>(&self, id: ReplicaId, engine: &AuditedEngine<M>) -> bool {
        let lost = |id: &ReplicaId| self.has_lost(*id, engine);
        lost(&id) || engine.ids().filter(lost).count() < self.faults.losses
    }

    /// Whether a replica's acceptor lacks its memory, or will when it starts.
    pub(in crate::world) fn has_lost<M: Subject>(&self, id: ReplicaId, engine: &AuditedEngine<M>) -> bool {
        let is_down = engine.machine(id).is_none() || engine.role(id, Role::Acceptor) != RoleState::Running;
        engine.observer.lacks_memory(id) || self.will_lack_memory(id) || (self.memory_only && is_down)
    }

    /// Whether a replica's acceptor will lack its memory when a fault under way ends.
    pub(super) fn will_lack_memory(&self, id: ReplicaId) -> bool {
        self.active.values().any(|active| match active {
            LastingFault::Down { id: other, lost, .. } => *lost && *other == id,
            LastingFault::Role {
                id: other,
                role,
                lost,
            } => *lost && *role == Role::Acceptor && *other == id,
            _ => false,
        })
    }
}

/// Damages the log of a process that is down. Returns whether the memory is lost by that.
fn damaged<M: Subject>(id: ReplicaId, how: Damage, engine: &mut AuditedEngine<M>) -> bool {
    let lost = engine.damage(id, how);
    if lost {
        engine.observer.coverage.hit(match how {
            Damage::FlipBit => Sometimes::BitFlipped,
            Damage::LoseBlock => Sometimes::BlockLost,
            Damage::MisdirectWrite => Sometimes::WriteMisdirected,
            Damage::StaleBlock => Sometimes::BlockStale,
            Damage::LoseTail => Sometimes::TailLost,
        });
    }
    lost
}
