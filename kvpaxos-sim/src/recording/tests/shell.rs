//! A cluster without processes, files or sockets that records as a real one does.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use kvpaxos::recording::{CheckpointFile, FileName, Header, Writer, Writes};
use kvpaxos::{
    ClientId, Config, Effect, Entropy, Envelope, Event, Founding, Input, Memory, Message, Micros, Op,
    Outcome, Record, Replica, ReplicaId, Request, RequestBody, Role, Sequence, SessionId, Tag, Time,
};

const REPLICAS: u8 = 3;
/// Its number is none that a client of a simulated world has.
const CLIENT: ClientId = ClientId(1_000);

/// Three replicas, a network that loses nothing, and disks that are always fast enough.
pub(super) struct Cluster {
    /// What becomes of a message on its way, with its sender and its receiver.
    tamper: fn(ReplicaId, &mut Envelope),
    shells: Vec<Shell>,
    /// The recordings of lives that are over.
    over: Vec<(String, Vec<u8>)>,
    segments: Segments,
    cluster: u64,
    now: Time,
    /// How long a message takes.
    delay: Micros,
    session: Option<SessionId>,
    requests: u64,
}

impl Cluster {
    pub(super) fn start() -> Cluster {
        Cluster::named(7)
    }

    pub(super) fn named(cluster: u64) -> Cluster {
        let now = Time(1_000);
        let founded = |id: u8| {
            let founding = Founding(u64::from(id) + 1);
            Shell::start(cluster, ReplicaId(id), 1, vec![Record::Founded { founding }], now)
        };
        Cluster {
            tamper: |_, _| (),
            shells: (0..REPLICAS).map(founded).collect(),
            over: Vec::new(),
            segments: Segments::ONE,
            cluster,
            now,
            delay: Micros(0),
            session: None,
            requests: 0,
        }
    }

    /// A cluster whose recordings have segments of so many inputs, each with a checkpoint.
    pub(super) fn in_segments(inputs: u64) -> Cluster {
        Cluster::in_segments_with(inputs, |_| true)
    }

    /// A cluster whose recordings have segments of so many inputs, and checkpoints of those segments for whose number `is_kept` is true.
    pub(super) fn in_segments_with(inputs: u64, is_kept: fn(u64) -> bool) -> Cluster {
        let mut cluster = Cluster::start();
        cluster.segments = Segments { inputs, is_kept };
        for shell in &mut cluster.shells {
            shell.segments = cluster.segments;
        }
        cluster
    }

    /// From now on a message takes 100 µs.
    pub(super) fn slow_down(&mut self) {
        self.delay = Micros(100);
    }

    /// From now on messages are changed on their way.
    pub(super) fn tamper(&mut self, tamper: fn(ReplicaId, &mut Envelope)) {
        self.tamper = tamper;
    }

    /// Writes so many values through replica 0.
    pub(super) fn write(&mut self, count: u64) {
        for _ in 0..count {
            let session = match self.session {
                Some(session) => session,
                None => {
                    let tag = Tag { nonce: 7, number: 0 };
                    let Outcome::Opened { session } = self.ask(RequestBody::Open { tag }) else {
                        panic!("no session");
                    };
                    *self.session.insert(session)
                }
            };
            let number = self.requests;
            let body = RequestBody::Apply {
                session,
                sequence: Sequence(number),
                lowest_unanswered: Sequence(number),
                op: Op::Put {
                    key: "key".into(),
                    value: format!("value-{number}").into(),
                },
            };
            self.ask(body);
        }
    }

    /// Lets so many messages arrive or ticks pass.
    pub(super) fn rest(&mut self, count: u64) {
        for _ in 0..count {
            self.go_on();
        }
    }

