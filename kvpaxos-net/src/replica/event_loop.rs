//! The one task that owns a replica: it takes what sockets, disk and operator bring, steps the replica, and hands on what
//! comes out. It decides nothing about consensus; it only keeps the contract of [`kvpaxos::io`].
//!
//! Everything is done in batches: all arrivals that wait are stepped, then the disk gets one job with all their records
//! and each socket's writer is woken once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::links::outboxes::Peers;
use crate::replica::alarm::Alarm;
use crate::replica::clients::Clients;
use crate::replica::error::NodeError;
use crate::replica::inbox::{Arrival, Control, Doors, Remembers, Sink};
use crate::replica::observe;
use crate::storage::disk::{DiskEvent, Ticket};
use crate::storage::store::Storage;
use crate::system::clock::Clock;
use crate::system::random::entropy;
use crate::wire::outbox::Outbox;
use kvpaxos::{ClientId, Effect, Envelope, Event, Input, Memory, Message, Micros, Replica, ReplicaId, Role};

/// How long arrivals are stepped before the disk and the sockets hear of the effects. Much less than a tick: heartbeats must
/// not wait for a flood of requests.
const BATCH: Micros = Micros(2_000);
/// Bytes of records on their way to the disk above which nothing more is taken in.
const DISK_BACKLOG: usize = 64 * 1024 * 1024;

/// Envelopes that wait for the disk.
struct Waiting {
    ticket: Ticket,
    role: Role,
    then: Vec<Envelope>,
}

/// See the module.
pub(crate) struct EventLoop {
    id: ReplicaId,
    replica: Replica,
    clock: Clock,
    doors: Doors,
    disk: Storage,
    waiting: VecDeque<Waiting>,
    /// Messages of the replica to itself, in order.
    own: VecDeque<Message>,
    peers: Peers,
    clients: Clients,
    effects: Vec<Effect>,
    halted: Option<kvpaxos::Reason>,
}

impl EventLoop {
    pub(crate) fn new(
        replica: Replica,
        clock: Clock,
        disk: Storage,
        doors: Doors,
        outboxes: &BTreeMap<ReplicaId, Arc<Outbox>>,
    ) -> EventLoop {
        let id = replica.config().id;
        EventLoop {
            id,
            replica,
            clock,
            doors,
            disk,
            waiting: VecDeque::new(),
            own: VecDeque::new(),
            peers: Peers::new(outboxes),
            clients: Clients::new(id),
            effects: Vec::new(),
            halted: None,
        }
    }

    /// Adds a client that is there from the start.
    pub(crate) fn join(&mut self, client: ClientId, sink: Sink) {
        self.clients.join(client, sink);
    }

    /// Runs until it is told to stop, the replica halts or the disk fails.
    pub(crate) async fn run(mut self) -> Result<(), NodeError> {
        let mut alarm = Alarm::new(self.clock);
        // The first step: a replica may have something to say or to write as soon as it is there.
        self.step(Event::Clock);
        self.hand_on();
        while self.halted.is_none() {
            alarm.set(self.replica.deadline());
            tokio::select! {
                biased;
                Some(event) = self.doors.disk.recv() => self.on_disk(event)?,
                control = self.doors.controls.recv() => match control {
                    None | Some(Control::Stop) => return self.stop(),
                    Some(control) => self.on_control(control),
                },
                () = alarm.rings() => {}
                Some(arrival) = self.doors.peers.recv(), if self.has_room() => self.on_arrival(arrival),
                Some(arrival) = self.doors.clients.recv(), if self.has_room() => self.on_arrival(arrival),
            }
            self.take_what_waits()?;
            // After the arrivals: a replica that was paused hears what has come in before its patience ends.
            if self
                .replica
                .deadline()
                .is_some_and(|deadline| deadline <= self.clock.now())
            {
                self.step(Event::Clock);
            }
            self.hand_on();
        }
        // What was appended before the replica met the lie is true and stays.
        self.disk.finish();
        match self.halted.take() {
            Some(reason) => Err(NodeError::Halted { id: self.id, reason }),
            None => Ok(()),
        }
    }

    fn stop(mut self) -> Result<(), NodeError> {
        self.disk.finish();
        // The thread has ended; a failure of its last sync is still worth an error.
        while let Ok(event) = self.doors.disk.try_recv() {
            if let DiskEvent::Failed(error) = event {
                return Err(NodeError::Disk(error));
            }
        }
        Ok(())
    }

    /// Whether the disk keeps up. If it does not, sockets are not read until it does.
    fn has_room(&self) -> bool {
        self.disk.backlog() < DISK_BACKLOG
    }

