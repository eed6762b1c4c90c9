//! The replica: it owns the roles, routes between them, and is the only way in and out.
//!
//! - `replica/peer.rs`: the messages of other replicas;
//! - `replica/client.rs`: the requests of clients, and the replies to them;
//! - `replica/lead.rs`: standing for election, leading, resigning;
//! - `replica/hand_over.rs`: a replica that is to stop hands leadership over;
//! - `replica/tick.rs`: what happens at each tick;
//! - `replica/status.rs`: what a replica reports about itself;
//! - `replica/role.rs`: roles that fail and restart;
//! - `replica/recover.rs`: an acceptor that lost its memory recovers;
//! - `replica/catch_up.rs`: a learner that lags, and help for others that do;
//! - `replica/found.rs`: replicas that claim to be new although they are not;
//! - `replica/save.rs`: checkpoints;
//! - `replica/export.rs`: its complete state as bytes;
//! - `replica/agree.rs`: digests of the others' states, and what may be answered because of them;
//! - `replica/peers.rs`: which peers are connected, and which one leads;
//! - `replica/pending.rs`: the requests of clients that are not answered yet.

mod agree;
mod catch_up;
mod client;
mod export;
mod found;
mod free;
mod hand_over;
mod lead;
#[cfg(test)]
mod lone;
mod peer;
mod peers;
mod pending;
mod recover;
mod role;
mod save;
mod status;
mod tick;

use std::collections::BTreeMap;

use crate::agreement::Agreement;
use crate::command::Value;
use crate::config::{Config, ConfigError, Limits, Update};
use crate::export::{export_fields, export_variants};
use crate::founding::KnownFoundings;
use crate::io::{Effect, Envelope, Event, Input, Memory, Observation, Reason, Record};
use crate::memory::archive::Archive;
use crate::memory::checkpoint::CheckpointWriter;
use crate::memory::restore::LogSummary;
use crate::message::{Message, Watermark};
use crate::random::Random;
use crate::replica::free::FreeWork;
use crate::replica::hand_over::HandOver;
use crate::replica::peers::Peers;
use crate::replica::pending::PendingRequests;
use crate::roles::acceptor::{Acceptor, Answer};
use crate::roles::learner::{Learner, Portion};
use crate::roles::proposer::Proposer;
use crate::roles::read::Reads;
use crate::roles::recovery::Recovery;
use crate::state::snapshot::{DeferredFree, Snapshot};
use crate::types::{
    Ballot, Entropy, Founding, Incarnation, Life, Micros, ReplicaId, ReplicaSet, Role, Slot, Time,
};

/// One replica: a proposer, an acceptor and a learner, and the pending requests of its clients.
///
/// Two equal replicas that get the same inputs behave the same.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Replica {
    config: Config,
    /// The time of the last step.
    now: Time,
    /// When the next tick is counted.
    next_tick: Time,
    /// Ticks until the next heartbeat.
    until_heartbeat: u32,
    random: Random,
    /// Distinguishes the heartbeats, tags and requests of this life from those of every other life.
    nonce: u64,
    /// The number of tags used so far.
    tags: u64,
    /// The present or last life of the proposer. It belongs to the replica and not to the role, because it
    /// must never repeat. `None` if the disk that remembers it is lost. Then the proposer stays down until
    /// the acceptor has recovered: its new incarnation begins a new count of lives.
    life: Option<Life>,
    /// The highest ballot that its proposer has used in any life, as far as it knows.
    proposed: Ballot,
    /// The highest incarnation of its acceptor that it knows of.
    incarnation: Incarnation,
    /// Set while the acceptor has no memory: the incarnation in which it lost it. The record of the loss may
    /// not be durable when the role fails, so the replica keeps it too.
    lost_in: Option<Incarnation>,
    /// Its founding, unless it has lost its disk since.
    founding: Option<Founding>,
    /// The foundings of others that it knows, and those of them that are in its log or being written.
    met: KnownFoundings,
    met_written: KnownFoundings,
    /// For each replica the last founding that it did not accept.
    refused: BTreeMap<ReplicaId, Founding>,
    /// The number of the last checkpoint that was begun.
    checkpoints: u64,
    proposer: Option<Proposer>,
    /// Set once the replica is to stop.
    hand_over: Option<HandOver>,
    acceptor: AcceptorRole,
    learner: Option<Learner>,
    /// The number of ticks for which it has had no learner, or one that has not yet applied the log of an earlier life.
    without_learner: u32,
    peers: Peers,
    agreement: Agreement,
    /// The last observation of differing states: the replicas that differ, and whether this replica still
    /// serves.
    observed: (ReplicaSet, bool),
    pending: PendingRequests,
    reads: Reads,
    /// Two-phase setting: every slot below is settled.
    settled: Slot,
    /// States that are no longer needed, freed little by little.
    to_free: DeferredFree,
    /// Records of the start that the next step writes.
    unsaved: Vec<Record>,
    halted: bool,
}

