//! Requests of clients, and connections that break.

use kvpaxos::{Micros, ReplicaId};

use crate::engine::decider::{Decision, Stream};
use crate::engine::machine::Machine;
use crate::engine::node::Node;
use crate::engine::observer::{Loss, Observer, Packet};
use crate::engine::pending::Pending;
use crate::engine::state::Engine;

impl<M: Machine, O: Observer<M>> Engine<M, O> {
    /// A client sends a request. A request over a broken connection is lost.
    pub fn request(&mut self, from: u32, to: ReplicaId, request: &M::Request) {
        let client = Node::client(from);
        let packet = self
            .observer
            .sent(self.now, client, to.into(), &Packet::Request(request));
        if self.broken.contains(&(from, to)) {
            self.observer.lost(self.now, packet, Loss::Broken);
            return;
        }
        let copies = self.transmit(client, to.into(), M::request_label(request), packet);
        for at in copies.into_iter().flatten() {
            let request = request.clone();
            let pending = Pending::Request {
                from,
                to,
                request,
                packet,
            };
            self.queue.push(at, pending);
        }
        if copies == [None, None] {
            self.break_connection(from, to);
        }
    }

    /// Breaks a connection: a connection loses a message only by breaking. Both ends are told. Until the
    /// client is told, everything that either end sends is lost; what was under way may still arrive. Nothing
    /// happens if the client uses datagrams.
    pub(super) fn break_connection(&mut self, client: u32, id: ReplicaId) {
        let node = Node::client(client);
        if !self.network.is_connected(node) || !self.broken.insert((client, id)) {
            return;
        }
        let life = self.host(id).life;
        let gone = Pending::ConnectionGone {
            host: id,
            life,
            client,
        };
        self.queue.push(self.now, gone);
        let delay = self.network.links.delay;
        let delay = self
            .decider
            .spread(Stream::Link(id.into(), node), Decision::HangUpDelay, &delay);
        let told = self.now.after(Micros(delay.max(1)));
        self.queue.push(told, Pending::HungUp { from: id, to: client });
    }
}
