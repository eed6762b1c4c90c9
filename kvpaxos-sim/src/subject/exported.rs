//! Replicas that are exported and imported again and again must go on as if nothing had happened.

use kvpaxos::{
    Config, Effect, Entropy, Founding, Input, Memory, Message, Micros, Observation, Reason, Record, Replica,
    Reply, Request, Slot, Status, Time, Value,
};

use crate::engine::{Label, Machine};
use crate::invariants::Trace;
use crate::subject::{ReplicaLog, Subject, corrupt};
use crate::world::{Setup, run};

/// A replica that is taken for another one every so many steps: the one that its exported state gives.
struct Exported {
    replica: Replica,
    config: Config,
    /// Drawn from its random bits.
    every: u64,
    steps: u64,
}

impl Exported {
    fn replace(&mut self) {
        self.steps += 1;
        if !self.steps.is_multiple_of(self.every) {
            return;
        }
        let Ok(bytes) = self.replica.export(usize::MAX) else {
            return;
        };
        let imported = Replica::import(&self.config, &bytes).expect("what was exported is imported");
        assert!(
            imported == self.replica,
            "an imported replica is the one that was exported"
        );
        let again = imported
            .export(usize::MAX)
            .expect("it still receives no snapshot");
        assert!(again == bytes, "equal replicas have equal bytes");
        self.replica = imported;
    }
}

impl Machine for Exported {
    type Config = Config;
    type Message = Message;
    type Record = Record;
    type Request = Request;
    type Reply = Reply;
    type Observation = Observation;
    type Reason = Reason;
    type Log = ReplicaLog;

    fn start(config: &Config, memory: Memory, entropy: Entropy, at: Time) -> Exported {
        let every = 1 + u64::from(entropy.0[0]) % 97;
        Exported {
            replica: Machine::start(config, memory, entropy, at),
            config: config.clone(),
            every,
            steps: 0,
        }
    }

    fn founds(draw: u64) -> Vec<Record> {
        Replica::founds(draw)
    }

    fn founding(&self) -> Option<Founding> {
        self.replica.founding()
    }

    fn step(&mut self, input: Input) -> Vec<Effect> {
        self.replace();
        self.replica.step(input)
    }

    fn label(message: &Message) -> Label {
        Replica::label(message)
    }

    fn request_label(request: &Request) -> Label {
        Replica::request_label(request)
    }

    fn reply_label(reply: &Reply) -> Label {
        Replica::reply_label(reply)
    }

    fn corrupt(message: &mut Message, before: Option<&Message>, draw: u64) -> bool {
        corrupt(message, before, draw)
    }

    fn deadline(&self) -> Option<Time> {
        self.replica.deadline()
    }
}

impl Subject for Exported {
    fn status(&self) -> Status {
        self.replica.status()
    }

    fn chosen(&self, slot: Slot) -> Option<&Value> {
        self.replica.chosen(slot)
    }
}

/// Optimized, this plays more seeds.
const SEEDS: u64 = if cfg!(debug_assertions) { 3 } else { 30 };

#[test]
fn worlds_do_not_notice_that_replicas_are_exported_and_imported() {
    for seed in 0..SEEDS {
        let mut setup = Setup::drawn(seed);
        if cfg!(debug_assertions) {
            setup.length.faults = Micros(2_000_000);
            setup.length.events = 0;
            setup.length.operations = 0;
        }
        let expected = run::<Replica>(setup.clone(), Trace::Off);
        let exported = run::<Exported>(setup, Trace::Off);
        assert!(exported.violation.is_none(), "seed {seed}: {exported}");
        assert_eq!(exported.digest, expected.digest, "seed {seed}");
    }
}

/// Bytes that were changed give an error or another state, and never a panic.
#[test]
fn what_is_no_state_is_refused() {
    let config = Config::new(kvpaxos::ReplicaId(1), 3);
    let founded = Memory::Kept(Replica::founds(7));
    let mut replica = Replica::new(config.clone(), founded, Entropy([3; 32]), Time(5)).expect("it is valid");
    for at in 1..400 {
        let at = Time(at * 100_000);
        replica.step(Input {
            at,
            event: kvpaxos::Event::Clock,
        });
    }
    let bytes = replica.export(usize::MAX).expect("it receives nothing");
    assert!(Replica::import(&config, &bytes).expect("it is whole") == replica);
    for end in 0..bytes.len() {
        assert!(
            Replica::import(&config, &bytes[..end]).is_err(),
            "cut off at {end}"
        );
    }
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[place] ^= 1 << bit;
            if let Ok(other) = Replica::import(&config, &changed) {
                assert!(other != replica, "bit {bit} of byte {place} says nothing");
            }
        }
    }
}
