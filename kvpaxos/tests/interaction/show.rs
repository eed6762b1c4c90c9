//! The notation of the scripts: what happened, one line an effect.

use std::collections::BTreeMap;

use bytes::Bytes;
use kvpaxos::crash_vector::CrashVector;
use kvpaxos::founding::Met;
use kvpaxos::io::{self, Deposition};
use kvpaxos::message::{Accepted, AcceptorSign, Heartbeat, Promise};
use kvpaxos::status::{AcceptorStatus, LearnerStatus, ProposerStatus};
use kvpaxos::{
    Ballot, ClientId, Command, Event, Memory, Message, Observation, Op, Outcome, Record, ReplicaId,
    ReplicaSet, RequestBody, Role, Slot, Status, Tag, Value, Watermark,
};

use crate::support::{Found, Seen};

/// How much of what happened is written down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Detail {
    /// What replicas tell of themselves and their clients, and nothing on the way to it.
    Results,
    /// All but heartbeats.
    Plain,
    /// All.
    Heartbeats,
}

/// Writes down what happened. It gives short numbers to questions, whose real ones are drawn from entropy.
#[derive(Debug, Default)]
pub(crate) struct Show {
    questions: BTreeMap<u64, usize>,
}

impl Show {
    /// The story of what was seen: a line for each input, and indented under it one for each effect.
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
                    let records: Vec<String> = records.iter().map(record).collect();
                    let verb = if synced { "writes" } else { "writes, unsynced:" };
                    story.effect(format!("{verb} {}", records.join("; ")));
                }
                Seen::Void { envelope } if detail != Detail::Results => {
                    let message = self.message(&envelope.message);
                    story.effect(format!("void: -> {}: {message}", name(envelope.to, at)));
                }
                Seen::Sent { .. } | Seen::Written { .. } | Seen::Void { .. } => {}
                Seen::Reply { to, reply } => {
                    story.effect(format!("answers {}: {}", client(to), outcome(&reply.outcome)));
                }
                Seen::Note(Observation::Chosen { .. } | Observation::Applied { .. })
                    if detail == Detail::Results => {}
                Seen::Note(observation) => story.effect(format!("({})", note(&observation))),
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
            Event::Client { from, request } => {
                format!("{at} is asked by {}: {}", client(*from), body(&request.body))
            }
            Event::ClientGone { client: gone } => format!("{at} loses {}", client(*gone)),
            Event::Fail(role) => format!("{at}: the {} fails", role_name(*role)),
            Event::Restart { role, memory, .. } => {
                let kept = if *memory == Memory::Lost { "lost" } else { "kept" };
                format!("{at}: the {} restarts, memory {kept}", role_name(*role))
            }
        }
    }

    pub(crate) fn message(&mut self, message: &Message) -> String {
        match message {
            Message::Prepare { ballot, from, .. } => format!("Prepare {ballot} from {from:?}"),
            Message::Promise(Promise {
                ballot,
                from,
                vector,
                cut,
                entries,
                more,
            }) => {
                let told = told(entries, *more);
                let (cut, vector) = (cut_of(*cut), vector_of(vector));
                format!("Promise {ballot} from {from:?} {told}{cut}{vector}")
            }
            Message::Refused { ballot, promised } => format!("Refused {ballot}, promised {promised}"),
            Message::Accept {
                ballot,
                slot,
                value: proposed,
                chosen,
                ..
            } => format!(
                "Accept {ballot} {slot:?} {}; {}",
                value(proposed),
                watermark(*chosen)
            ),
            Message::Accepted { ballot, slot, vector } => {
                format!("Accepted {ballot} {slot:?}{}", vector_of(vector))
            }
            Message::Chosen { ballot, chosen, .. } => format!("Chosen {ballot}; {}", watermark(*chosen)),
            Message::Applied { ballot, up_to } => format!("Applied {ballot} below {up_to:?}"),
            Message::Heartbeat(said) => heartbeat(said),
            Message::Forward { commands } => format!("Forward [{}]", commands_of(commands)),
            Message::ReadIndex { number } => format!("ReadIndex #{}", self.question(*number)),
            Message::ReadIndexed { number, up_to, .. } => {
                format!("ReadIndexed #{} below {up_to:?}", self.question(*number))
            }
            Message::Confirm { ballot, round, .. } => format!("Confirm {ballot} round {round}"),
            Message::Confirmed { ballot, round } => format!("Confirmed {ballot} round {round}"),
            Message::Learn { from } => format!("Learn from {from:?}"),
            Message::Learned { from, values } => {
                let values: Vec<String> = values.iter().map(value).collect();
                format!("Learned from {from:?} {{{}}}", values.join(", "))
            }
            Message::Recall { nonce } => format!("Recall #{}", self.question(*nonce)),
            Message::Recalled { nonce, heard } => {
                let heard = heard.map_or("recovering".to_owned(), |heard| {
                    format!("heard of life {}", heard.0)
                });
                format!("Recalled #{}: {heard}", self.question(*nonce))
            }
            Message::Announce {
                nonce,
                incarnation,
                from,
            } => {
                let nonce = self.question(*nonce);
                format!("Announce #{nonce} life {}, from {from:?}", incarnation.0)
            }
            Message::Remembered(said) => {
                let nonce = self.question(said.nonce);
                let told = told(&said.entries, said.more);
                let (cut, vector, met) = (cut_of(said.cut), vector_of(&said.vector), met_of(&said.met));
                let (life, promised, from) = (said.incarnation.0, said.promised, said.from);
                format!(
                    "Remembered #{nonce} life {life}: promised {promised}, from {from:?} {told}{cut}{vector}{met}"
                )
            }
            Message::Fetch { slot, at } => format!("Fetch snapshot {slot:?} at {at}"),
            Message::SnapshotPart(part) => {
                let next = part.next.map_or(", the last".to_owned(), |_| String::new());
                format!("SnapshotPart {:?} at {}{next}", part.slot, part.at)
            }
            Message::Saved { pieces, .. } => format!("Saved {pieces}"),
        }
    }

    fn question(&mut self, number: u64) -> usize {
        let next = self.questions.len() + 1;
        *self.questions.entry(number).or_insert(next)
    }
}

