//! The client of a cluster as a state machine: sessions, sequence numbers, retries and failover, without sockets or clocks.
//!
//! ```text
//! caller        client                          replicas
//!   | Call(1, put) |  Open                          |
//!   |------------->|------------------------------->|   the first write opens a session
//!   |              |<-------------------------------|
//!   |              |  Apply(session, sequence 0)    |
//!   |              |------------------------------->|   no answer within `attempt`:
//!   |              |  Apply(session, sequence 0)    |
//!   |              |------------------------------->|   the next replica, under the same number
//!   | Done(1, ..)  |<-------------------------------|
//!   |<-------------|
//! ```
//!
//! Every call ends in exactly one [`Completion`], at the latest when its deadline passes. A write that may have reached a
//! replica is never called refused: a refusal speaks for the attempt that it answers and says nothing of an earlier
//! one that was not answered, which may still take effect. It is asked again under the same session and sequence, so
//! that it takes effect once; when that is no longer possible its fate is told as unknown.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::command::{Outcome, Refusal, Request, RequestBody, Tag};
use crate::random::Random;
use crate::types::{Entropy, Micros, ReplicaId, ReplicaSet, Sequence, SessionId, Time};

mod interface;
mod replies;
mod task;
#[cfg(test)]
mod tests;

pub use interface::{Call, ClientConfig, ClientEffect, ClientEvent, Completion};
use task::{Pending, Phase, Session, Task, TaskKind};

/// See the module.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Client {
    config: ClientConfig,
    random: Random,
    /// Whom it asks at present.
    server: ReplicaId,
    /// Whom the last answer named as silent.
    silent: ReplicaSet,
    /// The next request's id. Never used again, so that an answer to an attempt that was given up is known as such.
    next_request: u64,
    session: Session,
    /// Names the session that is to be opened next.
    tag: Tag,
    tasks: BTreeMap<Task, Pending>,
    /// The attempts that an answer is awaited for, by request id.
    requests: BTreeMap<u64, Task>,
    /// When each task next wants to hear the clock.
    timers: BTreeSet<(Time, Task)>,
    /// Writes that have no sequence yet, in the order they came: for want of a session, or of room in the window.
    waiting: VecDeque<u64>,
    /// The sequences given out and not answered, of this session and of earlier ones that still have calls.
    unanswered: BTreeSet<(SessionId, Sequence)>,
}

impl Client {
    /// A client without a session; it opens one with the first write.
    ///
    /// # Panics
    /// If `config.servers` is empty.
    #[must_use]
    pub fn new(config: ClientConfig, entropy: Entropy) -> Client {
        assert!(!config.servers.is_empty(), "a client needs a server to ask");
        let mut random = Random::new(entropy);
        let drawn = random.below(config.servers.len() as u64);
        let drawn = usize::try_from(drawn).expect("a number below that of the servers");
        let server = config
            .first
            .filter(|first| config.servers.contains(*first))
            .or_else(|| config.servers.iter().nth(drawn))
            .expect("the number drawn is below that of the servers");
        let nonce = random.next_u64();
        Client {
            config,
            random,
            tag: Tag { nonce, number: 0 },
            server,
            silent: ReplicaSet::EMPTY,
            next_request: 1,
            session: Session::None,
            tasks: BTreeMap::new(),
            requests: BTreeMap::new(),
            timers: BTreeSet::new(),
            waiting: VecDeque::new(),
            unanswered: BTreeSet::new(),
        }
    }

    /// Total and deterministic, like a replica's `step`.
    ///
    /// # Panics
    /// If the caller begins a call under the number of one that has not ended.
    pub fn step(&mut self, at: Time, event: ClientEvent) -> Vec<ClientEffect> {
        let mut effects = Vec::new();
        match event {
            ClientEvent::Call { number, call } => self.on_call(at, number, call, &mut effects),
            ClientEvent::Reply { from, reply } => self.on_reply(at, from, reply, &mut effects),
            ClientEvent::Disconnected { from } => self.on_disconnected(at, from, &mut effects),
            ClientEvent::Clock => {}
        }
        self.on_time(at, &mut effects);
        self.send_waiting(at, &mut effects);
        effects
    }

