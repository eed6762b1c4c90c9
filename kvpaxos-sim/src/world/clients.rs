//! Simulated clients: each a [`kvpaxos::Client`] that draws operations, thinks between them, and notes what it was told.

use std::collections::BTreeMap;

use bytes::Bytes;
use kvpaxos::client::{Call, Client, ClientConfig, ClientEffect, ClientEvent, Fate};
use kvpaxos::{
    Micros, Op, Outcome, Refusal, ReplicaId, ReplicaSet, Reply, Request, RequestBody, Sequence, SessionId,
    Time, Update,
};
use serde::Serialize;

use crate::engine::Alarm;
use crate::engine::decider::{Decider, Stream, What};
use crate::invariants::{Floor, Property, Sometimes, seconds};
use crate::subject::Subject;
use crate::world::audited::{self, AuditedEngine};
use crate::world::recorder::Recorder;
use crate::world::setup::{Clients, Setup};

/// What became of operations.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize)]
pub struct Fates {
    /// Begun.
    pub begun: u64,
    /// Done.
    pub done: u64,
    /// Certainly not done.
    pub refused: u64,
    /// Of unknown outcome.
    pub unknown: u64,
}

/// An operation under way.
struct Open {
    lane: u32,
    /// A test began it, and will ask how it ended.
    scripted: bool,
    call: Call,
    floor: Floor,
    since: Time,
}

/// What a lane does: one operation after the other.
#[derive(Clone, Copy)]
enum Lane {
    Thinking { until: Time },
    Waiting,
}

/// One client.
struct Caller {
    machine: Client,
    /// How long its calls may take.
    deadline: Micros,
    armed: Option<Time>,
    lanes: Vec<Lane>,
    open: BTreeMap<u64, Open>,
    numbers: u64,
    /// What it last saw under each key, to draw swaps that have a chance.
    seen: BTreeMap<Bytes, Option<Bytes>>,
    /// Operations done since the faults ended.
    done_since: u64,
    /// The last request for each place in a session, and how many there were.
    asked: BTreeMap<(SessionId, Sequence), (u64, u32)>,
}

/// All clients of a world.
pub struct Crowd {
    setup: Clients,
    two_phase: bool,
    callers: Vec<Caller>,
    /// How many of them begin new operations: those of lower numbers.
    pub asking: u32,
    /// What became of their operations.
    pub fates: Fates,
    /// How the calls of tests ended, by client and number.
    pub(crate) told: BTreeMap<(u32, u64), Fate>,
    /// The longest that an operation which was done took.
    pub slowest: Micros,
}

