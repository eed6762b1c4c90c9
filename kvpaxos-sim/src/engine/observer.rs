//! What a checker sees of an [`Engine`](crate::Engine): everything, from outside.

use kvpaxos::{ReplicaId, Role, Time};

use crate::engine::machine::{EffectOf, EventOf, Machine};

/// Hooks that an engine calls while it works. Each has an empty body, so that an observer implements those that it needs.
pub trait Observer<M: Machine> {
    /// A process starts, with so many records of its disk; `None` if its memory is lost.
    fn started(&mut self, now: Time, host: ReplicaId, machine: &M, kept: Option<usize>) {
        let _ = (now, host, machine, kept);
    }

    /// A machine is about to be stepped.
    fn enters(&mut self, now: Time, host: ReplicaId, event: &EventOf<M>) {
        let _ = (now, host, event);
    }

    /// A machine was stepped; the effects have not been carried out.
    fn stepped(&mut self, now: Time, host: ReplicaId, machine: &M, effects: &[EffectOf<M>]) {
        let _ = (now, host, machine, effects);
    }

    /// A message leaves a host, at once or because what it waited for is durable.
    fn leaves(&mut self, now: Time, from: ReplicaId, to: ReplicaId, message: &M::Message) {
        let _ = (now, from, to, message);
    }

    /// A message that has just left a host was changed: see [`Machine::garble`].
    fn garbled(&mut self, now: Time, from: ReplicaId, to: ReplicaId) {
        let _ = (now, from, to);
    }

    /// A record became durable.
    fn durable(&mut self, now: Time, host: ReplicaId, record: &M::Record) {
        let _ = (now, host, record);
    }

    /// A role failed.
    fn role_failed(&mut self, now: Time, host: ReplicaId, role: Role) {
        let _ = (now, host, role);
    }

    /// A role is about to be restarted.
    fn role_restarting(&mut self, now: Time, host: ReplicaId, role: Role, lost: bool) {
        let _ = (now, host, role, lost);
    }

    /// A role was restarted.
    fn role_restarted(&mut self, now: Time, host: ReplicaId, role: Role, machine: &M) {
        let _ = (now, host, role, machine);
    }

    /// A process is about to go, and so many units of what it synced are not covered by a mark: if the disk loses some of them, nobody can
    /// tell.
    fn unmarked(&mut self, now: Time, host: ReplicaId, units: usize) {
        let _ = (now, host, units);
    }

    /// A process is gone. `survived` is what became durable by that and was not known to be (`None`: nothing is readable), `lost`
    /// how many writes that were on their way are not whole.
    fn crashed(&mut self, now: Time, host: ReplicaId, survived: Option<&[M::Record]>, lost: usize) {
        let _ = (now, host, survived, lost);
    }

    /// The disk of a process that is down was founded anew: it will claim to be new, and is not.
    fn founded_anew(&mut self, now: Time, host: ReplicaId) {
        let _ = (now, host);
    }

    /// A machine broke the contract of `step`, or halted.
    fn misbehaved(&mut self, now: Time, host: ReplicaId, what: Misbehaviour) {
        let _ = (now, host, what);
    }
}

/// Observes nothing.
impl<M: Machine> Observer<M> for () {}

/// What a machine may not do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Misbehaviour {
    /// It named a deadline that is not after the step.
    Deadline {
        /// The step's time.
        at: Time,
        /// The deadline.
        deadline: Time,
    },
    /// It calls a log damaged whose disk lost nothing that was synced.
    Damaged,
    /// It takes a damaged log for a good one, and finds other records in it than were synced.
    DamageUndetected,
    /// It halted, though no peer and no disk lied.
    Halted {
        /// Why.
        reason: String,
    },
}
