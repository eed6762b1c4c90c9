//! The way from other parts of a process to its replica: a client of the cluster, with one session for all who
//! ask through it. The window of the session bounds the writes in flight (`limits.session_window`); more wait
//! here.
//!
//! The client is the core's [`kvpaxos::Client`]: it opens the session with the first write, opens another if
//! the cluster has dropped it, repeats what was refused for a while under the same sequence, so that it takes
//! effect once, and tells at the deadline whether a write was certainly not done or has an unknown outcome.
//! The only replica that it asks is that of this process.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use kvpaxos::client::{Call, ClientConfig, ClientEffect, ClientEvent, Completion};
use kvpaxos::{ClientId, Entropy, ReplicaId, ReplicaSet, Reply, Request};
use tokio::sync::{mpsc, oneshot};

use crate::replica::inbox::Arrival;
use crate::system::clock::{Clock, micros};
use crate::wire::budget::Share;

/// Calls that may wait for the gateway; further callers wait to ask.
const ORDERS: usize = 1024;
/// The most events that are handled before the requests are handed to the replica.
const BATCH: usize = 1024;

/// A call, and the caller that waits for the answer.
#[derive(Debug)]
struct Order {
    call: Call,
    answer: oneshot::Sender<Completion>,
}

/// Asks the replica. Clones share the session.
#[derive(Clone, Debug)]
pub(crate) struct Gateway {
    orders: mpsc::Sender<Order>,
}

impl Gateway {
    /// Asks; `None` if the replica has stopped.
    pub(crate) async fn ask(&self, call: impl Into<Call>) -> Option<Completion> {
        let (answer, completion) = oneshot::channel();
        let call = call.into();
        self.orders.send(Order { call, answer }).await.ok()?;
        completion.await.ok()
    }
}

/// The task behind a [`Gateway`].
pub(crate) struct GatewayTask {
    core: kvpaxos::Client,
    clock: Clock,
    server: ReplicaId,
    client: ClientId,
    arrivals: mpsc::Sender<Arrival>,
    replies: mpsc::UnboundedReceiver<Reply>,
    orders: mpsc::Receiver<Order>,
    answers: HashMap<u64, oneshot::Sender<Completion>>,
    next_call: u64,
    requests: Vec<Request>,
}

/// What a gateway needs of its replica.
pub(crate) struct GatewayPorts {
    pub(crate) server: ReplicaId,
    /// The gateway, as the replica knows it.
    pub(crate) client: ClientId,
    pub(crate) arrivals: mpsc::Sender<Arrival>,
    pub(crate) replies: mpsc::UnboundedReceiver<Reply>,
}

impl GatewayTask {
    /// A gateway to a replica, and its task. `window` is the most writes in flight.
    pub(crate) fn new(
        ports: GatewayPorts,
        window: u64,
        deadline: Duration,
        entropy: Entropy,
    ) -> (Gateway, GatewayTask) {
        let (sender, orders) = mpsc::channel(ORDERS);
        let mut servers = ReplicaSet::EMPTY;
        servers.insert(ports.server);
        let config = ClientConfig {
            // The replica always answers, and nothing is lost on the way: no attempt is given up early.
            attempt: micros(deadline),
            deadline: micros(deadline),
            window,
            ..ClientConfig::new(servers)
        };
        let task = GatewayTask {
            core: kvpaxos::Client::new(config, entropy),
            clock: Clock::start(),
            server: ports.server,
            client: ports.client,
            arrivals: ports.arrivals,
            replies: ports.replies,
            orders,
            answers: HashMap::new(),
            next_call: 0,
            requests: Vec::new(),
        };
        (Gateway { orders: sender }, task)
    }

    /// Runs until the replica stops; then everyone who waits learns it.
    pub(crate) async fn run(mut self) {
        loop {
            let deadline = self.core.deadline().map(|time| self.clock.instant(time));
            let alarm = deadline.unwrap_or_else(|| Instant::now() + Duration::from_secs(86_400));
            tokio::select! {
                reply = self.replies.recv() => match reply {
                    Some(reply) => self.on_reply(reply),
                    None => return,
                },
                Some(order) = self.orders.recv() => self.begin(order),
                () = tokio::time::sleep_until(alarm.into()) => self.step(ClientEvent::Clock),
            }
            for _ in 0..BATCH {
                if let Ok(reply) = self.replies.try_recv() {
                    self.on_reply(reply);
                } else if let Ok(order) = self.orders.try_recv() {
                    self.begin(order);
                } else {
                    break;
                }
            }
            if !self.requests.is_empty() {
                let arrival = Arrival::Requests {
                    client: self.client,
                    requests: std::mem::take(&mut self.requests),
                    // Callers keep their shares until they are answered.
                    share: Share::default(),
                };
                if self.arrivals.send(arrival).await.is_err() {
                    return;
                }
            }
        }
    }

    fn begin(&mut self, order: Order) {
        let number = self.next_call;
        self.next_call += 1;
        let Order { call, answer } = order;
        self.answers.insert(number, answer);
        self.step(ClientEvent::Call { number, call });
    }

    fn on_reply(&mut self, reply: Reply) {
        let from = self.server;
        self.step(ClientEvent::Reply { from, reply });
    }

    fn step(&mut self, event: ClientEvent) {
        for effect in self.core.step(self.clock.now(), event) {
            match effect {
                ClientEffect::Send { request, .. } => self.requests.push(request),
                // The gateway says nothing of connections, as it needs none, and so nothing waits for one.
                ClientEffect::Withdraw { .. } => {}
                ClientEffect::Done { number, completion } => {
                    if let Some(answer) = self.answers.remove(&number) {
                        // The caller may be gone.
                        let _ = answer.send(completion);
                    }
                }
            }
        }
    }
}
