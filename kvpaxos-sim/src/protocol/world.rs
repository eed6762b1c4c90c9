//! The engine with clients and faults around it.

use std::collections::VecDeque;

use kvpaxos::{Micros, Time};

use super::faults::Nemesis;
use super::scenario::{PlannedCall, Scenario};
use super::seam::{Call, CallOf, Draws, Protocol, ReplyOf, RequestOf};
use super::setup::Setup;
use super::watch::Watch;
use crate::engine::{Alarm, Decider, Decision, Engine, Environment, Format, Machine, Output, Stream};
use crate::timeline::CallId;
use crate::world::Fault;

/// A world of a protocol.
pub(super) struct World<'a, P: Protocol> {
    protocol: &'a P,
    setup: Setup,
    pub(super) engine: Engine<P::Machine, Watch<P>>,
    pub(super) nemesis: Nemesis,
    clients: Vec<Client<RequestOf<P>>>,
    is_planned: bool,
    /// The run ends after so many events, without a verdict.
    pub(super) last_event: Option<u64>,
    /// All calls that have begun.
    pub(super) calls: Vec<CallOf<P>>,
    /// Their names on the timeline, if there is one.
    drawn: Vec<Option<CallId>>,
}

struct Client<Q> {
    /// When it wants to be told the time; alarms for other times are out of date.
    due: Option<Time>,
    /// The place of its call that is under way.
    open: Option<usize>,
    plan: VecDeque<PlannedCall<Q>>,
}

impl<'a, P: Protocol> World<'a, P> {
    /// A world of this setup, with the faults and calls of a scenario if there is one.
    pub(super) fn new(
        protocol: &'a P,
        setup: &Setup,
        scenario: Option<&Scenario<RequestOf<P>>>,
        decider: Box<dyn Decider + Send>,
    ) -> World<'a, P> {
        let environment = Environment {
            links: setup.links,
            sync: setup.sync,
            format: Format::Plain,
        };
        let plan = |client| {
            let calls = scenario.iter().flat_map(|scenario| &scenario.calls);
            calls.filter(|call| call.client == client).cloned().collect()
        };
        let clients = (0..setup.clients).map(|client| Client {
            due: None,
            open: None,
            plan: plan(client),
        });
        World {
            protocol,
            engine: Engine::new(protocol.configs(), environment, decider, Watch::new()),
            nemesis: Nemesis::new(setup, scenario.map(|scenario| scenario.faults.clone())),
            clients: clients.collect(),
            is_planned: scenario.is_some(),
            last_event: None,
            calls: Vec::new(),
            drawn: Vec::new(),
            setup: setup.clone(),
        }
    }

    /// Plays until this time, and judges the run.
    ///
    /// # Errors
    /// What is wrong.
    pub(super) fn play(&mut self, until: Time) -> Result<(), String> {
        self.engine.ids().for_each(|id| self.engine.start(id, false));
        for client in 0..self.setup.clients {
            self.rest(client);
        }
        self.nemesis.schedule(&mut self.engine);
        // What happens at that time still counts.
        while self.engine.next_at().is_some_and(|at| at <= until) {
            match self.engine.advance() {
                Some(Output::Reply { to, reply, .. }) => self.on_reply(to, reply),
                Some(Output::Alarm(Alarm::Client(client))) => self.on_client_alarm(client),
                Some(Output::Alarm(Alarm::NextFault)) => self.on_next_fault(),
                Some(Output::Alarm(Alarm::FaultEnd(number))) => self.on_fault_end(number),
                Some(
                    Output::Alarm(Alarm::Phase | Alarm::Strike) | Output::HungUp { .. } | Output::Nothing,
                )
                | None => {}
            }
            if let Some(found) = self.engine.observer.misbehaviour.take() {
                return Err(found);
            }
            if self
                .last_event
                .is_some_and(|last| self.engine.counts().events >= last)
            {
                return Ok(());
            }
        }
        self.protocol.judge(&self.calls)
    }

    fn on_next_fault(&mut self) {
        let before = self.nemesis.begun.len();
        self.nemesis.on_next_fault(&mut self.engine);
        let now = self.engine.now();
        let Some(timeline) = &mut self.engine.observer.timeline else {
            return;
        };
        for planned in &self.nemesis.begun[before..] {
            match &planned.fault {
                Fault::Lasting(fault) => timeline.fault_begins(now, planned.number, fault.to_string()),
                instant => timeline.remark(now, instant.to_string()),
            }
        }
    }

    fn on_fault_end(&mut self, number: u32) {
        self.nemesis.on_end(number, &mut self.engine);
        let now = self.engine.now();
        if let Some(timeline) = &mut self.engine.observer.timeline {
            timeline.fault_ends(now, number);
        }
    }

    /// A client has ended its call, and rests until the next one.
    fn rest(&mut self, client: u32) {
        let now = self.engine.now();
        let state = &mut self.clients[client as usize];
        state.open = None;
        let at = if self.is_planned {
            state.plan.front().map(|call| call.at.max(now))
        } else {
            let stream = Stream::Client(client);
            let think = self
                .engine
                .decider()
                .below(stream, Decision::Think, self.setup.think.0);
            Some(now.after(Micros(think + 1)))
        };
        self.set_alarm(client, at);
    }

    fn set_alarm(&mut self, client: u32, at: Option<Time>) {
        self.clients[client as usize].due = at;
        if let Some(at) = at {
            self.engine.alarm(at, Alarm::Client(client));
        }
    }

    fn on_client_alarm(&mut self, client: u32) {
        let now = self.engine.now();
        let state = &mut self.clients[client as usize];
        if state.due != Some(now) {
            return;
        }
        if state.open.is_some() {
            // It has waited long enough.
            self.rest(client);
            return;
        }
        let (to, request) = match state.plan.pop_front() {
            Some(call) => (call.to, call.request),
            None if self.is_planned => return,
            None => self.draw(client),
        };
        self.clients[client as usize].open = Some(self.calls.len());
        if let Some(timeline) = &mut self.engine.observer.timeline {
            let text = format!("{to} {request:?}");
            self.drawn.push(timeline.call(now, client, &text, Vec::new()));
        }
        self.engine.request(client, to, &request);
        self.calls.push(Call {
            client,
            at: now,
            to,
            request,
            reply: None,
        });
        self.set_alarm(client, Some(now.after(self.setup.patience)));
    }

    fn draw(&mut self, client: u32) -> (kvpaxos::ReplicaId, RequestOf<P>) {
        let ids: Vec<_> = self.engine.ids().collect();
        let decider = self.engine.decider();
        let to = decider.pick(Stream::Client(client), Decision::Operation, &ids);
        let number = self.calls.len() as u64;
        let request = self.protocol.request(number, &mut Draws { decider, client });
        (to, request)
    }

    fn on_reply(&mut self, client: u32, reply: ReplyOf<P>) {
        let now = self.engine.now();
        let place = self.clients[client as usize].open;
        let open = place.map(|place| &mut self.calls[place]);
        let about = P::Machine::reply_label(&reply).about;
        let Some(call) = open.filter(|call| P::Machine::request_label(&call.request).about == about) else {
            return;
        };
        let text = format!("{reply:?}");
        call.reply = Some((now, reply));
        let drawn = place.and_then(|place| self.drawn.get(place).copied().flatten());
        if let (Some(timeline), Some(drawn)) = (&mut self.engine.observer.timeline, drawn) {
            timeline.ended(now, drawn, &text);
        }
        self.rest(client);
    }
}
