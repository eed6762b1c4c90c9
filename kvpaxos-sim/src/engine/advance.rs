//! Taking events from the queue, and stepping machines.

use kvpaxos::{ClientId, Event, Input, ReplicaId, Time};

use crate::engine::host::Arrival;
use crate::engine::machine::{EventOf, Machine};
use crate::engine::node::Node;
use crate::engine::observer::{Misbehaviour, Observer};
use crate::engine::pending::{Pending, Turn};
use crate::engine::state::Engine;

impl<M: Machine, O: Observer<M>> Engine<M, O> {
    /// Takes the next event and carries it out; `None` if nothing waits.
    pub fn advance(&mut self) -> Option<Turn<M>> {
        let (at, pending) = self.queue.pop()?;
        self.now = at;
        self.counts.events += 1;
        match pending {
            Pending::Message {
                from,
                founding,
                to,
                message,
            } => {
                self.digest.begin(1, [at.0, from.0.into(), to.0.into()]);
                self.digest.add(&message);
                self.digest.end();
                self.counts.messages += 1;
                if self.network.arrives(from.into(), to.into()) {
                    let event = Event::Peer {
                        from,
                        founding,
                        message,
                    };
                    self.arrive(to, Arrival::Input(event));
                }
            }
            Pending::Loop { host, life, message } => {
                self.digest.begin(2, [at.0, host.0.into(), life.into()]);
                self.digest.add(&message);
                self.digest.end();
                self.counts.messages += 1;
                if self.host(host).life == life {
                    let event = Event::Peer {
                        from: host,
                        founding: None,
                        message,
                    };
                    self.arrive(host, Arrival::Input(event));
                }
            }
            Pending::Request { from, to, request } => {
                self.digest.begin(3, [at.0, from.into(), to.0.into()]);
                self.digest.add(&request);
                self.digest.end();
                self.counts.client_messages += 1;
                if self.network.arrives(Node::client(from), to.into()) && self.machine(to).is_some() {
                    let event = Event::Client {
                        from: ClientId(from.into()),
                        request,
                    };
                    self.arrive(to, Arrival::Input(event));
                } else {
                    self.break_connection(from, to);
                }
            }
            Pending::Reply { from, to, reply } => {
                self.digest.begin(4, [at.0, from.0.into(), to.into()]);
                self.digest.add(&reply);
                self.digest.end();
                self.counts.client_messages += 1;
                if self.network.arrives(from.into(), Node::client(to)) {
                    return Some(Turn::Reply { from, to, reply });
                }
                self.break_connection(to, from);
            }
            Pending::Gone { host, life, client } => {
                self.fold(17, [at.0, host.0.into(), client.into()]);
                if self.host(host).life == life {
                    let client = ClientId(client.into());
                    self.arrive(host, Arrival::Input(Event::ClientGone { client }));
                }
            }
            Pending::HungUp { from, to } => {
                self.fold(18, [at.0, from.0.into(), to.into()]);
                self.broken.remove(&(to, from));
                return Some(Turn::HungUp { from, to });
            }
            Pending::Tick { host, life } => self.on_tick(host, life),
            Pending::Synced { host, life } => {
                self.fold(6, [at.0, host.0.into(), life.into()]);
                self.counts.syncs += 1;
                if self.host(host).life == life {
                    self.arrive(host, Arrival::Synced);
                }
            }
            Pending::Alarm(alarm) => return Some(Turn::Alarm(alarm)),
        }
        Some(Turn::Inside)
    }

    pub(super) fn on_tick(&mut self, id: ReplicaId, life: u32) {
        let now = self.now;
        let host = self.host_mut(id);
        if host.life != life || host.armed != Some(now) {
            return;
        }
        host.armed = None;
        // A clock that jumped or changed speed: the deadline may lie elsewhere by now.
        let due = host.machine.as_ref().and_then(Machine::deadline);
        if due.is_some_and(|due| host.clock.read(now) >= due) {
            self.fold(5, [now.0, id.0.into(), life.into()]);
            self.counts.ticks += 1;
            self.arrive(id, Arrival::Input(Event::Clock));
        } else {
            self.arm(id);
        }
    }

    /// Something arrives at a process: at once, after its pause, or never if it is down.
    pub(super) fn arrive(&mut self, id: ReplicaId, arrival: Arrival<M>) {
        let host = self.host_mut(id);
        if host.machine.is_none() {
            return;
        }
        if host.paused {
            host.backlog.push_back(arrival);
            return;
        }
        match arrival {
            Arrival::Input(event) => self.step(id, event),
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
        let effects = machine.step(Input { at, event });
        self.observer.stepped(now, id, machine, &effects);
        for effect in effects {
            self.carry_out(id, effect);
        }
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

    /// Sees to it that a clock event comes when the machine's deadline is reached.
    pub(super) fn arm(&mut self, id: ReplicaId) {
        let now = self.now;
        let host = self.host_mut(id);
        let Some(due) = host.machine.as_ref().and_then(Machine::deadline) else {
            return;
        };
        let at = host.clock.when(due).max(Time(now.0 + 1));
        // An earlier event that is already under way finds out by itself that it is early.
        if host.armed.is_none_or(|armed| armed > at) {
            host.armed = Some(at);
            let life = host.life;
            self.queue.push(at, Pending::Tick { host: id, life });
        }
    }
}
