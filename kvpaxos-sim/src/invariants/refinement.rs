//! Each step of a run must be a step of the [specification](crate::specification), or change nothing there (R1).
//!
//! The mapping takes the disk for the truth. What a replica has written and not synced has not happened: if a
//! crash loses it, nobody has heard of it.
//!
//! | in a run | in the specification |
//! | --- | --- |
//! | the record of a ballot is durable | prepare |
//! | a promise is durable | promise |
//! | a vote is durable | promise, if the ballot is higher than any before; accept |
//! | a leader hands its own vote to the disk, or an Accept leaves | propose |
//! | the record of a lost memory is durable, or a disk is replaced | lose memory |
//! | an Announce leaves | announce |
//! | another's new incarnation is durable | answer |
//! | the checkpoint with the recovered memory is durable | recover; then promise, accept and answer what the memory says once more, in the new life |
//! | an acceptor starts with what it found on its disk | nothing; it must remember as much |
//! | a leader counts a slot as chosen | learn |
//! | the last checkpoints but one of all replicas have cut their logs | cut, by all acceptors |
//!
//! The specification sends a message as soon as it may. A message of a replica leaves later, and may say less
//! than that one: a promise says nothing of slots below the cut, a vote may name later lives of others, which
//! only narrows what it counts with. So a message is right if the specification has sent one that says the
//! same or more.

use std::fmt::Display;
use std::sync::Arc;

use kvpaxos::crash_vector::CrashVector;
use kvpaxos::io::Checkpoint;
use kvpaxos::message::{Accepted, Promise, Remembered};
use kvpaxos::{Ballot, Message, Observation, Quorums, Record, ReplicaId, Slot, Value};

use crate::specification::{Condition, LifeOf, Lives, Memory, Rules, State, Votes};

use super::audit::Audit;
use super::violation::Property;

/// What is known of a replica besides what the specification knows.
#[derive(Default)]
struct Concrete {
    /// The ballot that its proposer used last.
    ballot: Option<Ballot>,
    /// The number of the checkpoint whose end is not durable, and the memory that it describes.
    checkpoint: Option<(u64, Memory<Value>)>,
    /// The cuts of its last two durable checkpoints.
    cuts: [Slot; 2],
}

/// No run reaches so many slots above those that all have cut. A replica that names one is broken.
const MOST_SLOTS: u64 = 1 << 23;

/// A run, as the specification sees it.
pub(super) struct Refinement {
    state: State<Value>,
    replicas: Vec<Concrete>,
}

/// A step that the specification does not have.
pub(super) struct Illegal(String);

impl From<Condition> for Illegal {
    fn from(condition: Condition) -> Illegal {
        Illegal(condition.to_string())
    }
}

impl Illegal {
    /// A sentence about a step.
    fn because(self, what: impl Display) -> String {
        let Illegal(why) = self;
        format!("{what}, which is no step of the specification ({why})")
    }
}

fn unsaid(what: &str) -> Illegal {
    Illegal(what.to_owned())
}

type Legal = Result<(), Illegal>;

impl Refinement {
    /// A run of so many replicas; the first of them have acceptors.
    pub(super) fn new(replicas: usize, acceptors: usize, quorums: Quorums) -> Refinement {
        Refinement {
            state: State::new(acceptors, Rules::new(acceptors, quorums)),
            replicas: (0..replicas).map(|_| Concrete::default()).collect(),
        }
    }

    fn replica(&mut self, id: ReplicaId) -> &mut Concrete {
        &mut self.replicas[usize::from(id.0)]
    }

    /// A leader proposes a value.
    pub(super) fn proposes(&mut self, ballot: Ballot, slot: Slot, value: &Value) -> Legal {
        if self.state.proposal(ballot, slot, value).is_some() {
            return Ok(());
        }
        if slot.0 > self.state.first().0 + MOST_SLOTS {
            return Err(unsaid("no run reaches that slot"));
        }
        Ok(self.state.propose(ballot, slot, value.clone())?)
    }