/// The acceptor, or why it does not vote.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum AcceptorRole {
    /// It failed. The snapshots of its last checkpoints stay in memory, as the pages of a disk do: a restart that finds one
    /// of them in the log need not build it anew. A restart without memory drops them.
    Failed(Vec<Snapshot>),
    /// It has its memory.
    Voting(Box<AcceptorMemory>),
    /// It lost its memory, and may have promised or accepted what it no longer knows. A vote of it could let
    /// two values be chosen for one slot, so it does not vote until it has recovered from the others (A4).
    Recovering(Box<Recovery>),
    /// It has recovered, and votes once that is durable.
    Returning(Box<AcceptorMemory>),
    /// It lost its memory, and cannot recover with these quorum sizes.
    Out,
}

export_variants!(AcceptorRole {
    0 => Failed(snapshots),
    1 => Voting(memory),
    2 => Recovering(recovery),
    3 => Returning(memory),
    4 => Out,
});

/// The memory of an acceptor: what it promised and accepted, and what it knows to be chosen.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct AcceptorMemory {
    acceptor: Acceptor,
    archive: Archive,
    /// The checkpoint that is being written, if one is.
    checkpoint: Option<CheckpointWriter>,
}

export_fields!(AcceptorMemory {
    acceptor,
    archive,
    checkpoint
});

impl Replica {
    /// A replica that starts with what its disk held. All its roles run.
    ///
    /// # Errors
    /// If the configuration is not consistent.
    pub fn new(config: Config, memory: Memory, entropy: Entropy, at: Time) -> Result<Replica, ConfigError> {
        config.check()?;
        let mut random = Random::new(entropy);
        let nonce = random.next_u64();
        let (mut restored, unsaved) = match &memory {
            Memory::Kept(records) => (LogSummary::new(records, &config.limits, &[]), Vec::new()),
            // Durable before anything else, so that a later start with this disk does not take it for
            // complete.
            Memory::Lost => (
                LogSummary::new(&[Record::DiskLost], &config.limits, &[]),
                vec![Record::DiskLost],
            ),
        };
        let life = restored.next_life(config.id);
        let incoming = restored.take_incoming();
        let mut learner = Learner::new(
            config.limits,
            restored.snapshot.clone(),
            &restored.chosen,
            &restored.accepted,
        );
        learner.resume(incoming);
        let mut replica = Replica {
            now: at,
            next_tick: at.after(config.timing.tick),
            until_heartbeat: 0,
            nonce,
            tags: 0,
            life,
            proposed: restored.proposed,
            incarnation: restored.incarnation(config.id),
            lost_in: restored.memory_lost.then(|| restored.incarnation(config.id)),
            founding: restored.founding,
            met: restored.met.clone(),
            met_written: restored.met.clone(),
            refused: BTreeMap::new(),
            checkpoints: restored.checkpoints,
            proposer: None,
            hand_over: None,
            acceptor: AcceptorRole::Failed(Vec::new()),
            learner: Some(learner),
            without_learner: 0,
            peers: Peers::new(nonce),
            agreement: Agreement::default(),
            observed: (ReplicaSet::EMPTY, true),
            pending: PendingRequests::default(),
            reads: Reads::new(random.next_u64()),
            settled: Slot::ZERO,
            to_free: DeferredFree::default(),
            unsaved,
            halted: false,
            random,
            config,
        };
        replica.peers.note(restored.promised.max(restored.proposed));
        replica.acceptor = if restored.memory_lost {
            replica.without_memory()
        } else {
            AcceptorRole::Voting(Box::new(AcceptorMemory::new(replica.config.id, restored)))
        };
        let wait = replica.draw_wait(0);
        replica.proposer = life.map(|life| Proposer::new(replica.config.id, life, wait));
        Ok(replica)
    }

