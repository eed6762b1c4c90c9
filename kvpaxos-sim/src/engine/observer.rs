//! The seam between the engine and checks: an observer is told of everything that happens to hosts.

use kvpaxos::{ReplicaId, Role, Time};
use serde::{Deserialize, Serialize};

use crate::engine::machine::{EffectOf, EventOf, Machine};
use crate::engine::node::Node;

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

    /// A message, a request or a reply is handed to the network. The observer names it.
    fn sent(&mut self, now: Time, from: Node, to: Node, packet: &Packet<'_, M>) -> PacketId {
        let _ = (now, from, to, packet);
        PacketId::default()
    }

    /// A copy of what was sent under this name reaches its receiver. If that is a machine, it is stepped next.
    fn delivered(&mut self, now: Time, packet: PacketId, to: Node) {
        let _ = (now, packet, to);
    }

    /// A copy of what was sent under this name is lost.
    fn lost(&mut self, now: Time, packet: PacketId, why: Loss) {
        let _ = (now, packet, why);
    }

    /// A client is told that its connection to a host is broken.
    fn hung_up(&mut self, now: Time, client: u32, from: ReplicaId) {
        let _ = (now, client, from);
    }

    /// A write of a host began a new file of its log.
    fn rotated(&mut self, now: Time, host: ReplicaId) {
        let _ = (now, host);
    }

    /// A sync of a host has ended; [`durable`](Observer::durable) tells what is durable by that.
    fn synced(&mut self, now: Time, host: ReplicaId) {
        let _ = (now, host);
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

    /// A process is paused.
    fn paused(&mut self, now: Time, host: ReplicaId) {
        let _ = (now, host);
    }

    /// A paused process goes on.
    fn resumed(&mut self, now: Time, host: ReplicaId) {
        let _ = (now, host);
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

/// What the network carries.
pub enum Packet<'a, M: Machine> {
    /// A message between machines.
    Message(&'a M::Message),
    /// A request of a client.
    Request(&'a M::Request),
    /// An answer to a client.
    Reply(&'a M::Reply),
}

/// The name that an observer gave to a packet. What it means is the observer's business.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct PacketId(pub u32);

/// Why a packet does not arrive.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Loss {
    /// The network lost it by chance.
    Dropped,
    /// The link is cut.
    Cut,
    /// The receiver is down.
    Down,
    /// The connection to the client is broken.
    Broken,
}

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