    /// A record became durable.
    pub(super) fn durable(&mut self, by: ReplicaId, record: &Record) -> Legal {
        match record {
            Record::Proposed { ballot } => self.prepare(by, *ballot),
            Record::Promised { ballot } => self.promise(by, *ballot)?,
            Record::Accepted { ballot, slot, value } => {
                let memory = self.state.acceptor(by).memory.as_ref();
                if memory.is_some_and(|memory| memory.promised < *ballot) {
                    self.promise(by, *ballot)?;
                }
                self.state.accept(by, *ballot, *slot, value)?;
                let instance = self.state.instance(*slot);
                if instance.is_some_and(|instance| instance.chosen.len() > 1) {
                    return Err(Illegal(format!("two values are chosen for slot {slot}")));
                }
            }
            Record::Heard {
                acceptor,
                incarnation,
            } => self.state.answer(by, (*acceptor, *incarnation))?,
            Record::MemoryLost | Record::DiskLost => self.lost(by),
            Record::Checkpoint(checkpoint) => {
                let described = (checkpoint.number, described(checkpoint));
                self.replica(by).checkpoint = Some(described);
            }
            Record::Carried(entry) => self.carried(by, entry),
            Record::CheckpointEnd { number } => {
                let begun = &mut self.replica(by).checkpoint;
                if let Some((_, memory)) = begun.take_if(|(begun, _)| begun == number) {
                    self.checkpointed(by, memory)?;
                }
            }
            Record::Chosen { .. }
            | Record::Learned { .. }
            | Record::Received(_)
            | Record::Founded { .. }
            | Record::Met { .. }
            | Record::SnapshotPart { .. } => {}
        }
        Ok(())
    }

    fn prepare(&mut self, by: ReplicaId, ballot: Ballot) {
        self.state.prepare(ballot);
        if let Some(earlier) = self.replica(by).ballot.replace(ballot)
            && earlier != ballot
        {
            self.state.retire(earlier);
        }
    }

    fn promise(&mut self, by: ReplicaId, ballot: Ballot) -> Legal {
        self.state.promise(by, ballot)?;
        if !self.is_used(ballot) {
            self.state.retire(ballot);
        }
        Ok(())
    }

    /// Whether its proposer may still propose in the ballot. A proposer never returns to an earlier one.
    fn is_used(&self, ballot: Ballot) -> bool {
        let replica = self.replicas.get(usize::from(ballot.replica.0));
        replica.is_some_and(|replica| replica.ballot == Some(ballot))
    }

    /// The memory of an acceptor is lost, and that will not be forgotten.
    pub(super) fn lost(&mut self, id: ReplicaId) {
        self.state.lose_memory(id);
        self.replica(id).checkpoint = None;
    }

    /// A process has crashed: a checkpoint without its end is ignored when its log is read.
    pub(super) fn crashed(&mut self, id: ReplicaId) {
        self.replica(id).checkpoint = None;
    }

    /// An acceptor starts with what it found on its disk, and is ready to vote.
    pub(super) fn starts(&self, id: ReplicaId, promised: Ballot) -> Legal {
        match &self.state.acceptor(id).memory {
            None => Err(Condition::VoteFromMemory.into()),
            Some(memory) if promised < memory.promised => Err(Condition::PromiseNotLower.into()),
            Some(_) => Ok(()),
        }
    }

    fn is_lost(&self, id: ReplicaId) -> bool {
        self.state.acceptor(id).memory.is_none()
    }

    /// Entries are kept only of a checkpoint that completes a recovery.
    fn carried(&mut self, by: ReplicaId, entry: &Accepted) {
        if self.is_lost(by)
            && let Some((_, memory)) = &mut self.replica(by).checkpoint
        {
            let vote = (entry.ballot, entry.value.clone());
            Arc::make_mut(&mut memory.votes).insert(entry.slot, vote);
        }
    }

    fn checkpointed(&mut self, by: ReplicaId, memory: Memory<Value>) -> Legal {
        let cut = memory.cut;
        if self.is_lost(by) {
            self.recover(by, memory)?;
            self.replica(by).cuts = [cut, cut];
            return Ok(());
        }
        let replica = self.replica(by);
        replica.cuts = [replica.cuts[1], cut];
        // A replica that has begun its next checkpoint knows that the one before is durable. So all report
        // nothing below these cuts.
        let least = self.replicas.iter().map(|replica| replica.cuts[0]).min();
        let least = least.unwrap_or_default();
        if least > self.state.first() {
            for id in (0..).map(ReplicaId).take(self.replicas.len()) {
                self.state.cut(id, least)?;
            }
            self.state.forget_below(least);
        }
        Ok(())
    }

