//! Five replicas in one thread, with clients that keep requests in flight at the leader. The comparison in `kvpaxos/bench/compare`
//! uses this file too.

use std::collections::VecDeque;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kvpaxos::codec::{PeerFrame, decode_shared, encode_message_into};
use kvpaxos::status::{LearnerStatus, ProposerStatus};
use kvpaxos::{
    ClientId, Config, Effect, Event, Input, Limits, Memory, Message, Op, Outcome, Random, Replica, ReplicaId,
    Reply, Request, RequestBody, Sequence, SessionId, Tag, Time,
};

pub(crate) const REPLICAS: usize = 5;
pub(crate) const IN_FLIGHT: u64 = 1024;
pub(crate) const VALUE_BYTES: usize = 100;
const SESSIONS: u64 = 16;
const KEYS: u64 = 10_000;

/// What clients ask for.
#[derive(Clone, Copy)]
pub(crate) enum Load {
    /// Bytes that are put into the log and not executed.
    Opaque,
    /// PUTs in sessions.
    Puts,
    /// Every other request is a linearizable read.
    PutsAndGets,
}

/// How clients ask, and when what they ask for is delivered.
#[derive(Clone, Copy)]
pub(crate) enum Drive {
    /// Each client asks again as soon as it is answered. Requests and messages are delivered one by one, in their order.
    Loop,
    /// All that is in flight is offered, then messages are delivered until none is left; only then do clients ask again.
    Rounds,
}

impl Drive {
    /// The slots that may be open at once. A round is one batch, so that nothing is gained by a second open slot.
    fn limits(self) -> Limits {
        let limits = Limits::default();
        match self {
            Drive::Loop => limits,
            Drive::Rounds => Limits { window: 1, ..limits },
        }
    }
}

/// The lowest id of a read.
const READS: u64 = 1 << 63;

/// The results of a run. Runs are ordered by processor time, because other programs on the machine do not
/// affect it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Run {
    /// Values per second of processor time.
    pub(crate) cpu: u64,
    /// Values per second of real time.
    pub(crate) wall: u64,
    /// Values per slot.
    pub(crate) batch: u64,
}

/// What the replicas' clocks show.
#[derive(Clone, Copy)]
pub(crate) enum Clock {
    Real,
    /// A microsecond for each step of a replica.
    Steps,
}

/// Plays one run. With `bytes`, messages between replicas go through the codec.
pub(crate) fn run(load: Load, drive: Drive, bytes: bool, values: u64, seed: u64, clock: Clock) -> Run {
    let mut cluster = Cluster::new(drive.limits(), bytes, seed, clock);
    let leader = cluster.elect();
    let mut clients = Clients::new(load, leader, seed);
    clients.open_sessions(&mut cluster);
    let slots_before = cluster.applied(leader);
    let (begun, begun_cpu) = (Instant::now(), cpu_time());
    for stream in 0..IN_FLIGHT {
        clients.ask(stream % clients.streams(), &mut cluster);
    }
    let mut replies = Vec::new();
    while clients.answered < values {
        match drive {
            Drive::Loop => cluster.step(begun),
            Drive::Rounds => cluster.step_until_quiet(begun),
        }
        std::mem::swap(&mut cluster.replies, &mut replies);
        for (client, reply) in replies.drain(..) {
            clients.on_reply(client, &reply);
            if clients.asked < values {
                clients.ask(client.0, &mut cluster);
            }
        }
    }
    cluster.step_until_quiet(begun);
    let (spent, spent_cpu) = (begun.elapsed(), cpu_time() - begun_cpu);
    for id in 0..REPLICAS {
        assert_eq!(
            cluster.applied(id),
            cluster.applied(leader),
            "replica {id} has learned all values"
        );
    }
    let slots = cluster.applied(leader) - slots_before;
    Run {
        wall: per_second(values, spent),
        cpu: per_second(values, spent_cpu),
        batch: values / slots,
    }
}

/// The processor time of this thread if the system reports it, or else real time.
pub(crate) fn cpu_time() -> Duration {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    let clock = EPOCH.get_or_init(Instant::now).elapsed();
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = line.split(' ').next().and_then(|nanos| nanos.parse().ok());
    nanos.map_or(clock, Duration::from_nanos)
}

