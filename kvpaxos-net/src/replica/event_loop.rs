//! The task that owns a replica. It steps the replica with what sockets, disk and operator bring, and carries
//! out the effects. It decides nothing about consensus; it keeps the contract of [`kvpaxos::io`].
//!
//! It works in batches: it steps everything that has arrived, then gives the disk one job with all the
//! records, and wakes the writer of each socket once.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::links::outboxes::PeerOutboxes;
use crate::metrics::Metrics;
use crate::recording::{Outgoing, Recorder};
use crate::replica::alarm::Alarm;
use crate::replica::clients::{ClientName, Clients};
use crate::replica::driver_status::Board;
use crate::replica::error::NodeError;
use crate::replica::inbox::{Arrival, Control, Inbox, ReplySink, RestartMemory};
use crate::replica::leaving::{Closing, Leaving, Next, Service, Situation};
use crate::replica::observe::ObservationLog;
use crate::storage::disk::{DiskEvent, Ticket};
use crate::storage::store::Storage;
use crate::system::clock::Clock;
use crate::system::random::entropy;
use crate::system::repeats::Repeats;
use kvpaxos::status::ProposerStatus;
use kvpaxos::{
    ClientId, Effect, Envelope, Event, Input, Memory, Message, Micros, Outcome, Replica, ReplicaId, Role,
    Time,
};

/// How long a batch may take before disk and sockets get its effects. Much less than a tick, so that
/// heartbeats do not wait for a flood of requests.
const BATCH: Micros = Micros(2_000);
/// Nothing more is read from sockets while this many bytes of records wait for the disk.
const DISK_BACKLOG: usize = 64 * 1024 * 1024;

/// Messages that leave once a write is durable.
struct DeferredSends {
    /// The write.
    ticket: Ticket,
    /// The role that wrote. If it fails meanwhile, the messages are void.
    role: Role,
    envelopes: Vec<Envelope>,
}

/// The state of the task. See the module's docs.
pub(crate) struct EventLoop {
    id: ReplicaId,
    replica: Replica,
    clock: Clock,
    inbox: Inbox,
    disk: Storage,
    /// In the order of their tickets.
    deferred: VecDeque<DeferredSends>,
    /// Messages of the replica to itself, in order.
    to_itself: VecDeque<Message>,
    peers: PeerOutboxes,
    clients: Clients,
    observations: ObservationLog,
    metrics: Arc<Metrics>,
    board: Board,
    recorder: Recorder,
    effects: Vec<Effect>,
    halted: Option<kvpaxos::Reason>,
    /// Set once it is to stop.
    leaving: Option<Leaving>,
    closing: Arc<Closing>,
}

impl EventLoop {
    pub(crate) fn new(
        replica: Replica,
        clock: Clock,
        disk: Storage,
        inbox: Inbox,
        peers: PeerOutboxes,
        repeats: Arc<Repeats>,
        metrics: Arc<Metrics>,
    ) -> EventLoop {
        let id = replica.config().id;
        EventLoop {
            id,
            replica,
            clock,
            inbox,
            disk,
            deferred: VecDeque::new(),
            to_itself: VecDeque::new(),
            peers,
            clients: Clients::new(id, Arc::clone(&repeats), Arc::clone(&metrics)),
            observations: ObservationLog::new(id, repeats),
            metrics,
            board: Board::default(),
            recorder: Recorder::off(id),
            effects: Vec::new(),
            halted: None,
            leaving: None,
            closing: Arc::default(),
        }
    }

    /// What this shell tells of itself from now on.
    pub(crate) fn set_board(&mut self, board: Board) {
        self.board = board;
    }

    /// Records what the replica takes in from now on. Its life must have begun in the recording.
    pub(crate) fn set_recorder(&mut self, recorder: Recorder) {
        self.recorder = recorder;
    }

    /// Adds a client that is there from the start.
    pub(crate) fn join(&mut self, client: ClientId, name: ClientName, sink: ReplySink) {
        self.clients.join(client, name, sink);
    }

    /// What tells the ports for clients when it stops.
    pub(crate) fn set_closing(&mut self, closing: Arc<Closing>) {
        self.closing = closing;
    }

