//! The seam between a world and what it drives: any deterministic machine of one `step`.
//!
//! [`kvpaxos::Replica`] is the first such machine (see [`crate::subject`]); a wrapper that changes its inputs, effects or
//! records is another, which is how known-wrong variants are made.

use std::fmt::{Debug, Display};

use kvpaxos::{Effect, Entropy, Event, Founding, Input, Memory, Time};
use serde::Serialize;

use crate::engine::disk::Log;

/// A deterministic state machine that an [`Engine`](crate::Engine) can drive, under the contract of [`kvpaxos::io`].
pub trait Machine: Sized {
    /// What it is told at its birth.
    type Config: Clone + Debug;
    /// What machines say to each other.
    type Message: Clone + Debug + Serialize;
    /// What must outlive the process.
    type Record: Clone + Debug;
    /// What clients ask.
    type Request: Clone + Debug + Serialize;
    /// What clients are answered.
    type Reply: Clone + Debug + Serialize;
    /// What it tells of itself, for observers.
    type Observation: Debug;
    /// Why it halts.
    type Reason: Display;
    /// How its records lie on a disk.
    type Log: Log<Self::Record>;

    /// A machine that starts with what its disk held.
    fn start(config: &Self::Config, memory: Memory<Self::Record>, entropy: Entropy, at: Time) -> Self;

    /// Takes an input in, and returns the effects, to be carried out in order.
    fn step(&mut self, input: InputOf<Self>) -> Vec<EffectOf<Self>>;

    /// What the log of a machine that is new begins with; `draw` is random.
    #[must_use]
    fn founds(draw: u64) -> Vec<Self::Record> {
        let _ = draw;
        Vec::new()
    }

    /// The founding that comes with all that it sends.
    fn founding(&self) -> Option<Founding> {
        None
    }

    /// When it next wants to hear the clock; after a step later than that step's time.
    fn deadline(&self) -> Option<Time>;

    /// What a sender does whose memory is damaged: changes what a message carries, where a checksum of the protocol's own covers it.
    /// `before` is the last such message that the sender sent, as it was; `draw` is random. Tells whether the message is one of those.
    fn garble(message: &mut Self::Message, before: Option<&Self::Message>, draw: u64) -> bool {
        let _ = (message, before, draw);
        false
    }
}

/// What enters a machine, and when.
pub type InputOf<M> = Input<<M as Machine>::Message, <M as Machine>::Record, <M as Machine>::Request>;

/// What enters a machine.
pub type EventOf<M> = Event<<M as Machine>::Message, <M as Machine>::Record, <M as Machine>::Request>;

/// What leaves a machine.
pub type EffectOf<M> = Effect<
    <M as Machine>::Message,
    <M as Machine>::Record,
    <M as Machine>::Reply,
    <M as Machine>::Observation,
    <M as Machine>::Reason,
>;