pub(crate) fn per_second(values: u64, spent: Duration) -> u64 {
    u64::try_from(u128::from(values) * 1_000_000_000 / spent.as_nanos()).unwrap_or(u64::MAX)
}

/// Five replicas and the messages in flight.
struct Cluster {
    replicas: Vec<Replica>,
    inbox: VecDeque<(usize, Event)>,
    effects: Vec<Effect>,
    replies: Vec<(ClientId, Reply)>,
    bytes: bool,
    buffer: Vec<u8>,
    /// The time of the replicas' clocks when the measurement begins.
    start: Time,
    clock: Clock,
    steps: u64,
}

impl Cluster {
    fn new(limits: Limits, bytes: bool, seed: u64, clock: Clock) -> Cluster {
        let mut random = Random::from_seed(seed);
        let replica = |id: usize| {
            let id = ReplicaId(u8::try_from(id).expect("there are five replicas"));
            let config = Config {
                limits,
                ..Config::new(id, REPLICAS)
            };
            Replica::new(config, Memory::Kept(Vec::new()), random.entropy(), Time(0))
                .expect("the default configuration is valid")
        };
        Cluster {
            replicas: (0..REPLICAS).map(replica).collect(),
            inbox: VecDeque::new(),
            effects: Vec::new(),
            replies: Vec::new(),
            bytes,
            buffer: Vec::new(),
            start: Time(0),
            clock,
            steps: 0,
        }
    }

    /// Lets time pass until a replica leads.
    fn elect(&mut self) -> usize {
        loop {
            while let Some((id, event)) = self.inbox.pop_front() {
                self.deliver(id, self.start, event);
            }
            let leads =
                |replica: &Replica| matches!(replica.status().proposer, ProposerStatus::Leading { .. });
            if let Some(leader) = self.replicas.iter().position(leads) {
                return leader;
            }
            self.start = self
                .replicas
                .iter()
                .filter_map(Replica::deadline)
                .min()
                .expect("a running replica has a deadline");
            self.tick(self.start);
        }
    }

    /// Delivers one message. The clocks are advanced once in 4,096 steps.
    fn step(&mut self, begun: Instant) {
        self.steps += 1;
        if self.steps.is_multiple_of(4096) {
            let micros = match self.clock {
                Clock::Real => u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
                Clock::Steps => self.steps,
            };
            self.tick(Time(self.start.0 + micros));
        }
        if let Some((id, event)) = self.inbox.pop_front() {
            let at = self.start;
            self.deliver(id, at, event);
        }
    }

    /// Delivers messages until none is left.
    fn step_until_quiet(&mut self, begun: Instant) {
        while !self.inbox.is_empty() {
            self.step(begun);
        }
    }

    fn tick(&mut self, at: Time) {
        for id in 0..REPLICAS {
            if self.replicas[id].deadline().is_some_and(|due| due <= at) {
                self.deliver(id, at, Event::Clock);
            }
        }
    }

    fn deliver(&mut self, id: usize, at: Time, event: Event) {
        let mut effects = std::mem::take(&mut self.effects);
        self.replicas[id].step_into(Input { at, event }, &mut effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Send(envelope) => self.send(id, envelope.to, envelope.message),
                Effect::Persist { then, .. } => {
                    for envelope in then {
                        self.send(id, envelope.to, envelope.message);
                    }
                }
                Effect::Reply { to, reply } => self.replies.push((to, reply)),
                Effect::Observe(_) => {}
                Effect::Halt(reason) => panic!("{reason}"),
            }
        }
        self.effects = effects;
    }

    fn send(&mut self, from: usize, to: ReplicaId, message: Message) {
        let to = usize::from(to.0);
        let message = if self.bytes && from != to {
            self.through_bytes(&message)
        } else {
            message
        };
        let from = ReplicaId(u8::try_from(from).expect("there are five replicas"));
        self.inbox.push_back((
            to,
            Event::Peer {
                from,
                founding: None,
                message,
            },
        ));
    }

    fn through_bytes(&mut self, message: &Message) -> Message {
        self.buffer.clear();
        encode_message_into(message, &mut self.buffer).expect("the message is within its limit");
        let frame = Bytes::copy_from_slice(&self.buffer);
        match decode_shared(&frame).expect("an encoded message can be decoded") {
            PeerFrame::Message(message) => message,
            other => panic!("not a message: {other:?}"),
        }
    }

    fn applied(&self, id: usize) -> u64 {
        match self.replicas[id].status().learner {
            LearnerStatus::Learning { applied, .. } => applied.0,
            LearnerStatus::Failed => 0,
        }
    }
}

