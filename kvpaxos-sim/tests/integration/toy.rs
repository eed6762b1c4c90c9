//! The engine drives any machine. This one has nothing to do with Paxos: each host holds a number, writes
//! down the highest that it has received, and then sends it to all.

use std::convert::Infallible;

use kvpaxos::{Effect, Entropy, Envelope, Event, Memory, Micros, ReplicaId, Role, Time};
use kvpaxos_sim::engine::{
    EffectOf, Engine, Environment, Format, InputOf, LinkProfile, List, Machine, Node, Observer, Output,
    Seeded, latency,
};

const HOSTS: u8 = 3;

struct Highest {
    number: u64,
    again: Time,
}

impl Machine for Highest {
    type Config = ();
    type Message = u64;
    type Record = u64;
    type Request = u64;
    type Reply = u64;
    type Observation = ();
    type Reason = Infallible;
    type Log = List<u64>;

    fn start(_: &(), memory: Memory<u64>, _: Entropy, at: Time) -> Highest {
        let Memory::Kept(records) = memory else {
            unreachable!("no disk is lost here")
        };
        Highest {
            number: records.last().copied().unwrap_or(0),
            again: at.after(Micros(10_000)),
        }
    }

    fn step(&mut self, input: InputOf<Highest>) -> Vec<EffectOf<Highest>> {
        let mut effects = Vec::new();
        let number = match input.event {
            Event::Peer { message, .. } => message,
            Event::Client { from, request } => {
                effects.push(Effect::Reply {
                    to: from,
                    reply: self.number,
                });
                request
            }
            _ => 0,
        };
        if input.at >= self.again {
            self.again = input.at.after(Micros(10_000));
        } else if number <= self.number {
            return effects;
        }
        let records = if number > self.number {
            vec![number]
        } else {
            Vec::new()
        };
        self.number = self.number.max(number);
        let message = self.number;
        let to_all = (0..HOSTS).map(|id| Envelope {
            to: ReplicaId(id),
            message,
        });
        effects.push(Effect::Persist {
            role: Role::Acceptor,
            records,
            then: to_all.collect(),
        });
        effects
    }

    fn deadline(&self) -> Option<Time> {
        Some(self.again)
    }
}

/// Checks that a host sends only what is on its disk.
#[derive(Default)]
struct NothingUnsaved([u64; HOSTS as usize]);

impl Observer<Highest> for NothingUnsaved {
    fn durable(&mut self, _: Time, host: ReplicaId, record: &u64) {
        self.0[usize::from(host.0)] = *record;
    }

    fn crashed(&mut self, _: Time, host: ReplicaId, survived: Option<&[u64]>, _: usize) {
        if let Some(last) = survived.and_then(<[u64]>::last) {
            self.0[usize::from(host.0)] = *last;
        }
    }

    fn leaves(&mut self, _: Time, from: ReplicaId, _: ReplicaId, message: &u64) {
        assert!(
            *message <= self.0[usize::from(from.0)],
            "{from} told {message}, which it may lose"
        );
    }
}

fn run(seed: u64) -> (Vec<u64>, u64, usize) {
    let links = LinkProfile {
        drop: 200_000,
        duplicate: 100_000,
        delay: latency::WILD,
        reorder: true,
    };
    let configs = vec![(); usize::from(HOSTS)];
    let mut engine: Engine<Highest, NothingUnsaved> = Engine::new(
        configs,
        Environment {
            links,
            sync: latency::BUSY,
            format: Format::Plain,
        },
        Box::new(Seeded::new(seed)),
        NothingUnsaved::default(),
    );
    engine.ids().for_each(|id| engine.start(id, false));
    let mut replies = 0;
    for round in 1..200 {
        let target = ReplicaId((round % 3) as u8);
        engine.request(0, target, &round);
        match round % 20 {
            7 => engine.crash(target),
            17 => engine.ids().for_each(|id| engine.start(id, false)),
            _ => {}
        }
        for _ in 0..10 {
            replies += usize::from(matches!(engine.advance(), Some(Output::Reply { .. })));
        }
    }
    engine.network.links = LinkProfile::lossless();
    let end = engine.now().after(Micros(2_000_000));
    while engine.next_at().is_some_and(|at| at < end) {
        engine.advance();
    }
    let numbers = engine
        .ids()
        .map(|id| engine.machine(id).unwrap().number)
        .collect();
    (numbers, engine.digest(), replies)
}

#[test]
fn a_toy_converges_and_repeats() {
    for seed in 0..10 {
        let (numbers, digest, replies) = run(seed);
        assert!(
            numbers[0] > 150 && numbers.iter().all(|n| *n == numbers[0]),
            "{numbers:?}"
        );
        assert!(replies > 10, "{replies}");
        assert_eq!(run(seed).1, digest, "the same seed, the same digest");
    }
    assert_ne!(run(1).1, run(2).1);
}

/// A client asks two hosts in turn, one of which crashes now and then. Returns how often it is answered, and
/// how often its connection breaks.
fn ask(connected: bool, links: LinkProfile) -> (usize, usize) {
    let configs = vec![(); usize::from(HOSTS)];
    let decider = Box::new(Seeded::new(1));
    let mut engine: Engine<Highest, NothingUnsaved> = Engine::new(
        configs,
        Environment {
            links,
            sync: latency::FLASH,
            format: Format::Plain,
        },
        decider,
        NothingUnsaved::default(),
    );
    engine.ids().for_each(|id| engine.start(id, false));
    if connected {
        engine.network.connect(Node::client(0));
    }
    let (mut answered, mut broken) = (0, 0);
    for round in 1..=200 {
        let target = ReplicaId((round % 2) as u8);
        if round % 50 == 0 {
            engine.crash(target);
        }
        engine.request(0, target, &round);
        let end = engine.now().after(Micros(100_000));
        while engine.next_at().is_some_and(|at| at < end) {
            match engine.advance() {
                Some(Output::Reply { .. }) => answered += 1,
                Some(Output::HungUp { from, to }) => {
                    assert_eq!((from, to), (target, 0), "it hears of the one that it asked");
                    broken += 1;
                }
                _ => {}
            }
        }
        engine.start(target, false);
    }
    (answered, broken)
}

#[test]
fn a_connection_loses_nothing_unless_it_breaks_and_then_says_so() {
    let lossy = LinkProfile {
        drop: 100_000,
        duplicate: 100_000,
        ..LinkProfile::lossless()
    };
    let (answered, broken) = ask(true, LinkProfile::lossless());
    assert_eq!(
        (answered, broken),
        (196, 4),
        "only the four that crash do not answer"
    );
    let (answered, broken) = ask(true, lossy);
    assert!(broken > 20, "{broken}");
    assert_eq!(
        answered + broken,
        200,
        "each request ends in one way or the other"
    );
    let (_, broken) = ask(false, lossy);
    assert_eq!(broken, 0, "datagrams know of no connections");
}
