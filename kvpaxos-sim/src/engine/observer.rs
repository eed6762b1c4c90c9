//! The seam between the engine and checks: an observer is told of everything that happens to hosts.

use kvpaxos::{ReplicaId, Role, Time};

use crate::engine::machine::{EffectOf, EventOf, Machine};

/// Hooks that the engine calls. Each has an empty default, so that an observer implements only those that it
/// needs.
pub trait Observer<M: Machine> {
    /// A process has started. `kept` is the number of records that it found; `None` if its memory is lost.
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

    /// A message leaves a host, at once or because the write that it waited for is durable.
    fn leaves(&mut self, now: Time, from: ReplicaId, to: ReplicaId, message: &M::Message) {
        let _ = (now, from, to, message);
    }

    /// The message that has just left was changed: see [`Machine::corrupt`].
    fn corrupted(&mut self, now: Time, from: ReplicaId, to: ReplicaId) {
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

    /// A process is about to crash. So many units of its log are synced, but not noted elsewhere as synced:
    /// the loss of one of them by the disk cannot be detected.
    fn unmarked(&mut self, now: Time, host: ReplicaId, units: usize) {
        let _ = (now, host, units);
    }

    /// A process has crashed. `survived` are the records that turn out to be durable although they had not
    /// been reported as such (`None` if the log cannot be read); `lost` is the number of writes that did not
    /// reach the disk as a whole.
    fn crashed(&mut self, now: Time, host: ReplicaId, survived: Option<&[M::Record]>, lost: usize) {
        let _ = (now, host, survived, lost);
    }

    /// The disk of a process that is down was formatted: the process will claim to be new, though it is not.
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

/// What a machine must not do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Misbehaviour {
    /// Its deadline is not after the step.
    Deadline {
        /// The step's time.
        at: Time,
        /// The deadline.
        deadline: Time,
    },
    /// It calls a log damaged although the disk lost nothing that was synced.
    Damaged,
    /// It does not notice that a log is damaged, and finds other records in it than were synced.
    DamageUndetected,
    /// It halted, although no peer and no disk lied.
    Halted {
        /// The reason that it gave.
        reason: String,
    },
}
