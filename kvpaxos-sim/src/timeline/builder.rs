//! Puts a timeline together while events come in.

use std::collections::BTreeMap;

use super::model::{
    Call, CallId, Change, Event, EventId, Found, Kind, Mark, Message, MessageId, Node, NodeId, NodeKind,
    Timeline,
};
use super::narrator::Words;
use crate::engine::Loss;

/// Puts a timeline together. Events come in the order of their times.
///
/// ```
/// use kvpaxos_sim::timeline::{Builder, Kind, NodeKind, Words};
///
/// let mut builder = Builder::default();
/// let (one, two) = (builder.node("r0", NodeKind::Replica), builder.node("r1", NodeKind::Replica));
/// let start = builder.event(10, one, Kind::Start, "starts");
/// let message = builder.sent(start, two, Words { name: "Ping".into(), ..Words::default() });
/// let arrival = builder.arrived(25, two, message, "<- r0: Ping");
/// builder.state(arrival, [("pings", "1".to_owned())]);
/// let timeline = builder.finish();
/// assert_eq!(timeline.events[1].cause, Some(start));
/// assert_eq!(timeline.messages[0].arrived, [arrival]);
/// ```
#[derive(Clone, Default, Debug)]
pub struct Builder {
    timeline: Timeline,
    /// The state of each node, as the changes so far add up to.
    states: BTreeMap<NodeId, Vec<(String, String)>>,
    /// The fault of each number that has not ended.
    faults: BTreeMap<u32, EventId>,
}

impl Builder {
    /// Adds a node below those that there are.
    ///
    /// # Panics
    /// If there are 65,536 nodes already.
    pub fn node(&mut self, name: impl Into<String>, kind: NodeKind) -> NodeId {
        let id = u16::try_from(self.timeline.nodes.len()).expect("fewer than 65,536 nodes");
        let name = name.into();
        self.timeline.nodes.push(Node { name, kind });
        NodeId(id)
    }

    /// Adds an event. A time before that of the last event counts as that time.
    ///
    /// # Panics
    /// If there are 2^32 events already.
    pub fn event(&mut self, at: u64, node: NodeId, kind: Kind, text: impl Into<String>) -> EventId {
        let id = u32::try_from(self.timeline.events.len()).expect("fewer than 2^32 events");
        let at = self.timeline.events.last().map_or(at, |last| last.at.max(at));
        self.timeline.events.push(Event {
            at,
            node,
            kind,
            cause: None,
            message: None,
            text: text.into(),
            notes: Vec::new(),
            marks: Vec::new(),
            slots: Vec::new(),
            keys: Vec::new(),
            changes: Vec::new(),
        });
        EventId(id)
    }

    /// The last event, if it happened at this node and time.
    #[must_use]
    pub fn last_at(&self, at: u64, node: NodeId) -> Option<EventId> {
        let last = self.timeline.events.last()?;
        let id = u32::try_from(self.timeline.events.len() - 1).ok()?;
        (last.node == node && last.at == at).then_some(EventId(id))
    }

    /// Something leaves a node.
    ///
    /// # Panics
    /// If there are 2^32 messages already.
    pub fn sent(&mut self, by: EventId, to: NodeId, words: Words) -> MessageId {
        let id = u32::try_from(self.timeline.messages.len()).expect("fewer than 2^32 messages");
        let Words {
            name,
            text,
            ballot,
            slots,
            keys,
        } = words;
        self.timeline.messages.push(Message {
            sent: by,
            to,
            arrived: Vec::new(),
            lost: None,
            name,
            text,
            ballot,
            slots,
            keys,
        });
        MessageId(id)
    }

    /// A message arrives: adds the event.
    pub fn arrived(&mut self, at: u64, node: NodeId, message: MessageId, text: impl Into<String>) -> EventId {
        let id = self.event(at, node, Kind::Arrival, text);
        if let Some(of) = self.timeline.messages.get_mut(message.0 as usize) {
            of.arrived.push(id);
            let cause = of.sent;
            let event = self.at(id);
            event.cause = Some(cause);
            event.message = Some(message);
        }
        id
    }

    /// A copy of a message is lost.
    pub fn lost(&mut self, at: u64, message: MessageId, why: Loss) {
        if let Some(message) = self.timeline.messages.get_mut(message.0 as usize) {
            message.lost = Some((at, why));
        }
    }