impl Crowd {
    /// The clients of this setup, and one more that a test speaks through.
    pub fn new(setup: &Setup, decider: &mut (dyn Decider + Send + 'static)) -> Crowd {
        let callers = (0..=setup.clients.count)
            .map(|number| Caller::new(number, setup, decider))
            .collect();
        Crowd {
            setup: setup.clients.clone(),
            two_phase: setup.cluster.update == Update::TwoPhase,
            callers,
            asking: 0,
            fates: Fates::default(),
            told: BTreeMap::new(),
            slowest: Micros(0),
        }
    }

    /// The client that a test speaks through.
    #[must_use]
    pub fn scripted(&self) -> u32 {
        self.setup.count
    }

    /// How many operations are under way.
    #[must_use]
    pub fn open(&self) -> usize {
        self.callers.iter().map(|caller| caller.open.len()).sum()
    }

    /// A few words for each operation under way.
    pub fn describe_open(&self) -> Vec<String> {
        let callers = (0u32..).zip(&self.callers);
        callers
            .flat_map(|(number, caller)| caller.open.values().map(move |open| (number, open)))
            .map(|(number, open)| format!("client {number}: {:?}, since {}", open.call, seconds(open.since)))
            .collect()
    }

    /// From now on operations that are done are counted anew.
    pub fn begin_count(&mut self) {
        for caller in &mut self.callers {
            caller.done_since = 0;
        }
    }

    /// Those of the clients that begin operations, and how many each has had done since the count began.
    fn served(&self) -> impl Iterator<Item = (u32, u64)> {
        let asking = (0u32..).zip(&self.callers).take(self.asking as usize);
        asking.map(|(number, caller)| (number, caller.done_since))
    }

    /// Those of the clients that begin operations who have not had so many done since the count began.
    #[must_use]
    pub fn unserved(&self, operations: u64) -> Vec<u32> {
        let unserved = self.served().filter(|(_, done)| *done < operations);
        unserved.map(|(number, _)| number).collect()
    }

    /// Whether every client that begins operations has had so many done since the count began.
    #[must_use]
    pub fn all_done(&self, operations: u64) -> bool {
        self.served().all(|(_, done)| done >= operations)
    }

    /// Of how many operations that clients have had done on average since the count began the slowest client has had one. 1 is fair.
    #[must_use]
    pub fn unfairness(&self) -> u64 {
        let fewest = self.served().map(|(_, done)| done).min().unwrap_or(0);
        let all: u64 = self.served().map(|(_, done)| done).sum();
        let even = fewest.max(1) * u64::from(self.asking.max(1));
        all.div_ceil(even).max(1)
    }
}

impl Caller {
    fn new(number: u32, setup: &Setup, decider: &mut (dyn Decider + Send + 'static)) -> Caller {
        let stream = Stream::Client(number);
        let servers = ReplicaSet::first(setup.cluster.replicas);
        let mut config = ClientConfig::new(servers);
        config.attempt = setup.clients.attempt;
        config.deadline = setup.clients.deadline;
        // Every other client waits so long that only an answer ends its calls: S4 is about those.
        if number % 2 == 1 && number < setup.clients.count {
            config.deadline = Micros(setup.clients.deadline.0.saturating_mul(40));
        }
        config.window = setup.cluster.limits.session_window.min(config.window);
        config.repeats = !setup.clients.is_connected(number);
        let lanes = if number < setup.clients.count {
            setup.clients.lanes
        } else {
            0
        };
        let think = setup.clients.think.0;
        let lanes = (0..lanes)
            .map(|_| Lane::Thinking {
                until: Time(decider.below(stream, What::Think, think + 1)),
            })
            .collect();
        let deadline = config.deadline;
        Caller {
            deadline,
            machine: Client::new(config, decider.entropy(stream)),
            armed: None,
            lanes,
            open: BTreeMap::new(),
            numbers: 0,
            seen: BTreeMap::new(),
            done_since: 0,
            asked: BTreeMap::new(),
        }
    }
}

impl Caller {
    /// Notes a request for a place in a session.
    fn note(&mut self, request: &Request) {
        let RequestBody::Apply {
            session,
            sequence,
            lowest_unanswered,
            ..
        } = request.body
        else {
            return;
        };
        // What lies below has been answered, in this session and in those before it but for a few.
        while let Some(entry) = self.asked.first_entry()
            && *entry.key() < (session, lowest_unanswered)
        {
            entry.remove();
        }
        let (last, times) = self.asked.entry((session, sequence)).or_default();
        (*last, *times) = (request.id, *times + 1);
    }
}

/// What clients act on.
pub(crate) struct Stage<'a, M: Subject> {
    pub(crate) engine: &'a mut AuditedEngine<M>,
    pub(crate) recorder: &'a mut Recorder,
}

impl Crowd {
    /// Everybody looks at the clock once, so that alarms are set.
    pub(crate) fn begin<M: Subject>(&mut self, stage: &mut Stage<'_, M>) {
        self.asking = self.setup.count;
        for number in (0u32..).take(self.callers.len()) {
            self.arm(number, stage);
        }
    }

    /// A client's alarm.
    pub(crate) fn on_alarm<M: Subject>(&mut self, number: u32, stage: &mut Stage<'_, M>) {
        let now = stage.engine.now();
        let caller = &mut self.callers[number as usize];
        if caller.armed != Some(now) {
            return;
        }
        caller.armed = None;
        stage.engine.fold(20, [now.0, number.into(), 0]);
        if caller.machine.deadline().is_some_and(|due| due <= now) {
            self.step(number, ClientEvent::Clock, stage);
        }
        if number < self.asking {
            self.issue_due(number, stage);
        }
        self.arm(number, stage);
    }

    /// A replica answers a client.
    pub(crate) fn on_reply<M: Subject>(
        &mut self,
        number: u32,
        from: ReplicaId,
        reply: Reply,
        stage: &mut Stage<'_, M>,
    ) {
        let event = ClientEvent::Reply { from, reply };
        let expired = says_expired(&event);
        let caller = &self.callers[number as usize];
        let (open, had) = (caller.open.len(), caller.machine.session());
        self.step(number, event, stage);
        if let Some((session, id)) = expired {
            let caller = &self.callers[number as usize];
            let moved = had == Some(session) && caller.machine.session() != had;
            let again = caller
                .asked
                .values()
                .any(|(last, times)| *last == id && *times > 1);
            if caller.open.len() < open && again {
                stage.engine.observer.coverage.hit(Sometimes::DoubtExpired);
            } else if caller.open.len() == open && moved {
                stage.engine.observer.coverage.hit(Sometimes::SessionLeft);
            }
        }
        self.arm(number, stage);
    }

    /// A client's connection to a replica broke.
    pub(crate) fn on_hang_up<M: Subject>(&mut self, number: u32, from: ReplicaId, stage: &mut Stage<'_, M>) {
        let caller = &self.callers[number as usize];
        if self.setup.is_connected(number) && caller.machine.pending() > 0 {
            stage.engine.observer.coverage.hit(Sometimes::ConnectionBroke);
        }
        self.step(number, ClientEvent::Disconnected { from }, stage);
        self.arm(number, stage);
    }

