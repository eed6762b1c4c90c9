//! The requests of clients, and the replies to them.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::command::{Command, Outcome, Query, Refusal, Reply, Request, RequestBody, Tag};
use crate::config::Update;
use crate::io::{Effect, Observation};
use crate::message::Message;
use crate::replica::pending::Waiter;
use crate::replica::{Replica, observe, send};
use crate::roles::learner::{AppliedSlots, Learner, Portion};
use crate::roles::read::{Read, ReadIndexRequest};
use crate::state::machine::{check_keys, check_limits, check_value};
use crate::state::snapshot::Snapshot;
use crate::types::{Ballot, ClientId, Slot};

impl Replica {
    pub(super) fn on_client(
        &mut self,
        client: ClientId,
        Request { id, body }: Request,
        out: &mut Vec<Effect>,
    ) {
        if let Err(refusal) = self.admit(&body) {
            reply(client, id, Outcome::Refused(refusal), out);
            return;
        }
        let command = match body {
            RequestBody::Status => {
                reply(client, id, Outcome::Status(Box::new(self.status())), out);
                return;
            }
            RequestBody::Authenticate { .. } => {
                reply(client, id, Outcome::Authenticated, out);
                return;
            }
            RequestBody::DriverStatus => {
                let json = Bytes::from_static(b"{}");
                reply(client, id, Outcome::DriverStatus { json }, out);
                return;
            }
            RequestBody::SnapshotPart { at } => {
                let outcome = match self.snapshot() {
                    Ok(snapshot) => Outcome::SnapshotPart(Box::new(snapshot.reply(at))),
                    Err(refusal) => Outcome::Refused(refusal),
                };
                reply(client, id, outcome, out);
                return;
            }
            RequestBody::Get { key } => return self.read(client, id, Query::Get { key }),
            RequestBody::GetMany { keys } => return self.read(client, id, Query::GetMany { keys }),
            RequestBody::Lengths { keys } => return self.read(client, id, Query::Lengths { keys }),
            RequestBody::Scan { cursor, limit } => {
                return self.read(client, id, Query::Scan { cursor, limit });
            }
            RequestBody::Count => return self.read(client, id, Query::Count),
            RequestBody::Open { tag } => Command::Open { tag },
            RequestBody::Submit { payload } => Command::Opaque {
                tag: self.next_tag(),
                payload,
            },
            RequestBody::Close { session } => Command::Close { session },
            RequestBody::Apply {
                session,
                sequence,
                lowest_unanswered,
                op,
            } => Command::Apply {
                session,
                sequence,
                lowest_unanswered,
                op,
            },
        };
        // A repeat of a command that is applied here is answered from the session table, and does not enter
        // the log again.
        let machine = self.learner.as_ref().map(Learner::machine);
        if let Some(outcome) = machine.and_then(|machine| machine.outcome_of(&command)) {
            self.answer_applied(Waiter::new(client, id), outcome, out);
            return;
        }
        let leader = self.leader();
        let new = self
            .pending
            .add(client, id, &command, leader, self.config.timing.resend);
        if let Some(ballot) = leader.filter(|_| new) {
            self.hand_one(ballot, command, out);
        }
    }

    fn read(&mut self, client: ClientId, id: u64, query: Query) {
        self.reads.add(Read {
            client,
            id,
            query,
            age: 0,
        });
    }

    /// The clients that wait for an answer. Whoever goes on with an [imported](Replica::import) replica has no connection to them, and
    /// says so ([`Event::ClientGone`](crate::Event::ClientGone)).
    #[must_use]
    pub fn waiting_clients(&self) -> BTreeSet<ClientId> {
        self.pending.clients().chain(self.reads.clients()).collect()
    }