/// The lines of a story. A broadcast is one line.
#[derive(Debug, Default)]
struct Story {
    lines: Vec<String>,
    /// A headline that is written when an effect follows it.
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

/// The name of a message's kind, as it stands in the scripts.
pub(crate) fn kind(message: &Message) -> &'static str {
    match message {
        Message::Prepare { .. } => "Prepare",
        Message::Promise(_) => "Promise",
        Message::Refused { .. } => "Refused",
        Message::Accept { .. } => "Accept",
        Message::Accepted { .. } => "Accepted",
        Message::Chosen { .. } => "Chosen",
        Message::Applied { .. } => "Applied",
        Message::Heartbeat(_) => "Heartbeat",
        Message::Forward { .. } => "Forward",
        Message::ReadIndex { .. } => "ReadIndex",
        Message::ReadIndexed { .. } => "ReadIndexed",
        Message::Confirm { .. } => "Confirm",
        Message::Confirmed { .. } => "Confirmed",
        Message::Learn { .. } => "Learn",
        Message::Learned { .. } => "Learned",
        Message::Recall { .. } => "Recall",
        Message::Recalled { .. } => "Recalled",
        Message::Announce { .. } => "Announce",
        Message::Remembered(_) => "Remembered",
        Message::Fetch { .. } => "Fetch",
        Message::SnapshotPart(_) => "SnapshotPart",
        Message::Saved { .. } => "Saved",
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

pub(crate) fn client(ClientId(number): ClientId) -> String {
    format!("c{number}")
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Proposer => "proposer",
        Role::Acceptor => "acceptor",
        Role::Learner => "learner",
    }
}

fn memory(found: Found) -> &'static str {
    match found {
        Found::Kept => "kept",
        Found::Lost => "lost",
    }
}

