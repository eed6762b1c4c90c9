//! The clients of a world: their alarms, replies and broken connections, and how many operations each has had done.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use kvpaxos::client::{Call, ClientEvent, Completion};
use kvpaxos::{Micros, ReplicaId, Reply, Time, Update};
use serde::Serialize;

use crate::engine::{Alarm, Decider, Decision, EntryKind, Stream};
use crate::invariants::{Sometimes, seconds};
use crate::subject::Subject;
use crate::world::audited::AuditedEngine;
use crate::world::recorder::Recorder;
use crate::world::setup::{Setup, Workload};

use super::client::{Lane, SimulatedClient, says_expired};
use super::text::CallText;

/// How many operations ended, and how.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize)]
pub struct OperationCounts {
    /// Begun.
    pub begun: u64,
    /// Done.
    pub done: u64,
    /// Refused: certainly not done.
    pub refused: u64,
    /// Ended with an unknown outcome.
    pub unknown: u64,
}

/// A call of a client in a scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlannedCall {
    /// The number of the client.
    pub client: u32,
    /// The lane. A lane has one call under way at a time.
    pub lane: u32,
    /// When it begins, or later if the call before it in its lane has not ended.
    pub at: Time,
    /// The call.
    pub call: Call,
}

/// The calls of a scenario that have not begun, for each client and lane.
type Plan = BTreeMap<(u32, u32), VecDeque<PlannedCall>>;

/// All clients of a world.
pub(in crate::world) struct Clients {
    pub(super) setup: Workload,
    pub(super) two_phase: bool,
    pub(super) clients: Vec<SimulatedClient>,
    /// How many clients, the first ones, begin operations.
    pub asking: u32,
    /// How many operations ended, and how.
    pub operations: OperationCounts,
    /// The ends of calls that tests began, by client and number.
    pub(in crate::world) ended_calls: BTreeMap<(u32, u64), Completion>,
    /// The longest time that a completed operation took.
    pub slowest: Micros,
    /// The calls of a scenario; `None` if calls are drawn.
    pub(super) plan: Option<Plan>,
    /// The calls that have begun, except for those of tests.
    pub(in crate::world) begun: Vec<PlannedCall>,
}

