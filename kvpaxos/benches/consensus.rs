//! The speed of the core alone, without sockets and disks, in one thread. Run it with `cargo bench -p
//! kvpaxos`.
//!
//! Five replicas run in memory. Writes are durable at once, messages arrive in order, and no message is lost.
//! Clients keep 1,024 requests in flight at the leader. A value counts when all five replicas have learned
//! it. With arguments, only the rows run whose names contain one of them. `--values N` sets the number of
//! values in a run. `--once ROW` plays one run of the row of exactly this name, with a clock that advances with the steps, so
//! that it executes the same instructions each time: `.ci/instructions` counts them.

use std::collections::VecDeque;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kvpaxos::codec::{PeerFrame, decode_shared, encode_message_into};
use kvpaxos::status::{LearnerStatus, ProposerStatus};
use kvpaxos::{
    ClientId, Command, Config, Effect, Event, Input, Limits, Memory, Message, Op, Outcome, Random, Replica,
    ReplicaId, Reply, Request, RequestBody, Revision, Sequence, SessionId, Slot, StateMachine, Tag, Time,
};

const REPLICAS: usize = 5;
const IN_FLIGHT: u64 = 1024;
const SESSIONS: u64 = 16;
const KEYS: u64 = 10_000;
const VALUE_BYTES: usize = 100;
const RUNS: usize = 5;

/// A row of the table.
struct Row {
    name: &'static str,
    /// Values per second that the design requires.
    budget: u64,
    load: Load,
    /// Whether messages between replicas go through the codec.
    bytes: bool,
}

#[derive(Clone, Copy)]
enum Load {
    /// Bytes that are put into the log and not executed.
    Opaque,
    /// PUTs in sessions.
    Puts,
    /// Every other request is a linearizable read.
    PutsAndGets,
}

/// The lowest id of a read.
const READS: u64 = 1 << 63;

const ROWS: [Row; 5] = [
    Row {
        name: "opaque",
        budget: 2_500_000,
        load: Load::Opaque,
        bytes: false,
    },
    Row {
        name: "opaque, codec",
        budget: 1_000_000,
        load: Load::Opaque,
        bytes: true,
    },
    Row {
        name: "sessions and store",
        budget: 700_000,
        load: Load::Puts,
        bytes: false,
    },
    Row {
        name: "sessions and store, codec",
        budget: 0,
        load: Load::Puts,
        bytes: true,
    },
    Row {
        name: "half reads, codec",
        budget: 0,
        load: Load::PutsAndGets,
        bytes: true,
    },
];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (mut values, mut wanted, mut once) = (400_000, Vec::new(), None);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" => {} // cargo passes it
            "--values" => values = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(values),
            "--once" => once = arguments.next(),
            _ => wanted.push(argument),
        }
    }
    if let Some(name) = once {
        let row = ROWS.iter().find(|row| row.name == name);
        let row = row.unwrap_or_else(|| panic!("no row is called {name:?}"));
        run(row, values, 0, Clock::Steps);
        return;
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| name.contains(wanted));
    println!(
        "{REPLICAS} replicas in one thread ({cores} cores here), {IN_FLIGHT} in flight, values of {VALUE_BYTES} bytes,"
    );
    println!("{values} values a run, {RUNS} runs");
    println!(
        "{:<28}{:>14}{:>14}{:>14}{:>14}{:>18}",
        "", "a second", "a cpu second", "best", "budget", "values a slot"
    );
    for row in ROWS.iter().filter(|row| is_wanted(row.name)) {
        let mut runs: Vec<Run> = (0..RUNS)
            .map(|seed| run(row, values, seed as u64, Clock::Real))
            .collect();
        runs.sort_unstable();
        let (median, best) = (&runs[RUNS / 2], &runs[RUNS - 1]);
        println!(
            "{:<28}{:>14}{:>14}{:>14}{:>14}{:>18}",
            row.name, median.wall, median.cpu, best.cpu, row.budget, median.batch
        );
    }
    for in_flight in [1, IN_FLIGHT] {
        let name = format!("apply alone, {in_flight} in flight");
        if is_wanted(&name) {
            let (median, best) = apply_alone(in_flight);
            println!("{name:<28}{median:>11} ns{best:>11} ns");
        }
    }
}

