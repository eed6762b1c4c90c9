//! The narrator of kvpaxos: its messages in the notation of the core, and the status of a replica as its state.

use bytes::Bytes;
use kvpaxos::client::Call;
use kvpaxos::message::Accepted;
use kvpaxos::status::AcceptorStatus;
use kvpaxos::{
    Command, Message, Observation, Outcome, Record, Reply, Request, RequestBody, Slot, Status, Value,
};

use super::model::Mark;
use super::narrator::{Narrator, Words};
use crate::history::rev_of;
use crate::subject::Subject;

/// How many slots of one message are named.
const MOST_SLOTS: usize = 64;

/// Narrates replicas, and mutants.
#[derive(Clone, Copy, Default, Debug)]
pub struct Replicas;

impl<M: Subject> Narrator<M> for Replicas {
    fn message(&self, message: &Message) -> Words {
        Words {
            name: message.name().to_owned(),
            text: message.to_string(),
            ballot: ballot_of(message),
            slots: slots_of(message),
            keys: keys_of(message),
        }
    }

    fn request(&self, request: &Request) -> Words {
        Words {
            name: "Request".to_owned(),
            text: format!("request {}: {request}", request.id),
            keys: request_keys(&request.body),
            ..Words::default()
        }
    }

    fn reply(&self, reply: &Reply) -> Words {
        Words {
            name: "Reply".to_owned(),
            text: format!("reply {}: {reply}", reply.id),
            slots: outcome_slots(&reply.outcome),
            ..Words::default()
        }
    }

    fn record(&self, record: &Record) -> Words {
        let (slots, keys) = match record {
            Record::Accepted { slot, value, .. } | Record::Learned { slot, value } => {
                (vec![slot.0], value_keys(value))
            }
            Record::Carried(accepted) => (vec![accepted.slot.0], value_keys(&accepted.value)),
            _ => (Vec::new(), Vec::new()),
        };
        Words {
            text: record.to_string(),
            slots,
            keys,
            ..Words::default()
        }
    }

    fn observation(&self, observation: &Observation) -> (Words, Option<Mark>) {
        let (slots, mark) = match observation {
            Observation::Candidate { ballot } => (None, Some(Mark::Stands(ballot.to_string()))),
            Observation::Elected { ballot, .. } => (None, Some(Mark::Leads(ballot.to_string()))),
            Observation::Deposed { ballot, .. } => (None, Some(Mark::StepsDown(ballot.to_string()))),
            Observation::Chosen { slot, .. } => (Some(slot.0), Some(Mark::Chosen(slot.0))),
            Observation::Applied { slot, .. } => (Some(slot.0), None),
            _ => (None, None),
        };
        let words = Words {
            text: observation.to_string(),
            slots: slots.into_iter().collect(),
            ..Words::default()
        };
        (words, mark)
    }

    fn state(&self, machine: &M) -> Vec<(&'static str, String)> {
        state_lines(&machine.status())
    }

    fn ballot(&self) -> Option<&'static str> {
        Some("promised")
    }
}

/// The status of a replica, line by line. A line that says nothing is left out.
fn state_lines(status: &Status) -> Vec<(&'static str, String)> {
    let mut lines = vec![("proposer", status.proposer.to_string())];
    match status.acceptor {
        AcceptorStatus::Voting { promised } if promised.round > 0 => {
            lines.push(("promised", promised.to_string()));
        }
        acceptor => lines.push(("acceptor", acceptor.to_string())),
    }
    if let Some(leader) = status.leader {
        lines.push(("leader", leader.to_string()));
    }
    lines.push(("learner", status.learner.to_string()));
    lines.push(("chosen below", format!("{:?}", status.chosen)));
    let sets = [
        ("waits for", status.waiting_for),
        ("silent", status.silent),
        ("memory lost", status.lost),
        ("differs from", status.differing),
    ];
    let sets = sets.into_iter().filter(|(_, set)| !set.is_empty());
    lines.extend(sets.map(|(name, set)| (name, set.to_string())));
    if status.pending > 0 {
        lines.push(("pending", status.pending.to_string()));
    }
    if let Some(snapshot) = status.snapshot {
        lines.push(("snapshot", format!("below {:?}", snapshot.slot)));
    }
    if let Some(life) = status.life {
        let (incarnation, restarts) = (life.incarnation.0, life.restarts);
        lines.push(("life", format!("{incarnation}.{restarts}")));
    }
    if status.doubt.is_some() {
        lines.push(("serves", "no: others differ".to_owned()));
    }
    if status.stopping {
        lines.push(("stopping", "yes".to_owned()));
    }
    lines
}

