//! Single-decree Paxos (Lamport, *Paxos Made Simple*, section 2) with a planted bug, which the simulator finds.
//! The page `manual::protocols` of `kvpaxos_sim` walks through it.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::process::ExitCode;

use kvpaxos::{ClientId, Effect, Entropy, Envelope, Event, Memory, Micros, ReplicaId, Role, Time};
use kvpaxos_sim::engine::{EffectOf, InputOf, List, Machine};
use kvpaxos_sim::protocol::{Answer, CallOf, Draws, Operation, Protocol, command, linearizable};
use serde::Serialize;

/// The round times 3, plus the number of the replica.
type Ballot = u64;
type Vote = Option<(Ballot, u64)>;

#[derive(Clone, Debug, Serialize)]
pub(crate) enum Message {
    Prepare(Ballot),
    Promise(Ballot, Vote),
    Accept(Ballot, u64),
    Accepted(Ballot),
}

#[derive(Default)]
pub(crate) struct Replica {
    config: (ReplicaId, bool),
    /// What the acceptor must not forget.
    kept: (Ballot, Vote),
    ballot: Ballot,
    promises: BTreeMap<ReplicaId, Vote>,
    value: Option<u64>,
    votes: BTreeSet<ReplicaId>,
    waiting: Vec<(ClientId, u64)>,
    again: Option<Time>,
}

impl Replica {
    /// Phase 1. This replica promises first, so that it uses no ballot again after a crash.
    fn prepare(&mut self, at: Time) -> Vec<EffectOf<Replica>> {
        let id = self.config.0.0;
        self.ballot = (self.kept.0 / 3 + 1) * 3 + u64::from(id);
        self.kept.0 = self.ballot;
        (self.promises, self.value, self.votes) = Default::default();
        self.again = Some(at.after(Micros(20_000 + 15_000 * u64::from(id))));
        self.persist(&[0, 1, 2], &Message::Prepare(self.ballot))
    }

    fn on_peer(&mut self, from: ReplicaId, message: Message) -> Vec<EffectOf<Replica>> {
        match message {
            Message::Prepare(ballot) if ballot >= self.kept.0 => {
                self.kept.0 = ballot;
                self.persist(&[from.0], &Message::Promise(ballot, self.kept.1))
            }
            Message::Promise(ballot, vote) if ballot == self.ballot && self.value.is_none() => {
                self.promises.insert(from, vote);
                if self.promises.len() < 2 {
                    return Vec::new();
                }
                let vote = self.promises.values().flatten().max();
                let value = vote.map_or(self.waiting[0].1, |(_, value)| *value);
                self.value = Some(value);
                self.persist(&[0, 1, 2], &Message::Accept(ballot, value))
            }
            // The bug, in replicas that are broken: they accept in a lower ballot than they promised.
            Message::Accept(ballot, value) if ballot >= self.kept.0 || self.config.1 => {
                self.kept = (ballot, Some((ballot, value)));
                self.persist(&[from.0], &Message::Accepted(ballot))
            }
            Message::Accepted(ballot) if ballot == self.ballot => {
                self.votes.insert(from);
                let Some(value) = self.value.filter(|_| self.votes.len() >= 2) else {
                    return Vec::new();
                };
                self.again = None;
                let answers = self.waiting.drain(..).map(|(to, own)| (to, (own, value)));
                answers.map(|(to, reply)| Effect::Reply { to, reply }).collect()
            }
            _ => Vec::new(),
        }
    }

    fn persist(&self, to: &[u8], message: &Message) -> Vec<EffectOf<Replica>> {
        let envelopes = to.iter().map(|to| (ReplicaId(*to), message.clone()));
        let then = envelopes.map(|(to, message)| Envelope { to, message }).collect();
        let (role, records) = (Role::Acceptor, vec![self.kept]);
        vec![Effect::Persist { role, records, then }]
    }
}

impl Machine for Replica {
    type Config = (ReplicaId, bool);
    type Message = Message;
    type Record = (Ballot, Vote);
    type Request = u64;
    type Reply = (u64, u64);
    type Observation = ();
    type Reason = Infallible;
    type Log = List<(Ballot, Vote)>;

    fn start(&config: &Self::Config, memory: Memory<(Ballot, Vote)>, _: Entropy, _: Time) -> Replica {
        let mut replica = Replica {
            config,
            ..Replica::default()
        };
        if let Memory::Kept(records) = memory {
            replica.kept = records.last().copied().unwrap_or_default();
        }
        replica
    }

    fn step(&mut self, input: InputOf<Replica>) -> Vec<EffectOf<Replica>> {
        let mut effects = Vec::new();
        match input.event {
            Event::Peer { from, message, .. } => effects = self.on_peer(from, message),
            Event::Client { from, request } => {
                self.waiting.push((from, request));
                self.again.get_or_insert(input.at);
            }
            _ => {}
        }
        if self.again.is_some_and(|again| again <= input.at) {
            effects.extend(self.prepare(input.at));
        }
        effects
    }

    fn deadline(&self) -> Option<Time> {
        self.again
    }
}

/// The world: three replicas, and clients that each propose values of their own.
pub(crate) struct Paxos {
    pub(crate) broken: bool,
}

impl Protocol for Paxos {
    type Machine = Replica;
    type Observer = ();
    const NAME: &'static str = "paxos";

    fn configs(&self) -> Vec<(ReplicaId, bool)> {
        (0..3).map(|id| (ReplicaId(id), self.broken)).collect()
    }

    fn request(&self, number: u64, _: &mut Draws<'_>) -> u64 {
        number
    }

    fn state(replica: &Replica) -> Vec<(&'static str, String)> {
        let (promised, accepted) = replica.kept;
        vec![
            ("promised", promised.to_string()),
            ("accepted", format!("{accepted:?}")),
        ]
    }

    /// The model: a proposal swaps its value in if there is none yet, and reads the value that is there then.
    fn judge(&self, calls: &[CallOf<Paxos>]) -> Result<(), String> {
        linearizable(calls, |call| {
            let decided = call.reply.as_ref().map(|(_, (_, value))| *value);
            let applied = decided.map(|value| value == call.request);
            let swapped = applied.map(|applied| Answer::Swapped { applied });
            let value = decided.map(|value| Answer::Value(value.to_string().into()));
            let swap = Operation::cas("decision", None::<&str>, call.request.to_string());
            vec![(swap, swapped), (Operation::get("decision"), value)]
        })
    }
}

fn main() -> ExitCode {
    command(&Paxos { broken: true })
}
