//! Shows what happened in a script in the notation of the crate, one line for each effect.

use std::collections::BTreeMap;

use kvpaxos::{Event, Memory, Message, Observation, ReplicaId};

use crate::support::{Found, Seen};

/// How much is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Detail {
    /// Observations and answers to clients, without the messages and records that lead to them.
    Results,
    /// Everything except heartbeats.
    Plain,
    /// Everything.
    Heartbeats,
}

/// Shows what happened. Random numbers that identify questions are replaced by short ones.
#[derive(Debug, Default)]
pub(crate) struct Show {
    questions: BTreeMap<u64, u64>,
}

impl Show {
    /// The story of what happened: a line for each input, with a line for each of its effects indented below.
    pub(crate) fn story(&mut self, seen: Vec<Seen>, detail: Detail) -> String {
        let mut story = Story::default();
        let mut at = ReplicaId(0);
        for happening in seen {
            match happening {
                Seen::Input { at: who, event } => {
                    at = who;
                    let shown = !is_heartbeat(&event) && event != Event::Clock;
                    story.scene(self.event(who, &event), shown && detail != Detail::Results);
                }
                Seen::Start { at: who, found } => {
                    at = who;
                    story.scene(format!("{who} starts, memory {}", memory(found)), true);
                }
                Seen::Crash { at: who } => story.scene(format!("{who} stops"), true),
                Seen::Synced { at: who } => {
                    at = who;
                    story.scene(format!("{who} syncs"), detail != Detail::Results);
                }
                Seen::Sent { envelope, .. }
                    if detail != Detail::Heartbeats && matches!(envelope.message, Message::Heartbeat(_)) => {}
                Seen::Sent { envelope, lost, .. } if detail != Detail::Results => {
                    let message = self.message(&envelope.message);
                    story.sent(name(envelope.to, at), message, lost);
                }
                Seen::Written { records, synced } if detail != Detail::Results => {
                    let records: Vec<String> = records.iter().map(ToString::to_string).collect();
                    let verb = if synced { "writes" } else { "writes, unsynced:" };
                    story.effect(format!("{verb} {}", records.join("; ")));
                }
                Seen::Void { envelope } if detail != Detail::Results => {
                    let message = self.message(&envelope.message);
                    story.effect(format!("void: -> {}: {message}", name(envelope.to, at)));
                }
                Seen::Sent { .. } | Seen::Written { .. } | Seen::Void { .. } => {}
                Seen::Reply { to, reply } => {
                    story.effect(format!("answers {to}: {reply}"));
                }
                Seen::Note(Observation::Chosen { .. } | Observation::Applied { .. })
                    if detail == Detail::Results => {}
                Seen::Note(observation) => story.effect(format!("({observation})")),
                Seen::Halt(reason) => story.effect(format!("halts: {reason}")),
            }
        }
        story.finish()
    }

    fn event(&mut self, at: ReplicaId, event: &Event) -> String {
        match event {
            Event::Clock => format!("{at} ticks"),
            Event::Peer { from, message, .. } => {
                format!("{at} hears {}: {}", name(*from, at), self.message(message))
            }
            Event::Client { from, request } => format!("{at} is asked by {from}: {request}"),
            Event::ClientGone { client } => format!("{at} loses {client}"),
            Event::Fail(role) => format!("{at}: the {role} fails"),
            Event::HandOver => format!("{at} is to stop"),
            Event::Restart { role, memory, .. } => {
                let kept = if *memory == Memory::Lost { "lost" } else { "kept" };
                format!("{at}: the {role} restarts, memory {kept}")
            }
        }
    }

    /// The message, with a short number in place of a random one.
    pub(crate) fn message(&mut self, message: &Message) -> String {
        let mut message = message.clone();
        match &mut message {
            Message::ReadIndex { number } | Message::ReadIndexed { number, .. } => {
                *number = self.question(*number);
            }
            Message::Recall { nonce } | Message::Recalled { nonce, .. } | Message::Announce { nonce, .. } => {
                *nonce = self.question(*nonce);
            }
            Message::Remembered(remembered) => remembered.nonce = self.question(remembered.nonce),
            _ => {}
        }
        message.to_string()
    }

    fn question(&mut self, number: u64) -> u64 {
        let next = self.questions.len() as u64 + 1;
        *self.questions.entry(number).or_insert(next)
    }
}

/// The lines of a story. A broadcast is one line.
#[derive(Debug, Default)]
struct Story {
    lines: Vec<String>,
    /// A headline that is shown only if an effect follows.
    headline: Option<String>,
    broadcast: Option<(Vec<String>, String, bool)>,
}

impl Story {
    fn scene(&mut self, headline: String, shown: bool) {
        self.flush();
        self.headline = Some(headline);
        if shown {
            self.lines.extend(self.headline.take());
        }
    }

    fn effect(&mut self, line: String) {
        self.flush();
        self.lines.extend(self.headline.take());
        self.lines.push(format!("  {line}"));
    }

    fn sent(&mut self, to: String, message: String, lost: bool) {
        match &mut self.broadcast {
            Some((receivers, same, way)) if *same == message && *way == lost => receivers.push(to),
            _ => {
                self.flush();
                self.broadcast = Some((vec![to], message, lost));
            }
        }
    }

    fn flush(&mut self) {
        if let Some((receivers, message, lost)) = self.broadcast.take() {
            self.lines.extend(self.headline.take());
            let arrow = if lost { "-x" } else { "->" };
            self.lines
                .push(format!("  {arrow} {}: {message}", receivers.join(", ")));
        }
    }

    fn finish(mut self) -> String {
        self.flush();
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

fn is_heartbeat(event: &Event) -> bool {
    matches!(
        event,
        Event::Peer {
            message: Message::Heartbeat(_),
            ..
        }
    )
}

fn name(who: ReplicaId, at: ReplicaId) -> String {
    if who == at {
        "itself".to_owned()
    } else {
        who.to_string()
    }
}

fn memory(found: Found) -> &'static str {
    match found {
        Found::Kept => "kept",
        Found::Lost => "lost",
    }
}