    /// Adds a line to what an event led to.
    pub fn note(&mut self, event: EventId, words: Words, mark: Option<Mark>) {
        let event = self.at(event);
        event.notes.push(words.text);
        event.marks.extend(mark);
        for slot in words.slots {
            if !event.slots.contains(&slot) {
                event.slots.push(slot);
            }
        }
        for key in words.keys {
            if !event.keys.contains(&key) {
                event.keys.push(key);
            }
        }
    }

    /// Says what caused an event.
    pub fn cause(&mut self, event: EventId, cause: EventId) {
        self.at(event).cause = Some(cause);
    }

    /// The state of a node after an event: all its lines, in their order. What differs from the state before is kept.
    pub fn state<'a>(&mut self, event: EventId, lines: impl IntoIterator<Item = (&'a str, String)>) {
        let node = self.at(event).node;
        let before = self.states.entry(node).or_default();
        let mut changes = Vec::new();
        let mut after = Vec::with_capacity(before.len());
        for (name, value) in lines {
            let same = before.iter().any(|line| line.0 == name && line.1 == value);
            if !same {
                changes.push(Change {
                    name: name.to_owned(),
                    value: Some(value.clone()),
                });
            }
            after.push((name.to_owned(), value));
        }
        for (name, _) in &*before {
            if !after.iter().any(|line| line.0 == *name) {
                changes.push(Change {
                    name: name.clone(),
                    value: None,
                });
            }
        }
        *before = after;
        self.at(event).changes.extend(changes);
    }

    /// A client begins a call.
    ///
    /// # Panics
    /// If there are 2^32 calls already.
    pub fn call(&mut self, at: u64, node: NodeId, text: &str, keys: Vec<String>) -> CallId {
        let id = u32::try_from(self.timeline.calls.len()).expect("fewer than 2^32 calls");
        let began = self.event(at, node, Kind::Call, text);
        self.at(began).keys.clone_from(&keys);
        self.timeline.calls.push(Call {
            text: text.to_owned(),
            began,
            ended: None,
            outcome: None,
            keys,
            part: None,
        });
        CallId(id)
    }

    /// A call ends. Returns the event.
    pub fn ended(&mut self, at: u64, call: CallId, outcome: &str) -> Option<EventId> {
        let (began, text) = {
            let call = self.timeline.calls.get(call.0 as usize)?;
            (call.began, format!("{}: {outcome}", call.text))
        };
        let (node, keys) = (self.at(began).node, self.at(began).keys.clone());
        let slots = self.last_at(at, node).map(|arrival| self.message_slots(arrival));
        let end = self.event(at, node, Kind::End, text);
        let event = self.at(end);
        event.keys = keys;
        // The answer that ended it, if one did, is the event before at this node.
        event.cause = Some(began);
        event.slots = slots.unwrap_or_default();
        let call = &mut self.timeline.calls[call.0 as usize];
        call.ended = Some(end);
        call.outcome = Some(outcome.to_owned());
        Some(end)
    }

    fn message_slots(&self, arrival: EventId) -> Vec<u64> {
        let message = self.timeline.events[arrival.0 as usize].message;
        message.map_or_else(Vec::new, |message| {
            self.timeline.messages[message.0 as usize].slots.clone()
        })
    }

    /// A fault begins. Its number tells it from those that have not ended; one of the same number ends.
    pub fn fault_begins(&mut self, at: u64, node: NodeId, number: u32, text: impl Into<String>) {
        self.fault_ends(at, node, number);
        let event = self.event(at, node, Kind::FaultBegins, text);
        self.faults.insert(number, event);
    }

    /// A fault ends. Nothing happens if none of this number has begun.
    pub fn fault_ends(&mut self, at: u64, node: NodeId, number: u32) {
        let Some(began) = self.faults.remove(&number) else {
            return;
        };
        let text = format!("ends: {}", self.at(began).text);
        let event = self.event(at, node, Kind::FaultEnds, text);
        self.at(event).cause = Some(began);
    }

    /// Something is found wrong, after the event that was added last. Only the first is kept.
    pub fn violated(&mut self, found: Found) {
        let last = self.timeline.events.len().checked_sub(1);
        let event = last.and_then(|last| u32::try_from(last).ok()).map(EventId);
        self.timeline.violation.get_or_insert(Found { event, ..found });
    }

    /// What is known so far, to be added to.
    #[must_use]
    pub fn timeline(&mut self) -> &mut Timeline {
        &mut self.timeline
    }

    /// The timeline.
    #[must_use]
    pub fn finish(self) -> Timeline {
        self.timeline
    }

    fn at(&mut self, event: EventId) -> &mut Event {
        &mut self.timeline.events[event.0 as usize]
    }
}
