//! The replica: owns the roles, routes between them, and is the one way in and out.
//!
//! - `replica/peer.rs`: what each message of another replica leads to;
//! - `replica/client.rs`: what clients ask, and how they are answered;
//! - `replica/lead.rs`: standing, leading, resigning;
//! - `replica/tick.rs`: what the passing of time leads to;
//! - `replica/role.rs`: roles that fail and restart;
//! - `replica/recover.rs`: an acceptor that lost its memory comes back;
//! - `replica/catch_up.rs`: a learner that lags, and those that help it;
//! - `replica/found.rs`: replicas that claim to be new and are not;
//! - `replica/save.rs`: checkpoints;
//! - `replica/agree.rs`: what others tell of their states, and what may be answered.

mod agree;
mod catch_up;
mod client;

mod found;
mod lead;
mod peer;
mod peers;
mod pending;
mod recover;
mod role;
mod save;
mod tick;

use std::collections::BTreeMap;

use crate::agreement::Agreement;
use crate::command::Value;
use crate::config::{Config, ConfigError, Update};
use crate::founding::KnownFoundings;
use crate::io::{Effect, Envelope, Event, Input, Memory, Observation, Reason, Record};
use crate::memory::archive::Archive;
use crate::memory::checkpoint::CheckpointWriter;
use crate::memory::restore::LogSummary;
use crate::message::{Message, Watermark};
use crate::random::Random;
use crate::replica::peers::Peers;
use crate::replica::pending::PendingRequests;
use crate::roles::acceptor::{Acceptor, Answer};
use crate::roles::learner::Learner;
use crate::roles::proposer::{Phase, Proposer};
use crate::roles::read::Reads;
use crate::roles::recovery::Recovery;
use crate::state::snapshot::DeferredFree;
use crate::status::{AcceptorStatus, LearnerStatus, ProposerStatus, Status};
use crate::types::{Ballot, Entropy, Founding, Incarnation, Life, ReplicaId, ReplicaSet, Role, Slot, Time};

/// One replica: a proposer, an acceptor and a learner, and the pending requests of its clients.
///
/// Two replicas that are equal behave alike from here on, whatever comes.
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
    /// Tells this life's heartbeats, tags and questions from those of every other.
    nonce: u64,
    /// Tags used so far.
    tags: u64,
    /// The life of the proposer that is or was last; a counter that must never repeat belongs to the replica, not the role.
    /// `None` if the disk that remembers it is lost: then no ballot may be used until an incarnation of its acceptor, which is
    /// new for certain, begins a new count.
    life: Option<Life>,
    /// The highest ballot that any life of its proposer has used, as far as it knows.
    proposed: Ballot,
    /// The highest incarnation of its acceptor that it knows of.
    incarnation: Incarnation,
    /// Where its acceptor lost its memory and has not got back what counts, in which incarnation it lost it: what says so on the
    /// disk may not be durable yet when the role fails, so the replica knows it too.
    lost_in: Option<Incarnation>,
    /// Its founding, if it has not lost its disk since.
    founding: Option<Founding>,
    /// Which foundings of others it knows, and which of them stand in its log, or are on their way there.
    met: KnownFoundings,
    met_written: KnownFoundings,
    /// The last founding of each that it did not believe.
    refused: BTreeMap<ReplicaId, Founding>,
    /// The number of the last checkpoint that was begun.
    checkpoints: u64,
    proposer: Option<Proposer>,
    acceptor: AcceptorRole,
    learner: Option<Learner>,
    /// For how many ticks it has been without a learner.
    without_learner: u32,
    peers: Peers,
    agreement: Agreement,
    /// What was observed last of who differs: whose states, and whether this replica serves all the same.
    noted: (ReplicaSet, bool),
    pending: PendingRequests,
    reads: Reads,
    /// Two-phase setting: slots below may be answered to clients.
    settled: Slot,
    /// States that nothing needs any more, freed bit by bit.
    to_free: DeferredFree,
    /// Records of the start that no step has handed out yet.
    unsaved: Vec<Record>,
    halted: bool,
}

