//! A timeline as columns, in the form that the page reads: an entry of a list is a place in a table of strings, so that text which
//! occurs often stands in the page once.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::hashing::BuildQuick;
use crate::markup::visible;
use crate::timeline::model::{Event, EventId, Found, Kind, Mark, Message, Part, Timeline};

/// All kinds of events, in the order of their numbers in the page.
const KINDS: [Kind; 14] = [
    Kind::Arrival,
    Kind::Clock,
    Kind::Sync,
    Kind::Start,
    Kind::Crash,
    Kind::Pause,
    Kind::Resume,
    Kind::RoleFails,
    Kind::RoleRestarts,
    Kind::Call,
    Kind::End,
    Kind::FaultBegins,
    Kind::FaultEnds,
    Kind::Other,
];

/// Longer text is cut, and says its length.
const LONGEST: usize = 4000;

/// The table of strings.
#[derive(Default)]
struct Strings {
    all: Vec<String>,
    places: HashMap<String, usize, BuildQuick>,
}

impl Strings {
    fn add(&mut self, text: &str) -> usize {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let place = self.all.len();
        self.all.push(shortened(text));
        self.places.insert(text.to_owned(), place);
        place
    }

    /// The place of the text, or -1 if there is none.
    fn maybe(&mut self, text: Option<&str>) -> i64 {
        text.map_or(-1, |text| self.add(text) as i64)
    }

    /// The places of the texts, or 0 if there are none: most lists are empty.
    fn list(&mut self, texts: &[String]) -> Value {
        if texts.is_empty() {
            return json!(0);
        }
        texts.iter().map(|text| self.add(text)).collect()
    }
}

fn shortened(text: &str) -> String {
    let text = visible(text);
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}… ({} characters in all)", &text[..end], text.chars().count()),
        None => text.into_owned(),
    }
}

fn or_zero<T: Serialize>(list: &[T]) -> Value {
    if list.is_empty() { json!(0) } else { json!(list) }
}

fn event_place(event: Option<EventId>) -> i64 {
    event.map_or(-1, |EventId(place)| place.into())
}

/// The timeline as JSON.
pub(super) fn columns(timeline: &Timeline) -> Value {
    let mut strings = Strings::default();
    let nodes: Vec<Value> = (timeline.nodes.iter())
        .map(|node| json!([visible(&node.name), node.kind]))
        .collect();
    let facts: Vec<Value> = (timeline.facts.iter())
        .map(|(name, value)| json!([strings.add(name), strings.add(value)]))
        .collect();
    let events = events(timeline, &mut strings);
    let messages = messages(&timeline.messages, &mut strings);
    let calls = calls(timeline, &mut strings);
    let violation = timeline
        .violation
        .as_ref()
        .map(|found| violation(found, &mut strings));
    let pointers: Vec<Value> = (timeline.pointers.iter())
        .map(|pointer| json!([pointer.event, visible(&pointer.name), strings.add(&pointer.text)]))
        .collect();
    json!({
        "title": visible(&timeline.title),
        "facts": facts,
        "nodes": nodes,
        "kinds": KINDS,
        "events": events,
        "messages": messages,
        "calls": calls,
        "violation": violation,
        "pointers": pointers,
        "ballot": timeline.ballot,
        "scenario": timeline.scenario,
        "replay": timeline.replay,
        "strings": strings.all,
    })
}

/// Times are differences to the event before.
fn events(timeline: &Timeline, strings: &mut Strings) -> Value {
    let events = &timeline.events;
    let number = |kind: Kind| KINDS.iter().position(|other| *other == kind);
    let before = [0].into_iter().chain(events.iter().map(|event| event.at));
    let steps: Vec<u64> = events
        .iter()
        .zip(before)
        .map(|(event, before)| event.at - before)
        .collect();
    let mut text = Vec::with_capacity(events.len());
    let mut notes = Vec::with_capacity(events.len());
    let mut keys = Vec::with_capacity(events.len());
    let mut changes = Vec::with_capacity(events.len());
    for event in events {
        let own = (!says_its_message(timeline, event)).then_some(event.text.as_str());
        text.push(strings.maybe(own));
        notes.push(strings.list(&event.notes));
        keys.push(strings.list(&event.keys));
        let mut flat: Vec<i64> = Vec::with_capacity(2 * event.changes.len());
        for change in &event.changes {
            flat.push(strings.add(&change.name) as i64);
            flat.push(strings.maybe(change.value.as_deref()));
        }
        changes.push(or_zero(&flat));
    }
    let column = |of: &dyn Fn(&Event) -> Value| events.iter().map(of).collect::<Vec<Value>>();
    json!({
        "at": steps,
        "node": column(&|event| json!(event.node)),
        "kind": column(&|event| json!(number(event.kind))),
        "cause": column(&|event| json!(event_place(event.cause))),
        "message": column(&|event| event.message.map_or(json!(-1), |message| json!(message))),
        "slots": column(&|event| or_zero(&event.slots)),
        "marks": column(&|event| or_zero(&event.marks.iter().map(mark).collect::<Vec<Value>>())),
        "text": text,
        "notes": notes,
        "keys": keys,
        "changes": changes,
    })
}