    /// Steps all that has arrived, up to a bound, so that one sync and one write per socket serve it all.
    fn take_what_waits(&mut self) -> Result<(), NodeError> {
        let enough = self.clock.now().after(BATCH);
        while self.halted.is_none() && self.clock.now() < enough {
            if let Ok(event) = self.doors.disk.try_recv() {
                self.on_disk(event)?;
                continue;
            }
            if !self.has_room() {
                return Ok(());
            }
            let arrival = self
                .doors
                .peers
                .try_recv()
                .or_else(|_| self.doors.clients.try_recv());
            match arrival {
                Ok(arrival) => self.on_arrival(arrival),
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    fn on_arrival(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Peer {
                from,
                founding,
                messages,
            } => {
                for message in messages {
                    self.step(Event::Peer {
                        from,
                        founding,
                        message,
                    });
                }
            }
            Arrival::Requests { client, requests } => {
                for request in requests {
                    self.step(Event::Client {
                        from: client,
                        request,
                    });
                }
            }
            Arrival::Joined { client, sink } => self.join(client, sink),
            Arrival::Left { client } => {
                self.clients.leave(client);
                self.step(Event::ClientGone { client });
            }
        }
    }

    fn on_disk(&mut self, event: DiskEvent) -> Result<(), NodeError> {
        match event {
            DiskEvent::Settled(ticket) => {
                self.disk.on_settled(ticket);
                while self
                    .waiting
                    .front()
                    .is_some_and(|waiting| waiting.ticket <= ticket)
                {
                    let then = self.waiting.pop_front().map(|waiting| waiting.then);
                    for envelope in then.into_iter().flatten() {
                        self.send(envelope);
                    }
                    self.step_own();
                }
                Ok(())
            }
            DiskEvent::ReadBack { role, memory } => {
                self.restart(role, memory);
                Ok(())
            }
            DiskEvent::Failed(error) => Err(NodeError::Disk(error)),
        }
    }

    fn on_control(&mut self, control: Control) {
        match control {
            Control::Fail(role) => {
                tracing::info!(replica = %self.id, ?role, "role fails on purpose");
                self.step(Event::Fail(role));
                // That life is over, and what waited to be told in its name is void.
                for waiting in self.waiting.iter_mut().filter(|waiting| waiting.role == role) {
                    waiting.then.clear();
                }
            }
            // Its records are read once every write of its earlier life has settled.
            Control::Restart(role, Remembers::Kept) => self.disk.read_back(role),
            Control::Restart(role, Remembers::Lost) => self.restart(role, Memory::Lost),
            Control::Status(answer) => {
                // Whoever asked may have gone.
                let _ = answer.send(self.replica.status());
            }
            Control::Stop => unreachable!("handled by the loop"),
        }
    }

    fn restart(&mut self, role: Role, memory: Memory) {
        let kept = match &memory {
            Memory::Kept(records) => Some(records.len()),
            Memory::Lost => None,
        };
        match entropy() {
            Ok(entropy) => {
                tracing::info!(replica = %self.id, ?role, records = kept, "role restarts");
                self.step(Event::Restart {
                    role,
                    memory,
                    entropy,
                });
            }
            Err(error) => {
                tracing::error!(
                    replica = %self.id, ?role, %error,
                    "role stays down: the system gives no random bits; restart it again later"
                );
            }
        }
    }

    /// One input, and then whatever the replica says to itself.
    fn step(&mut self, event: Event) {
        self.step_once(event);
        self.step_own();
    }

    fn step_own(&mut self) {
        while let Some(message) = self.own.pop_front() {
            let from = self.id;
            self.step_once(Event::Peer {
                from,
                founding: None,
                message,
            });
        }
    }

    fn step_once(&mut self, event: Event) {
        if self.halted.is_some() {
            return;
        }
        let at = self.clock.now();
        let mut effects = std::mem::take(&mut self.effects);
        self.replica.step_into(Input { at, event }, &mut effects);
        for effect in effects.drain(..) {
            self.carry_out(effect);
        }
        self.effects = effects;
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Send(envelope) => self.send(envelope),
            Effect::Persist { role, records, then } => match self.disk.append(records, !then.is_empty()) {
                Some(ticket) => self.waiting.push_back(Waiting { ticket, role, then }),
                // Everything written so far is durable.
                None => then.into_iter().for_each(|envelope| self.send(envelope)),
            },
            Effect::Reply { to, reply } => self.clients.reply(to, reply),
            Effect::Observe(observation) => observe::log(self.id, &observation),
            Effect::Halt(reason) => {
                tracing::error!(replica = %self.id, %reason, "the replica halts");
                self.halted = Some(reason);
            }
        }
    }

    fn send(&mut self, envelope: Envelope) {
        if envelope.to == self.id {
            self.own.push_back(envelope.message);
        } else {
            self.peers.send(envelope);
        }
    }

    /// Gives the disk its job and wakes the writers.
    fn hand_on(&mut self) {
        self.disk.flush();
        self.peers.wake();
        self.clients.wake();
    }
}

#[cfg(test)]
mod tests;