/// Short bytes as they are, long ones by their number.
fn text(bytes: &Bytes) -> String {
    if bytes.len() > 16 {
        return format!("<{} bytes>", bytes.len());
    }
    String::from_utf8_lossy(bytes).into_owned()
}

fn maybe(bytes: Option<&Bytes>) -> String {
    bytes.map_or_else(|| "nothing".to_owned(), text)
}

fn op(op: &Op) -> String {
    match op {
        Op::Put { key, value } => format!("put {}={}", text(key), text(value)),
        Op::Delete { key } => format!("delete {}", text(key)),
        Op::Cas { key, expect, value } => {
            format!(
                "cas {} {}->{}",
                text(key),
                maybe(expect.as_ref()),
                maybe(value.as_ref())
            )
        }
    }
}

/// Clients of scripts draw their own names for nonces.
fn session_of(Tag { nonce, number }: Tag) -> String {
    format!("c{nonce}#{number}")
}

fn command(command: &Command) -> String {
    match command {
        Command::Open { tag } => format!("open {}", session_of(*tag)),
        Command::Close { session } => format!("close {session}"),
        Command::Apply {
            session,
            sequence,
            op: done,
            ..
        } => format!("{session}#{} {}", sequence.0, op(done)),
        Command::Opaque { tag, payload } => format!("submit #{} {}", tag.number, text(payload)),
    }
}

fn commands_of(commands: &[Command]) -> String {
    let commands: Vec<String> = commands.iter().map(command).collect();
    commands.join(", ")
}

pub(crate) fn value(value: &Value) -> String {
    match value {
        Value::Noop => "noop".to_owned(),
        Value::Batch(batch) => format!("[{}]", commands_of(batch.commands())),
    }
}

fn body(body: &RequestBody) -> String {
    match body {
        RequestBody::Open { .. } => "open".to_owned(),
        RequestBody::Close { session } => format!("close {session}"),
        RequestBody::Apply {
            session,
            sequence,
            op: asked,
            ..
        } => format!("{session}#{} {}", sequence.0, op(asked)),
        RequestBody::Get { key } => format!("get {}", text(key)),
        RequestBody::Submit { payload } => format!("submit {}", text(payload)),
        RequestBody::Status => "status".to_owned(),
    }
}

fn watermark(Watermark { chosen, settled }: Watermark) -> String {
    if chosen == settled {
        format!("chosen below {chosen:?}")
    } else {
        format!("chosen below {chosen:?}, settled below {settled:?}")
    }
}

fn told(entries: &[Accepted], more: Option<Slot>) -> String {
    let entries: Vec<String> = entries
        .iter()
        .map(|entry| format!("{:?} {} {}", entry.slot, entry.ballot, value(&entry.value)))
        .collect();
    let more = more.map_or_else(String::new, |slot| format!(", more from {slot:?}"));
    format!("{{{}}}{more}", entries.join("; "))
}

/// Nothing is cut, and nobody ever lost its memory, in most scripts.
fn cut_of(cut: Slot) -> String {
    match cut {
        Slot::ZERO => String::new(),
        cut => format!(", cut below {cut:?}"),
    }
}

fn vector_of(vector: &CrashVector) -> String {
    if vector.iter().count() == 0 {
        String::new()
    } else {
        format!(" {vector}")
    }
}

/// Foundings are told in few scripts.
fn met_of(met: &Met) -> String {
    if met.is_empty() {
        String::new()
    } else {
        format!(", met {met}")
    }
}

