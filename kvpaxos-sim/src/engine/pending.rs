//! What waits in the queue of an engine, and what an engine tells of an event to those outside.

use kvpaxos::{Founding, ReplicaId};

use crate::engine::machine::Machine;

/// What waits in the queue.
pub(super) enum Pending<M: Machine> {
    Message {
        from: ReplicaId,
        /// That of the sender when it sent this.
        founding: Option<Founding>,
        to: ReplicaId,
        message: M::Message,
    },
    /// A message of a machine to itself: neither lost nor delayed, but gone with the process.
    OwnMessage {
        host: ReplicaId,
        life: u32,
        message: M::Message,
    },
    Request {
        from: u32,
        to: ReplicaId,
        request: M::Request,
    },
    Reply {
        from: ReplicaId,
        to: u32,
        reply: M::Reply,
    },
    /// A process hears that its connection with a client is broken.
    ConnectionGone {
        host: ReplicaId,
        life: u32,
        client: u32,
    },
    /// A client hears the same.
    HungUp {
        from: ReplicaId,
        to: u32,
    },
    Tick {
        host: ReplicaId,
        life: u32,
    },
    Synced {
        host: ReplicaId,
        life: u32,
    },
    Alarm(Alarm),
}

/// Something that whoever stands outside asked to be reminded of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Alarm {
    /// A client wants to hear the clock.
    Client(u32),
    /// The nemesis acts.
    NextFault,
    /// The nemesis ends, or goes on with, the fault of this number.
    FaultEnd(u32),
    /// A phase ends.
    Phase,
}

/// What one event was, for whoever stands outside.
pub enum Output<M: Machine> {
    /// Nothing that concerns anybody outside.
    Nothing,
    /// A client is answered.
    Reply {
        /// By whom.
        from: ReplicaId,
        /// The client.
        to: u32,
        /// The answer.
        reply: M::Reply,
    },
    /// The connection of a client is broken.
    HungUp {
        /// With whom.
        from: ReplicaId,
        /// The client.
        to: u32,
    },
    /// The time of an alarm has come.
    Alarm(Alarm),
}