impl Clients {
    /// The clients of this setup, and one more for the calls of tests.
    pub(in crate::world) fn new(setup: &Setup, decider: &mut (dyn Decider + Send + 'static)) -> Clients {
        let clients = (0..=setup.clients.count)
            .map(|number| SimulatedClient::new(number, setup, decider))
            .collect();
        Clients {
            setup: setup.clients.clone(),
            two_phase: setup.cluster.update == Update::TwoPhase,
            clients,
            asking: 0,
            operations: OperationCounts::default(),
            ended_calls: BTreeMap::new(),
            slowest: Micros(0),
            plan: None,
            begun: Vec::new(),
        }
    }

    /// The clients of a scenario: they make these calls, which are in the order of their times for each lane.
    pub(in crate::world) fn plan(&mut self, calls: &[PlannedCall]) {
        let mut plan = Plan::new();
        for call in calls {
            let lane = plan.entry((call.client, call.lane)).or_default();
            lane.push_back(call.clone());
        }
        self.plan = Some(plan);
        for number in (0u32..).take(self.clients.len()) {
            for lane in (0u32..).take(self.clients[number as usize].lanes.len()) {
                self.clients[number as usize].lanes[lane as usize] = self.next_planned(number, lane, Time(0));
            }
        }
    }

    /// Whether no call of a scenario is left or under way.
    #[must_use]
    pub(in crate::world) fn is_plan_done(&self) -> bool {
        let left = self.plan.iter().flat_map(BTreeMap::values);
        left.map(VecDeque::len).sum::<usize>() == 0 && self.open() == 0
    }

    /// Whether the calls are those of a scenario.
    #[must_use]
    pub(in crate::world) fn is_planned(&self) -> bool {
        self.plan.is_some()
    }

    /// Gives up what is left of the plan of a scenario: from now on calls are drawn.
    pub(in crate::world) fn give_up_plan<M: Subject>(&mut self, context: &mut Context<'_, M>) {
        if self.plan.take().is_none() {
            return;
        }
        let now = context.engine.now();
        let longest = self.setup.think.0 + 1;
        for number in 0..self.setup.count {
            let client = &mut self.clients[number as usize];
            let busy: BTreeSet<u32> = client.open.values().map(|open| open.lane).collect();
            let idle = (0u32..)
                .zip(&mut client.lanes)
                .filter(|(lane, _)| !busy.contains(lane));
            for (_, lane) in idle {
                let stream = Stream::Client(number);
                let pause = context.engine.decider().below(stream, Decision::Think, longest);
                let until = now.after(Micros(pause));
                *lane = Lane::Thinking { until };
            }
            self.arm(number, context);
        }
    }

    /// What a lane does from now on in a scenario: it waits for the time of its next call, or for ever.
    pub(super) fn next_planned(&self, number: u32, lane: u32, now: Time) -> Lane {
        let queue = self.plan.as_ref().and_then(|plan| plan.get(&(number, lane)));
        match queue.and_then(VecDeque::front) {
            Some(next) => Lane::Thinking {
                until: next.at.max(now),
            },
            None => Lane::Waiting,
        }
    }

    /// The next call of a lane: that of the scenario, or a drawn one.
    fn next_call<M: Subject>(
        &mut self,
        number: u32,
        lane: u32,
        context: &mut Context<'_, M>,
    ) -> Option<Call> {
        match &mut self.plan {
            Some(plan) => Some(plan.get_mut(&(number, lane))?.pop_front()?.call),
            None => Some(self.draw(number, context.engine.decider())),
        }
    }

    /// The client for the calls of tests.
    #[must_use]
    pub(in crate::world) fn scripted(&self) -> u32 {
        self.setup.count
    }

    /// How many operations are under way.
    #[must_use]
    pub(in crate::world) fn open(&self) -> usize {
        self.clients.iter().map(|client| client.open.len()).sum()
    }

    /// Each operation under way, in words.
    pub(in crate::world) fn describe_open(&self) -> Vec<String> {
        let clients = (0u32..).zip(&self.clients);
        clients
            .flat_map(|(number, client)| client.open.values().map(move |open| (number, open)))
            .map(|(number, open)| {
                format!(
                    "client {number}: {}, since {}",
                    CallText(&open.call),
                    seconds(open.since)
                )
            })
            .collect()
    }

    /// Begins to count the operations that each client has had done.
    pub(in crate::world) fn begin_count(&mut self) {
        for client in &mut self.clients {
            client.done_since = 0;
        }
    }

    /// The clients that begin operations, each with the number of operations done since the count began.
    pub(super) fn served(&self) -> impl Iterator<Item = (u32, u64)> {
        let asking = (0u32..).zip(&self.clients).take(self.asking as usize);
        asking.map(|(number, client)| (number, client.done_since))
    }

    /// The clients that begin operations and have had fewer than this many done since the count began.
    #[must_use]
    pub(in crate::world) fn unserved(&self, operations: u64) -> Vec<u32> {
        let unserved = self.served().filter(|(_, done)| *done < operations);
        unserved.map(|(number, _)| number).collect()
    }

    /// Whether each client that begins operations has had this many done since the count began.
    #[must_use]
    pub(in crate::world) fn all_done(&self, operations: u64) -> bool {
        self.served().all(|(_, done)| done >= operations)
    }

    /// The operations that clients have had done on average since the count began, for each operation of the
    /// slowest client. 1 is fair.
    #[must_use]
    pub(in crate::world) fn unfairness(&self) -> u64 {
        let fewest = self.served().map(|(_, done)| done).min().unwrap_or(0);
        let all: u64 = self.served().map(|(_, done)| done).sum();
        let even = fewest.max(1) * u64::from(self.asking.max(1));
        all.div_ceil(even).max(1)
    }
}

/// What clients act on: the engine, and the recorder of the history.
pub(in crate::world) struct Context<'a, M: Subject> {
    pub(in crate::world) engine: &'a mut AuditedEngine<M>,
    pub(in crate::world) recorder: &'a mut Recorder,
}

impl Clients {
    /// Starts all clients: sets their first alarms.
    pub(in crate::world) fn begin<M: Subject>(&mut self, context: &mut Context<'_, M>) {
        self.asking = self.setup.count;
        for number in (0u32..).take(self.clients.len()) {
            self.arm(number, context);
        }
    }

