//! The task that owns the state machine of a client ([`kvpaxos::Client`]) and its connections.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use kvpaxos::client::{Call, ClientEffect, ClientEvent, Completion};
use kvpaxos::{ReplicaId, Request, codec};
use tokio::sync::{mpsc, oneshot};

use crate::client::answer::ServerFailure;
use crate::client::connection::{Connection, ConnectionError, ConnectionEvent, Way};
use crate::client::failures::Failures;
use crate::system::clock::Clock;

/// The most events that are handled before the sockets are written.
const BATCH: usize = 1024;

/// A call, and the caller that waits for its result.
#[derive(Debug)]
pub(crate) struct CallOrder {
    pub(crate) call: Call,
    pub(crate) answer: oneshot::Sender<CallEnd>,
}

/// How a call ended.
#[derive(Debug)]
pub(crate) struct CallEnd {
    pub(crate) completion: Completion,
    /// The servers that did not answer, unless it is done.
    pub(crate) failures: Vec<ServerFailure>,
}

/// A caller that waits.
#[derive(Debug)]
struct Caller {
    began: Instant,
    answer: oneshot::Sender<CallEnd>,
}

/// The state of the task.
pub(crate) struct Driver {
    core: kvpaxos::Client,
    clock: Clock,
    servers: Vec<String>,
    way: Way,
    /// The connection to each server, if there is one.
    connections: Vec<Option<Connection>>,
    /// The number of the newest connection, so that a late report of an earlier one is told apart.
    generation: u64,
    orders: mpsc::Receiver<CallOrder>,
    events: mpsc::Receiver<ConnectionEvent>,
    events_sender: mpsc::Sender<ConnectionEvent>,
    callers: HashMap<u64, Caller>,
    failures: Failures,
    next_call: u64,
    frame: Vec<u8>,
}

impl Driver {
    pub(crate) fn new(
        core: kvpaxos::Client,
        servers: Vec<String>,
        way: Way,
        orders: mpsc::Receiver<CallOrder>,
    ) -> Driver {
        let (events_sender, events) = mpsc::channel(64);
        Driver {
            core,
            clock: Clock::start(),
            connections: servers.iter().map(|_| None).collect(),
            failures: Failures::new(&servers),
            servers,
            way,
            generation: 0,
            orders,
            events,
            events_sender,
            callers: HashMap::new(),
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
        let CallOrder { call, answer } = order;
        let began = Instant::now();
        self.callers.insert(number, Caller { began, answer });
        self.step(ClientEvent::Call { number, call });
    }

    fn on_event(&mut self, event: ConnectionEvent) {
        match event {
            ConnectionEvent::Replies { server, replies } => {
                self.failures.replied(server);
                for reply in replies {
                    tracing::trace!(
                        server = self.servers[server],
                        request = reply.id,
                        "is answered: {reply}"
                    );
                    let from = server_id(server);
                    self.step(ClientEvent::Reply { from, reply });
                }
            }
            ConnectionEvent::Up { server, generation } => {
                let connection = self.connections[server].as_mut();
                if let Some(connection) = connection.filter(|it| it.generation() == generation) {
                    connection.connected();
                    let to = server_id(server);
                    self.step(ClientEvent::Connected { to });
                }
            }
            ConnectionEvent::Down {
                server,
                generation,
                why,
            } => {
                let connection = self.connections[server].take_if(|it| it.generation() == generation);
                let Some(connection) = connection else { return };
                tracing::debug!(server = self.servers[server], %why, "connection is down");
                let mut text = why.to_string();
                if matches!(why, ConnectionError::Closed) && !self.failures.is_known(server) {
                    text += " without an answer; is this the address for clients?";
                }
                self.failures.failed(server, Instant::now(), text);
                let from = server_id(server);
                self.step(if connection.is_connected() {
                    ClientEvent::Disconnected { from }
                } else {
                    ClientEvent::Unreachable { from }
                });
            }
        }
    }

    fn step(&mut self, event: ClientEvent) {
        let mut effects = VecDeque::from(self.core.step(self.clock.now(), event));
        while let Some(effect) = effects.pop_front() {
            match effect {
                ClientEffect::Send { to, request } => {
                    if self.send(to, &request) {
                        let connecting = ClientEvent::Connecting { to };
                        effects.extend(self.core.step(self.clock.now(), connecting));
                    }
                }
                ClientEffect::Withdraw { to, request } => {
                    if let Some(connection) = &mut self.connections[usize::from(to.0)] {
                        connection.withdraw(request);
                    }
                }
                ClientEffect::Done { number, completion } => self.end(number, completion),
            }
        }
    }

    fn end(&mut self, number: u64, completion: Completion) {
        let Some(caller) = self.callers.remove(&number) else {
            return;
        };
        let failures = match completion {
            Completion::Done(_) => Vec::new(),
            Completion::Refused(_) | Completion::Unknown { .. } => self.failures.since(caller.began),
        };
        // The caller may have stopped waiting.
        let _ = caller.answer.send(CallEnd { completion, failures });
    }

    /// Sends a request, or lets it wait for a connection. Returns whether it is the first that waits.
    fn send(&mut self, to: ReplicaId, request: &Request) -> bool {
        let server = usize::from(to.0);
        self.frame.clear();
        if let Err(error) = codec::encode_into(request, &mut self.frame) {
            // The calls refuse what is too long, so this does not happen. The call would end at its deadline.
            tracing::error!(%error, "cannot encode a request; it is dropped");
            return false;
        }
        tracing::trace!(
            server = self.servers[server],
            request = request.id,
            "is asked: {request}"
        );
        self.failures.asked(server, Instant::now());
        let opens = self.connections[server].is_none();
        let connection = self.connections[server].get_or_insert_with(|| {
            self.generation += 1;
            let events = self.events_sender.clone();
            Connection::open(&self.way, server, &self.servers[server], self.generation, events)
        });
        connection.push(request.id, &self.frame);
        opens
    }
}

/// The id by which the state machine knows a server: its place in the client's list.
fn server_id(server: usize) -> ReplicaId {
    ReplicaId(u8::try_from(server).expect("Client::new refuses more than MAX_REPLICAS servers"))
}
