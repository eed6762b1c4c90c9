//! A cluster without processes, files or sockets that records as a real one does.

use std::collections::VecDeque;

use kvpaxos::recording::{FileName, Header, Writer};
use kvpaxos::{
    ClientId, Config, Effect, Entropy, Envelope, Event, Founding, Input, Memory, Message, Op, Outcome,
    Record, Replica, ReplicaId, Request, RequestBody, Sequence, SessionId, Tag, Time,
};

const REPLICAS: u8 = 3;
const CLIENT: ClientId = ClientId(1);

/// Three replicas, a network that loses nothing, and disks that are always fast enough.
pub(super) struct Cluster {
    /// What becomes of a message on its way, with its sender and its receiver.
    tamper: fn(ReplicaId, &mut Envelope),
    shells: Vec<Shell>,
    /// The recordings of lives that are over.
    over: Vec<(FileName, Vec<u8>)>,
    cluster: u64,
    now: Time,
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
            cluster,
            now,
            session: None,
            requests: 0,
        }
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
        let next = Shell::start(self.cluster, id, life, log, self.now);
        let over = std::mem::replace(&mut self.shells[replica], next);
        self.over.push(over.file());
    }

    /// The recordings of all lives.
    pub(super) fn files(self) -> Vec<(FileName, Vec<u8>)> {
        let present = self.shells.into_iter().map(Shell::file);
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

/// A replica and what its driver keeps.
struct Shell {
    id: ReplicaId,
    life: u64,
    replica: Replica,
    writer: Writer,
    file: Vec<u8>,
    log: Vec<Record>,
    batch: u64,
    gathered: bool,
    last_written: u64,
    settled: u64,
    deferred: VecDeque<(u64, Vec<Envelope>)>,
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
            replica: Replica::new(config, Memory::Kept(log.clone()), entropy, at).unwrap(),
            writer,
            file,
            log,
            batch: 1,
            gathered: false,
            last_written: 0,
            settled: 0,
            deferred: VecDeque::new(),
            own: VecDeque::new(),
            outgoing: VecDeque::new(),
            outcome: None,
        }
    }

    fn file(mut self) -> (FileName, Vec<u8>) {
        if !self.writer.is_empty() {
            self.file.extend_from_slice(self.writer.seal());
        }
        let (replica, life) = (self.id, self.life);
        (FileName { replica, life }, self.file)
    }

    /// Steps an input and what follows from it, and writes the block.
    fn take(&mut self, at: Time, event: Event) {
        self.writer.input(at, &event);
        self.step(at, event);
        self.take_own(at);
        while self.gathered {
            self.writer.flush();
            self.writer.durable(self.batch);
            self.settled = self.batch;
            self.batch += 1;
            self.gathered = false;
            while self
                .deferred
                .front()
                .is_some_and(|(batch, _)| *batch <= self.settled)
            {
                let (_, envelopes) = self.deferred.pop_front().unwrap();
                envelopes.into_iter().for_each(|envelope| self.send(envelope));
                self.take_own(at);
            }
        }
        self.file.extend_from_slice(self.writer.seal());
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
                Effect::Persist { records, then, .. } => self.persist(records, then),
                Effect::Reply { reply, .. } => self.outcome = Some(reply.outcome),
                Effect::Observe(_) => {}
                Effect::Halt(reason) => panic!("{reason}"),
            }
        }
    }

    fn persist(&mut self, records: Vec<Record>, then: Vec<Envelope>) {
        if !records.is_empty() {
            self.log.extend(records);
            self.last_written = self.batch;
            self.gathered = true;
        }
        if then.is_empty() || self.settled >= self.last_written {
            then.into_iter().for_each(|envelope| self.send(envelope));
        } else {
            self.gathered = true;
            self.deferred.push_back((self.batch, then));
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
