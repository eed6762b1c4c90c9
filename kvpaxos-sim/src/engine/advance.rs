//! Taking events from the queue, and stepping machines.

use kvpaxos::{ClientId, Event, Input, ReplicaId, Time};

use crate::engine::digest::EntryKind;
use crate::engine::host::Arrival;
use crate::engine::machine::{EventOf, Machine};
use crate::engine::node::Node;
use crate::engine::observer::{Loss, Misbehaviour, Observer, PacketId};
use crate::engine::pending::{Output, Pending};
use crate::engine::state::Engine;

impl<M: Machine, O: Observer<M>> Engine<M, O> {
    /// Takes the next event from the queue and carries it out. Returns `None` if the queue is empty.
    pub fn advance(&mut self) -> Option<Output<M>> {
        let (at, pending) = self.queue.pop()?;
        self.now = at;
        self.decider.set_handled(self.counts.events);
        self.counts.events += 1;
        let output = match pending {
            Pending::Message {
                from,
                founding,
                to,
                message,
                packet,
            } => {
                let event = Event::Peer {
                    from,
                    founding,
                    message,
                };
                self.on_message(from, to, event, packet);
                Output::Nothing
            }
            Pending::OwnMessage {
                host,
                life,
                message,
                packet,
            } => {
                self.on_own_message(host, life, message, packet);
                Output::Nothing
            }
            Pending::Request {
                from,
                to,
                request,
                packet,
            } => {
                self.on_request(from, to, request, packet);
                Output::Nothing
            }
            Pending::Reply {
                from,
                to,
                reply,
                packet,
            } => self.on_reply(from, to, reply, packet),
            Pending::ConnectionGone { host, life, client } => {
                self.on_connection_gone(host, life, client);
                Output::Nothing
            }
            Pending::HungUp { from, to } => {
                self.add_to_digest(EntryKind::HungUp, [at.0, from.0.into(), to.into()]);
                self.broken.remove(&(to, from));
                self.observer.hung_up(at, to, from);
                Output::HungUp { from, to }
            }
            Pending::Tick { host, life } => {
                self.on_tick(host, life);
                Output::Nothing
            }
            Pending::Synced { host, life } => {
                self.add_to_digest(EntryKind::Sync, [at.0, host.0.into(), life.into()]);
                self.counts.syncs += 1;
                self.arrive_in_life(host, life, Arrival::Synced);
                Output::Nothing
            }
            Pending::Alarm(alarm) => Output::Alarm(alarm),
        };
        Some(output)
    }

    fn on_message(&mut self, from: ReplicaId, to: ReplicaId, event: EventOf<M>, packet: PacketId) {
        if let Event::Peer { message, .. } = &event {
            let numbers = [self.now.0, from.0.into(), to.0.into()];
            self.digest.add_with(EntryKind::Message, numbers, message);
        }
        self.counts.messages += 1;
        if self.network.arrives(from.into(), to.into()) {
            self.arrive(to, Arrival::Input(event, Some(packet)));
        } else {
            self.observer.lost(self.now, packet, Loss::Cut);
        }
    }

    fn on_own_message(&mut self, host: ReplicaId, life: u32, message: M::Message, packet: PacketId) {
        let numbers = [self.now.0, host.0.into(), life.into()];
        self.digest.add_with(EntryKind::OwnMessage, numbers, &message);
        self.counts.messages += 1;
        let event = Event::Peer {
            from: host,
            founding: None,
            message,
        };
        self.arrive_in_life(host, life, Arrival::Input(event, Some(packet)));
    }

    fn on_request(&mut self, from: u32, to: ReplicaId, request: M::Request, packet: PacketId) {
        let numbers = [self.now.0, from.into(), to.0.into()];
        self.digest.add_with(EntryKind::Request, numbers, &request);
        self.counts.client_messages += 1;
        let arrives = self.network.arrives(Node::client(from), to.into());
        if arrives && self.machine(to).is_some() {
            let from = ClientId(from.into());
            self.arrive(to, Arrival::Input(Event::Client { from, request }, Some(packet)));
        } else {
            let why = if arrives { Loss::Down } else { Loss::Cut };
            self.observer.lost(self.now, packet, why);
            self.break_connection(from, to);
        }
    }