    /// An acceptor returns. In its new life it may repeat what it remembers without another record, so the
    /// specification does so at once.
    fn recover(&mut self, by: ReplicaId, memory: Memory<Value>) -> Legal {
        let (promised, votes) = (memory.promised, Arc::clone(&memory.votes));
        let lives = memory.lives.clone();
        self.state.recover(by, memory)?;
        self.state.forget_answers((by, lives.of(by)));
        if promised > Ballot::ZERO {
            self.promise(by, promised)?;
        }
        for (slot, (ballot, value)) in votes.range(self.state.first()..) {
            if *ballot == promised {
                self.state.accept(by, *ballot, *slot, value)?;
            }
        }
        let announced = self.state.announced.iter().copied();
        let open = |(asker, life): &LifeOf| self.is_lost(*asker) && lives.of(*asker) == *life;
        for life in announced.filter(open).collect::<Vec<LifeOf>>() {
            self.state.answer(by, life)?;
        }
        Ok(())
    }

    /// A message leaves.
    pub(super) fn leaves(&mut self, from: ReplicaId, to: ReplicaId, message: &Message) -> Legal {
        match message {
            Message::Accept {
                ballot, slot, value, ..
            } => self.proposes(*ballot, *slot, value),
            Message::Promise(promise) => self.check_promise(from, promise),
            Message::Accepted { ballot, slot, vector } => self.check_vote(from, *ballot, *slot, vector),
            Message::Announce { incarnation, .. } => {
                let life = (from, *incarnation);
                if self.state.announced.contains(&life) {
                    return Ok(());
                }
                Ok(self.state.announce(life)?)
            }
            Message::Remembered(memory) => self.check_remembered(from, to, memory),
            Message::Learned { from: first, values } => {
                let slots = (first.0..).map(Slot);
                slots
                    .zip(values)
                    .try_for_each(|(slot, value)| self.learned(slot, value))
            }
            _ => Ok(()),
        }
    }

    fn check_vote(&self, from: ReplicaId, ballot: Ballot, slot: Slot, vector: &CrashVector) -> Legal {
        if slot < self.state.first() {
            return Ok(());
        }
        let proposals = self
            .state
            .instance(slot)
            .map_or(&[][..], |instance| &instance.proposals);
        let of_ballot = proposals.iter().filter(|proposal| proposal.ballot == ballot);
        let mut votes = of_ballot.flat_map(|proposal| &proposal.votes);
        let says = |(by, lives): &(ReplicaId, Lives)| *by == from && narrows(vector, from, lives);
        if votes.any(says) {
            Ok(())
        } else {
            Err(unsaid("no such vote was cast"))
        }
    }

    fn check_promise(&self, from: ReplicaId, promise: &Promise) -> Legal {
        let ballot = promise.ballot;
        if !self.is_used(ballot) {
            return Ok(());
        }
        let key = (ballot, (from, promise.vector.get(from)));
        let said = self.state.promises.get(&key);
        let Some(said) = said.filter(|said| narrows(&promise.vector, from, &said.lives)) else {
            return Err(unsaid("no such promise was made"));
        };
        let first = promise.from.max(promise.cut);
        self.check_reported(said, Some(ballot), first, promise.more, &promise.entries)?;
        self.check_cut(promise.cut)
    }

    fn check_remembered(&self, from: ReplicaId, to: ReplicaId, memory: &Remembered) -> Legal {
        let life = (to, memory.incarnation);
        let is_outdated = memory.vector.get(to) > memory.incarnation;
        if is_outdated || !self.is_lost(to) || self.state.acceptor(to).life >= memory.incarnation {
            return Ok(());
        }
        let key = (life, (from, memory.vector.get(from)));
        let said = self.state.answers.get(&key);
        let says = |said: &&Memory<Value>| {
            narrows(&memory.vector, from, &said.lives) && memory.promised >= said.promised
        };
        let Some(said) = said.filter(says) else {
            return Err(unsaid("no such answer was given"));
        };
        let first = memory.from.max(memory.cut);
        self.check_reported(said, None, first, memory.more, &memory.entries)?;
        self.check_cut(memory.cut)
    }

