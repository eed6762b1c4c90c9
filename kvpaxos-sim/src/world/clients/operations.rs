//! Operations of clients, from the draw to the end.

use bytes::Bytes;
use kvpaxos::client::{Call, ClientEffect, ClientEvent, Completion};
use kvpaxos::{Micros, Op, Query, Refusal, Step, Time, Transaction};

use crate::engine::{Decider, Decision, Stream};
use crate::invariants::{Property, Sometimes, seconds};
use crate::subject::Subject;
use crate::timeline::call_keys;
use crate::world::audited::{self, AuditedEngine};
use crate::world::store_recorder::SHARED;

use super::client::{Lane, Open, remember, says_expired, watch};
use super::state::{Clients, Context};
use super::text::{CallText, CompletionText, EffectText};

/// The kinds of operations that clients draw.
#[derive(Clone, Copy)]
enum OperationKind {
    Put,
    Get,
    Delete,
    Cas,
}

impl Clients {
    pub(super) fn invoke<M: Subject>(
        &mut self,
        number: u32,
        lane: u32,
        scripted: bool,
        call: Call,
        context: &mut Context<'_, M>,
    ) -> u64 {
        let client = &mut self.clients[number as usize];
        let id = client.numbers;
        client.numbers += 1;
        let now = context.engine.now();
        context.recorder.invoke(number, lane, &call, now);
        context
            .engine
            .observer
            .trace
            .line(now, || format!("client {number} calls {}", CallText(&call)));
        let pictured = context
            .engine
            .observer
            .picture(|timeline| timeline.call(now, number, &CallText(&call).to_string(), call_keys(&call)))
            .flatten();
        let open = Open {
            pictured,
            lane,
            scripted,
            call: call.clone(),
            floor: context.engine.observer.floor(),
            since: now,
        };
        client.open.insert(id, open);
        self.operations.begun += 1;
        self.step(number, ClientEvent::Call { number: id, call }, context);
        id
    }

    pub(super) fn step<M: Subject>(&mut self, number: u32, event: ClientEvent, context: &mut Context<'_, M>) {
        let now = context.engine.now();
        let expired = says_expired(&event);
        for effect in self.clients[number as usize].machine.step(now, event) {
            context
                .engine
                .observer
                .trace
                .line(now, || format!("client {number} {}", EffectText(&effect)));
            match effect {
                ClientEffect::Send { to, request } => {
                    self.clients[number as usize].note(&request);
                    context.engine.request(number, to, &request);
                }
                // Nothing waits for a connection here: a request is on its way as soon as it is sent.
                ClientEffect::Withdraw { .. } => {}
                ClientEffect::Done {
                    number: id,
                    completion,
                } => {
                    self.check_fate(number, id, &completion, expired.is_some(), context);
                    self.on_done(number, id, completion, context);
                }
            }
        }
    }

    /// Checks the contract of [`Completion`]: an outcome is not unknown while its answer can still be
    /// obtained. The answer is lost when the session has expired. Otherwise the session keeps the answer to
    /// every write that has not ended, as long as the client reports no lowest unanswered sequence above it.
    pub(super) fn check_fate<M: Subject>(
        &mut self,
        number: u32,
        id: u64,
        completion: &Completion,
        expired: bool,
        context: &mut Context<'_, M>,
    ) {
        let now = context.engine.now();
        let client = &self.clients[number as usize];
        let Some(open) = client.open.get(&id) else { return };
        let early = now < open.since.after(client.deadline);
        let forgotten = match completion {
            Completion::Unknown { .. } => early && !expired,
            Completion::Refused(refusal) => matches!(refusal, Refusal::AlreadyAnswered { .. }),
            Completion::Done(_) => false,
        };
        if forgotten {
            let since = seconds(open.since);
            let what = format!(
                "client {number} waits for the answer to {} since {since}, and gets: {}",
                CallText(&open.call),
                CompletionText(completion)
            );
            context.engine.observer.report(now, Property::Contract, what);
        }
    }