    /// The state after all slots that this replica has applied, for a client (see
    /// [`RequestBody::SnapshotPart`]). Taking it copies one pointer per few thousand keys.
    ///
    /// # Errors
    /// If the replica serves nothing at present, or may not answer about the last of these slots yet; then
    /// ask again soon.
    pub fn snapshot(&self) -> Result<Snapshot, Refusal> {
        self.admit_any()?;
        match &self.learner {
            // An earlier life of the learner may have answered about what this one still has to apply.
            Some(learner) if !learner.has_backlog() && learner.applied() <= self.answerable() => {
                Ok(Snapshot::new(learner.applied(), learner.machine()))
            }
            _ => Err(Refusal::Unavailable {
                silent: self.silent(),
            }),
        }
    }

    /// Whether the replica serves at all.
    fn admit_any(&self) -> Result<(), Refusal> {
        if let Some(refusal) = self.refusal_of_stop() {
            return Err(refusal);
        }
        if let Some(lost) = self.lost_for_good() {
            return Err(Refusal::MemoryLost { lost });
        }
        match self.doubt() {
            Some(doubt) => Err(Refusal::Differs(doubt)),
            None => Ok(()),
        }
    }

    /// Whether a request is within all limits. If it is not, it is refused before anything is changed.
    fn admit(&self, body: &RequestBody) -> Result<(), Refusal> {
        let limits = &self.config.limits;
        if matches!(
            body,
            RequestBody::Status | RequestBody::Authenticate { .. } | RequestBody::DriverStatus
        ) {
            return Ok(());
        }
        self.admit_any()?;
        match body {
            RequestBody::Status | RequestBody::Authenticate { .. } | RequestBody::DriverStatus => {}
            RequestBody::Open { .. } | RequestBody::Close { .. } => {}
            RequestBody::Get { key } => check_keys(limits, std::slice::from_ref(key))?,
            RequestBody::GetMany { keys } | RequestBody::Lengths { keys } => check_keys(limits, keys)?,
            RequestBody::Scan { .. } | RequestBody::Count | RequestBody::SnapshotPart { .. } => {}
            RequestBody::Submit { payload } => check_value(limits, payload)?,
            RequestBody::Apply {
                sequence,
                lowest_unanswered: lowest,
                op,
                ..
            } => {
                check_limits(limits, op)?;
                let window = limits.session_window;
                if sequence
                    .0
                    .checked_sub(lowest.0)
                    .is_none_or(|ahead| ahead >= window)
                {
                    return Err(Refusal::OutOfWindow {
                        sequence: *sequence,
                        lowest: *lowest,
                        window,
                    });
                }
            }
        }
        let pending = self.pending.len() + self.reads.len();
        let bytes = self.pending.bytes() + self.reads.bytes();
        if pending >= limits.pending || bytes >= limits.pending_bytes {
            return Err(Refusal::Busy {
                pending: pending as u64,
            });
        }
        Ok(())
    }

    fn next_tag(&mut self) -> Tag {
        self.tags += 1;
        Tag {
            nonce: self.nonce,
            number: self.tags,
        }
    }

    /// A command is applied here. The reply waits until clients may be answered about everything that is
    /// applied.
    fn answer_applied(&mut self, waiting: Waiter, outcome: Outcome, out: &mut Vec<Effect>) {
        let applied = self.learner.as_ref().map_or(Slot::ZERO, Learner::applied);
        match applied.0.checked_sub(1) {
            Some(last) if self.answerable() <= Slot(last) => self.pending.hold(Slot(last), waiting, outcome),
            _ => reply(waiting.client, waiting.id, outcome, out),
        }
    }

    /// Answers the requests for commands that are applied here although this replica did not apply them slot
    /// by slot, because they were part of a snapshot. Returns the commands that are not known to be applied.
    pub(super) fn answer_known(&mut self, commands: Vec<Command>, out: &mut Vec<Effect>) -> Vec<Command> {
        let mut unknown = Vec::new();
        for command in commands {
            let machine = self.learner.as_ref().map(Learner::machine);
            match machine.and_then(|machine| machine.outcome_of(&command)) {
                Some(outcome) => {
                    for waiting in self.pending.on_applied(&command) {
                        self.answer_applied(waiting, outcome.clone(), out);
                    }
                }
                None => unknown.push(command),
            }
        }
        unknown
    }

