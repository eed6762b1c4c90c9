//! The replica: owns the roles, routes between them, and is the one way in and out.
//!
//! - `replica/peer.rs`: what each message of another replica leads to;
//! - `replica/client.rs`: what clients ask, and how they are answered;
//! - `replica/lead.rs`: standing, leading, resigning;
//! - `replica/tick.rs`: what the passing of time leads to;
//! - `replica/role.rs`: roles that fail and restart.

mod client;
mod lead;
mod peer;
mod role;
mod tick;

use crate::acceptor::{Acceptor, Answer};
use crate::command::Value;
use crate::config::{Config, ConfigError, Update};
use crate::desk::Desk;
use crate::io::{Effect, Envelope, Event, Input, Memory, Observation, Reason, Record};
use crate::learner::Learner;
use crate::message::{Message, Watermark};
use crate::peers::Peers;
use crate::proposer::{Phase, Proposer};
use crate::random::Random;
use crate::read::Reads;
use crate::restore::Restored;
use crate::status::{AcceptorStatus, LearnerStatus, ProposerStatus, Status};
use crate::types::{Ballot, Entropy, Life, ReplicaId, ReplicaSet, Role, Slot, Time};

/// One replica: a proposer, an acceptor and a learner, and the front desk for its clients.
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
    /// `None` if the disk that remembers it is lost: then no ballot may be used.
    life: Option<Life>,
    /// Whether its acceptor lost its memory, at any time: what says so on the disk may not be durable yet when the role fails, so
    /// the replica knows it too.
    memory_lost: bool,
    proposer: Option<Proposer>,
    acceptor: AcceptorRole,
    learner: Option<Learner>,
    peers: Peers,
    desk: Desk,
    reads: Reads,
    /// Two-phase setting: slots below may be answered to clients.
    settled: Slot,
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
    Voting(Box<Acceptor>),
    /// It lost its memory, and may have promised and accepted what it no longer knows: a vote of it could let two values be
    /// chosen for one slot. It stays out of every vote.
    Out,
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
        let (restored, unsaved) = match &memory {
            Memory::Kept(records) => (Restored::new(records), Vec::new()),
            // Durable before anything else, so that a later start with this disk does not take it for all there was.
            Memory::Lost => (Restored::new(&[Record::DiskLost]), vec![Record::DiskLost]),
        };
        let life = restored.next_life();
        let mut replica = Replica {
            now: at,
            next_tick: at.after(config.timing.tick),
            until_heartbeat: 0,
            nonce,
            tags: 0,
            life,
            memory_lost: restored.memory_lost,
            proposer: None,
            acceptor: AcceptorRole::new(&restored),
            learner: Some(Learner::new(config.limits, &restored.chosen, &restored.accepted)),
            peers: Peers::new(nonce),
            desk: Desk::default(),
            reads: Reads::new(random.next_u64()),
            settled: Slot::ZERO,
            unsaved,
            halted: false,
            random,
            config,
        };
        replica.peers.note(restored.promised.max(restored.proposed));
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
            effects.push(Effect::Persist {
                role: Role::Acceptor,
                records,
                then: Vec::new(),
            });
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
            Event::Peer { from, message } => self.on_peer(from, message, out),
            Event::Client { from, request } => {
                self.on_client(from, request, out);
                Ok(())
            }
            Event::ClientGone { client } => {
                self.desk.forget(client);
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
        self.propose(out)?;
        self.learn_own(out);
        self.apply(out);
        self.tell(out);
        self.ask_for_reads(out);
        self.confirm_reads(out);
        self.serve_reads(out);
        self.catch_up(None, out);
        Ok(())
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

    fn voting(&mut self) -> Option<&mut Acceptor> {
        match &mut self.acceptor {
            AcceptorRole::Voting(acceptor) => Some(acceptor),
            AcceptorRole::Failed | AcceptorRole::Out => None,
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

    /// What this replica's learner has learned goes into its acceptor's memory too.
    fn remember(&mut self, from: Slot, values: &[Value], ballot: Option<Ballot>, out: &mut Vec<Effect>) {
        let Some(acceptor) = self.voting() else { return };
        let records = acceptor.remember(from, values, ballot);
        if !records.is_empty() {
            out.push(Effect::Persist {
                role: Role::Acceptor,
                records,
                then: Vec::new(),
            });
        }
    }

    /// The leader of `ballot` says how far the log is chosen.
    fn on_watermark(&mut self, ballot: Ballot, watermark: Watermark, out: &mut Vec<Effect>) {
        self.settled = self.settled.max(watermark.settled);
        self.peers.note_learned(ballot.replica, watermark.chosen);
        let Some(learner) = &mut self.learner else { return };
        let from = learner.next();
        let learned = learner.on_watermark(ballot, watermark.chosen).to_vec();
        self.remember(from, &learned, Some(ballot), out);
    }

    /// Asks somebody who knows more for what the learner lacks, unless it waits for an answer already.
    fn catch_up(&mut self, not: Option<ReplicaId>, out: &mut Vec<Effect>) {
        let Some(learner) = self.learner.as_mut().filter(|learner| learner.lacks()) else {
            return;
        };
        if let Some(whom) = self.peers.ahead_of(learner.next(), not, &self.config.timing) {
            learner.ask(whom);
            send(whom, Message::Learn { from: learner.next() }, out);
        }
    }

    /// What it knows of itself and its peers.
    #[must_use]
    pub fn status(&self) -> Status {
        let proposer = match self.proposer.as_ref().map(|proposer| &proposer.phase) {
            None => ProposerStatus::Failed,
            Some(Phase::Following) => ProposerStatus::Following,
            Some(Phase::Preparing(candidacy)) => ProposerStatus::Preparing {
                ballot: candidacy.ballot,
            },
            Some(Phase::Leading(leadership)) => ProposerStatus::Leading {
                ballot: leadership.ballot,
            },
        };
        let acceptor = match &self.acceptor {
            AcceptorRole::Failed => AcceptorStatus::Failed,
            AcceptorRole::Voting(acceptor) => AcceptorStatus::Voting {
                promised: acceptor.promised(),
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
            pending: (self.desk.len() + self.reads.len()) as u64,
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

impl AcceptorRole {
    fn new(restored: &Restored) -> AcceptorRole {
        if restored.memory_lost {
            AcceptorRole::Out
        } else {
            AcceptorRole::Voting(Box::new(Acceptor::new(restored)))
        }
    }
}

fn send(to: ReplicaId, message: Message, out: &mut Vec<Effect>) {
    out.push(Effect::Send(Envelope { to, message }));
}

/// An acceptor's answer leaves behind its records, and behind all earlier ones.
fn answer(to: ReplicaId, Answer { records, message }: Answer, out: &mut Vec<Effect>) {
    out.push(Effect::Persist {
        role: Role::Acceptor,
        records,
        then: vec![Envelope { to, message }],
    });
}

fn observe(observation: Observation, out: &mut Vec<Effect>) {
    out.push(Effect::Observe(observation));
}
