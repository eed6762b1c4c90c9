//! How a protocol is put into words.

use std::fmt::Debug;

use super::model::Mark;
use crate::engine::Machine;

/// What is said of a message, a request, a reply, a record or an observation.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Words {
    /// Its kind: `Accept`.
    pub name: String,
    /// All of it, in a line.
    pub text: String,
    /// The ballot that it belongs to.
    pub ballot: Option<String>,
    /// The slots that it is about.
    pub slots: Vec<u64>,
    /// The keys that it is about.
    pub keys: Vec<String>,
}

impl Words {
    /// What `Debug` prints: its name is the first word.
    #[must_use]
    pub fn debugged(what: &impl Debug) -> Words {
        let text = format!("{what:?}");
        let end = text.find(|c: char| !c.is_alphanumeric()).unwrap_or(text.len());
        Words {
            name: text[..end].to_owned(),
            text,
            ..Words::default()
        }
    }
}

/// Puts what a machine does into words. The default is what `Debug` prints, and no state.
pub trait Narrator<M: Machine> {
    /// A message between machines.
    fn message(&self, message: &M::Message) -> Words {
        Words::debugged(message)
    }

    /// A request of a client.
    fn request(&self, request: &M::Request) -> Words {
        Words::debugged(request)
    }

    /// An answer to a client.
    fn reply(&self, reply: &M::Reply) -> Words {
        Words::debugged(reply)
    }

    /// A record.
    fn record(&self, record: &M::Record) -> Words {
        Words::debugged(record)
    }

    /// An observation, and what is drawn of it.
    fn observation(&self, observation: &M::Observation) -> (Words, Option<Mark>) {
        (Words::debugged(observation), None)
    }

    /// The state of a machine: a name and a value for each line, always in the same order.
    fn state(&self, machine: &M) -> Vec<(&'static str, String)> {
        let _ = machine;
        Vec::new()
    }

    /// The name of the line of the state that holds a ballot: see [`Timeline::ballot`](super::Timeline::ballot).
    fn ballot(&self) -> Option<&'static str> {
        None
    }
}

/// The narrator that says what `Debug` prints.
#[derive(Clone, Copy, Default, Debug)]
pub struct Debugged;

impl<M: Machine> Narrator<M> for Debugged {}