    /// Runs until it is told to stop (`Ok`), the replica halts, or the disk fails.
    pub(crate) async fn run(mut self) -> Result<(), NodeError> {
        let mut alarm = Alarm::new(self.clock);
        // A replica may have something to send or to write as soon as it starts.
        self.step(Event::Clock);
        self.hand_on();
        while self.halted.is_none() {
            alarm.set(self.replica.deadline());
            if self.may_stop() {
                self.wait_for_a_tick(&mut alarm).await;
                return self.stop();
            }
            tokio::select! {
                biased;
                Some(event) = self.inbox.disk.recv() => self.on_disk(event)?,
                control = self.inbox.controls.recv() => match control {
                    Some(control) => self.on_control(control),
                    // Nobody is left to wait for it.
                    None => self.leaving = Some(Leaving::at_once(self.clock.now())),
                },
                () = alarm.rings() => {}
                Some(arrival) = self.inbox.peers.recv(), if self.has_room() => self.on_arrival(arrival),
                Some(arrival) = self.inbox.clients.recv(), if self.has_room() => self.on_arrival(arrival),
            }
            self.take_arrivals()?;
            // After the arrivals: a process that was paused first hears what came in meanwhile, and only then
            // that time has passed.
            if self
                .replica
                .deadline()
                .is_some_and(|deadline| deadline <= self.clock.now())
            {
                self.step(Event::Clock);
            }
            self.hand_on();
        }
        // The records that were appended before the replica halted are valid, and stay.
        self.disk.finish();
        match self.halted.take() {
            Some(reason) => Err(NodeError::Halted { id: self.id, reason }),
            None => Ok(()),
        }
    }

    /// With its next tick the replica writes down how far it knows the log to be chosen. Before that, its clock may be due
    /// for other work.
    async fn wait_for_a_tick(&mut self, alarm: &mut Alarm) {
        let tick = self.clock.now().after(self.replica.config().timing.tick);
        while let Some(deadline) = self.replica.deadline().filter(|deadline| *deadline <= tick) {
            alarm.set(Some(deadline));
            alarm.rings().await;
            self.step(Event::Clock);
        }
    }

    fn stop(mut self) -> Result<(), NodeError> {
        self.hand_on();
        self.clients.finish();
        self.closing.set(Service::Ended);
        self.recorder.stopped();
        self.disk.finish();
        // The disk thread has ended, but its last sync may have failed.
        while let Ok(event) = self.inbox.disk.try_recv() {
            if let DiskEvent::Failed(error) = event {
                return Err(NodeError::Disk(error));
            }
        }
        Ok(())
    }

    /// Whether the disk keeps up. Sockets are not read while it does not.
    fn has_room(&self) -> bool {
        self.disk.backlog() < DISK_BACKLOG
    }

    /// Prepares to stop: see [`crate::replica::leaving`].
    fn begin_to_stop(&mut self) {
        if self.leaving.is_some() {
            return;
        }
        self.leaving = Some(Leaving::begin(self.clock.now()));
        if self.others_can_lead() {
            let leads = matches!(self.replica.status().proposer, ProposerStatus::Leading { .. });
            tracing::info!(
                replica = %self.id, leads,
                "is to stop: its clients are sent to others, and if it leads it hands leadership over first"
            );
            self.closing.set(Service::NoGuests);
        }
    }

    /// Whether a replica that is to stop has nothing more to wait for.
    fn may_stop(&mut self) -> bool {
        let Some(mut leaving) = self.leaving else {
            return false;
        };
        let status = self.replica.status();
        let situation = Situation {
            is_spared: self.others_can_lead(),
            another_leads: status.leader.is_some_and(|ballot| ballot.replica != self.id),
            pending: status.pending,
            guests: self.closing.guests(),
        };
        let next = leaving.next(self.clock.now(), situation);
        self.leaving = Some(leaving);
        if next == Next::HandOver {
            self.step(Event::HandOver);
            self.hand_on();
        }
        next == Next::Stop
    }

    /// Whether enough others are heard that one of them can lead without this replica.
    fn others_can_lead(&self) -> bool {
        let status = self.replica.status();
        let quorums = self.replica.config().quorums;
        let others = status.members.without(status.silent).without(status.lost);
        let others = others.iter().filter(|id| *id != self.id).count();
        others >= quorums.phase1.max(quorums.phase2)
    }

    /// Steps what has arrived, for [`BATCH`] at most, so that one sync and one write per socket serve it all.
    fn take_arrivals(&mut self) -> Result<(), NodeError> {
        let end = self.clock.now().after(BATCH);
        while self.halted.is_none() && self.clock.now() < end {
            if let Ok(event) = self.inbox.disk.try_recv() {
                self.on_disk(event)?;
                continue;
            }
            if !self.has_room() {
                return Ok(());
            }
            let mut arrival = self.inbox.peers.try_recv().ok();
            if arrival.is_none() {
                arrival = self.inbox.clients.try_recv().ok();
            }
            let Some(arrival) = arrival else {
                return Ok(());
            };
            self.on_arrival(arrival);
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
            Arrival::Requests {
                client,
                requests,
                share,
            } => {
                // They arrived together; nor is the clock read more than once for the answers of a step.
                let at = self.clock.now();
                for request in requests {
                    self.clients.ask(client, &request, at);
                    self.step(Event::Client {
                        from: client,
                        request,
                    });
                }
                // What they still take now is within the limits of the replica.
                drop(share);
            }
            Arrival::Joined { client, name, sink } => self.join(client, name, sink),
            Arrival::Left { client } => {
                self.clients.leave(client);
                self.step(Event::ClientGone { client });
            }
        }
    }

