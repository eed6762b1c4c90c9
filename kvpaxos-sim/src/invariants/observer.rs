//! The audit as an observer of an engine: what it does on each event.

use kvpaxos::{Effect, Envelope, Event, Memory, Message, Observation, Record, ReplicaId, Role, Time};

use crate::engine::{Misbehaviour, Observer};
use crate::subject::Subject;

use super::audit::Audit;
use super::coverage::Sometimes;
use super::violation::Property;

impl<M: Subject> Observer<M> for Audit {
    fn enters(&mut self, now: Time, host: ReplicaId, event: &Event) {
        if let Event::Peer { from, message, .. } = event
            && let Message::Confirmed { ballot, round } = message
            && self.acceptor(*from).promise_sent > *ballot
            && self.ballots.has_asked_since(*ballot, *round)
        {
            self.coverage.hit(Sometimes::LateConfirmation);
        }
        if let (Some(divergence), Event::Peer { from, message, .. }) = (&mut self.divergence, event) {
            divergence.on_message(host, *from, message);
        }
        self.asked_to_stand = matches!(
            event,
            Event::Peer {
                message: Message::Stand { .. },
                ..
            }
        );
        self.trace.line(now, || match event {
            Event::Clock => format!("{host} clock"),
            Event::Peer { from, message, .. } => format!("{host} <- {from}: {message}"),
            Event::Client { from, request } => format!("{host} <- {from}: {request}"),
            Event::ClientGone { client } => format!("{host} {client} is gone"),
            Event::Fail(role) => format!("{host} {role} fails"),
            Event::HandOver => format!("{host} is to stop"),
            Event::Restart { role, memory, .. } => {
                format!(
                    "{host} {role} restarts, {}",
                    memory_in_words(record_count(memory))
                )
            }
        });
    }

    fn started(&mut self, now: Time, host: ReplicaId, machine: &M, kept: Option<usize>) {
        self.now = now;
        self.trace
            .line(now, || format!("{host} starts, {}", memory_in_words(kept)));
        self.ballots.new_life(host);
        if kept.is_none() {
            self.refounded.remove(host);
            if self.acceptor(host).memory_lost {
                self.coverage.hit(Sometimes::LostWhileRecovering);
            }
            self.acceptor(host).wiped();
            if let Some(refinement) = &mut self.refinement {
                refinement.lost(host);
            }
            self.coverage.hit(Sometimes::AcceptorLost);
        }
        if self.refounded.contains(host) {
            return;
        }
        let status = machine.status();
        self.check_status(host, &status);
        self.learners[usize::from(host.0)].begin(&status);
        if let Some(divergence) = &mut self.divergence {
            divergence.begin(host, &status);
        }
        if let Some(acknowledgements) = &mut self.acknowledgements {
            acknowledgements.begin(host, &status);
        }
    }

    fn stepped(&mut self, now: Time, host: ReplicaId, machine: &M, effects: &[Effect]) {
        self.now = now;
        if let Some(divergence) = &mut self.divergence
            && let Err(why) = divergence.stepped(host, effects)
        {
            self.violated(Property::D1, why);
        }
        for effect in effects {
            self.trace.line(now, || format!("    {host} {effect}"));
            if self.refounded.contains(host) {
                continue;
            }
            match effect {
                Effect::Persist { records, then, .. } => {
                    let then = then.iter().map(|Envelope { message, .. }| message);
                    self.writes(host, records, then);
                }
                Effect::Observe(Observation::Applied { slot, digest }) => {
                    let value = machine.chosen(*slot);
                    self.check_applied(host, *slot, *digest, value);
                    self.refine(
                        |refinement| value.map_or(Ok(()), |value| refinement.learned(*slot, value)),
                        || format!("{host} applies slot {slot}"),
                    );
                }
                Effect::Observe(observation) => self.observed(host, observation),
                Effect::Reply { reply, .. } => self.check_reply(host, &reply.outcome),
                _ => {}
            }
        }
    }

    fn leaves(&mut self, now: Time, from: ReplicaId, to: ReplicaId, message: &Message) {
        self.now = now;
        if !self.refounded.contains(from) {
            self.check_message(from, to, message);
            self.refine(
                |refinement| refinement.leaves(from, to, message),
                || format!("{from} sends {to}: {message}"),
            );
        }
    }

    fn corrupted(&mut self, now: Time, from: ReplicaId, to: ReplicaId) {
        self.coverage.hit(Sometimes::PartChanged);
        self.trace.line(now, || {
            format!("    {from} -> {to} a part of a snapshot is changed")
        });
    }

    fn durable(&mut self, now: Time, host: ReplicaId, record: &Record) {
        self.now = now;
        self.trace
            .line(now, || format!("    {host} has on its disk: {record}"));
        self.on_durable(host, record);
        self.check_durable(host, record);
    }