    /// Total and deterministic: the next state and the effects depend on the state and the input alone.
    ///
    /// [`Event`] says what each event does; [`crate::io`] says what the driver owes.
    pub fn step(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.step_into(input, &mut effects);
        effects
    }

    /// Like [`step`](Replica::step), but appends to `effects`, so that a driver can reuse one buffer.
    pub fn step_into(&mut self, input: Input, effects: &mut Vec<Effect>) {
        if self.halted {
            return;
        }
        let before = effects.len();
        self.now = self.now.max(input.at);
        if !self.unsaved.is_empty() {
            let records = std::mem::take(&mut self.unsaved);
            persist(records, Vec::new(), effects);
        }
        let portion = match input.event {
            Event::Clock => Portion::OfTheClock,
            _ => Portion::OfAMessage,
        };
        let result = self
            .on_event(input.event, effects)
            .and_then(|()| self.advance(portion, effects));
        let result = result.and_then(|()| {
            if self.now >= self.next_tick {
                self.on_tick(effects)
            } else {
                Ok(())
            }
        });
        if let Err(reason) = result {
            // No effect of a step that halts is carried out: it may follow from wrong information.
            self.halted = true;
            effects.truncate(before);
            effects.push(Effect::Halt(reason));
        }
    }

    /// The time at which the replica needs [`Event::Clock`]. After a step it is later than the time of that
    /// step. `None` once it has halted.
    ///
    /// Usually this is the next tick. As long as a learner that has just started has the log of an earlier life to apply,
    /// it is as soon as possible: each [`Event::Clock`] then applies a portion of that log, and other inputs are not held up.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        let has_backlog = self.learner.as_ref().is_some_and(Learner::has_backlog);
        let due = if has_backlog {
            self.now.after(Micros(1))
        } else {
            self.next_tick
        };
        (!self.halted).then_some(due.min(self.next_tick))
    }

    fn on_event(&mut self, event: Event, out: &mut Vec<Effect>) -> Result<(), Reason> {
        match event {
            // Every step that reaches the time of the next tick counts it, whatever its event.
            Event::Clock => Ok(()),
            Event::Peer {
                from,
                founding,
                message,
            } => self.on_peer(from, founding, message, out),
            Event::Client { from, request } => {
                self.on_client(from, request, out);
                Ok(())
            }
            Event::ClientGone { client } => {
                self.pending.forget(client);
                self.reads.forget(client);
                Ok(())
            }
            Event::Fail(role) => {
                self.on_fail(role, out);
                Ok(())
            }
            Event::HandOver => {
                self.on_hand_over(out);
                Ok(())
            }
            Event::Restart {
                role,
                memory,
                entropy,
            } => {
                self.on_restart(role, &memory, entropy, out);
                Ok(())
            }
        }
    }

    /// What follows from the state alone, after every event: learned values are applied and answered, waiting
    /// commands are proposed, a new watermark is sent, missing values are requested.
    fn advance(&mut self, portion: Portion, out: &mut Vec<Effect>) -> Result<(), Reason> {
        self.lead_when_ready(out)?;
        // Before anything is proposed, so that the digest in an Accept belongs to the watermark in it.
        self.learn_own(out);
        let applied = self.apply(portion, out);
        self.propose(out)?;
        self.check_that_the_cut_is_known();
        self.begin_checkpoint(out);
        self.tell(out);
        self.ask_for_reads(out);
        self.confirm_reads(out);
        self.serve_reads(out);
        self.catch_up(None, out);
        self.note_who_differs(out);
        self.free_some(FreeWork::after(applied));
        Ok(())
    }

    /// The ballot of the leader, if this replica leads or has heard from the leader recently.
    fn leader(&self) -> Option<Ballot> {
        let own = self
            .proposer
            .as_ref()
            .and_then(Proposer::leading)
            .map(|leadership| leadership.ballot);
        own.or(self.peers.leader())
    }

    /// In the two-phase setting, the replicas that must acknowledge the *go*.
    fn two_phase(&self) -> Option<ReplicaSet> {
        (self.config.update == Update::TwoPhase).then_some(self.config.members)
    }

    fn is_voting(&self) -> bool {
        matches!(self.acceptor, AcceptorRole::Voting(_))
    }

    /// The acceptor, if it votes.
    fn voting(&mut self) -> Option<&mut Acceptor> {
        self.memory().map(|memory| &mut memory.acceptor)
    }

    fn memory(&mut self) -> Option<&mut AcceptorMemory> {
        match &mut self.acceptor {
            AcceptorRole::Voting(memory) => Some(memory),
            _ => None,
        }
    }

    fn others(&self) -> ReplicaSet {
        let mut others = self.config.members;
        others.remove(self.config.id);
        others
    }

    fn broadcast(&self, to: ReplicaSet, message: &Message, out: &mut Vec<Effect>) {
        for to in to.iter() {
            send(to, message.clone(), out);
        }
    }

    /// Copies what the learner has learned, from slot `from` on, into the acceptor's memory.
    fn remember(&mut self, from: Slot, ballot: Option<Ballot>, out: &mut Vec<Effect>) {
        let (AcceptorRole::Voting(memory), Some(learner)) = (&mut self.acceptor, &self.learner) else {
            return;
        };
        let learned = learner.log().iter_from(from);
        let records: Vec<Record> = learned
            .filter_map(|(slot, value)| memory.archive.remember(slot, value, ballot))
            .collect();
        if !records.is_empty() {
            persist(records, Vec::new(), out);
        }
    }

    /// The leader of `ballot` reports how far the log is chosen.
    fn on_watermark(&mut self, ballot: Ballot, watermark: Watermark, out: &mut Vec<Effect>) {
        self.settled = self.settled.max(watermark.settled);
        self.peers.note_learned(ballot.replica, watermark.chosen);
        let Some(learner) = &mut self.learner else { return };
        let from = learner.next();
        learner.on_watermark(ballot, watermark.chosen);
        self.remember(from, Some(ballot), out);
    }

    fn silent(&self) -> ReplicaSet {
        self.peers
            .silent(self.config.members, self.config.id, &self.config.timing)
    }

    /// The value chosen for a slot, if the learner knows it.
    #[must_use]
    pub fn chosen(&self, slot: Slot) -> Option<&Value> {
        self.learner.as_ref()?.chosen(slot)
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }
}

