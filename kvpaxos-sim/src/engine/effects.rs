//! Carries out the effects of a step: messages, writes, replies, halts.

use kvpaxos::{Effect, Envelope, ReplicaId, Time};

use crate::engine::decider::{Decision, Stream};
use crate::engine::disk::SyncRequest;
use crate::engine::label::Label;
use crate::engine::machine::{EffectOf, Machine};
use crate::engine::node::Node;
use crate::engine::observer::{Loss, Misbehaviour, Observer, Packet, PacketId};
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
                } else {
                    let files = disk.files_begun();
                    let request = disk.write(role, records, then);
                    if disk.files_begun() > files {
                        self.observer.rotated(self.now, id);
                    }
                    if request == SyncRequest::Begin {
                        self.begin_sync(id);
                    }
                }
            }
            Effect::Reply { to, reply } => {
                let to = u32::try_from(to.0).expect("a machine answers only clients that sent it a request");
                let (from, client) = (id.into(), Node::client(to));
                let packet = self.observer.sent(self.now, from, client, &Packet::Reply(&reply));
                if self.broken.contains(&(to, id)) {
                    self.observer.lost(self.now, packet, Loss::Broken);
                    return;
                }
                let copies = self.transmit(from, client, M::reply_label(&reply), packet);
                for at in copies.into_iter().flatten() {
                    let reply = reply.clone();
                    let pending = Pending::Reply {
                        from: id,
                        to,
                        reply,
                        packet,
                    };
                    self.queue.push(at, pending);
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
        let packet = self
            .observer
            .sent(self.now, from.into(), to.into(), &Packet::Message(&message));
        if from == to {
            let life = self.host(from).life;
            let pending = Pending::OwnMessage {
                host: from,
                life,
                message,
                packet,
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
            packet,
        };
        let label = M::label(&message);
        match self.transmit(from.into(), to.into(), label, packet) {
            [Some(first), Some(second)] => {
                self.queue.push(first, pending(message.clone()));
                self.queue.push(second, pending(message));
            }
            [Some(at), None] | [None, Some(at)] => self.queue.push(at, pending(message)),
            [None, None] => {}
        }
    }

    /// Hands a packet to the network. Returns when its copies arrive.
    pub(super) fn transmit(
        &mut self,
        from: Node,
        to: Node,
        label: Label,
        packet: PacketId,
    ) -> [Option<Time>; 2] {
        let copies = self.network.send(self.now, from, to, label, &mut *self.decider);
        if copies == [None, None] {
            let is_cut = self.network.is_cut(from, to);
            let why = if is_cut { Loss::Cut } else { Loss::Dropped };
            self.observer.lost(self.now, packet, why);
        }
        copies
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
