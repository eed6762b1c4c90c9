//! The task that owns a client's state machine and its connections.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use kvpaxos::client::{Call, ClientEffect, ClientEvent, Fate};
use kvpaxos::{ReplicaId, Request, codec};
use tokio::sync::{mpsc, oneshot};

use crate::client::connection::{Line, LineEvent};
use crate::client::options::Transport;
use crate::system::clock::Clock;

/// Orders taken before the sockets are written.
const BATCH: usize = 1024;

/// A call, and who waits for it.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) call: Call,
    pub(crate) answer: oneshot::Sender<Fate>,
}

/// See the module.
pub(crate) struct Driver {
    core: kvpaxos::Client,
    clock: Clock,
    servers: Vec<String>,
    transport: Transport,
    /// The connection to each server, if there is one.
    lines: Vec<Option<Line>>,
    /// Tells a connection's last words from those of one that came after it.
    generation: u64,
    orders: mpsc::Receiver<Order>,
    events: mpsc::Receiver<LineEvent>,
    events_sender: mpsc::Sender<LineEvent>,
    answers: HashMap<u64, oneshot::Sender<Fate>>,
    next_call: u64,
    frame: Vec<u8>,
}

impl Driver {
    pub(crate) fn new(
        core: kvpaxos::Client,
        servers: Vec<String>,
        transport: Transport,
        orders: mpsc::Receiver<Order>,
    ) -> Driver {
        let (events_sender, events) = mpsc::channel(64);
        Driver {
            core,
            clock: Clock::start(),
            lines: servers.iter().map(|_| None).collect(),
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

    /// Runs until nobody can call any more.
    pub(crate) async fn run(mut self) {
        loop {
            let deadline = self.core.deadline().map(|time| self.clock.instant(time));
            let alarm = deadline.unwrap_or_else(|| Instant::now() + Duration::from_secs(86_400));
            tokio::select! {
                order = self.orders.recv() => match order {
                    Some(order) => self.begin(order),
                    None => return,
                },
                Some(event) = self.events.recv() => self.on_line(event),
                () = tokio::time::sleep_until(alarm.into()) => self.step(ClientEvent::Clock),
            }
            for _ in 0..BATCH {
                if let Ok(event) = self.events.try_recv() {
                    self.on_line(event);
                } else if let Ok(order) = self.orders.try_recv() {
                    self.begin(order);
                } else {
                    break;
                }
            }
            for line in self.lines.iter().flatten() {
                line.wake();
            }
        }
    }

    fn begin(&mut self, order: Order) {
        let number = self.next_call;
        self.next_call += 1;
        self.answers.insert(number, order.answer);
        let call = order.call;
        self.step(ClientEvent::Call { number, call });
    }

    fn on_line(&mut self, event: LineEvent) {
        match event {
            LineEvent::Replies { server, replies } => {
                for reply in replies {
                    let from = name(server);
                    self.step(ClientEvent::Reply { from, reply });
                }
            }
            LineEvent::Down {
                server,
                generation,
                why,
            } => {
                let current = self.lines[server].as_ref().map(Line::generation);
                if current == Some(generation) {
                    tracing::debug!(server = self.servers[server], %why, "connection is gone");
                    self.lines[server] = None;
                    self.step(ClientEvent::Disconnected { from: name(server) });
                }
            }
        }
    }

    fn step(&mut self, event: ClientEvent) {
        for effect in self.core.step(self.clock.now(), event) {
            match effect {
                ClientEffect::Send { to, request } => self.send(to, &request),
                ClientEffect::Done { number, fate } => {
                    if let Some(answer) = self.answers.remove(&number) {
                        // The caller may have stopped waiting.
                        let _ = answer.send(fate);
                    }
                }
            }
        }
    }

    fn send(&mut self, to: ReplicaId, request: &Request) {
        let server = usize::from(to.0);
        self.frame.clear();
        if let Err(error) = codec::encode_into(request, &mut self.frame) {
            // The limits that a replica names are far below what a frame holds, but for absurd keys: without an answer
            // the call ends with its deadline.
            tracing::error!(%error, "a request cannot be encoded and is dropped");
            return;
        }
        let line = self.lines[server].get_or_insert_with(|| {
            self.generation += 1;
            let events = self.events_sender.clone();
            Line::open(
                self.transport,
                server,
                &self.servers[server],
                self.generation,
                events,
            )
        });
        line.push(&self.frame);
    }
}

/// A server in the client's own count.
fn name(server: usize) -> ReplicaId {
    ReplicaId(u8::try_from(server).expect("a client has at most 16 servers"))
}
