//! The machine that this simulator is for: a [`kvpaxos::Replica`], or whatever else speaks its messages.

use kvpaxos::{
    Config, Effect as CoreEffect, Entropy, Event as CoreEvent, Founding, Input, Memory as CoreMemory,
    Message, Observation, Record, Replica, Reply, Request, Slot, Status, Time, Value,
};

use crate::engine::disk::log::ReplicaLog;
use crate::engine::machine::{Effect, Event, Machine, Memory};

/// A machine that speaks the messages of kvpaxos, and that checkers can look into.
///
/// A known-wrong variant is a struct around a [`Replica`] that implements this and [`Machine`], and changes on the way in
/// or out what it wants to get wrong.
pub trait Subject:
    Machine<
        Config = Config,
        Message = Message,
        Record = Record,
        Request = Request,
        Reply = Reply,
        Note = Observation,
    >
{
    /// What it knows of itself.
    fn status(&self) -> Status;

    /// The value chosen for a slot, if it knows it.
    fn chosen(&self, slot: Slot) -> Option<&Value>;
}

impl Subject for Replica {
    fn status(&self) -> Status {
        Replica::status(self)
    }

    fn chosen(&self, slot: Slot) -> Option<&Value> {
        Replica::chosen(self, slot)
    }
}

impl Machine for Replica {
    type Config = Config;
    type Message = Message;
    type Record = Record;
    type Request = Request;
    type Reply = Reply;
    type Note = Observation;
    type Log = ReplicaLog;

    fn start(config: &Config, memory: Memory<Record>, entropy: Entropy, at: Time) -> Replica {
        Replica::new(config.clone(), memory.into(), entropy, at)
            .expect("the setup was checked before the world was built")
    }

    fn step(&mut self, at: Time, event: Event<Replica>, effects: &mut Vec<Effect<Replica>>) {
        let event = match event {
            Event::Clock => CoreEvent::Clock,
            Event::Peer {
                from,
                founding,
                message,
            } => CoreEvent::Peer {
                from,
                founding,
                message,
            },
            Event::Client { from, request } => CoreEvent::Client { from, request },
            Event::ClientGone { client } => CoreEvent::ClientGone { client },
            Event::Fail(role) => CoreEvent::Fail(role),
            Event::Restart {
                role,
                memory,
                entropy,
            } => CoreEvent::Restart {
                role,
                memory: memory.into(),
                entropy,
            },
        };
        let out = Replica::step(self, Input { at, event });
        effects.extend(out.into_iter().map(from_core));
    }

    fn founds(draw: u64) -> Vec<Record> {
        let founding = Founding(draw);
        vec![Record::Founded { founding }]
    }

    fn founding(&self) -> Option<Founding> {
        Replica::founding(self)
    }

    fn deadline(&self) -> Option<Time> {
        Replica::deadline(self)
    }

    fn garble(message: &mut Message, before: Option<&Message>, draw: u64) -> bool {
        garble(message, before, draw)
    }
}

/// Changes the content of a snapshot's part, which the digest covers: to that of an older snapshot, if the sender sent the part of the same
/// place of one, so that parts of two states come together; else by one bit.
pub(crate) fn garble(message: &mut Message, before: Option<&Message>, draw: u64) -> bool {
    let Message::SnapshotPart(part) = message else {
        return false;
    };
    match before {
        Some(Message::SnapshotPart(old)) if old.at == part.at && old.bytes != part.bytes => {
            part.bytes = old.bytes.clone();
            part.next = old.next;
        }
        _ if !part.bytes.is_empty() => {
            let mut bytes = part.bytes.to_vec();
            let bit = usize::try_from(draw % (bytes.len() as u64 * 8)).unwrap_or(0);
            bytes[bit / 8] ^= 1 << (bit % 8);
            part.bytes = bytes.into();
        }
        _ => {}
    }
    true
}

/// The core's effect in the words of the seam, for any machine that speaks the core's messages.
#[must_use]
pub fn from_core<M: Subject>(effect: CoreEffect) -> Effect<M> {
    match effect {
        CoreEffect::Send(envelope) => Effect::Send {
            to: envelope.to,
            message: envelope.message,
        },
        CoreEffect::Persist { role, records, then } => Effect::Persist {
            role,
            records,
            then: then
                .into_iter()
                .map(|envelope| (envelope.to, envelope.message))
                .collect(),
        },
        CoreEffect::Reply { to, reply } => Effect::Reply { to, reply },
        CoreEffect::Observe(observation) => Effect::Note(observation),
        CoreEffect::Halt(reason) => Effect::Halt(reason.to_string()),
    }
}

impl From<Memory<Record>> for CoreMemory {
    fn from(memory: Memory<Record>) -> CoreMemory {
        match memory {
            Memory::Kept(records) => CoreMemory::Kept(records),
            Memory::Lost => CoreMemory::Lost,
        }
    }
}

/// The same event for another machine of the same kind: what a wrapper hands on.
#[must_use]
pub fn translate<A: Subject, B: Subject>(event: Event<A>) -> Event<B> {
    match event {
        Event::Clock => Event::Clock,
        Event::Peer {
            from,
            founding,
            message,
        } => Event::Peer {
            from,
            founding,
            message,
        },
        Event::Client { from, request } => Event::Client { from, request },
        Event::ClientGone { client } => Event::ClientGone { client },
        Event::Fail(role) => Event::Fail(role),
        Event::Restart {
            role,
            memory,
            entropy,
        } => Event::Restart {
            role,
            memory,
            entropy,
        },
    }
}

/// The same effect from another machine of the same kind.
#[must_use]
pub fn translate_effect<A: Subject, B: Subject>(effect: Effect<A>) -> Effect<B> {
    match effect {
        Effect::Send { to, message } => Effect::Send { to, message },
        Effect::Persist { role, records, then } => Effect::Persist { role, records, then },
        Effect::Reply { to, reply } => Effect::Reply { to, reply },
        Effect::Note(note) => Effect::Note(note),
        Effect::Halt(reason) => Effect::Halt(reason),
    }
}
