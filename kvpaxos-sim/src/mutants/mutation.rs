//! How a mutant is made: a [`Mutation`] changes what enters and leaves a correct [`Replica`].

use std::collections::VecDeque;

use kvpaxos::{
    Config, Effect, Entropy, Event, Founding, Input, Memory, Message, Observation, Reason, Record, Replica,
    Reply, Request, Slot, Status, Time, Value,
};

use crate::engine::{Label, Machine};
use crate::subject::{ReplicaLog, Subject, corrupt};

/// What a mutant does mutation. By default every method changes nothing, so that a mutation contains only its
/// fault.
pub(super) trait Mutation: Default {
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
pub(super) struct MutantStep {
    /// The replica's local time.
    pub(super) at: Time,
    /// The effects that leave.
    pub(super) effects: Vec<Effect>,
    /// Events that did not happen, with which the replica is stepped next.
    pub(super) forged: Vec<Event>,
}

/// A correct replica behind a mutation.
pub(super) struct MutatedReplica<F> {
    replica: Replica,
    mutation: F,
}

impl<F: Mutation> MutatedReplica<F> {
    fn memory(mutation: &mut F, memory: Memory) -> Memory {
        match memory {
            Memory::Kept(records) => Memory::Kept(mutation.read_back(records)),
            Memory::Lost => mutation.on_memory_lost(),
        }
    }
}

impl<F: Mutation> Machine for MutatedReplica<F> {
    type Config = Config;
    type Message = Message;
    type Record = Record;
    type Request = Request;
    type Reply = Reply;
    type Observation = Observation;
    type Reason = Reason;
    type Log = ReplicaLog;

    fn start(config: &Config, found: Memory, entropy: Entropy, at: Time) -> MutatedReplica<F> {
        let mut mutation = F::default();
        let memory = Self::memory(&mut mutation, found);
        let replica = Machine::start(config, memory, entropy, at);
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
            *memory = Self::memory(mutation, found);
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

impl<F: Mutation> Subject for MutatedReplica<F> {
    fn status(&self) -> Status {
        self.replica.status()
    }

    fn chosen(&self, slot: Slot) -> Option<&Value> {
        self.replica.chosen(slot)
    }
}