    fn on_reply(&mut self, from: ReplicaId, to: u32, reply: M::Reply, packet: PacketId) -> Output<M> {
        let numbers = [self.now.0, from.0.into(), to.into()];
        self.digest.add_with(EntryKind::Reply, numbers, &reply);
        self.counts.client_messages += 1;
        if self.network.arrives(from.into(), Node::client(to)) {
            self.observer.delivered(self.now, packet, Node::client(to));
            return Output::Reply { from, to, reply };
        }
        self.observer.lost(self.now, packet, Loss::Cut);
        self.break_connection(to, from);
        Output::Nothing
    }

    fn on_connection_gone(&mut self, host: ReplicaId, life: u32, client: u32) {
        let numbers = [self.now.0, host.0.into(), client.into()];
        self.add_to_digest(EntryKind::ConnectionGone, numbers);
        let client = ClientId(client.into());
        self.arrive_in_life(host, life, Arrival::Input(Event::ClientGone { client }, None));
    }

    /// Delivers to a process, unless it has restarted since: an event for an earlier life is dropped.
    fn arrive_in_life(&mut self, id: ReplicaId, life: u32, arrival: Arrival<M>) {
        if self.host(id).life == life {
            self.arrive(id, arrival);
        } else if let Arrival::Input(_, Some(packet)) = arrival {
            self.observer.lost(self.now, packet, Loss::Down);
        }
    }

    pub(super) fn on_tick(&mut self, id: ReplicaId, life: u32) {
        let now = self.now;
        let host = self.host_mut(id);
        if host.life != life || host.armed != Some(now) {
            return;
        }
        host.armed = None;
        // The clock may have jumped or changed its speed since the event was queued, so the deadline may not
        // be reached yet.
        let due = host.machine.as_ref().and_then(Machine::deadline);
        if due.is_some_and(|due| host.clock.read(now) >= due) {
            self.add_to_digest(EntryKind::Tick, [now.0, id.0.into(), life.into()]);
            self.counts.ticks += 1;
            self.arrive(id, Arrival::Input(Event::Clock, None));
        } else {
            self.arm(id);
        }
    }

    /// Delivers to a process: at once, after its pause, or not at all if it is down.
    pub(super) fn arrive(&mut self, id: ReplicaId, arrival: Arrival<M>) {
        let host = self.host_mut(id);
        if host.machine.is_none() {
            if let Arrival::Input(_, Some(packet)) = arrival {
                self.observer.lost(self.now, packet, Loss::Down);
            }
            return;
        }
        if host.paused {
            host.backlog.push_back(arrival);
            return;
        }
        match arrival {
            Arrival::Input(event, packet) => {
                if let Some(packet) = packet {
                    self.observer.delivered(self.now, packet, id.into());
                }
                self.step(id, event);
            }
            Arrival::Synced => self.on_synced(id),
        }
    }

    /// Steps a machine and carries out its effects in order.
    pub(super) fn step(&mut self, id: ReplicaId, event: EventOf<M>) {
        let now = self.now;
        let host = &mut self.hosts[usize::from(id.0)];
        let at = host.local(now);
        let Some(machine) = &mut host.machine else { return };
        self.observer.enters(now, id, &event);
        let mut effects = std::mem::take(&mut self.effects);
        machine.step_into(Input { at, event }, &mut effects);
        self.observer.stepped(now, id, machine, &effects);
        for effect in effects.drain(..) {
            self.carry_out(id, effect);
        }
        self.effects = effects;
        self.check_deadline(id, at);
        self.arm(id);
    }

    pub(super) fn check_deadline(&mut self, id: ReplicaId, at: Time) {
        let deadline = self.host(id).machine.as_ref().and_then(Machine::deadline);
        if let Some(deadline) = deadline.filter(|deadline| *deadline <= at) {
            self.observer
                .misbehaved(self.now, id, Misbehaviour::Deadline { at, deadline });
        }
    }

    /// Queues a clock event for the machine's deadline.
    pub(super) fn arm(&mut self, id: ReplicaId) {
        let now = self.now;
        let host = self.host_mut(id);
        let Some(due) = host.machine.as_ref().and_then(Machine::deadline) else {
            return;
        };
        let at = host.clock.when(due).max(Time(now.0 + 1));
        // An event that is queued for an earlier time finds that the deadline is not reached, and arms again.
        if host.armed.is_none_or(|armed| armed > at) {
            host.armed = Some(at);
            let life = host.life;
            self.queue.push(at, Pending::Tick { host: id, life });
        }
    }
}