    pub(super) fn on_done<M: Subject>(
        &mut self,
        number: u32,
        id: u64,
        completion: Completion,
        context: &mut Context<'_, M>,
    ) {
        let now = context.engine.now();
        let client = &mut self.clients[number as usize];
        let Some(open) = client.open.remove(&id) else {
            return;
        };
        if let Some(call) = open.pictured {
            let outcome = CompletionText(&completion).to_string();
            let observer = &mut context.engine.observer;
            observer.picture(|timeline| timeline.ended(now, call, &outcome));
        }
        let wrong = context
            .recorder
            .complete(number, open.lane, &open.call, &completion, now);
        if let Some(why) = wrong {
            context
                .engine
                .observer
                .report(now, Property::S2, why.explanation.clone());
        }
        match &completion {
            Completion::Done(outcome) => {
                self.operations.done += 1;
                client.done_since += 1;
                self.slowest = self.slowest.max(Micros(now.0 - open.since.0));
                remember(&mut client.seen, &open.call, outcome);
                watch(client, &open.call, outcome);
                match &open.call {
                    Call::Write(op) => {
                        if self.two_phase {
                            context.engine.observer.coverage.hit(Sometimes::TwoPhaseUpdate);
                        }
                        if let Some(situation) = written(op) {
                            context.engine.observer.coverage.hit(situation);
                        }
                        context.engine.observer.on_written(open.floor, op, outcome);
                    }
                    Call::Read(_) => context.engine.observer.on_read(open.floor, outcome),
                    Call::Status | Call::DriverStatus | Call::Close => {}
                }
            }
            Completion::Refused(refusal) => {
                self.operations.refused += 1;
                if matches!(refusal, Refusal::Unavailable { .. } | Refusal::Busy { .. }) {
                    context.engine.observer.coverage.hit(Sometimes::Refused);
                }
                if matches!(refusal, Refusal::MemoryLost { .. }) {
                    context.engine.observer.coverage.hit(Sometimes::MemoryLost);
                }
            }
            Completion::Unknown { silent } => {
                if self.two_phase && (!silent.is_empty() || names_silent_replicas(context.engine)) {
                    context.engine.observer.coverage.hit(Sometimes::TwoPhaseStall);
                }
                self.operations.unknown += 1;
                context.engine.observer.coverage.hit(Sometimes::UnknownOutcome);
            }
        }
        if open.scripted {
            self.ended_calls.insert((number, id), completion);
            return;
        }
        let next = if self.is_planned() {
            self.next_planned(number, open.lane, now)
        } else {
            self.next_drawn(number, now, context.engine.decider())
        };
        if let Some(lane) = self.clients[number as usize].lanes.get_mut(open.lane as usize) {
            *lane = next;
        }
    }

    /// How long a lane thinks before its next operation.
    fn next_drawn(&self, number: u32, now: Time, decider: &mut (dyn Decider + Send + 'static)) -> Lane {
        // In a burst, operations follow each other soon.
        let in_bursts = self.setup.burst.0 > 0;
        let think = self.setup.think.0 / if in_bursts { 8 } else { 1 };
        let pause = decider.below(Stream::Client(number), Decision::Think, think + 1);
        Lane::Thinking {
            until: self.setup.in_burst(now.after(Micros(pause))),
        }
    }

    pub(super) fn draw(&mut self, number: u32, decider: &mut (dyn Decider + Send + 'static)) -> Call {
        let stream = Stream::Client(number);
        let shared = self.setup.shared;
        if shared > 0 && decider.chance(stream, Decision::Operation, shared * 10_000) {
            return self.draw_shared(number, decider);
        }
        if self.setup.counters > 0
            && decider.chance(stream, Decision::Operation, self.setup.counters * 10_000)
        {
            let delta = i64::try_from(decider.below(stream, Decision::Value, 3)).expect("it is below 3");
            return increment(1 + delta);
        }
        let [put, get, delete, cas] = self.setup.mix;
        let kinds = [
            (put, OperationKind::Put),
            (get, OperationKind::Get),
            (delete, OperationKind::Delete),
            (cas, OperationKind::Cas),
        ];
        let kind = decider
            .weighted(stream, Decision::Operation, &kinds)
            .expect("the setup's mix was checked");
        let is_hot = decider.chance(stream, Decision::Key, self.setup.hot * 10_000);
        let keys = if is_hot { 1 } else { self.setup.keys };
        let key = Bytes::from(format!("k{}", decider.below(stream, Decision::Key, keys)));
        let client = &self.clients[number as usize];
        let mut value = if self.setup.unique {
            format!("{number}-{}", client.numbers)
        } else {
            format!("v{}", decider.below(stream, Decision::Value, 4))
        };
        let more = decider.index(stream, Decision::Value, self.setup.value_bytes);
        value.extend(std::iter::repeat_n('.', more));
        let value = Bytes::from(value);
        match kind {
            OperationKind::Put => Call::Write(Op::Put { key, value }),
            OperationKind::Delete => Call::Write(Op::Delete { key }),
            OperationKind::Cas => {
                let expect = client.seen.get(&key).cloned().flatten();
                let removes = decider.below(stream, Decision::Value, 8) == 0;
                let value = (!removes).then_some(value);
                Call::Write(Op::Cas { key, expect, value })
            }
            OperationKind::Get => Call::Read(Query::Get { key }),
        }
    }
}

/// Adds to the counter.
fn increment(delta: i64) -> Call {
    let key = Bytes::from([SHARED, b"counter"].concat());
    Call::Write(Op::Transaction(Transaction {
        conditions: Vec::new(),
        steps: vec![Step::Add { key, delta }],
    }))
}

/// The situation in which this was written, if it is a special one.
fn written(op: &Op) -> Option<Sometimes> {
    match op {
        Op::Put { value, .. } if value.len() > 1_000 => Some(Sometimes::LargeValue),
        Op::Transaction(Transaction { steps, .. }) => {
            matches!(steps[..], [Step::Add { .. }]).then_some(Sometimes::Counted)
        }
        _ => None,
    }
}

/// Whether the leader names replicas that it waits for.
fn names_silent_replicas<M: Subject>(engine: &AuditedEngine<M>) -> bool {
    let leader = audited::leader(engine).and_then(|id| engine.machine(id));
    leader.is_some_and(|leader| !leader.status().waiting_for.is_empty())
}