    /// When the client next wants to hear the clock; after a step always later than that step's time.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        self.timers.first().map(|(time, _)| *time)
    }

    /// How many calls have not ended.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.tasks.len() - usize::from(self.tasks.contains_key(&Task::Open))
    }

    /// The session that writes go into, if one is open.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        match self.session {
            Session::Open { id, .. } => Some(id),
            Session::None | Session::Opening => None,
        }
    }

    fn on_call(&mut self, at: Time, number: u64, call: Call, effects: &mut Vec<ClientEffect>) {
        let task = Task::Call(number);
        assert!(
            !self.tasks.contains_key(&task),
            "call {number} has not ended; begin the next under another number"
        );
        let ends = at.after(self.config.deadline);
        match call {
            Call::Write(op) => {
                self.begin(task, TaskKind::Write { op, place: None }, ends);
                self.waiting.push_back(number);
            }
            Call::Get { key } => {
                self.begin(task, TaskKind::Get { key }, ends);
                self.send(at, task, effects);
            }
            Call::Status => {
                self.begin(task, TaskKind::Status, ends);
                self.send(at, task, effects);
            }
            Call::Close => {
                let Some(session) = self.session() else {
                    let completion = Completion::Done(Outcome::Closed);
                    effects.push(ClientEffect::Done { number, completion });
                    return;
                };
                self.session = Session::None;
                self.begin(task, TaskKind::Close { session }, ends);
                self.send(at, task, effects);
            }
        }
    }

    /// Whatever was sent there goes to the next at once, unless all have been tried in vain: then after a rest.
    fn on_disconnected(&mut self, at: Time, from: ReplicaId, effects: &mut Vec<ClientEffect>) {
        self.leave_server(from);
        let servers = self.config.servers.len();
        let lost: Vec<Task> = self
            .tasks
            .iter()
            .filter(|(_, pending)| matches!(pending.phase, Phase::Sent { to, .. } if to == from))
            .map(|(task, _)| *task)
            .collect();
        for task in lost {
            let pending = self.pending_mut(task);
            pending.doubt = true;
            if (pending.failures as usize) + 1 < servers {
                pending.failures += 1;
                self.send(at, task, effects);
            } else {
                self.rest(at, task);
            }
        }
    }

    fn on_time(&mut self, at: Time, effects: &mut Vec<ClientEffect>) {
        while let Some((_, task)) = self.timers.first().copied().filter(|(time, _)| *time <= at) {
            let pending = self.pending_mut(task);
            if pending.ends <= at {
                self.give_up(task, effects);
                continue;
            }
            if let Phase::Sent { to, .. } = pending.phase {
                pending.doubt = true;
                pending.failures = pending.failures.saturating_add(1);
                self.leave_server(to);
            }
            self.send(at, task, effects);
        }
    }

    /// The call's deadline has passed.
    fn give_up(&mut self, task: Task, effects: &mut Vec<ClientEffect>) {
        let silent = self.silent;
        let pending = self.pending_mut(task);
        let asked = match pending.phase {
            Phase::Sent { to, .. } => Some(to),
            Phase::Waiting | Phase::Resting { .. } => None,
        };
        let unsettled = pending.doubt || asked.is_some();
        let refusal = pending.refusal.take();
        let completion = match pending.what {
            TaskKind::Write { .. } | TaskKind::Close { .. } if unsettled => Completion::Unknown { silent },
            _ => Completion::Refused(refusal.unwrap_or(Refusal::Unavailable { silent })),
        };
        if let Some(silent) = asked {
            // The next call need not wait for it as well.
            self.leave_server(silent);
        }
        self.end(task, completion, effects);
    }

    /// Gives waiting writes their place in the session, opening one if need be.
    fn send_waiting(&mut self, at: Time, effects: &mut Vec<ClientEffect>) {
        while let Some(&number) = self.waiting.front() {
            match self.session {
                Session::None => {
                    self.session = Session::Opening;
                    self.begin(Task::Open, TaskKind::Open, Time(u64::MAX));
                    return self.send(at, Task::Open, effects);
                }
                Session::Opening => return,
                Session::Open { id, next } => {
                    if next.0 - self.lowest_unanswered(id, next).0 >= self.config.window {
                        return;
                    }
                    self.waiting.pop_front();
                    self.unanswered.insert((id, next));
                    if let TaskKind::Write { place, .. } = &mut self.pending_mut(Task::Call(number)).what {
                        *place = Some((id, next));
                    }
                    let next = Sequence(next.0 + 1);
                    self.session = Session::Open { id, next };
                    self.send(at, Task::Call(number), effects);
                }
            }
        }
        if self.session == Session::Opening {
            // Nobody wants it any more. Whoever does next asks for the same one.
            self.session = Session::None;
            self.forget(Task::Open);
        }
    }

    /// What the replicas need no longer remember of a session is below this. A write that ended unknown is below it too:
    /// where the floor has passed it, it cannot take effect any more, and elsewhere it still does so once.
    fn lowest_unanswered(&self, session: SessionId, next: Sequence) -> Sequence {
        let live = self.unanswered.range((session, Sequence(0))..).next();
        live.filter(|(of, _)| *of == session)
            .map_or(next, |(_, sequence)| *sequence)
    }

    fn begin(&mut self, task: Task, what: TaskKind, ends: Time) {
        let pending = Pending {
            what,
            ends,
            phase: Phase::Waiting,
            doubt: false,
            failures: 0,
            refusal: None,
        };
        self.timers.insert((pending.wakes(), task));
        self.tasks.insert(task, pending);
    }

    fn send(&mut self, at: Time, task: Task, effects: &mut Vec<ClientEffect>) {
        let id = self.next_request;
        self.next_request += 1;
        let to = self.server;
        let until = at.after(self.attempt());
        self.set_phase(
            task,
            Phase::Sent {
                to,
                request: id,
                until,
            },
        );
        self.requests.insert(id, task);
        let tag = self.tag;
        let body = match &self.pending_mut(task).what {
            TaskKind::Open => RequestBody::Open { tag },
            TaskKind::Get { key } => RequestBody::Get { key: key.clone() },
            TaskKind::Status => RequestBody::Status,
            TaskKind::Close { session } => RequestBody::Close { session: *session },
            TaskKind::Write { op, place } => {
                let (session, sequence) = place.expect("a write has its place before it is sent");
                let op = op.clone();
                RequestBody::Apply {
                    session,
                    sequence,
                    lowest_unanswered: self.lowest_unanswered(session, sequence),
                    op,
                }
            }
        };
        let request = Request { id, body };
        effects.push(ClientEffect::Send { to, request });
    }

    /// Tries elsewhere after a while that grows with the failures, up to an attempt's length, and is drawn so that many
    /// clients do not come back together.
    fn rest(&mut self, at: Time, task: Task) {
        let longest = self.attempt().0;
        let pending = self.pending_mut(task);
        let doublings = pending.failures.min(5);
        pending.failures = pending.failures.saturating_add(1);
        if let Phase::Sent { to, .. } = pending.phase {
            self.leave_server(to);
        }
        let half = (longest >> (6 - doublings)).max(1);
        let until = at.after(Micros(half + self.random.below(half)));
        self.set_phase(task, Phase::Resting { until });
    }

    fn attempt(&self) -> Micros {
        Micros(self.config.attempt.0.max(1))
    }

    /// Asks the server after `server` from now on, unless another has taken its place already.
    fn leave_server(&mut self, server: ReplicaId) {
        if self.server == server {
            let mut servers = self.config.servers.iter();
            let after = servers.find(|id| *id > server);
            self.server = after
                .or_else(|| self.config.servers.iter().next())
                .expect("a client has a server to ask");
        }
    }

    fn end(&mut self, task: Task, completion: Completion, effects: &mut Vec<ClientEffect>) {
        self.forget(task);
        if let Task::Call(number) = task {
            effects.push(ClientEffect::Done { number, completion });
        }
    }

    fn forget(&mut self, task: Task) {
        let Some(pending) = self.tasks.remove(&task) else {
            return;
        };
        self.timers.remove(&(pending.wakes(), task));
        if let Phase::Sent { request, .. } = pending.phase {
            self.requests.remove(&request);
        }
        if let TaskKind::Write {
            place: Some(place), ..
        } = pending.what
        {
            self.unanswered.remove(&place);
        }
        if let (Phase::Waiting, Task::Call(number)) = (pending.phase, task) {
            self.waiting.retain(|waiting| *waiting != number);
        }
    }

    fn set_phase(&mut self, task: Task, phase: Phase) {
        let pending = self.pending_mut(task);
        let before = pending.wakes();
        let left = std::mem::replace(&mut pending.phase, phase);
        let after = pending.wakes();
        self.timers.remove(&(before, task));
        self.timers.insert((after, task));
        if let Phase::Sent { request, .. } = left {
            self.requests.remove(&request);
        }
    }

    fn pending_mut(&mut self, task: Task) -> &mut Pending {
        self.tasks
            .get_mut(&task)
            .expect("requests and timers name tasks that have not ended")
    }
}