    fn hand_one(&mut self, ballot: Ballot, command: Command, out: &mut Vec<Effect>) {
        if ballot.replica == self.config.id {
            self.enqueue(std::iter::once(command));
        } else {
            send(
                ballot.replica,
                Message::Forward {
                    commands: vec![command],
                },
                out,
            );
        }
    }

    /// Hands commands to the leader of `ballot`, in messages of at most `chunk_bytes`.
    pub(super) fn hand(&mut self, ballot: Ballot, commands: Vec<Command>, out: &mut Vec<Effect>) {
        if ballot.replica == self.config.id {
            self.enqueue(commands);
            return;
        }
        let mut batch = Vec::new();
        let mut bytes = 0;
        for command in commands {
            if !batch.is_empty() && bytes + command.size() > self.config.limits.chunk_bytes {
                send(
                    ballot.replica,
                    Message::Forward {
                        commands: std::mem::take(&mut batch),
                    },
                    out,
                );
                bytes = 0;
            }
            bytes += command.size();
            batch.push(command);
        }
        if !batch.is_empty() {
            send(ballot.replica, Message::Forward { commands: batch }, out);
        }
    }

    /// There is a new leader: hands it all pending commands, and sends it the unanswered read index request.
    pub(super) fn hand_all(&mut self, ballot: Ballot, out: &mut Vec<Effect>) {
        let commands = self.pending.hand_all(ballot, self.config.timing.resend);
        self.hand(ballot, commands, out);
        if let Some(number) = self.reads.question() {
            self.ask_leader(number, out);
        }
    }

    /// Queues commands at this replica's own proposer. If it does not lead, their senders will send them
    /// again.
    pub(super) fn enqueue(&mut self, commands: impl IntoIterator<Item = Command>) {
        let replicas = self.config.members.len();
        let (bound, bound_bytes) = (
            replicas.saturating_mul(self.config.limits.pending),
            replicas.saturating_mul(self.config.limits.pending_bytes),
        );
        if let Some(leadership) = self.proposer.as_mut().and_then(|proposer| proposer.leading_mut()) {
            for command in commands {
                leadership.enqueue(command, bound, bound_bytes);
            }
        }
    }

    /// Applies the learned values in slot order, and answers the clients that wait for them here. This
    /// acknowledges writes.
    ///
    /// The log of an earlier life of the learner may be long. It is applied in portions.
    pub(super) fn apply(&mut self, portion: Portion, out: &mut Vec<Effect>) -> AppliedSlots {
        let two_phase = self.config.update == Update::TwoPhase;
        let most = match &self.learner {
            Some(learner) if learner.has_backlog() => portion.bytes(&self.config.limits),
            _ => u64::MAX,
        };
        let mut sum = AppliedSlots::default();
        while sum.cost() < most
            && let Some(learner) = &mut self.learner
            && let Some(applied) = learner.apply_next(!self.pending.is_empty(), &mut self.to_free)
        {
            sum.add(&applied.value);
            self.agreement.on_applied(learner.digests());
            observe(
                Observation::Applied {
                    slot: applied.slot,
                    digest: applied.digest,
                },
                out,
            );
            let answerable = self.answerable();
            for (command, outcome) in applied.value.commands().iter().zip(applied.outcomes) {
                for waiting in self.pending.on_applied(command) {
                    if answerable <= applied.slot {
                        self.pending.hold(applied.slot, waiting, outcome.clone());
                    } else {
                        reply(waiting.client, waiting.id, outcome.clone(), out);
                    }
                }
            }
            if applied.snapshot {
                observe(
                    Observation::SnapshotTaken {
                        slot: applied.slot.next(),
                        digest: applied.digest,
                    },
                    out,
                );
            }
            if applied.sessions_dropped > 0 {
                observe(
                    Observation::SessionsDropped {
                        count: applied.sessions_dropped,
                    },
                    out,
                );
            }
        }
        if sum.slots > 0 && two_phase {
            self.acknowledge(out);
        }
        sum
    }