fn heartbeat(said: &Heartbeat) -> String {
    let leader = said
        .leader
        .map_or_else(|| "no leader".to_owned(), |ballot| format!("leader {ballot}"));
    let echo = said
        .echo
        .map_or_else(|| "-".to_owned(), |(_, beat)| beat.to_string());
    let chosen = said
        .chosen
        .map_or_else(String::new, |chosen| format!(", {}", watermark(chosen)));
    let votes = match said.acceptor {
        AcceptorSign::Votes => "",
        AcceptorSign::Failed => ", no vote",
        AcceptorSign::Lost => ", memory lost",
    };
    let differs = said
        .differs
        .map_or_else(String::new, |slot| format!(", differs below {slot:?}"));
    format!(
        "Heartbeat {} echo {echo}, {leader}, highest {}, learned below {:?}{chosen}{votes}{}{}{differs}",
        said.beat,
        said.highest,
        said.learned,
        vector_of(&said.vector),
        met_of(&said.met)
    )
}

pub(crate) fn record(record: &Record) -> String {
    match record {
        Record::Proposed { ballot } => format!("Proposed {ballot}"),
        Record::Promised { ballot } => format!("Promised {ballot}"),
        Record::Accepted {
            ballot,
            slot,
            value: accepted,
        } => format!("Accepted {ballot} {slot:?} {}", value(accepted)),
        Record::Chosen { ballot, up_to } => format!("Chosen {ballot} below {up_to:?}"),
        Record::Learned { slot, value: learned } => format!("Learned {slot:?} {}", value(learned)),
        Record::MemoryLost => "MemoryLost".to_owned(),
        Record::DiskLost => "DiskLost".to_owned(),
        Record::Heard {
            acceptor,
            incarnation,
        } => format!("Heard of life {} of {acceptor}", incarnation.0),
        Record::Checkpoint(checkpoint) => {
            let io::Checkpoint {
                number,
                slot,
                cut,
                promised,
                vector,
                proposed,
                met,
                ..
            } = &**checkpoint;
            let (cut, vector, met) = (cut_of(*cut), vector_of(vector), met_of(met));
            format!("Checkpoint {number} at {slot:?}: promised {promised}, used {proposed}{cut}{vector}{met}")
        }
        Record::Carried(entry) => {
            format!(
                "Carried {:?} {} {}",
                entry.slot,
                entry.ballot,
                value(&entry.value)
            )
        }
        Record::SnapshotPart { at, next, .. } => {
            let next = next.map_or(", the last".to_owned(), |_| String::new());
            format!("SnapshotPart at {at}{next}")
        }
        Record::CheckpointEnd { number } => format!("CheckpointEnd {number}"),
        Record::Founded { founding } => format!("Founded {founding}"),
        Record::Met { replica, known } => format!("Met {replica} of {known}"),
        Record::Received(part) => format!("Received snapshot {:?} at {}", part.slot, part.at),
    }
}

fn silent(silent: ReplicaSet) -> String {
    if silent.is_empty() {
        String::new()
    } else {
        format!(" (silent: {silent})")
    }
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Opened { session } => format!("session {session}"),
        Outcome::Closed => "closed".to_owned(),
        Outcome::Done { revision } => format!("done at {revision}"),
        Outcome::Deleted { revision, existed } => {
            format!(
                "deleted at {revision}, {}",
                if *existed { "was there" } else { "was not there" }
            )
        }
        Outcome::Swapped { revision, applied } => {
            format!(
                "compared at {revision}, {}",
                if *applied { "swapped" } else { "not swapped" }
            )
        }
        Outcome::Value { revision, value } => format!("{} as of {revision}", maybe(value.as_ref())),
        Outcome::Status(told) => status(told),
        Outcome::Refused(refusal) => format!("refused: {refusal}"),
        Outcome::Unknown { silent: who } => format!("outcome unknown{}", silent(*who)),
    }
}