/// Whether the text of an event is that of its message, which the page has already.
fn says_its_message(timeline: &Timeline, event: &Event) -> bool {
    let Some(message) = event.message.and_then(|id| timeline.messages.get(id.0 as usize)) else {
        return false;
    };
    let by = timeline.events[message.sent.0 as usize].node;
    let from = &timeline.nodes[usize::from(by.0)].name;
    event
        .text
        .strip_prefix("<- ")
        .and_then(|text| text.strip_prefix(from.as_str()))
        == Some(&format!(": {}", message.text))
}

fn mark(mark: &Mark) -> Value {
    match mark {
        Mark::Stands(ballot) => json!(["Stands", visible(ballot)]),
        Mark::Leads(ballot) => json!(["Leads", visible(ballot)]),
        Mark::StepsDown(ballot) => json!(["StepsDown", visible(ballot)]),
        Mark::Chosen(slot) => json!(["Chosen", slot]),
    }
}

fn messages(messages: &[Message], strings: &mut Strings) -> Value {
    let mut words: [Vec<Value>; 4] = Default::default();
    for message in messages {
        words[0].push(json!(strings.add(&message.name)));
        words[1].push(json!(strings.add(&message.text)));
        words[2].push(json!(strings.maybe(message.ballot.as_deref())));
        words[3].push(strings.list(&message.keys));
    }
    let [name, text, ballot, keys] = words;
    let column = |of: &dyn Fn(&Message) -> Value| messages.iter().map(of).collect::<Vec<Value>>();
    json!({
        "sent": column(&|message| json!(message.sent)),
        "to": column(&|message| json!(message.to)),
        "arrived": column(&|message| match message.arrived.as_slice() {
            [] => json!(-1),
            [once] => json!(once),
            often => json!(often),
        }),
        "lostAt": column(&|message| message.lost.map_or(json!(-1), |(at, _)| json!(at))),
        "lostWhy": column(&|message| message.lost.map_or(json!(0), |(_, why)| json!(why))),
        "slots": column(&|message| or_zero(&message.slots)),
        "name": name,
        "text": text,
        "ballot": ballot,
        "keys": keys,
    })
}

fn calls(timeline: &Timeline, strings: &mut Strings) -> Value {
    let calls = &timeline.calls;
    let mut words: [Vec<Value>; 3] = Default::default();
    for call in calls {
        words[0].push(json!(strings.add(&call.text)));
        words[1].push(json!(strings.maybe(call.outcome.as_deref())));
        words[2].push(strings.list(&call.keys));
    }
    let [text, outcome, keys] = words;
    let began: Vec<EventId> = calls.iter().map(|call| call.began).collect();
    let ended: Vec<i64> = calls.iter().map(|call| event_place(call.ended)).collect();
    let part = |part: Option<Part>| match part {
        None => 0,
        Some(Part::Evidence) => 1,
        Some(Part::Culprit) => 2,
    };
    let part: Vec<u8> = calls.iter().map(|call| part(call.part)).collect();
    json!({ "text": text, "began": began, "ended": ended, "outcome": outcome, "keys": keys, "part": part })
}

fn violation(found: &Found, strings: &mut Strings) -> Value {
    let lines: Vec<usize> = found.lines.iter().map(|line| strings.add(line)).collect();
    json!({
        "property": visible(&found.property),
        "says": strings.add(&found.says),
        "at": found.at,
        "explanation": strings.add(&found.explanation),
        "lines": lines,
        "event": event_place(found.event),
    })
}