    /// Kills a replica and starts it again with what becomes of its log.
    pub(super) fn restart(&mut self, replica: usize, disk: impl FnOnce(Vec<Record>) -> Vec<Record>) {
        let shell = &self.shells[replica];
        let (id, life, log) = (shell.id, shell.life + 1, disk(shell.log.clone()));
        let mut next = Shell::start(self.cluster, id, life, log, self.now);
        next.segments = self.segments;
        let over = std::mem::replace(&mut self.shells[replica], next);
        self.over.extend(over.files());
    }

    /// A role of a replica fails.
    pub(super) fn fail(&mut self, replica: usize, role: Role) {
        self.shells[replica].take(self.now, Event::Fail(role));
    }

    /// It restarts with its memory.
    pub(super) fn restart_role(&mut self, replica: usize, role: Role) {
        let shell = &mut self.shells[replica];
        let event = Event::Restart {
            role,
            memory: Memory::Kept(shell.log.clone()),
            entropy: Entropy([9; 32]),
        };
        let Shell { log, writer, .. } = shell;
        log.iter().for_each(|record| writer.remember(record));
        shell.take(self.now, event);
    }

    /// The recordings of all lives.
    pub(super) fn files(self) -> Vec<(String, Vec<u8>)> {
        let present = self.shells.into_iter().flat_map(Shell::files);
        self.over.into_iter().chain(present).collect()
    }

    /// Asks replica 0 until there is an answer that is no refusal.
    fn ask(&mut self, body: RequestBody) -> Outcome {
        loop {
            self.requests += 1;
            let request = Request {
                id: self.requests,
                body: body.clone(),
            };
            let from = CLIENT;
            self.shells[0].take(self.now, Event::Client { from, request });
            let answer = loop {
                if let Some(outcome) = self.shells[0].outcome.take() {
                    break outcome;
                }
                self.go_on();
            };
            if !matches!(answer, Outcome::Refused(_) | Outcome::Unknown { .. }) {
                return answer;
            }
            for _ in 0..10 {
                self.go_on();
            }
        }
    }

    /// Delivers a message or, if there is none, lets time pass until a replica has something to do.
    fn go_on(&mut self) {
        for from in 0..self.shells.len() {
            let Some(mut envelope) = self.shells[from].outgoing.pop_front() else {
                continue;
            };
            (self.tamper)(self.shells[from].id, &mut envelope);
            self.now = self.now.after(self.delay);
            let Envelope { to, message } = envelope;
            let event = Event::Peer {
                from: self.shells[from].id,
                founding: self.shells[from].replica.founding(),
                message,
            };
            self.shells[usize::from(to.0)].take(self.now, event);
            return;
        }
        let due = self
            .shells
            .iter_mut()
            .min_by_key(|shell| shell.replica.deadline())
            .unwrap();
        self.now = self.now.max(due.replica.deadline().unwrap());
        due.take(self.now, Event::Clock);
    }
}

/// After how many inputs a segment ends, and of which segments there is a checkpoint.
#[derive(Clone, Copy)]
struct Segments {
    inputs: u64,
    is_kept: fn(u64) -> bool,
}

impl Segments {
    const ONE: Segments = Segments {
        inputs: u64::MAX,
        is_kept: |_| true,
    };
}

/// A replica and what its driver keeps.
struct Shell {
    id: ReplicaId,
    life: u64,
    header: Header,
    replica: Replica,
    writer: Writer,
    /// The segments that are over and their checkpoints, and the present one.
    over: Vec<(String, Vec<u8>)>,
    file: Vec<u8>,
    segments: Segments,
    /// How many inputs the present segment has.
    taken: u64,
    log: Vec<Record>,
    writes: Writes,
    own: VecDeque<Message>,
    outgoing: VecDeque<Envelope>,
    outcome: Option<Outcome>,
}