/// The clients of the leader.
struct Clients {
    load: Load,
    leader: usize,
    random: Random,
    /// For each client, its session, its next sequence number, and the number of its answered writes. Answers
    /// come in order.
    sessions: Vec<(SessionId, u64, u64)>,
    asked: u64,
    answered: u64,
}

impl Clients {
    fn new(load: Load, leader: usize, seed: u64) -> Clients {
        Clients {
            load,
            leader,
            random: Random::from_seed(seed),
            sessions: Vec::new(),
            asked: 0,
            answered: 0,
        }
    }

    fn streams(&self) -> u64 {
        SESSIONS
    }

    fn open_sessions(&mut self, cluster: &mut Cluster) {
        let begun = Instant::now();
        for client in 0..SESSIONS {
            let tag = Tag {
                nonce: client,
                number: 0,
            };
            self.send(cluster, client, client, RequestBody::Open { tag });
            while cluster.replies.is_empty() {
                cluster.step(begun);
            }
            for (_, reply) in cluster.replies.drain(..) {
                let Outcome::Opened { session } = reply.outcome else {
                    panic!("no session is opened: {reply:?}")
                };
                self.sessions.push((session, 0, 0));
            }
        }
    }

    fn ask(&mut self, client: u64, cluster: &mut Cluster) {
        self.asked += 1;
        let value = Bytes::from(vec![0x61; VALUE_BYTES]);
        let (id, body) = match self.load {
            Load::Opaque => (self.asked, RequestBody::Submit { payload: value }),
            Load::PutsAndGets if self.asked.is_multiple_of(2) => {
                let key = key(&mut self.random);
                (READS | self.asked, RequestBody::Get { key })
            }
            Load::Puts | Load::PutsAndGets => {
                let key = key(&mut self.random);
                let stream = usize::try_from(client).expect("there are few clients");
                let (session, sequence, answered) = &mut self.sessions[stream];
                let body = RequestBody::Apply {
                    session: *session,
                    sequence: Sequence(*sequence),
                    lowest_unanswered: Sequence(*answered),
                    op: Op::Put { key, value },
                };
                *sequence += 1;
                (*sequence - 1, body)
            }
        };
        self.send(cluster, client, id, body);
    }

    fn send(&self, cluster: &mut Cluster, client: u64, id: u64, body: RequestBody) {
        let from = ClientId(client);
        let request = Request { id, body };
        cluster
            .inbox
            .push_back((self.leader, Event::Client { from, request }));
    }

    fn on_reply(&mut self, client: ClientId, reply: &Reply) {
        self.answered += 1;
        if reply.id >= READS {
            assert!(matches!(reply.outcome, Outcome::Value { .. }), "{reply:?}");
            return;
        }
        assert!(matches!(reply.outcome, Outcome::Done { .. }), "{reply:?}");
        if let Load::Puts | Load::PutsAndGets = self.load {
            let stream = usize::try_from(client.0).expect("there are few clients");
            let answered = &mut self.sessions[stream].2;
            assert_eq!(reply.id, *answered, "answers arrive in order");
            *answered += 1;
        }
    }
}

/// A random key of 16 bytes.
pub(crate) fn key(random: &mut Random) -> Bytes {
    let mut key = *b"key 000000000000";
    let mut number = random.below(KEYS);
    // A formatter would be a tenth of all that is measured.
    for digit in key.iter_mut().rev().take_while(|digit| **digit != b' ') {
        *digit += u8::try_from(number % 10).expect("a digit");
        number /= 10;
    }
    Bytes::copy_from_slice(&key)
}
