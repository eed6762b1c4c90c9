//! The replies of replicas.

use super::task::{Phase, Session, Task, TaskKind, answers};
use super::{Client, ClientEffect, Completion};
use crate::command::{Outcome, Refusal, Reply};
use crate::types::{ReplicaId, ReplicaSet, Sequence, SessionId, Time};

impl Client {
    pub(super) fn on_reply(
        &mut self,
        at: Time,
        from: ReplicaId,
        reply: Reply,
        effects: &mut Vec<ClientEffect>,
    ) {
        let Some(&task) = self.requests.get(&reply.id) else {
            return; // an answer to an abandoned attempt
        };
        let repeats = self.config.repeats;
        let pending = self.pending_mut(task);
        if !matches!(pending.phase, Phase::Sent { to, .. } if to == from) {
            return; // not from the replica that was asked
        }
        let settled = !pending.doubt && !repeats;
        let outcome = match reply.outcome {
            Outcome::Refused(Refusal::Stopping) => {
                pending.doubt = !settled;
                pending.refusal = Some(Refusal::Stopping);
                return self.try_next(at, task, from, effects);
            }
            Outcome::Refused(refusal) => return self.on_refused(at, task, refusal, settled, effects),
            outcome => outcome,
        };
        match (&pending.what, outcome) {
            (TaskKind::Open, Outcome::Opened { session }) => {
                self.forget(task);
                let next = Sequence(0);
                self.session = Session::Open { id: session, next };
                self.tag.number += 1;
            }
            (what, outcome) if answers(what, &outcome) => {
                self.silent = ReplicaSet::EMPTY;
                self.end(task, Completion::Done(outcome), effects);
            }
            (_, outcome) => {
                // The outcome is unknown, or answers something else: the attempt may have taken effect, or
                // may still do so.
                if let Outcome::Unknown { silent } = outcome {
                    self.silent = silent;
                }
                self.pending_mut(task).doubt = true;
                self.rest(at, task);
            }
        }
    }

    /// The present attempt was certainly not done. `settled` says whether that is so for all attempts of the
    /// call.
    fn on_refused(
        &mut self,
        at: Time,
        task: Task,
        refusal: Refusal,
        settled: bool,
        effects: &mut Vec<ClientEffect>,
    ) {
        let pending = self.pending_mut(task);
        let place = match pending.what {
            TaskKind::Write { place, .. } => place,
            TaskKind::Open
            | TaskKind::Read(_)
            | TaskKind::Status
            | TaskKind::DriverStatus
            | TaskKind::Close { .. } => None,
        };
        match refusal {
            // No replica admits a request over this limit, or answers a read with more.
            Refusal::KeyTooLong { .. }
            | Refusal::ValueTooLong { .. }
            | Refusal::TooMany { .. }
            | Refusal::TransactionTooLong { .. }
            | Refusal::AnswerTooLong { .. }
                if task != Task::Open =>
            {
                self.end(task, Completion::Refused(refusal), effects);
            }
            // The password of the client does not change while it asks.
            Refusal::PasswordRequired | Refusal::WrongPassword if task == Task::Open => {
                self.on_open_refused(&refusal, effects);
            }
            Refusal::PasswordRequired | Refusal::WrongPassword if settled || place.is_none() => {
                self.end(task, Completion::Refused(refusal), effects);
            }
            // The session is gone, and with it the outcome of an earlier attempt.
            Refusal::SessionExpired { .. } if place.is_some() && settled => self.leave_session(task),
            Refusal::AlreadyAnswered { .. } if place.is_some() && settled => {
                self.end(task, Completion::Refused(refusal), effects);
            }
            Refusal::SessionExpired { .. } | Refusal::AlreadyAnswered { .. } if place.is_some() => {
                // Certain is only that nothing more will be done in that session.
                if let (Refusal::SessionExpired { .. }, Some((session, _))) = (refusal, place) {
                    self.abandon(session);
                }
                let silent = self.silent;
                self.end(task, Completion::Unknown { silent }, effects);
            }
            refusal => {
                pending.doubt = !settled;
                if let Refusal::Unavailable { silent } = refusal {
                    self.silent = silent;
                } else {
                    pending.refusal = Some(refusal);
                }
                self.rest(at, task);
            }
        }
    }

    /// No session is opened, so the writes that wait for it are not done.
    fn on_open_refused(&mut self, refusal: &Refusal, effects: &mut Vec<ClientEffect>) {
        self.forget(Task::Open);
        self.session = Session::None;
        for number in std::mem::take(&mut self.waiting) {
            self.end(Task::Call(number), Completion::Refused(refusal.clone()), effects);
        }
    }

    /// Withdraws the sequence of a write whose session has expired and none of whose attempts took effect.
    fn leave_session(&mut self, task: Task) {
        let Task::Call(number) = task else { return };
        self.set_phase(task, Phase::Waiting);
        if let TaskKind::Write { place, .. } = &mut self.pending_mut(task).what
            && let Some((session, sequence)) = place.take()
        {
            self.unanswered.remove(&(session, sequence));
            self.abandon(session);
        }
        self.waiting.push_back(number);
    }

    /// No more writes use this session.
    fn abandon(&mut self, session: SessionId) {
        if self.session() == Some(session) {
            self.session = Session::None;
        }
    }
}
