//! Carries out the effects of a step: messages, writes, replies, halts.

use kvpaxos::{Effect, Envelope, ReplicaId};

use crate::engine::decider::{Decision, Stream};
use crate::engine::disk::SyncRequest;
use crate::engine::machine::{EffectOf, Machine};
use crate::engine::node::Node;
use crate::engine::observer::{Misbehaviour, Observer};
use crate::engine::pending::Pending;
use crate::engine::state::Engine;

impl<M: Machine, O: Observer<M>> Engine<M, O> {
    pub(super) fn carry_out(&mut self, id: ReplicaId, effect: EffectOf<M>) {
        match effect {
            Effect::Send(envelope) => self.send(id, envelope),
            Effect::Persist { role, records, then } => {
                let disk = &mut self.host_mut(id).disk;
                if records.is_empty() && disk.is_idle() {
                    for envelope in then {
                        self.send(id, envelope);
                    }
                } else if disk.write(role, records, then) == SyncRequest::Begin {
                    self.begin_sync(id);
                }
            }
            Effect::Reply { to, reply } => {
                let to = u32::try_from(to.0).expect("a machine answers only clients that sent it a request");
                if self.broken.contains(&(to, id)) {
                    return;
                }
                let copies = self.network.send(
                    self.now,
                    id.into(),
                    Node::client(to),
                    M::reply_label(&reply),
                    &mut *self.decider,
                );
                for at in copies.into_iter().flatten() {
                    let reply = reply.clone();
                    self.queue.push(at, Pending::Reply { from: id, to, reply });
                }
                if copies == [None, None] {
                    self.break_connection(to, id);
                }
            }
            Effect::Observe(_) => {}
            Effect::Halt(reason) => {
                let reason = reason.to_string();
                self.observer
                    .misbehaved(self.now, id, Misbehaviour::Halted { reason });
                self.crash(id);
            }
        }
    }

    pub(super) fn send(&mut self, from: ReplicaId, envelope: Envelope<M::Message>) {
        let Envelope { to, mut message } = envelope;
        self.observer.leaves(self.now, from, to, &message);
        if self.host(from).corrupts && from != to {
            self.corrupt(from, to, &mut message);
        }
        if usize::from(to.0) >= self.hosts.len() {
            return;
        }
        if from == to {
            let life = self.host(from).life;
            let pending = Pending::OwnMessage {
                host: from,
                life,
                message,
            };
            self.queue.push(self.now, pending);
            return;
        }
        let founding = self.machine(from).and_then(Machine::founding);
        let pending = |message| Pending::Message {
            from,
            founding,
            to,
            message,
        };
        let label = M::label(&message);
        match self
            .network
            .send(self.now, from.into(), to.into(), label, &mut *self.decider)
        {
            [Some(first), Some(second)] => {
                self.queue.push(first, pending(message.clone()));
                self.queue.push(second, pending(message));
            }
            [Some(at), None] | [None, Some(at)] => self.queue.push(at, pending(message)),
            [None, None] => {}
        }
    }

    pub(super) fn corrupt(&mut self, from: ReplicaId, to: ReplicaId, message: &mut M::Message) {
        let original = message.clone();
        let before = self.host_mut(from).last_sent.take();
        let draw = self
            .decider
            .below(Stream::Nemesis, Decision::Corruption, u64::MAX);
        if M::corrupt(message, before.as_ref(), draw) {
            self.observer.corrupted(self.now, from, to);
            self.host_mut(from).last_sent = Some(original);
        } else {
            self.host_mut(from).last_sent = before;
        }
    }
}