fn ballot_of(message: &Message) -> Option<String> {
    let ballot = match message {
        Message::Prepare { ballot, .. }
        | Message::Refused { ballot, .. }
        | Message::Accept { ballot, .. }
        | Message::Accepted { ballot, .. }
        | Message::Chosen { ballot, .. }
        | Message::Applied { ballot, .. }
        | Message::Confirm { ballot, .. }
        | Message::Confirmed { ballot, .. }
        | Message::Stand { ballot } => *ballot,
        Message::Promise(promise) => promise.ballot,
        Message::Heartbeat(heartbeat) => heartbeat.leader?,
        _ => return None,
    };
    Some(ballot.to_string())
}

fn slots_of(message: &Message) -> Vec<u64> {
    let entries = |entries: &[Accepted]| entries.iter().map(|one| one.slot.0).take(MOST_SLOTS).collect();
    match message {
        Message::Accept { slot, .. } | Message::Accepted { slot, .. } => vec![slot.0],
        Message::Promise(promise) => entries(&promise.entries),
        Message::Remembered(remembered) => entries(&remembered.entries),
        Message::Chosen { chosen, .. } => chosen.chosen.0.checked_sub(1).into_iter().collect(),
        Message::Applied { up_to, .. } => up_to.0.checked_sub(1).into_iter().collect(),
        Message::Learn { from } => vec![from.0],
        Message::Learned { from, values } => {
            let slots = (from.0..).take(values.len());
            slots.take(MOST_SLOTS).collect()
        }
        _ => Vec::new(),
    }
}

fn keys_of(message: &Message) -> Vec<String> {
    match message {
        Message::Accept { value, .. } => value_keys(value),
        Message::Forward { commands } => commands_keys(commands),
        Message::Promise(promise) => distinct(promise.entries.iter().flat_map(|one| value_keys(&one.value))),
        Message::Learned { values, .. } => distinct(values.iter().flat_map(value_keys)),
        Message::Remembered(remembered) => {
            distinct(remembered.entries.iter().flat_map(|one| value_keys(&one.value)))
        }
        _ => Vec::new(),
    }
}

fn value_keys(value: &Value) -> Vec<String> {
    commands_keys(value.commands())
}

fn commands_keys(commands: &[Command]) -> Vec<String> {
    let ops = commands.iter().filter_map(|command| match command {
        Command::Apply { op, .. } => Some(op),
        _ => None,
    });
    distinct(ops.flat_map(|op| op.keys().map(key_text)))
}

fn request_keys(body: &RequestBody) -> Vec<String> {
    match body {
        RequestBody::Apply { op, .. } => distinct(op.keys().map(key_text)),
        RequestBody::Get { key } => vec![key_text(key)],
        RequestBody::GetMany { keys } | RequestBody::Lengths { keys } => distinct(keys.iter().map(key_text)),
        _ => Vec::new(),
    }
}

/// The keys of a call.
pub(crate) fn call_keys(call: &Call) -> Vec<String> {
    match call {
        Call::Write(op) => distinct(op.keys().map(key_text)),
        Call::Read(query) => distinct(query.keys().iter().map(key_text)),
        Call::Status | Call::DriverStatus | Call::Close => Vec::new(),
    }
}

/// The slot that an answer names.
fn outcome_slots(outcome: &Outcome) -> Vec<u64> {
    let Slot(slot) = match rev_of(outcome) {
        Some(revision) => revision.slot,
        None => return Vec::new(),
    };
    vec![slot]
}

/// Short text as it is, other bytes escaped.
fn key_text(key: &Bytes) -> String {
    match std::str::from_utf8(key) {
        Ok(text) if !text.contains(char::is_control) => text.to_owned(),
        _ => key.escape_ascii().to_string(),
    }
}

fn distinct(keys: impl Iterator<Item = String>) -> Vec<String> {
    let mut distinct: Vec<String> = keys.collect();
    distinct.sort_unstable();
    distinct.dedup();
    distinct
}