/// The digest is left out: that it is the same everywhere is checked, and its value is nobody's business.
pub(crate) fn status(status: &Status) -> String {
    let proposer = match status.proposer {
        ProposerStatus::Failed => "proposer failed".to_owned(),
        ProposerStatus::Following => match status.leader {
            Some(ballot) => format!("follows {ballot}"),
            None => "hears no leader".to_owned(),
        },
        ProposerStatus::Preparing { ballot } => format!("stands with {ballot}"),
        ProposerStatus::Leading { ballot } => format!("leads with {ballot}"),
    };
    let acceptor = match status.acceptor {
        AcceptorStatus::Failed => "acceptor failed".to_owned(),
        AcceptorStatus::Voting { promised } if promised == Ballot::ZERO => "promised nothing".to_owned(),
        AcceptorStatus::Voting { promised } => format!("promised {promised}"),
        AcceptorStatus::Out => "acceptor out".to_owned(),
        AcceptorStatus::Recovering {
            incarnation,
            unanswered,
        } => {
            let life = incarnation.map_or("a new life".to_owned(), |life| format!("life {}", life.0));
            format!("recovers for {life}, lacks {{{unanswered}}}")
        }
    };
    let learner = match status.learner {
        LearnerStatus::Failed => "learner failed".to_owned(),
        LearnerStatus::Learning {
            applied,
            keys,
            sessions,
            ..
        } => {
            format!("applied below {applied:?}, {keys} keys, {sessions} sessions")
        }
    };
    let mut line = format!("{} {proposer}; {acceptor}; {learner}", status.id);
    if status.pending > 0 {
        line.push_str(&format!("; {} pending", status.pending));
    }
    if !status.waiting_for.is_empty() {
        line.push_str(&format!("; waits for {}", status.waiting_for));
    }
    if !status.lost.is_empty() {
        line.push_str(&format!("; memory lost: {}", status.lost));
    }
    if !status.silent.is_empty() {
        line.push_str(&format!("; silent: {}", status.silent));
    }
    if !status.differing.is_empty() {
        let stops = if status.doubt.is_some() {
            ", and does not serve"
        } else {
            ""
        };
        line.push_str(&format!("; differs from {}{stops}", status.differing));
    }
    line
}

fn note(observation: &Observation) -> String {
    match observation {
        Observation::Standing { ballot } => format!("stands with {ballot}"),
        Observation::Elected {
            ballot,
            carried_over,
            gaps,
        } => format!("elected with {ballot}, {carried_over} carried over, {gaps} gaps"),
        Observation::Deposed { ballot, why } => format!("gives up {ballot}: {}", deposition(*why)),
        Observation::Chosen { ballot, slot } => format!("chosen in {ballot}: {slot:?}"),
        Observation::Applied { slot, .. } => format!("applied {slot:?}"),
        Observation::CaughtUp { from, slots } => format!("caught up {slots} slots from {from:?}"),
        Observation::Outlived { incarnation } => format!("is outlived: others know life {}", incarnation.0),
        Observation::Recovering { incarnation } => format!("recovers for life {}", incarnation.0),
        Observation::Recovered { incarnation } => {
            format!("recovered: votes again, in life {}", incarnation.0)
        }
        Observation::Installed { slot, .. } => format!("installed a snapshot at {slot:?}"),
        Observation::SnapshotTaken { slot, .. } => format!("took a snapshot at {slot:?}"),
        Observation::Checkpointed { slot } => format!("checkpoint at {slot:?} is durable"),
        Observation::FoundedAnew {
            replica,
            known,
            claimed,
        } => format!("refuses {replica}: it claims founding {claimed}, and {known} is known"),
        Observation::StaysOut => "the acceptor stays out of every vote".to_owned(),
        Observation::Differs { with, slot, serves } => {
            let serves = if *serves { "serves" } else { "does not serve" };
            format!("differs from [{with}] below {slot:?}, {serves}")
        }
        Observation::SessionsDropped { count } => format!("{count} sessions dropped"),
    }
}

fn deposition(why: Deposition) -> String {
    match why {
        Deposition::Higher { ballot } => format!("{ballot} is higher"),
        Deposition::QuorumLost => "no quorum is heard".to_owned(),
        Deposition::TimedOut => "no quorum in time".to_owned(),
        Deposition::Failed => "the proposer failed".to_owned(),
        Deposition::Behind => "it cannot learn what it led to be chosen".to_owned(),
        Deposition::Overtaken => "what it proposed is not what was chosen".to_owned(),
    }
}