    /// A client begins a call for a test. Returns the call's number.
    pub(crate) fn call<M: Subject>(&mut self, number: u32, call: Call, stage: &mut Stage<'_, M>) -> u64 {
        let caller = &self.callers[number as usize];
        let lane = u32::try_from(caller.lanes.len() as u64 + caller.numbers).unwrap_or(0);
        let call = self.invoke(number, lane, true, call, stage);
        self.arm(number, stage);
        call
    }

    fn issue_due<M: Subject>(&mut self, number: u32, stage: &mut Stage<'_, M>) {
        let now = stage.engine.now();
        for lane in 0..self.setup.lanes {
            let due = match self.callers[number as usize].lanes.get(lane as usize) {
                Some(Lane::Thinking { until }) => *until <= now,
                _ => false,
            };
            if due {
                let call = self.draw(number, stage.engine.decider());
                self.callers[number as usize].lanes[lane as usize] = Lane::Waiting;
                self.invoke(number, lane, false, call, stage);
            }
        }
    }

    fn invoke<M: Subject>(
        &mut self,
        number: u32,
        lane: u32,
        scripted: bool,
        call: Call,
        stage: &mut Stage<'_, M>,
    ) -> u64 {
        let caller = &mut self.callers[number as usize];
        let id = caller.numbers;
        caller.numbers += 1;
        let now = stage.engine.now();
        stage.recorder.invoke(number, lane, &call, now);
        stage
            .engine
            .observer
            .trace
            .line(now, || format!("client {number} calls {call:?}"));
        let open = Open {
            lane,
            scripted,
            call: call.clone(),
            floor: stage.engine.observer.floor(),
            since: now,
        };
        caller.open.insert(id, open);
        self.fates.begun += 1;
        self.step(number, ClientEvent::Call { number: id, call }, stage);
        id
    }

    fn step<M: Subject>(&mut self, number: u32, event: ClientEvent, stage: &mut Stage<'_, M>) {
        let now = stage.engine.now();
        let expired = says_expired(&event);
        for effect in self.callers[number as usize].machine.step(now, event) {
            stage
                .engine
                .observer
                .trace
                .line(now, || format!("client {number} {effect:?}"));
            match effect {
                ClientEffect::Send { to, request } => {
                    self.callers[number as usize].note(&request);
                    stage.engine.request(number, to, &request);
                }
                ClientEffect::Done { number: id, fate } => {
                    self.check_fate(number, id, &fate, expired.is_some(), stage);
                    self.on_done(number, id, fate, stage);
                }
            }
        }
    }

    /// A client keeps the contract of [`Fate`]: whoever waits for an answer that is still to be had is not told that it is unknown. It
    /// cannot be had when the session has expired. But for every write that has not ended the session keeps the answer, as long as the
    /// client names no lowest unanswered sequence above it.
    fn check_fate<M: Subject>(
        &mut self,
        number: u32,
        id: u64,
        fate: &Fate,
        expired: bool,
        stage: &mut Stage<'_, M>,
    ) {
        let now = stage.engine.now();
        let caller = &self.callers[number as usize];
        let Some(open) = caller.open.get(&id) else { return };
        let early = now < open.since.after(caller.deadline);
        let forgotten = match fate {
            Fate::Unknown { .. } => early && !expired,
            Fate::Refused(refusal) => matches!(refusal, Refusal::AlreadyAnswered { .. }),
            Fate::Done(_) => false,
        };
        if forgotten {
            let since = seconds(open.since);
            let what = format!(
                "client {number} waits for the answer to {:?} since {since}, and is told {fate:?}",
                open.call
            );
            stage.engine.observer.report(now, Property::Contract, what);
        }
    }

