//! The seam between the engine and a protocol: a deterministic machine with one `step`.
//!
//! [`kvpaxos::Replica`] is such a machine: see [`crate::subject`]. A [mutant](crate::mutants) is another one:
//! it wraps a replica and changes its inputs, effects or records.

use std::fmt::{Debug, Display};

use kvpaxos::{Effect, Entropy, Event, Founding, Input, Memory, Time};
use serde::Serialize;

use crate::engine::disk::Log;
use crate::engine::label::Label;

/// A deterministic state machine that an [`Engine`](crate::Engine) can drive, under the contract of [`kvpaxos::io`].
pub trait Machine: Sized {
    /// What it is configured with.
    type Config: Clone + Debug;
    /// What machines send to each other.
    type Message: Clone + Debug + Serialize;
    /// What it keeps on its disk.
    type Record: Clone + Debug;
    /// What clients ask for.
    type Request: Clone + Debug + Serialize;
    /// What it answers.
    type Reply: Clone + Debug + Serialize;
    /// What it reports about itself to observers; the engine ignores it.
    type Observation: Debug;
    /// The reason with which it halts.
    type Reason: Display;
    /// The format in which its records lie on a disk.
    type Log: Log<Self::Record>;

    /// Starts a machine with what its disk holds.
    fn start(config: &Self::Config, memory: Memory<Self::Record>, entropy: Entropy, at: Time) -> Self;

    /// Handles an input. The engine carries out the effects in their order.
    fn step(&mut self, input: InputOf<Self>) -> Vec<EffectOf<Self>>;

    /// Like [`step`](Machine::step), but appends the effects, so that the engine can use one buffer again and again.
    fn step_into(&mut self, input: InputOf<Self>, effects: &mut Vec<EffectOf<Self>>) {
        effects.append(&mut self.step(input));
    }

    /// The first records of the log of a new machine; `draw` is random.
    #[must_use]
    fn founds(draw: u64) -> Vec<Self::Record> {
        let _ = draw;
        Vec::new()
    }

    /// The founding that is sent along with each message: see [`kvpaxos::founding`].
    fn founding(&self) -> Option<Founding> {
        None
    }

    /// When it wants to be told the time. After a step this is later than the time of the step.
    fn deadline(&self) -> Option<Time>;

    /// What a message is called in scenarios. By default that is what [`Debug`] prints at the beginning: see
    /// [`Label::debugged`].
    #[must_use]
    fn label(message: &Self::Message) -> Label {
        Label::debugged("message", message)
    }

    /// What a request of a client is called in scenarios.
    #[must_use]
    fn request_label(request: &Self::Request) -> Label {
        Label::debugged("request", request)
    }

    /// What a reply to a client is called in scenarios.
    #[must_use]
    fn reply_label(reply: &Self::Reply) -> Label {
        Label::debugged("reply", reply)
    }

    /// Changes the content of a message as a sender with damaged memory would, where the protocol has a
    /// checksum of its own. `before` is the last such message of this sender, before it was changed; `draw`
    /// is random. Returns whether the message is of such a kind.
    fn corrupt(message: &mut Self::Message, before: Option<&Self::Message>, draw: u64) -> bool {
        let _ = (message, before, draw);
        false
    }
}

/// The input of a machine of this kind.
pub type InputOf<M> = Input<<M as Machine>::Message, <M as Machine>::Record, <M as Machine>::Request>;

/// The events of a machine of this kind.
pub type EventOf<M> = Event<<M as Machine>::Message, <M as Machine>::Record, <M as Machine>::Request>;

/// The effects of a machine of this kind.
pub type EffectOf<M> = Effect<
    <M as Machine>::Message,
    <M as Machine>::Record,
    <M as Machine>::Reply,
    <M as Machine>::Observation,
    <M as Machine>::Reason,
>;