impl AcceptorMemory {
    fn new(id: ReplicaId, restored: LogSummary) -> AcceptorMemory {
        AcceptorMemory {
            acceptor: restored.acceptor(id),
            archive: Archive::new(restored.snapshot, restored.chosen),
            checkpoint: None,
        }
    }

    /// A learner that begins with what this memory holds. It begins at the snapshot of the checkpoint that is being
    /// written, if there is one: a learner needs nothing that is durable.
    fn learner(&self, limits: Limits) -> Learner {
        let Archive { snapshot, chosen, .. } = &self.archive;
        let newer = self.checkpoint.as_ref().and_then(CheckpointWriter::snapshot);
        let newer = newer.filter(|snapshot| snapshot.slot() <= chosen.next());
        let snapshot = newer.or(snapshot.as_ref()).cloned();
        Learner::new(limits, snapshot, chosen, self.acceptor.accepted())
    }

    /// Its snapshots: that of the last checkpoint, and that of the one that is being written.
    fn into_snapshots(self) -> Vec<Snapshot> {
        let writing = self.checkpoint.and_then(|checkpoint| checkpoint.into_content().0);
        self.archive.snapshot.into_iter().chain(writing).collect()
    }
}

fn send(to: ReplicaId, message: Message, out: &mut Vec<Effect>) {
    out.push(Effect::Send(Envelope { to, message }));
}

/// Records of the acceptor, and the messages that leave once they are durable.
fn persist(records: Vec<Record>, then: Vec<Envelope>, out: &mut Vec<Effect>) {
    out.push(Effect::Persist {
        role: Role::Acceptor,
        records,
        then,
    });
}

/// An acceptor's answer leaves once its records, and all earlier ones, are durable.
fn answer(to: ReplicaId, Answer { records, message }: Answer, out: &mut Vec<Effect>) {
    persist(records, vec![Envelope { to, message }], out);
}

fn observe(observation: Observation, out: &mut Vec<Effect>) {
    out.push(Effect::Observe(observation));
}