    /// The votes from `first` on are reported, up to the next chunk: those in ballots below `below`, each with
    /// its ballot or a higher one.
    fn check_reported(
        &self,
        said: &Memory<Value>,
        below: Option<Ballot>,
        first: Slot,
        more: Option<Slot>,
        entries: &[Accepted],
    ) -> Legal {
        let mut reported = entries.iter().peekable();
        let end = more.unwrap_or(Slot(u64::MAX)).max(first);
        for (slot, (ballot, _)) in said.votes.range(first..end) {
            if below.is_some_and(|below| *ballot >= below) {
                continue;
            }
            while reported.next_if(|entry| entry.slot < *slot).is_some() {}
            if !reported
                .peek()
                .is_some_and(|entry| entry.slot == *slot && entry.ballot >= *ballot)
            {
                return Err(Illegal(format!(
                    "it leaves out the vote at slot {slot} in {ballot}"
                )));
            }
        }
        let kept = |entry: &&Accepted| entry.slot >= self.state.first();
        for entry in entries.iter().filter(kept) {
            let Accepted { slot, ballot, value } = entry;
            if self.state.proposal(*ballot, *slot, value).is_none() {
                return Err(Illegal(format!(
                    "it reports a value for slot {slot} that {ballot} did not propose"
                )));
            }
        }
        Ok(())
    }

    fn check_cut(&self, cut: Slot) -> Legal {
        if self.state.all_chosen_below(cut) {
            Ok(())
        } else {
            Err(Condition::CutChosen.into())
        }
    }

    /// A replica reports something that it did.
    pub(super) fn observed(&self, observation: &Observation) -> Legal {
        match observation {
            Observation::Chosen { ballot, slot } if *slot >= self.state.first() => {
                Ok(self.state.learn(*ballot, *slot)?)
            }
            _ => Ok(()),
        }
    }

    /// A replica takes this value for chosen.
    pub(super) fn learned(&self, slot: Slot, value: &Value) -> Legal {
        let instance = self.state.instance(slot);
        let is_chosen = instance.is_some_and(|instance| instance.chosen.contains(value));
        if is_chosen || slot < self.state.first() {
            Ok(())
        } else {
            Err(Condition::VoteQuorum.into())
        }
    }
}

impl Audit {
    /// R1: something happens that the specification must allow. `what` says what, if it does not.
    pub(super) fn refine<W: Display>(
        &mut self,
        happens: impl FnOnce(&mut Refinement) -> Legal,
        what: impl FnOnce() -> W,
    ) {
        if let Some(refinement) = &mut self.refinement
            && let Err(illegal) = happens(refinement)
        {
            self.violated(Property::R1, illegal.because(what()));
        }
    }

    /// R1: a record is durable.
    pub(super) fn check_durable(&mut self, by: ReplicaId, record: &Record) {
        if !self.refounded.contains(by) {
            self.refine(
                |refinement| refinement.durable(by, record),
                || format!("{by} has on its disk: {record}"),
            );
        }
    }

    /// R1: a record is handed to the disk. If it is the vote of a leader, that is the proposal.
    pub(super) fn check_proposal(&mut self, by: ReplicaId, record: &Record) {
        if let Record::Accepted { ballot, slot, value } = record
            && ballot.replica == by
        {
            self.refine(
                |refinement| refinement.proposes(*ballot, *slot, value),
                || format!("{by} proposes {value} for slot {slot} in {ballot}"),
            );
        }
    }
}

/// The memory at the beginning of a checkpoint, without its votes.
fn described(checkpoint: &Checkpoint) -> Memory<Value> {
    Memory {
        promised: checkpoint.promised,
        votes: Arc::new(Votes::new()),
        cut: checkpoint.cut,
        lives: checkpoint.vector.iter().collect(),
    }
}

/// Whether a message of `from` with this vector counts with no others than one of the same life with `lives`.
fn narrows(vector: &CrashVector, from: ReplicaId, lives: &Lives) -> bool {
    let known: Lives = vector.iter().collect();
    known.of(from) == lives.of(from) && known.include(lives)
}
