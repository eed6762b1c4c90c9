//! How a mutant is made: a [`Mutation`] changes what enters and leaves a correct [`Replica`].
//!
//! All mutants are machines of one type, and which one a replica is, is a value: [`Mutated`]. With a type for each, the compiler would
//! make the engine, the world and the audit anew for each of them.

use std::collections::VecDeque;
use std::{any, fmt};

use kvpaxos::{
    Config, Effect, Entropy, Event, Founding, Input, Memory, Message, Observation, Reason, Record, Replica,
    Reply, Request, Slot, Status, Time, Value,
};

use crate::engine::{Label, Machine};
use crate::subject::{ReplicaLog, Subject, corrupt};

/// What a mutant does wrong. By default every method changes nothing, so that a mutation contains only its
/// fault.
pub(crate) trait Mutation: Send {
    /// Changes the records that a replica reads back from its disk.
    fn read_back(&mut self, records: Vec<Record>) -> Vec<Record> {
        records
    }

    /// Changes what a replica is told when its memory is lost.
    fn on_memory_lost(&mut self) -> Memory {
        Memory::Lost
    }

    /// Changes the replica before it takes an input.
    fn before(&mut self, replica: &mut Replica) {
        let _ = replica;
    }

    /// Changes an event before the replica is stepped with it.
    fn enters(&mut self, event: &mut Event, replica: &Replica, step: &mut MutantStep) {
        let _ = (event, replica, step);
    }

    /// Handles an effect of the replica: by default, lets it leave.
    fn leaves(&mut self, effect: Effect, replica: &Replica, step: &mut MutantStep) {
        let _ = replica;
        step.effects.push(effect);
    }
}

/// What one step of a mutant leads to.
#[derive(Default)]
pub(crate) struct MutantStep {
    /// The replica's local time.
    pub(crate) at: Time,
    /// The effects that leave.
    pub(crate) effects: Vec<Effect>,
    /// Events that did not happen, with which the replica is stepped next.
    pub(crate) forged: Vec<Event>,
}

/// By which mutation the replicas of a world are mutants. Two are equal if the mutations are of one type.
#[derive(Clone, Copy)]
pub struct Mutated {
    /// The name of the mutation's type.
    name: fn() -> &'static str,
    begin: fn() -> Box<dyn Mutation>,
}

impl Mutated {
    /// By this mutation.
    pub(crate) const fn by<F: Mutation + Default + 'static>() -> Mutated {
        Mutated {
            name: any::type_name::<F>,
            begin: || Box::new(F::default()),
        }
    }
}

impl PartialEq for Mutated {
    fn eq(&self, other: &Mutated) -> bool {
        (self.name)() == (other.name)()
    }
}

impl Eq for Mutated {}

impl fmt::Debug for Mutated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mutated").field(&(self.name)()).finish()
    }
}

/// How a mutant is configured.
#[derive(Clone, Debug)]
pub(crate) struct MutatedConfig {
    replica: Config,
    mutated: Mutated,
}

/// A correct replica behind a mutation.
pub(crate) struct MutatedReplica {
    replica: Replica,
    mutation: Box<dyn Mutation>,
}

impl MutatedReplica {
    fn memory(mutation: &mut dyn Mutation, memory: Memory) -> Memory {
        match memory {
            Memory::Kept(records) => Memory::Kept(mutation.read_back(records)),
            Memory::Lost => mutation.on_memory_lost(),
        }
    }
}

impl Machine for MutatedReplica {
    type Config = MutatedConfig;
    type Message = Message;
    type Record = Record;
    type Request = Request;
    type Reply = Reply;
    type Observation = Observation;
    type Reason = Reason;
    type Log = ReplicaLog;

    fn start(config: &MutatedConfig, found: Memory, entropy: Entropy, at: Time) -> MutatedReplica {
        let mut mutation = (config.mutated.begin)();
        let memory = Self::memory(&mut *mutation, found);
        let replica = Machine::start(&config.replica, memory, entropy, at);
        MutatedReplica { replica, mutation }
    }

    fn founds(draw: u64) -> Vec<Record> {
        Replica::founds(draw)
    }

    fn founding(&self) -> Option<Founding> {
        self.replica.founding()
    }

    fn step(&mut self, input: Input) -> Vec<Effect> {
        let MutatedReplica { replica, mutation } = self;
        mutation.before(replica);
        let Input { at, mut event } = input;
        if let Event::Restart { memory, .. } = &mut event {
            let found = std::mem::replace(memory, Memory::Lost);
            *memory = Self::memory(&mut **mutation, found);
        }
        let mut step = MutantStep {
            at,
            ..MutantStep::default()
        };
        mutation.enters(&mut event, replica, &mut step);
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for effect in replica.step(Input { at, event }) {
                mutation.leaves(effect, replica, &mut step);
            }
            events.extend(step.forged.drain(..));
        }
        step.effects
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

impl Subject for MutatedReplica {
    fn config(replica: Config, mutated: Option<Mutated>) -> MutatedConfig {
        let mutated = mutated.expect("the setup of a mutant says what it does wrong");
        MutatedConfig { replica, mutated }
    }

    fn status(&self) -> Status {
        self.replica.status()
    }

    fn chosen(&self, slot: Slot) -> Option<&Value> {
        self.replica.chosen(slot)
    }
}
