//! What waits in the queue, and what an event means to clients and the nemesis.

use kvpaxos::{Founding, ReplicaId};

use crate::engine::machine::Machine;
use crate::engine::observer::PacketId;

/// An event in the queue.
pub(super) enum Pending<M: Machine> {
    Message {
        from: ReplicaId,
        /// The sender's founding at the time of sending.
        founding: Option<Founding>,
        to: ReplicaId,
        message: M::Message,
        packet: PacketId,
    },
    /// A message of a machine to itself. It is neither lost nor delayed, but it vanishes when the process
    /// crashes.
    OwnMessage {
        host: ReplicaId,
        life: u32,
        message: M::Message,
        packet: PacketId,
    },
    Request {
        from: u32,
        to: ReplicaId,
        request: M::Request,
        packet: PacketId,
    },
    Reply {
        from: ReplicaId,
        to: u32,
        reply: M::Reply,
        packet: PacketId,
    },
    /// A process is told that its connection to a client is broken.
    ConnectionGone {
        host: ReplicaId,
        life: u32,
        client: u32,
    },
    /// A client is told that its connection to a process is broken.
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

/// A time that somebody outside the engine waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Alarm {
    /// A client wants to be told the time.
    Client(u32),
    /// The nemesis begins the next fault.
    NextFault,
    /// The nemesis begins the fault that follows a moment.
    Strike,
    /// The fault of this number ends, or goes on in another way.
    FaultEnd(u32),
    /// A phase ends.
    Phase,
}

impl Alarm {
    /// Whether it comes before all else of its time. Faults do, so that a scenario, which knows their times only, begins
    /// them where the run did.
    pub(super) fn comes_first(self) -> bool {
        matches!(self, Alarm::NextFault | Alarm::Strike)
    }
}

/// What an event means to clients and the nemesis.
pub enum Output<M: Machine> {
    /// Nothing.
    Nothing,
    /// A client is answered.
    Reply {
        /// The replica that answers.
        from: ReplicaId,
        /// The client.
        to: u32,
        /// The answer.
        reply: M::Reply,
    },
    /// The connection of a client is broken.
    HungUp {
        /// The replica at the other end.
        from: ReplicaId,
        /// The client.
        to: u32,
    },
    /// The time of an alarm has come.
    Alarm(Alarm),
}