    /// The alarm of a client.
    pub(in crate::world) fn on_alarm<M: Subject>(&mut self, number: u32, context: &mut Context<'_, M>) {
        let now = context.engine.now();
        let client = &mut self.clients[number as usize];
        if client.armed != Some(now) {
            return;
        }
        client.armed = None;
        context
            .engine
            .add_to_digest(EntryKind::ClientTick, [now.0, number.into(), 0]);
        if client.machine.deadline().is_some_and(|due| due <= now) {
            self.step(number, ClientEvent::Clock, context);
        }
        if number < self.asking {
            self.issue_due(number, context);
        }
        self.arm(number, context);
    }

    /// A replica answers a client.
    pub(in crate::world) fn on_reply<M: Subject>(
        &mut self,
        number: u32,
        from: ReplicaId,
        reply: Reply,
        context: &mut Context<'_, M>,
    ) {
        let event = ClientEvent::Reply { from, reply };
        let expired = says_expired(&event);
        let client = &self.clients[number as usize];
        let (open, had) = (client.open.len(), client.machine.session());
        self.step(number, event, context);
        if let Some((session, id)) = expired {
            let client = &self.clients[number as usize];
            let moved = had == Some(session) && client.machine.session() != had;
            let again = client
                .asked
                .values()
                .any(|(last, times)| *last == id && *times > 1);
            if client.open.len() < open && again {
                context.engine.observer.coverage.hit(Sometimes::DoubtExpired);
            } else if client.open.len() == open && moved {
                context.engine.observer.coverage.hit(Sometimes::SessionLeft);
            }
        }
        self.arm(number, context);
    }

    /// A client's connection to a replica broke.
    pub(in crate::world) fn on_hang_up<M: Subject>(
        &mut self,
        number: u32,
        from: ReplicaId,
        context: &mut Context<'_, M>,
    ) {
        let client = &self.clients[number as usize];
        if self.setup.is_connected(number) && client.machine.pending() > 0 {
            context.engine.observer.coverage.hit(Sometimes::ConnectionBroke);
        }
        self.step(number, ClientEvent::Disconnected { from }, context);
        self.arm(number, context);
    }

    /// Begins a call of a test. Returns the number of the call.
    pub(in crate::world) fn call<M: Subject>(
        &mut self,
        number: u32,
        call: Call,
        context: &mut Context<'_, M>,
    ) -> u64 {
        let client = &self.clients[number as usize];
        let lane = u32::try_from(client.lanes.len() as u64 + client.numbers).expect("fewer than 2^32 calls");
        let call = self.invoke(number, lane, true, call, context);
        self.arm(number, context);
        call
    }

    pub(super) fn issue_due<M: Subject>(&mut self, number: u32, context: &mut Context<'_, M>) {
        let now = context.engine.now();
        for lane in 0..self.setup.lanes {
            let due = match self.clients[number as usize].lanes.get(lane as usize) {
                Some(Lane::Thinking { until }) => *until <= now,
                _ => false,
            };
            if due && let Some(call) = self.next_call(number, lane, context) {
                self.begun.push(PlannedCall {
                    client: number,
                    lane,
                    at: now,
                    call: call.clone(),
                });
                self.clients[number as usize].lanes[lane as usize] = Lane::Waiting;
                self.invoke(number, lane, false, call, context);
            }
        }
    }

    /// Sets the alarm for the next thing that a client wants to do.
    pub(super) fn arm<M: Subject>(&mut self, number: u32, context: &mut Context<'_, M>) {
        let now = context.engine.now();
        let client = &mut self.clients[number as usize];
        let thinking = client.lanes.iter().filter_map(|lane| match lane {
            Lane::Thinking { until } if number < self.asking => Some(*until),
            _ => None,
        });
        let Some(due) = thinking.chain(client.machine.deadline()).min() else {
            return;
        };
        let at = due.max(Time(now.0 + 1));
        if client.armed.is_none_or(|armed| armed > at || armed < now) {
            client.armed = Some(at);
            context.engine.alarm(at, Alarm::Client(number));
        }
    }
}
