//! The client of a cluster as a state machine without sockets or clocks: sessions, sequence numbers, retries
//! and failover.
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
//! Every call ends in exactly one [`Completion`], at the latest when its deadline passes. A write that may
//! have taken effect is never reported as refused. A refusal is about the attempt that it answers; an earlier
//! attempt that was not answered may still take effect. So the client repeats the write under the same
//! session and sequence, and it takes effect once. If that is no longer possible, the outcome is reported as
//! unknown.

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

/// A client: see the module.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Client {
    config: ClientConfig,
    random: Random,
    /// The replica that it asks at present.
    server: ReplicaId,
    /// The replicas that the last answer named as silent.
    silent: ReplicaSet,
    /// The replicas to which the driver only now connects: requests for them have not left.
    connecting: ReplicaSet,
    /// The id of the next request. No id is used twice, so that an answer to an abandoned attempt is
    /// recognized.
    next_request: u64,
    session: Session,
    /// The tag of the session that is opened next.
    tag: Tag,
    tasks: BTreeMap<Task, Pending>,
    /// The tasks whose attempts are unanswered, by request id.
    requests: BTreeMap<u64, Task>,
    /// The time at which each task next needs the clock.
    timers: BTreeSet<(Time, Task)>,
    /// Writes without a sequence, in order of arrival: they wait for a session, or for room in the window.
    waiting: VecDeque<u64>,
    /// The sequences that are assigned and not answered, of this session and of earlier ones that still have
    /// calls.
    unanswered: BTreeSet<(SessionId, Sequence)>,
}

impl Client {
    /// A client without a session. It opens one for the first write.
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
            connecting: ReplicaSet::EMPTY,
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
    /// If the caller begins a call with the number of a call that has not ended.
    pub fn step(&mut self, at: Time, event: ClientEvent) -> Vec<ClientEffect> {
        let mut effects = Vec::new();
        match event {
            ClientEvent::Call { number, call } => self.on_call(at, number, call, &mut effects),
            ClientEvent::Reply { from, reply } => self.on_reply(at, from, reply, &mut effects),
            ClientEvent::Connecting { to } => _ = self.connecting.insert(to),
            ClientEvent::Connected { to } => _ = self.connecting.remove(to),
            ClientEvent::Unreachable { from } => self.on_disconnected(at, from, false, &mut effects),
            ClientEvent::Disconnected { from } => self.on_disconnected(at, from, true, &mut effects),
            ClientEvent::Clock => {}
        }
        self.on_time(at, &mut effects);
        self.send_waiting(at, &mut effects);
        effects
    }

    /// The time at which the client needs [`ClientEvent::Clock`]. After a step it is later than the time of
    /// that step.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        self.timers.first().map(|(time, _)| *time)
    }

    /// The number of calls that have not ended.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.tasks.len() - usize::from(self.tasks.contains_key(&Task::Open))
    }

    /// The session of new writes, if one is open.
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
            "call {number} has not ended; use another number for the next call"
        );
        let ends = at.after(self.config.deadline);
        match call {
            Call::Write(op) => {
                self.begin(task, TaskKind::Write { op, place: None }, ends);
                self.waiting.push_back(number);
            }
            Call::Read(query) => {
                self.begin(task, TaskKind::Read(query), ends);
                self.send(at, task, effects);
            }
            Call::Status => {
                self.begin(task, TaskKind::Status, ends);
                self.send(at, task, effects);
            }
            Call::DriverStatus => {
                self.begin(task, TaskKind::DriverStatus, ends);
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

    /// Sends the unanswered requests of that connection to the next replica. `sent` says whether they have left.
    fn on_disconnected(&mut self, at: Time, from: ReplicaId, sent: bool, effects: &mut Vec<ClientEffect>) {
        self.leave_server(from);
        self.connecting.remove(from);
        let lost: Vec<Task> = self
            .tasks
            .iter()
            .filter(|(_, pending)| matches!(pending.phase, Phase::Sent { to, .. } if to == from))
            .map(|(task, _)| *task)
            .collect();
        for task in lost {
            self.pending_mut(task).doubt |= sent;
            self.try_next(at, task, from, effects);
        }
    }

    /// Sends a request that `from` will not answer to the next replica at once. If all replicas have been tried
    /// without success, it waits first.
    fn try_next(&mut self, at: Time, task: Task, from: ReplicaId, effects: &mut Vec<ClientEffect>) {
        self.leave_server(from);
        let servers = self.config.servers.len();
        let pending = self.pending_mut(task);
        if (pending.failures as usize) + 1 < servers {
            pending.failures += 1;
            self.send(at, task, effects);
        } else {
            self.rest(at, task);
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
                pending.failures = pending.failures.saturating_add(1);
                let left = !self.withdraw(task, effects);
                self.pending_mut(task).doubt |= left;
                self.leave_server(to);
            }
            self.send(at, task, effects);
        }
    }

    /// Withdraws the present attempt if it has not left. Returns whether it is certain that it never will.
    fn withdraw(&mut self, task: Task, effects: &mut Vec<ClientEffect>) -> bool {
        let connecting = self.connecting;
        match self.pending_mut(task).phase {
            Phase::Sent { to, request, .. } if connecting.contains(to) => {
                effects.push(ClientEffect::Withdraw { to, request });
                true
            }
            Phase::Sent { .. } => false,
            Phase::Waiting | Phase::Resting { .. } => true,
        }
    }

    /// The call's deadline has passed.
    fn give_up(&mut self, task: Task, effects: &mut Vec<ClientEffect>) {
        let silent = self.silent;
        let left = !self.withdraw(task, effects);
        let pending = self.pending_mut(task);
        let asked = match pending.phase {
            Phase::Sent { to, .. } => Some(to),
            Phase::Waiting | Phase::Resting { .. } => None,
        };
        let unsettled = pending.doubt || left;
        let refusal = pending.refusal.take();
        let completion = match pending.what {
            TaskKind::Write { .. } | TaskKind::Close { .. } if unsettled => Completion::Unknown { silent },
            _ => Completion::Refused(refusal.unwrap_or(Refusal::Unavailable { silent })),
        };
        if let Some(silent) = asked {
            // The next call must not wait for the same replica.
            self.leave_server(silent);
        }
        self.end(task, completion, effects);
    }

    /// Assigns sequences to waiting writes, and opens a session if there is none.
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
            // No write needs the session any more. The next write asks for it under the same tag.
            self.session = Session::None;
            self.withdraw(Task::Open, effects);
            self.forget(Task::Open);
        }
    }

    /// The replicas may drop the outcomes of a session below this sequence. A write whose outcome is unknown
    /// is below it too: it takes effect at most once before the floor of the session has passed it, and not
    /// afterwards.
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
            TaskKind::Read(query) => query.clone().into(),
            TaskKind::Status => RequestBody::Status,
            TaskKind::DriverStatus => RequestBody::DriverStatus,
            TaskKind::Close { session } => RequestBody::Close { session: *session },
            TaskKind::Write { op, place } => {
                let (session, sequence) = place.expect("a write has a sequence before it is sent");
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

    /// Tries another replica after a random wait. The wait grows with the failures, up to the length of an
    /// attempt; it is random so that many clients do not return at the same time.
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

    /// Asks the next replica after `server` from now on, unless the client has left `server` already.
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
