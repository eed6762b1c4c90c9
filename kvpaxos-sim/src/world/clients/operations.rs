//! Operations of clients, from the draw to the answer.

use bytes::Bytes;
use kvpaxos::client::{Call, ClientEffect, ClientEvent, Fate};
use kvpaxos::{Micros, Op, Outcome, Refusal, SessionId};

use crate::engine::{Decider, Stream, What};
use crate::invariants::{Property, Sometimes, seconds};
use crate::subject::Subject;
use crate::world::audited::{self, AuditedEngine};

use super::caller::{Lane, Open, remember};
use super::{Crowd, Stage};

impl Crowd {
    pub(super) fn invoke<M: Subject>(
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

    pub(super) fn step<M: Subject>(&mut self, number: u32, event: ClientEvent, stage: &mut Stage<'_, M>) {
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
    pub(super) fn check_fate<M: Subject>(
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

    pub(super) fn on_done<M: Subject>(&mut self, number: u32, id: u64, fate: Fate, stage: &mut Stage<'_, M>) {
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

    pub(super) fn draw(&mut self, number: u32, decider: &mut (dyn Decider + Send + 'static)) -> Call {
        let stream = Stream::Client(number);
        let [put, get, delete, cas] = self.setup.mix;
        let kinds = [(put, 'p'), (get, 'g'), (delete, 'd'), (cas, 'c')];
        let kind = decider
            .weighted(stream, What::Operation, &kinds)
            .expect("the setup's mix was checked");
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
}

/// The session, if a replica says that it has expired, and the request that this answers.
pub(super) fn says_expired(event: &ClientEvent) -> Option<(SessionId, u64)> {
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
