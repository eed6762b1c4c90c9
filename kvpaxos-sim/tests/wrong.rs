//! The simulator is itself tested: replicas that are wrong at their boundary must be caught, soon. Each variant wraps the
//! replica and changes what goes in or comes out of it.

use kvpaxos::{
    ClientId, Config, Entropy, Message, Observation, Record, Replica, Reply, Request, Role, Slot, Status,
    Time, Value,
};
use kvpaxos_sim::bytes_log::ReplicaLog;
use kvpaxos_sim::machine::{Effect, Event, Memory};
use kvpaxos_sim::setup::FaultKind;
use kvpaxos_sim::subject::{translate, translate_effect};
use kvpaxos_sim::{Machine, Property, Setup, Subject, Trace, run};

/// What a wrong variant changes; the replica itself is right.
trait Wrong {
    fn kept(records: Vec<Record>) -> Vec<Record> {
        records
    }

    fn lost(records: Memory<Record>) -> Memory<Record> {
        records
    }

    fn effect<M: Subject>(effect: Effect<M>, out: &mut Vec<Effect<M>>) {
        out.push(effect);
    }
}

struct Variant<W> {
    replica: Replica,
    wrong: std::marker::PhantomData<W>,
}

fn memory<W: Wrong>(memory: Memory<Record>) -> Memory<Record> {
    match memory {
        Memory::Kept(records) => Memory::Kept(W::kept(records)),
        Memory::Lost => W::lost(Memory::Lost),
    }
}

impl<W: Wrong> Machine for Variant<W> {
    type Config = Config;
    type Message = Message;
    type Record = Record;
    type Request = Request;
    type Reply = Reply;
    type Note = Observation;
    type Log = ReplicaLog;

    fn start(config: &Config, found: Memory<Record>, entropy: Entropy, at: Time) -> Self {
        Variant {
            replica: Machine::start(config, memory::<W>(found), entropy, at),
            wrong: std::marker::PhantomData,
        }
    }

    fn step(&mut self, at: Time, event: Event<Self>, effects: &mut Vec<Effect<Self>>) {
        let event: Event<Replica> = match translate(event) {
            Event::Restart {
                role,
                memory: found,
                entropy,
            } => {
                let memory = memory::<W>(found);
                Event::Restart {
                    role,
                    memory,
                    entropy,
                }
            }
            event => event,
        };
        let mut right = Vec::new();
        Machine::step(&mut self.replica, at, event, &mut right);
        for effect in right {
            W::effect(translate_effect(effect), effects);
        }
    }

    fn deadline(&self) -> Option<Time> {
        self.replica.deadline()
    }
}

impl<W: Wrong> Subject for Variant<W> {
    fn status(&self) -> Status {
        self.replica.status()
    }

    fn chosen(&self, slot: Slot) -> Option<&Value> {
        self.replica.chosen(slot)
    }
}

/// Plays seeds until the variant is caught, and tells what caught it and when.
fn caught<W: Wrong>(within: u64) -> Property {
    caught_under::<W>(within, |_| ())
}

/// The same where the setup favours what brings the fault to light.
fn caught_under<W: Wrong>(within: u64, favour: impl Fn(&mut Setup)) -> Property {
    for seed in 0..within {
        let mut setup = Setup::drawn(seed);
        favour(&mut setup);
        setup.length.events = 0;
        setup.length.operations = 0;
        if let Some(violation) = run::<Variant<W>>(setup, Trace::Off).violation {
            println!("caught at seed {seed}: {violation}");
            return violation.property;
        }
    }
    panic!("not caught within {within} seeds");
}

/// An acceptor that forgets its promises at a restart.
struct Forgetful;

impl Wrong for Forgetful {
    fn kept(mut records: Vec<Record>) -> Vec<Record> {
        records.retain(|record| !matches!(record, Record::Promised { .. }));
        records
    }
}

#[test]
fn a_promise_forgotten_at_a_restart_is_caught() {
    assert_eq!(caught::<Forgetful>(20), Property::A1);
}

/// What waits for the disk is sent at once (known bug 1).
struct Hasty;

impl Wrong for Hasty {
    fn effect<M: Subject>(effect: Effect<M>, out: &mut Vec<Effect<M>>) {
        match effect {
            Effect::Persist { role, records, then } => {
                out.extend(then.into_iter().map(|(to, message)| Effect::Send { to, message }));
                out.push(Effect::Persist {
                    role,
                    records,
                    then: Vec::new(),
                });
            }
            effect => out.push(effect),
        }
    }
}

#[test]
fn a_promise_sent_before_it_is_durable_is_caught() {
    assert_eq!(caught::<Hasty>(5), Property::A3);
}

/// An acceptor that lost its memory votes as if new (known bug 2).
struct Reborn;

impl Wrong for Reborn {
    fn lost(_: Memory<Record>) -> Memory<Record> {
        Memory::Kept(Vec::new())
    }
}

#[test]
fn a_vote_without_memory_is_caught() {
    let losing = |setup: &mut Setup| {
        setup.faults.weights = vec![(FaultKind::LoseDisk, 1)];
        setup.faults.losses = setup.cluster.losable();
    };
    assert_eq!(caught_under::<Reborn>(10, losing), Property::A4);
}

/// Phase 1 that leaves out accepted values (known bug 5).
struct Silent;

impl Wrong for Silent {
    fn effect<M: Subject>(mut effect: Effect<M>, out: &mut Vec<Effect<M>>) {
        if let Effect::Persist {
            role: Role::Acceptor,
            then,
            ..
        } = &mut effect
        {
            for (_, message) in then {
                if let Message::Promise { entries, .. } = message {
                    entries.clear();
                }
            }
        }
        out.push(effect);
    }
}

#[test]
fn a_promise_that_leaves_out_values_is_caught() {
    assert_eq!(caught::<Silent>(20), Property::P2);
}

/// A reply is given for a write before it is chosen: the client is told a place in the log where it will not be.
struct Eager;

impl Wrong for Eager {
    fn effect<M: Subject>(effect: Effect<M>, out: &mut Vec<Effect<M>>) {
        if let Effect::Reply { to, reply } = &effect
            && let kvpaxos::Outcome::Done { revision } = &reply.outcome
        {
            let mut revision = *revision;
            revision.index += 1;
            let outcome = kvpaxos::Outcome::Done { revision };
            let reply = Reply {
                id: reply.id,
                outcome,
            };
            out.push(Effect::Reply {
                to: ClientId(to.0),
                reply,
            });
            return;
        }
        out.push(effect);
    }
}

#[test]
fn an_acknowledgement_that_the_log_does_not_bear_out_is_caught() {
    assert_eq!(caught::<Eager>(5), Property::S3);
}