impl Shell {
    fn start(cluster: u64, id: ReplicaId, life: u64, log: Vec<Record>, at: Time) -> Shell {
        let config = Config::new(id, usize::from(REPLICAS));
        let header = Header {
            release: env!("CARGO_PKG_VERSION").to_owned(),
            cluster,
            life,
            segment: 1,
            began: 1_000_000,
            durable: true,
            config: config.clone(),
        };
        let (mut writer, file) = Writer::begin(&header);
        let entropy = Entropy([id.0 * 16 + u8::try_from(life).unwrap(); 32]);
        log.iter().for_each(|record| writer.remember(record));
        writer.start(at, true, entropy);
        Shell {
            id,
            life,
            header,
            over: Vec::new(),
            segments: Segments::ONE,
            taken: 0,
            replica: Replica::new(config, Memory::Kept(log.clone()), entropy, at).unwrap(),
            writer,
            file,
            log,
            writes: Writes::default(),
            own: VecDeque::new(),
            outgoing: VecDeque::new(),
            outcome: None,
        }
    }

    fn files(mut self) -> Vec<(String, Vec<u8>)> {
        self.end_segment();
        self.over
    }

    fn end_segment(&mut self) {
        if !self.writer.is_empty() {
            self.file.extend_from_slice(self.writer.seal());
        }
        let name = FileName::of(&self.header).to_string();
        self.over.push((name, std::mem::take(&mut self.file)));
    }

    /// Begins a segment, if the present one has enough.
    fn next_segment(&mut self, at: Time) {
        if self.taken < self.segments.inputs || !self.replica.can_be_exported() {
            return;
        }
        self.end_segment();
        self.taken = 0;
        self.header.segment += 1;
        if (self.segments.is_kept)(self.header.segment) {
            let name = FileName::of(&self.header).checkpoint();
            self.over.push((name, self.checkpoint(at)));
        }
        self.file = self.writer.next_segment(&self.header);
    }

    fn checkpoint(&self, at: Time) -> Vec<u8> {
        let state = self.replica.export(usize::MAX).unwrap();
        let digest = self.writer.digest();
        let (mut file, mut bytes) = CheckpointFile::begin(&self.header, digest, at, &self.writes);
        let _ = file.add(&state, |block| {
            bytes.extend_from_slice(block);
            ControlFlow::Continue(())
        });
        bytes.extend_from_slice(file.end());
        bytes
    }

    /// Steps an input and what follows from it, and writes the block.
    fn take(&mut self, at: Time, event: Event) {
        self.taken += 1;
        self.writer.input(at, &event);
        self.step(at, event);
        self.take_own(at);
        loop {
            let batch = self.writes.batch();
            self.writer.flush();
            self.writes.flush();
            // What was written is not durable yet, and messages wait for it.
            self.next_segment(at);
            if self.writes.batch() == batch {
                break;
            }
            self.writer.durable(batch);
            self.writes.settle(batch).unwrap();
            while let Some(envelopes) = self.writes.next_due() {
                envelopes.into_iter().for_each(|envelope| self.send(envelope));
                self.take_own(at);
            }
        }
        if !self.writer.is_empty() {
            self.file.extend_from_slice(self.writer.seal());
        }
    }

    fn take_own(&mut self, at: Time) {
        while let Some(message) = self.own.pop_front() {
            self.writer.own(at);
            let (from, founding) = (self.id, None);
            let event = Event::Peer {
                from,
                founding,
                message,
            };
            self.step(at, event);
        }
    }

    fn step(&mut self, at: Time, event: Event) {
        let effects = self.replica.step(Input { at, event });
        self.writer.effects(&effects);
        for effect in effects {
            match effect {
                Effect::Send(envelope) => self.send(envelope),
                Effect::Persist { role, records, then } => {
                    self.log.extend_from_slice(&records);
                    let free = self.writes.persist(role, records, then);
                    free.into_iter().for_each(|envelope| self.send(envelope));
                }
                Effect::Reply { reply, .. } => self.outcome = Some(reply.outcome),
                Effect::Observe(_) => {}
                Effect::Halt(reason) => panic!("{reason}"),
            }
        }
    }

    fn send(&mut self, envelope: Envelope) {
        if envelope.to == self.id {
            self.own.push_back(envelope.message);
        } else {
            self.outgoing.push_back(envelope);
        }
    }
}