    fn on_done<M: Subject>(&mut self, number: u32, id: u64, fate: Fate, stage: &mut Stage<'_, M>) {
        let now = stage.engine.now();
        let caller = &mut self.callers[number as usize];
        let Some(open) = caller.open.remove(&id) else {
            return;
        };
        let wrong = stage.recorder.complete(number, open.lane, &open.call, &fate, now);
        if let Some(why) = wrong {
            stage
                .engine
                .observer
                .report(now, Property::S2, why.explanation.clone());
        }
        match &fate {
            Fate::Done(outcome) => {
                self.fates.done += 1;
                caller.done_since += 1;
                self.slowest = self.slowest.max(Micros(now.0 - open.since.0));
                remember(&mut caller.seen, &open.call, outcome);
                match &open.call {
                    Call::Write(op) => {
                        if self.two_phase {
                            stage.engine.observer.coverage.hit(Sometimes::TwoPhaseUpdate);
                        }
                        stage.engine.observer.on_written(open.floor, op, outcome);
                    }
                    Call::Get { .. } => stage.engine.observer.on_read(open.floor, outcome),
                    Call::Status | Call::Close => {}
                }
            }
            Fate::Refused(refusal) => {
                self.fates.refused += 1;
                if matches!(refusal, Refusal::Unavailable { .. } | Refusal::Busy { .. }) {
                    stage.engine.observer.coverage.hit(Sometimes::Refused);
                }
                if matches!(refusal, Refusal::MemoryLost { .. }) {
                    stage.engine.observer.coverage.hit(Sometimes::MemoryLost);
                }
            }
            Fate::Unknown { silent } => {
                if self.two_phase && (!silent.is_empty() || names_who_is_waited_for(stage.engine)) {
                    stage.engine.observer.coverage.hit(Sometimes::TwoPhaseStall);
                }
                self.fates.unknown += 1;
                stage.engine.observer.coverage.hit(Sometimes::UnknownOutcome);
            }
        }
        if open.scripted {
            self.told.insert((number, id), fate);
            return;
        }
        let think = self.setup.think.0;
        let pause = stage
            .engine
            .decider()
            .below(Stream::Client(number), What::Think, think + 1);
        let caller = &mut self.callers[number as usize];
        if let Some(lane) = caller.lanes.get_mut(open.lane as usize) {
            *lane = Lane::Thinking {
                until: now.after(Micros(pause)),
            };
        }
    }

    fn draw(&mut self, number: u32, decider: &mut (dyn Decider + Send + 'static)) -> Call {
        let stream = Stream::Client(number);
        let [put, get, delete, cas] = self.setup.mix;
        let kinds = [(put, 'p'), (get, 'g'), (delete, 'd'), (cas, 'c')];
        let kind = decider.weighted(stream, What::Operation, &kinds).unwrap_or('g');
        let key = Bytes::from(format!("k{}", decider.below(stream, What::Key, self.setup.keys)));
        let caller = &self.callers[number as usize];
        let value = if self.setup.unique {
            Bytes::from(format!("{number}-{}", caller.numbers))
        } else {
            Bytes::from(format!("v{}", decider.below(stream, What::Value, 4)))
        };
        match kind {
            'p' => Call::Write(Op::Put { key, value }),
            'd' => Call::Write(Op::Delete { key }),
            'c' => {
                let expect = caller.seen.get(&key).cloned().flatten();
                let removes = decider.below(stream, What::Value, 8) == 0;
                let value = (!removes).then_some(value);
                Call::Write(Op::Cas { key, expect, value })
            }
            _ => Call::Get { key },
        }
    }

    /// Sets the alarm for whatever a client wants next.
    fn arm<M: Subject>(&mut self, number: u32, stage: &mut Stage<'_, M>) {
        let now = stage.engine.now();
        let caller = &mut self.callers[number as usize];
        let thinking = caller.lanes.iter().filter_map(|lane| match lane {
            Lane::Thinking { until } if number < self.asking => Some(*until),
            _ => None,
        });
        let Some(due) = thinking.chain(caller.machine.deadline()).min() else {
            return;
        };
        let at = due.max(Time(now.0 + 1));
        if caller.armed.is_none_or(|armed| armed > at || armed < now) {
            caller.armed = Some(at);
            stage.engine.alarm(at, Alarm::Client(number));
        }
    }
}

/// The session, if a replica says that it has expired, and the request that this answers.
fn says_expired(event: &ClientEvent) -> Option<(SessionId, u64)> {
    match event {
        ClientEvent::Reply { reply, .. } => match reply.outcome {
            Outcome::Refused(Refusal::SessionExpired { session }) => Some((session, reply.id)),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a leader tells whom it waits for.
fn names_who_is_waited_for<M: Subject>(engine: &AuditedEngine<M>) -> bool {
    let leader = audited::leader(engine).and_then(|id| engine.machine(id));
    leader.is_some_and(|leader| !leader.status().waiting_for.is_empty())
}

/// What a client knows of a key after an operation.
fn remember(seen: &mut BTreeMap<Bytes, Option<Bytes>>, call: &Call, outcome: &Outcome) {
    let (key, value) = match (call, outcome) {
        (Call::Get { key }, Outcome::Value { value, .. }) => (key, value.clone()),
        (Call::Write(Op::Put { key, value }), _) => (key, Some(value.clone())),
        (Call::Write(Op::Delete { key }), _) => (key, None),
        (Call::Write(Op::Cas { key, value, .. }), Outcome::Swapped { applied: true, .. }) => {
            (key, value.clone())
        }
        _ => return,
    };
    seen.insert(key.clone(), value);
}