    /// The learner has installed another replica's snapshot, which may include pending commands. If the
    /// session table knows their outcome, they are answered. The sessions of the others may have been
    /// dropped, so a repeat could be refused with `SessionExpired` although the command was done. Their
    /// clients are told that the outcome is unknown, and may ask again under the same sequence.
    pub(super) fn on_installed(&mut self, out: &mut Vec<Effect>) {
        let commands = self.pending.commands().cloned().collect();
        self.answer_known(commands, out);
        for waiting in self.pending.take_handed() {
            self.give_up(waiting.client, waiting.id, true, out);
        }
        if self.config.update == Update::TwoPhase {
            self.acknowledge(out);
        }
    }

    /// Two-phase setting: tells the leader how far this replica has applied.
    pub(super) fn acknowledge(&mut self, out: &mut Vec<Effect>) {
        let Some(up_to) = self.learner.as_ref().map(|learner| learner.applied()) else {
            return;
        };
        let own = self.config.id;
        if let Some(leadership) = self.proposer.as_mut().and_then(|proposer| proposer.leading_mut()) {
            leadership.on_applied(own, up_to);
        } else if let Some(ballot) = self.peers.leader() {
            send(ballot.replica, Message::Applied { ballot, up_to }, out);
        }
    }

    /// Sends the withheld replies that may be sent now.
    pub(super) fn release_withheld(&mut self, out: &mut Vec<Effect>) {
        if !self.pending.withholds() {
            return;
        }
        let answerable = self.answerable();
        for (to, reply) in self.pending.take_withheld(answerable) {
            out.push(Effect::Reply { to, reply });
        }
    }

    /// Asks the leader for a read index, for the reads that arrived since the last request.
    pub(super) fn ask_for_reads(&mut self, out: &mut Vec<Effect>) {
        if self.leader().is_some()
            && let Some(number) = self.reads.next_question()
        {
            self.ask_leader(number, out);
        }
    }

    pub(super) fn ask_leader(&mut self, number: u64, out: &mut Vec<Effect>) {
        let own = self.config.id;
        if let Some(leadership) = self.proposer.as_mut().and_then(|proposer| proposer.leading_mut()) {
            leadership
                .confirmation
                .ask(ReadIndexRequest { from: own, number });
        } else if let Some(ballot) = self.peers.leader() {
            send(ballot.replica, Message::ReadIndex { number }, out);
        }
    }

    /// Serves the reads whose read index is applied.
    pub(super) fn serve_reads(&mut self, out: &mut Vec<Effect>) {
        let Some(learner) = self.learner.as_ref().filter(|_| self.reads.may_be_ready()) else {
            return;
        };
        // A read sees everything that is applied here, so a leader must have vouched for all of it.
        let applied = learner.applied();
        if self.vouched() < applied {
            return;
        }
        for read in self.reads.take_ready(applied) {
            let outcome = learner.machine().answer(&read.query);
            reply(read.client, read.id, outcome, out);
        }
    }

    /// Tells a client that the deadline of its request has passed.
    pub(super) fn give_up(&self, client: ClientId, id: u64, handed: bool, out: &mut Vec<Effect>) {
        let silent = self.silent();
        let outcome = if handed {
            Outcome::Unknown { silent }
        } else {
            Outcome::Refused(Refusal::Unavailable { silent })
        };
        reply(client, id, outcome, out);
    }
}

fn reply(to: ClientId, id: u64, outcome: Outcome, out: &mut Vec<Effect>) {
    out.push(Effect::Reply {
        to,
        reply: Reply { id, outcome },
    });
}

#[cfg(test)]
mod tests;