    fn role_failed(&mut self, now: Time, host: ReplicaId, role: Role) {
        self.now = now;
        self.coverage.hit(match role {
            Role::Proposer => Sometimes::ProposerFailed,
            Role::Acceptor => Sometimes::AcceptorFailed,
            Role::Learner => Sometimes::LearnerFailed,
        });
        if role == Role::Proposer {
            if self.ballots.leads(host) {
                self.coverage.hit(Sometimes::LeaderFailed);
            }
            self.ballots.new_life(host);
        }
    }

    fn role_restarting(&mut self, now: Time, host: ReplicaId, role: Role, lost: bool) {
        self.now = now;
        match role {
            Role::Acceptor if lost => {
                if self.acceptor(host).memory_lost {
                    self.coverage.hit(Sometimes::LostWhileRecovering);
                }
                self.acceptor(host).lost();
                self.coverage.hit(Sometimes::AcceptorLost);
            }
            Role::Learner if lost => self.coverage.hit(Sometimes::LearnerLost),
            Role::Proposer if lost => self.coverage.hit(Sometimes::ProposerLost),
            _ => {}
        }
        // A learner that restarts may apply what its memory holds within the step of its restart.
        if role == Role::Learner {
            self.learners[usize::from(host.0)] = super::learners::Learner::default();
        }
    }

    fn role_restarted(&mut self, now: Time, host: ReplicaId, role: Role, machine: &M) {
        self.now = now;
        if role == Role::Acceptor && !self.refounded.contains(host) {
            self.check_status(host, &machine.status());
        }
    }

    fn unmarked(&mut self, now: Time, host: ReplicaId, units: usize) {
        if units > 0 {
            self.coverage.hit(Sometimes::TailUnmarked);
            self.trace.line(now, || {
                format!("    {host} has synced {units} units that no mark of its log covers")
            });
        }
    }

    fn crashed(&mut self, now: Time, host: ReplicaId, survived: Option<&[Record]>, lost: usize) {
        self.now = now;
        self.trace.line(now, || {
            let left = survived.map_or(0, <[Record]>::len);
            format!("{host} crashes: {left} records more are durable, {lost} writes lost")
        });
        self.coverage.hit(Sometimes::Crashed);
        if lost > 0 {
            self.coverage.hit(Sometimes::LostWrites);
        }
        // Records that survived though they had not been reported as durable are durable now, and their votes
        // count.
        for record in survived.unwrap_or_default() {
            self.on_durable(host, record);
            self.check_durable(host, record);
        }
        self.acceptor(host).crashed();
        if let Some(refinement) = &mut self.refinement {
            refinement.crashed(host);
        }
    }

    fn founded_anew(&mut self, now: Time, host: ReplicaId) {
        self.now = now;
        self.trace.line(now, || format!("{host} is founded anew"));
        self.refounded.insert(host);
        self.ever_refounded.insert(host);
        self.acceptor(host).wiped();
        if let Some(refinement) = &mut self.refinement {
            refinement.lost(host);
        }
    }

    fn misbehaved(&mut self, now: Time, host: ReplicaId, what: Misbehaviour) {
        let what = match what {
            Misbehaviour::Deadline { at, deadline } => {
                format!(
                    "{host} was stepped at {} and has the deadline {}",
                    at.0, deadline.0
                )
            }
            Misbehaviour::Damaged => {
                format!("{host} calls its log damaged, but nothing that was synced is lost")
            }
            Misbehaviour::DamageUndetected => format!("{host} takes a damaged log for a whole one"),
            Misbehaviour::Halted { reason } if self.refounded.contains(host) => {
                self.trace.line(now, || format!("{host} halted: {reason}"));
                self.refounded_halts += 1;
                return;
            }
            Misbehaviour::Halted { reason } => format!("{host} halted: {reason}"),
        };
        self.report(now, Property::Contract, what);
    }
}

impl Audit {
    /// Records are handed to a disk, and messages wait for them. Proposals are checked before the votes for them.
    pub(super) fn writes<'a>(
        &mut self,
        host: ReplicaId,
        records: &[Record],
        then: impl Iterator<Item = &'a Message>,
    ) {
        for record in records {
            self.check_record(host, record);
            self.check_proposal(host, record);
        }
        for message in then {
            self.check_vector(host, message);
        }
    }

    /// A replica reports something that it did, other than that it applied a slot.
    pub(super) fn observed(&mut self, host: ReplicaId, observation: &Observation) {
        self.on_observation(host, observation);
        self.refine(
            |refinement| refinement.observed(observation),
            || format!("{host} says: {observation}"),
        );
    }
}

/// How many records are kept; `None` if memory is lost.
fn record_count(memory: &Memory) -> Option<usize> {
    match memory {
        Memory::Kept(records) => Some(records.len()),
        Memory::Lost => None,
    }
}

fn memory_in_words(kept: Option<usize>) -> String {
    kept.map_or("memory lost".to_owned(), |records| {
        format!("memory kept ({records} records)")
    })
}