    fn on_disk(&mut self, event: DiskEvent) -> Result<(), NodeError> {
        match event {
            DiskEvent::Settled(ticket) => {
                self.recorder.durable(ticket);
                self.disk.on_settled(ticket);
                while self.deferred.front().is_some_and(|sends| sends.ticket <= ticket) {
                    let durable = self.deferred.pop_front().map(|sends| sends.envelopes);
                    for envelope in durable.into_iter().flatten() {
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
                tracing::info!(replica = %self.id, %role, "a role fails on purpose");
                self.fail(role);
            }
            // The disk reads the records once every write of the role's earlier life is durable.
            Control::Restart(role, RestartMemory::Kept) => {
                self.recorder.flush();
                self.disk.read_back(role);
            }
            Control::Restart(role, RestartMemory::Lost) => self.restart(role, Memory::Lost),
            Control::Status(answer) => {
                // The caller may have stopped waiting.
                let _ = answer.send(self.replica.status());
            }
            Control::Snapshot(answer) => {
                // As above.
                let _ = answer.send(self.replica.snapshot());
            }
            Control::Stop => self.begin_to_stop(),
        }
    }

    fn fail(&mut self, role: Role) {
        self.step(Event::Fail(role));
        // The messages that this life of the role still had to send are void.
        for sends in self.deferred.iter_mut().filter(|sends| sends.role == role) {
            sends.envelopes.clear();
        }
    }

    fn restart(&mut self, role: Role, memory: Memory) {
        let kept = match &memory {
            Memory::Kept(records) => Some(records.len()),
            Memory::Lost => None,
        };
        match entropy() {
            Ok(entropy) => {
                tracing::info!(replica = %self.id, %role, records = kept, "a role restarts");
                self.step(Event::Restart {
                    role,
                    memory,
                    entropy,
                });
            }
            Err(error) => {
                tracing::error!(
                    replica = %self.id, %role, %error,
                    "a role stays down: the system gives no random bits; restart the role later"
                );
            }
        }
    }

    /// Steps one input, and then the messages that the replica sends to itself.
    fn step(&mut self, event: Event) {
        self.step_once(event);
        self.step_own();
    }

    fn step_own(&mut self) {
        while let Some(message) = self.to_itself.pop_front() {
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
        self.recorder.input(at, &event);
        self.replica.step_into(Input { at, event }, &mut effects);
        self.recorder.effects(&effects);
        for effect in effects.drain(..) {
            self.carry_out(effect, at);
        }
        self.effects = effects;
    }

    fn carry_out(&mut self, effect: Effect, at: Time) {
        match effect {
            Effect::Send(envelope) => self.send(envelope),
            Effect::Persist { role, records, then } => {
                self.metrics.on_records(&records);
                match self.disk.append(records, !then.is_empty()) {
                    Some(ticket) => self.deferred.push_back(DeferredSends {
                        ticket,
                        role,
                        envelopes: then,
                    }),
                    // All that was written so far is durable.
                    None => then.into_iter().for_each(|envelope| self.send(envelope)),
                }
            }
            Effect::Reply { to, mut reply } => {
                if let Outcome::DriverStatus { json } = &mut reply.outcome {
                    *json = self.board.json();
                }
                self.send_out(Outgoing::Reply(to, reply, at));
            }
            Effect::Observe(observation) => {
                self.metrics.on_observation(&observation);
                self.observations.log(&observation);
            }
            Effect::Halt(reason) => {
                tracing::error!(replica = %self.id, %reason, "the replica halts");
                self.halted = Some(reason);
            }
        }
    }

    fn send(&mut self, envelope: Envelope) {
        if envelope.to == self.id {
            self.to_itself.push_back(envelope.message);
        } else {
            self.send_out(Outgoing::Message(envelope));
        }
    }

    /// Sends at once, or when what led to it is recorded.
    fn send_out(&mut self, outgoing: Outgoing) {
        match self.recorder.hold(outgoing) {
            Some(Outgoing::Message(envelope)) => self.peers.send(envelope),
            Some(Outgoing::Reply(to, reply, at)) => self.clients.reply(to, reply, at),
            None => {}
        }
    }

    /// Gives the disk its job, and wakes the writers.
    fn hand_on(&mut self) {
        self.recorder.flush();
        for outgoing in self.recorder.release() {
            match outgoing {
                Outgoing::Message(envelope) => self.peers.send(envelope),
                Outgoing::Reply(to, reply, at) => self.clients.reply(to, reply, at),
            }
        }
        self.disk.flush();
        self.peers.wake();
        self.clients.wake();
        if self.halted.is_none() {
            self.recorder.checkpoint(&self.replica);
        }
    }
}

#[cfg(test)]
mod tests;