/// The acceptor, or why there is none.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum AcceptorRole {
    /// It failed.
    Failed,
    /// It has its memory.
    Voting(Box<AcceptorMemory>),
    /// It lost its memory, and may have promised and accepted what it no longer knows: a vote of it could let two values be
    /// chosen for one slot. It asks the others for what counts, and stays out of every vote meanwhile (A4).
    Recovering(Box<Recovery>),
    /// It has got back what counts, and votes once that is durable.
    Returning(Box<AcceptorMemory>),
    /// It lost its memory, and with these quorum sizes there is no way back.
    Out,
}

/// An acceptor with its memory: what it promised and accepted, and what it knows to be chosen.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct AcceptorMemory {
    acceptor: Acceptor,
    archive: Archive,
    /// The checkpoint that is being written, if one is.
    checkpoint: Option<CheckpointWriter>,
}

impl Replica {
    /// A replica that starts, and all its roles with it, with what its disk held.
    ///
    /// # Errors
    /// If the parts of the configuration do not fit together.
    pub fn new(config: Config, memory: Memory, entropy: Entropy, at: Time) -> Result<Replica, ConfigError> {
        config.check()?;
        let mut random = Random::new(entropy);
        let nonce = random.next_u64();
        let (mut restored, unsaved) = match &memory {
            Memory::Kept(records) => (LogSummary::new(records, &config.limits), Vec::new()),
            // Durable before anything else, so that a later start with this disk does not take it for all there was.
            Memory::Lost => (
                LogSummary::new(&[Record::DiskLost], &config.limits),
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
            acceptor: AcceptorRole::Failed,
            learner: Some(learner),
            without_learner: 0,
            peers: Peers::new(nonce),
            agreement: Agreement::default(),
            noted: (ReplicaSet::EMPTY, true),
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
    /// What each event leads to stands with [`Event`]; what the caller owes stands with [`crate::io`].
    pub fn step(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.step_into(input, &mut effects);
        effects
    }

    /// Like [`step`](Replica::step), but appends to `effects`, so that a caller can use one buffer again and again.
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
        let result = self
            .on_event(input.event, effects)
            .and_then(|()| self.advance(effects));
        let result = result.and_then(|()| {
            if self.now >= self.next_tick {
                self.on_tick(effects)
            } else {
                Ok(())
            }
        });
        if let Err(reason) = result {
            // Nothing of a step that went wrong leaves: whoever lies to this replica must not speak through it.
            self.halted = true;
            effects.truncate(before);
            effects.push(Effect::Halt(reason));
        }
    }

    /// When the replica next wants to hear the clock; after a step always later than that step's time. `None` once halted.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        (!self.halted).then_some(self.next_tick)
    }

    fn on_event(&mut self, event: Event, out: &mut Vec<Effect>) -> Result<(), Reason> {
        match event {
            // The tick is counted after every step that reaches it.
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

    /// What follows from the state alone, after every event: what was learned is applied and answered, what waits is
    /// proposed, what became known is told, what is lacking is asked for.
    fn advance(&mut self, out: &mut Vec<Effect>) -> Result<(), Reason> {
        self.lead_when_ready(out)?;
        // Before anything is proposed: what is told of the state then goes with what is told to be chosen.
        self.learn_own(out);
        self.apply(out);
        self.propose(out)?;
        self.check_that_the_cut_is_known();
        self.begin_checkpoint(out);
        self.tell(out);
        self.ask_for_reads(out);
        self.confirm_reads(out);
        self.serve_reads(out);
        self.catch_up(None, out);
        self.note_who_differs(out);
        self.free_some();
        Ok(())
    }

    /// Frees a little of what nothing needs any more: much at once would hold up what waits.
    fn free_some(&mut self) {
        self.to_free.free_some();
        if let Some(learner) = &mut self.learner {
            learner.free_some();
        }
        if let Some(memory) = self.memory() {
            memory.acceptor.free_some();
            memory.archive.chosen.free_some();
        }
    }

    /// The leader's ballot, if this replica leads or has heard from the leader a short while ago.
    fn leader(&self) -> Option<Ballot> {
        let own = self
            .proposer
            .as_ref()
            .and_then(Proposer::leading)
            .map(|leadership| leadership.ballot);
        own.or(self.peers.leader())
    }

    /// In the two-phase setting, all who must acknowledge the *go*.
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

    /// What this replica's learner has learned, from slot `from` on, goes into its acceptor's memory too.
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

    /// The leader of `ballot` says how far the log is chosen.
    fn on_watermark(&mut self, ballot: Ballot, watermark: Watermark, out: &mut Vec<Effect>) {
        self.settled = self.settled.max(watermark.settled);
        self.peers.note_learned(ballot.replica, watermark.chosen);
        let Some(learner) = &mut self.learner else { return };
        let from = learner.next();
        learner.on_watermark(ballot, watermark.chosen);
        self.remember(from, Some(ballot), out);
    }

    /// What it knows of itself and its peers.
    #[must_use]
    pub fn status(&self) -> Status {
        let proposer = match self.proposer.as_ref().map(|proposer| &proposer.phase) {
            None => ProposerStatus::Failed,
            Some(Phase::Following) => ProposerStatus::Following,
            Some(Phase::Preparing(candidacy)) => ProposerStatus::Preparing {
                ballot: candidacy.ballot(),
            },
            Some(Phase::Leading(leadership)) => ProposerStatus::Leading {
                ballot: leadership.ballot,
            },
        };
        let acceptor = match &self.acceptor {
            AcceptorRole::Failed => AcceptorStatus::Failed,
            AcceptorRole::Voting(memory) => AcceptorStatus::Voting {
                promised: memory.acceptor.promised(),
            },
            AcceptorRole::Recovering(recovery) => AcceptorStatus::Recovering {
                incarnation: recovery.incarnation(),
                unanswered: recovery.unanswered(),
            },
            AcceptorRole::Returning(memory) => AcceptorStatus::Recovering {
                incarnation: Some(memory.acceptor.vector().get(self.config.id)),
                unanswered: ReplicaSet::EMPTY,
            },
            AcceptorRole::Out => AcceptorStatus::Out,
        };
        let learner = self.learner.as_ref().map_or(LearnerStatus::Failed, |learner| {
            let machine = learner.machine();
            LearnerStatus::Learning {
                applied: learner.applied(),
                keys: machine.keys(),
                sessions: machine.sessions(),
                digest: machine.digest(),
            }
        });
        let leadership = self.proposer.as_ref().and_then(Proposer::leading);
        let two_phase = self.two_phase().is_some();
        Status {
            id: self.config.id,
            members: self.config.members,
            proposer,
            acceptor,
            learner,
            leader: self.leader(),
            silent: self.silent(),
            waiting_for: leadership.map_or(ReplicaSet::EMPTY, |own| {
                own.waiting_for(self.config.members, two_phase)
            }),
            pending: (self.pending.len() + self.reads.len()) as u64,
            lost: self.lost(),
            differing: self.agreement.differing(),
            doubt: self.doubt(),
        }
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
}

fn send(to: ReplicaId, message: Message, out: &mut Vec<Effect>) {
    out.push(Effect::Send(Envelope { to, message }));
}

/// Records of the acceptor, and what leaves once they are durable.
fn persist(records: Vec<Record>, then: Vec<Envelope>, out: &mut Vec<Effect>) {
    out.push(Effect::Persist {
        role: Role::Acceptor,
        records,
        then,
    });
}

/// An acceptor's answer leaves behind its records, and behind all earlier ones.
fn answer(to: ReplicaId, Answer { records, message }: Answer, out: &mut Vec<Effect>) {
    persist(records, vec![Envelope { to, message }], out);
}

fn observe(observation: Observation, out: &mut Vec<Effect>) {
    out.push(Effect::Observe(observation));
}