/// The results of a run. Runs are ordered by processor time, because other programs on the machine do not
/// affect it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Run {
    /// Values per second of processor time.
    cpu: u64,
    /// Values per second of real time.
    wall: u64,
    /// Values per slot.
    batch: u64,
}

/// What the replicas' clocks show.
#[derive(Clone, Copy)]
enum Clock {
    Real,
    /// A microsecond for each step of a replica.
    Steps,
}

fn run(row: &Row, values: u64, seed: u64, clock: Clock) -> Run {
    let mut cluster = Cluster::new(row.bytes, seed, clock);
    let leader = cluster.elect();
    let mut clients = Clients::new(row.load, leader, seed);
    clients.open_sessions(&mut cluster);
    let slots_before = cluster.applied(leader);
    let (begun, begun_cpu) = (Instant::now(), cpu_time());
    for stream in 0..IN_FLIGHT {
        clients.ask(stream % clients.streams(), &mut cluster);
    }
    while clients.answered < values {
        cluster.step(begun);
        for (client, reply) in std::mem::take(&mut cluster.replies) {
            clients.on_reply(client, &reply);
            if clients.asked < values {
                clients.ask(client.0, &mut cluster);
            }
        }
    }
    while !cluster.inbox.is_empty() {
        cluster.step(begun);
    }
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
fn cpu_time() -> Duration {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    let clock = EPOCH.get_or_init(Instant::now).elapsed();
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = line.split(' ').next().and_then(|nanos| nanos.parse().ok());
    nanos.map_or(clock, Duration::from_nanos)
}

fn per_second(values: u64, spent: Duration) -> u64 {
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
    fn new(bytes: bool, seed: u64, clock: Clock) -> Cluster {
        let mut random = Random::from_seed(seed);
        let replica = |id: usize| {
            let id = ReplicaId(u8::try_from(id).expect("there are five replicas"));
            let config = Config::new(id, REPLICAS);
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

/// One state machine applies PUTs in one session. Returns nanoseconds per PUT: the median and the fifth
/// percentile of many chunks.
fn apply_alone(in_flight: u64) -> (u64, u64) {
    const CHUNK: u64 = 4096;
    let mut random = Random::from_seed(1);
    let mut machine = StateMachine::new(Limits::default());
    let tag = Tag { nonce: 0, number: 0 };
    machine.apply(revision(0), &Command::Open { tag });
    let put = |random: &mut Random, number: u64| Command::Apply {
        session: SessionId(revision(0)),
        sequence: Sequence(number),
        lowest_unanswered: Sequence(number.saturating_sub(in_flight - 1)),
        op: Op::Put {
            key: key(random),
            value: Bytes::from(vec![0x61; VALUE_BYTES]),
        },
    };
    let chunk = |number: u64| {
        let commands: Vec<Command> = (number..number + CHUNK)
            .map(|number| put(&mut random, number))
            .collect();
        let begun = Instant::now();
        for (slot, command) in (number + 1..).zip(&commands) {
            machine.apply(revision(slot), command);
        }
        u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX) / CHUNK
    };
    let mut spent: Vec<u64> = (0..200).map(|chunk| chunk * CHUNK).map(chunk).collect();
    spent.sort_unstable();
    (spent[spent.len() / 2], spent[spent.len() / 20])
}

/// A random key of 16 bytes.
fn key(random: &mut Random) -> Bytes {
    Bytes::from(format!("key {:012}", random.below(KEYS)))
}

fn revision(slot: u64) -> Revision {
    Revision {
        slot: Slot(slot),
        index: 0,
    }
}
