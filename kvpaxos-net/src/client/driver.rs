//! The task that owns the state machine of a client ([`kvpaxos::Client`]) and its connections.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use kvpaxos::client::{Call, ClientEffect, ClientEvent, Completion};
use kvpaxos::{ReplicaId, Request, codec};
use tokio::sync::{mpsc, oneshot};

use crate::client::connection::{Connection, ConnectionEvent};
use crate::client::options::Transport;
use crate::system::clock::Clock;

/// The most events that are handled before the sockets are written.
const BATCH: usize = 1024;

/// A call, and the caller that waits for its result.
#[derive(Debug)]
pub(crate) struct CallOrder {
    pub(crate) call: Call,
    pub(crate) answer: oneshot::Sender<Completion>,
}

/// The state of the task.
pub(crate) struct Driver {
    core: kvpaxos::Client,
    clock: Clock,
    servers: Vec<String>,
    transport: Transport,
    /// The connection to each server, if there is one.
    connections: Vec<Option<Connection>>,
    /// The number of the newest connection, so that a late report of an earlier one is told apart.
    generation: u64,
    orders: mpsc::Receiver<CallOrder>,
    events: mpsc::Receiver<ConnectionEvent>,
    events_sender: mpsc::Sender<ConnectionEvent>,
    answers: HashMap<u64, oneshot::Sender<Completion>>,
    next_call: u64,
    frame: Vec<u8>,
}

impl Driver {
    pub(crate) fn new(
        core: kvpaxos::Client,
        servers: Vec<String>,
        transport: Transport,
        orders: mpsc::Receiver<CallOrder>,
    ) -> Driver {
        let (events_sender, events) = mpsc::channel(64);
        Driver {
            core,
            clock: Clock::start(),
            connections: servers.iter().map(|_| None).collect(),
            servers,
            transport,
            generation: 0,
            orders,
            events,
            events_sender,
            answers: HashMap::new(),
            next_call: 0,
            frame: Vec::new(),
        }
    }

    /// Runs until every [`Client`](crate::Client) that could call is dropped.
    pub(crate) async fn run(mut self) {
        loop {
            let deadline = self.core.deadline().map(|time| self.clock.instant(time));
            let alarm = deadline.unwrap_or_else(|| Instant::now() + Duration::from_secs(86_400));
            tokio::select! {
                order = self.orders.recv() => match order {
                    Some(order) => self.begin(order),
                    None => return,
                },
                Some(event) = self.events.recv() => self.on_event(event),
                () = tokio::time::sleep_until(alarm.into()) => self.step(ClientEvent::Clock),
            }
            for _ in 0..BATCH {
                if let Ok(event) = self.events.try_recv() {
                    self.on_event(event);
                } else if let Ok(order) = self.orders.try_recv() {
                    self.begin(order);
                } else {
                    break;
                }
            }
            for connection in self.connections.iter().flatten() {
                connection.wake();
            }
        }
    }

    fn begin(&mut self, order: CallOrder) {
        let number = self.next_call;
        self.next_call += 1;
        self.answers.insert(number, order.answer);
        let call = order.call;
        self.step(ClientEvent::Call { number, call });
    }

    fn on_event(&mut self, event: ConnectionEvent) {
        match event {
            ConnectionEvent::Replies { server, replies } => {
                for reply in replies {
                    let from = server_id(server);
                    self.step(ClientEvent::Reply { from, reply });
                }
            }
            ConnectionEvent::Down {
                server,
                generation,
                why,
            } => {
                let current = self.connections[server].as_ref().map(Connection::generation);
                if current == Some(generation) {
                    tracing::debug!(server = self.servers[server], %why, "connection is down");
                    self.connections[server] = None;
                    self.step(ClientEvent::Disconnected {
                        from: server_id(server),
                    });
                }
            }
        }
    }

    fn step(&mut self, event: ClientEvent) {
        for effect in self.core.step(self.clock.now(), event) {
            match effect {
                ClientEffect::Send { to, request } => self.send(to, &request),
                ClientEffect::Done { number, completion } => {
                    if let Some(answer) = self.answers.remove(&number) {
                        // The caller may have stopped waiting.
                        let _ = answer.send(completion);
                    }
                }
            }
        }
    }

    fn send(&mut self, to: ReplicaId, request: &Request) {
        let server = usize::from(to.0);
        self.frame.clear();
        if let Err(error) = codec::encode_into(request, &mut self.frame) {
            // A frame holds far more than any replica accepts, so only an absurd key gets here. The call ends
            // at its deadline.
            tracing::error!(%error, "cannot encode a request; it is dropped");
            return;
        }
        let connection = self.connections[server].get_or_insert_with(|| {
            self.generation += 1;
            let events = self.events_sender.clone();
            Connection::open(
                self.transport,
                server,
                &self.servers[server],
                self.generation,
                events,
            )
        });
        connection.push(&self.frame);
    }
}

/// The id by which the state machine knows a server: its place in the client's list.
fn server_id(server: usize) -> ReplicaId {
    ReplicaId(u8::try_from(server).expect("Client::new refuses more than MAX_REPLICAS servers"))
}
