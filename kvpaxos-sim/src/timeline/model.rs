//! The data of a timeline.

use serde::{Deserialize, Serialize};

use crate::engine::Loss;

/// Names a node: its place in [`Timeline::nodes`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct NodeId(pub u16);

/// Names an event: its place in [`Timeline::events`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct EventId(pub u32);

/// Names a message: its place in [`Timeline::messages`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct MessageId(pub u32);

/// Names a call: its place in [`Timeline::calls`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct CallId(pub u32);

/// What happened in a run.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Timeline {
    /// What the run is, in a line: `seed 7, mutant unconfirmed-read`.
    pub title: String,
    /// What else is to be known of the run: a name and a value each.
    pub facts: Vec<(String, String)>,
    /// The lines of the diagram, from top to bottom.
    pub nodes: Vec<Node>,
    /// What happened, in order. Times never go down.
    pub events: Vec<Event>,
    /// What was sent.
    pub messages: Vec<Message>,
    /// What clients asked for, in the order in which they began.
    pub calls: Vec<Call>,
    /// What was found wrong.
    pub violation: Option<Found>,
    /// Events that are marked, with a name and a sentence each.
    pub pointers: Vec<Pointer>,
    /// The name of the line of a node's state that holds the ballot which colours the node, such as `promised`.
    pub ballot: Option<String>,
    /// The run as a scenario file, if it can be played again.
    pub scenario: Option<String>,
    /// The command that plays the scenario, with `FILE` in the place of the file's name.
    pub replay: Option<String>,
}

impl Timeline {
    /// Marks what happened in an event of the run; the first one is 1. `begun` says how many events the timeline had when each event of
    /// the run began: most of those are one or several of the timeline. If this one is none, the mark stands at what happened last
    /// before it.
    pub fn point_out(&mut self, begun: &[usize], event: u64, name: &str, text: String) {
        let number = usize::try_from(event).unwrap_or(usize::MAX);
        let Some(first) = number.checked_sub(1).and_then(|place| begun.get(place)) else {
            return;
        };
        let end = begun.get(number).copied().unwrap_or(self.events.len());
        let place = if *first < end {
            *first
        } else {
            first.saturating_sub(1)
        };
        if place < self.events.len() {
            self.pointers.push(Pointer {
                event: EventId(u32::try_from(place).expect("a timeline has fewer events")),
                name: name.to_owned(),
                text,
            });
        }
    }
}

/// A line of the diagram.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Node {
    /// Its name: `r0`, `c4`.
    pub name: String,
    /// What it is.
    pub kind: NodeKind,
}

/// What a node is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum NodeKind {
    /// A replica, or another machine of the protocol.
    Replica,
    /// A client.
    Client,
    /// Not a node but the world around them: the faults have a line of their own.
    World,
}

/// Something that happened at a node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// When, in microseconds since the run began.
    pub at: u64,
    /// Where.
    pub node: NodeId,
    /// What.
    pub kind: Kind,
    /// The event that caused it: that of the sender, of the call, of the beginning of the fault. The event before it at the same node
    /// is a cause as well, and not named here.
    pub cause: Option<EventId>,
    /// The message that arrived.
    pub message: Option<MessageId>,
    /// What happened, in a line, without the time and the node.
    pub text: String,
    /// What it led to, a line each: what was written, answered, observed. What was sent is in [`Timeline::messages`].
    pub notes: Vec<String>,
    /// What is drawn of that.
    pub marks: Vec<Mark>,
    /// The slots that it is about, beside those of its message.
    pub slots: Vec<u64>,
    /// The keys that it is about, beside those of its message.
    pub keys: Vec<String>,
    /// What is different in the state of the node after it.
    pub changes: Vec<Change>,
}

/// The kind of an event.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Kind {
    /// A message, a request or a reply arrives.
    Arrival,
    /// The node is told the time.
    Clock,
    /// What the node wrote is on its disk.
    Sync,
    /// The process starts.
    Start,
    /// The process crashes, or halts.
    Crash,
    /// The process is paused.
    Pause,
    /// The process goes on after a pause.
    Resume,
    /// A role of the node fails; [`Event::text`] begins with its name.
    RoleFails,
    /// A role of the node starts again; [`Event::text`] begins with its name.
    RoleRestarts,
    /// A client begins a call.
    Call,
    /// A call of a client ends.
    End,
    /// A fault begins.
    FaultBegins,
    /// A fault ends. Its beginning is the cause.
    FaultEnds,
    /// Anything else.
    Other,
}

/// What is drawn of an event beside its kind.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Mark {
    /// A candidate stands with this ballot.
    Stands(String),
    /// The node leads with this ballot from now on.
    Leads(String),
    /// The node no longer leads, or stands, with this ballot.
    StepsDown(String),
    /// A value is chosen for this slot.
    Chosen(u64),
}

/// A line of a node's state that has changed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Change {
    /// The name of the line.
    pub name: String,
    /// What it says from now on; `None` if the line is gone.
    pub value: Option<String>,
}

/// Something that was sent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Message {
    /// The event that sent it.
    pub sent: EventId,
    /// The receiver.
    pub to: NodeId,
    /// The events at which it arrived: more than one if it was duplicated, none if it was lost or is still under way.
    pub arrived: Vec<EventId>,
    /// When a copy of it was lost, in microseconds since the run began, and why.
    pub lost: Option<(u64, Loss)>,
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

/// A call of a client, from its beginning to its end.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Call {
    /// What was asked for.
    pub text: String,
    /// The event at which it began.
    pub began: EventId,
    /// The event at which it ended, if it did.
    pub ended: Option<EventId>,
    /// How it ended.
    pub outcome: Option<String>,
    /// The keys.
    pub keys: Vec<String>,
    /// What it has to do with the violation.
    pub part: Option<Part>,
}

/// What a call has to do with a violation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Part {
    /// Nothing explains its answer.
    Culprit,
    /// The answers of the culprits contradict it, or might have come from it.
    Evidence,
}

/// What was found wrong.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Found {
    /// The name of the property: `S2`.
    pub property: String,
    /// What the property says.
    pub says: String,
    /// When it was found, in microseconds since the run began.
    pub at: u64,
    /// What happened, in a sentence.
    pub explanation: String,
    /// What shows it, a line each.
    pub lines: Vec<String>,
    /// The event after which it was found.
    pub event: Option<EventId>,
}

/// A mark at an event.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Pointer {
    /// The event.
    pub event: EventId,
    /// What stands at the mark, in a word or two.
    pub name: String,
    /// Why the event is marked, in a sentence.
    pub text: String,
}
