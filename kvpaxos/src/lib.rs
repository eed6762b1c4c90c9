//! A linearizable key-value store replicated by Multi-Paxos, as a pure state machine: no sockets, no clocks, no threads,
//! no files. A driver brings these. So the same code runs on real machines, under a fuzzer, and in a simulator in which
//! every failure can be repeated from its seed.
//!
//! ```text
//!             Input { at, event }                                     Vec<Effect>
//!   peers ───┐                    ┌──────────── Replica ───────────┐            ┌──▶ Send     to peers
//!   clients ─┼──────▶ step ──────▶│  Proposer  Acceptor  Learner   │───────────▶┼──▶ Persist  to the disk, then Send
//!   clock ───┤                    │  Peers     Pending   Reads     │            ├──▶ Reply    to clients
//!   faults ──┘                    └────────────────────────────────┘            └──▶ Observe, Halt
//! ```
//!
//! # Map
//!
//! [`architecture`] follows one PUT and one failure through the source, and names the file for each step. Begin there.
//!
//! | folder or file | what it holds |
//! | --- | --- |
//! | [`io`] | the contract of [`Replica::step`]: inputs, effects, records, and what a driver owes |
//! | [`message`] | the protocol between replicas, message by message |
//! | [`command`], [`transaction`] | what clients ask, what the log holds, how requests end |
//! | [`config`], [`types`], [`status`] | quorum sizes, timing, limits; identities and positions; what a replica tells of itself |
//! | `roles/` | [`acceptor`], [`candidacy`] (phase 1), [`leadership`] (phase 2), `learner`, `read` (linearizable reads), [`recovery`] |
//! | `replica/` | the replica: one file for messages of peers, one for clients, one for elections, one for ticks, ... |
//! | `state/` | [`machine`]: the replicated state; sessions and the key-value store; [`snapshot`]: the state in parts |
//! | `memory/` | checkpoints of the log, and what a log's records add up to after a restart |
//! | [`crash_vector`], [`founding`], [`agreement`] | which lives of acceptors are over; who claims to be new; whose states differ |
//! | [`client`] | the client as a state machine: sessions, retries, failover |
//! | [`codec`], [`wal`], `encoding/` | bytes on the wire and on the disk |
//! | [`recording`] | every input of a replica, in bytes, so that it can be executed again |
//! | [`notation`] | how messages, records and effects are printed |
//!
//! # The loop
//!
//! Three replicas, with a network that loses nothing and a disk that is always fast enough:
//!
//! ```
//! use std::collections::VecDeque;
//!
//! use kvpaxos::{
//!     ClientId, Config, Effect, Entropy, Envelope, Event, Input, Memory, Outcome, Replica, ReplicaId, Request, RequestBody,
//!     Tag, Time,
//! };
//!
//! let start = Time(0);
//! let replica = |id: u8| {
//!     let config = Config::new(ReplicaId(id), 3);
//!     Replica::new(config, Memory::Kept(Vec::new()), Entropy([id; 32]), start).unwrap()
//! };
//! let mut replicas: Vec<Replica> = (0..3).map(replica).collect();
//! let mut inbox: VecDeque<(ReplicaId, Input)> = VecDeque::new();
//! let mut outcome = None;
//!
//! // A client of replica 2 opens a session. Replica 2 answers it, whichever replica leads.
//! let tag = Tag { nonce: 7, number: 0 };
//! let request = Request { id: 1, body: RequestBody::Open { tag } };
//! inbox.push_back((ReplicaId(2), Input { at: start, event: Event::Client { from: ClientId(7), request } }));
//!
//! while outcome.is_none() {
//!     // When no message is in flight, time passes until the next deadline of a replica.
//!     let (id, input) = inbox.pop_front().unwrap_or_else(|| {
//!         let due = replicas.iter().min_by_key(|replica| replica.deadline()).unwrap();
//!         (due.config().id, Input { at: due.deadline().unwrap(), event: Event::Clock })
//!     });
//!     let at = input.at;
//!     for effect in replicas[usize::from(id.0)].step(input) {
//!         // The records of a Persist are durable at once here, so that its messages may leave.
//!         let messages = match effect {
//!             Effect::Send(envelope) => vec![envelope],
//!             Effect::Persist { then, .. } => then,
//!             Effect::Reply { reply, .. } => {
//!                 outcome = Some(reply.outcome);
//!                 vec![]
//!             }
//!             Effect::Observe(_) => vec![],
//!             Effect::Halt(reason) => panic!("{reason}"),
//!         };
//!         for Envelope { to, message } in messages {
//!             inbox.push_back((to, Input { at, event: Event::Peer { from: id, founding: None, message } }));
//!         }
//!     }
//! }
//! assert!(matches!(outcome, Some(Outcome::Opened { .. })));
//! ```
//!
//! # Glossary
//!
//! The words are those of the papers: Lamport, *Paxos Made Simple* (2001); van Renesse and Altinbuken, *Paxos Made Moderately
//! Complex* (2015); Howard, Malkhi and Spiegelman, *Flexible Paxos* (2016).
//!
//! | word | meaning |
//! | --- | --- |
//! | acceptor | the role that promises and votes; the cluster is safe because acceptors do not forget |
//! | archive | the last durable snapshot and the values chosen since, as the acceptor's side of a replica keeps them |
//! | ballot | a proposal number; it belongs to one life of one proposer ([`Ballot`]) |
//! | batch | commands that are chosen together in one slot ([`Batch`]) |
//! | candidate | a proposer in phase 1 ([`candidacy`]) |
//! | checkpoint | a copy, inside the log, of everything in the earlier records that is still needed; once its end is durable, the earlier records can be dropped ([`io::Checkpoint`]) |
//! | chosen | accepted by a phase-2 quorum of acceptors in one ballot: final |
//! | command | one entry of a batch ([`Command`]) |
//! | crash vector | for each acceptor, its latest incarnation that is known to have begun ([`crash_vector::CrashVector`]) |
//! | cut | the slot below which an acceptor no longer holds what it accepted; everything below it is chosen ([`acceptor::Acceptor::cut`]) |
//! | founding | a random number that names the first life of a replica ([`Founding`]) |
//! | incarnation | a life of an acceptor: a new one begins each time the acceptor has lost its memory ([`Incarnation`]) |
//! | leader | a proposer that has completed phase 1 ([`leadership`]) |
//! | learner | the role that finds out what is chosen and applies it in slot order |
//! | life | of a proposer: the time between two of its restarts ([`Life`]) |
//! | memory | what a role has made durable, and gets back when it restarts ([`Memory`]) |
//! | no-op | a value that fills a gap in the log and does nothing ([`Value::Noop`]) |
//! | pending request | a client's request that its replica has accepted and not yet answered |
//! | phase 1 | prepare and promise: once per ballot, for all open slots |
//! | phase 2 | accept and accepted: once per slot |
//! | proposer | the role that stands for election and leads |
//! | quorum | enough acceptors for phase 1, or for phase 2 ([`Quorums`]): any two, one of each, have a member in common |
//! | read index | the slot up to which a replica must have applied before it may serve a read |
//! | revision | the position of a command in the log: its slot and its place in the batch ([`Revision`]) |
//! | session | makes each write of a client take effect exactly once ([`SessionId`]) |
//! | settled | in the two-phase setting: applied by every replica |
//! | snapshot | the state after every slot below a certain one ([`snapshot::Snapshot`]) |
//! | slot | a position in the log: one instance of Paxos ([`Slot`]) |
//! | tick | the unit of [`Timing`]: heartbeats, resends and deadlines are counted in ticks |
//! | transaction | steps on any keys, executed together if all its conditions hold ([`transaction`]) |
//! | vouch | a leader vouches for a replica's state if their digests are the same ([`agreement`]) |
//! | watermark | the slot below which every slot is chosen ([`Watermark`]) |
//!
//! # Invariants
//!
//! Each is asserted where it is kept, in release builds too, and the simulator checks it again from outside.
//!
//! | name | what always holds | kept in |
//! | --- | --- | --- |
//! | A1 | an acceptor's promise never goes down within an incarnation | [`acceptor`] |
//! | A2 | an acceptor accepts only in its promised ballot or a higher one | [`acceptor`] |
//! | A3 | no message that reveals unsynced state leaves the replica | the shape of [`Effect::Persist`] |
//! | A4 | an acceptor that lost its memory neither votes nor answers another that recovers before its own recovery is durable | [`recovery`], `replica` |
//! | A5 | a vote of a replica that was founded again does not count with a replica that knows of the earlier founding | [`founding`] |
//! | P1 | a leader proposes one value per ballot and slot | [`leadership`] |
//! | P2 | for an open slot a new leader proposes the value of the highest ballot among its promises, or a no-op if there is none | [`candidacy`], [`leadership`] |
//! | P3 | no ballot is used twice | `proposer`, `restore` |
//! | P4 | a vote counts once per acceptor, for its ballot only, and only together with votes that it is crash-consistent with | [`crash_vector::ConsistentSet`] |
//! | L1 | once a value is chosen for a slot, no replica ever takes another value for chosen there | `learner` |
//! | L2 | slots are applied in order, without a gap, each once | `learner` |
//! | L3 | the state after a slot has the same digest at every replica | [`machine`] |
//! | L4 | a snapshot holds exactly the slots that it replaces | [`snapshot`] |
//! | S1 | a request takes effect at most once | `session` |
//! | S2 | every history of clients is linearizable, reads included | `read` |
//! | S3 | an acknowledged write survives every failure within the [crash model](architecture#the-crash-model) | all of the above |
//! | S4 | once faults stop and a quorum is connected, every request is answered in bounded time | `peers`, `pending` |
//! | S5 | in the two-phase setting a write is answered only after every replica has acknowledged that it applied it | [`leadership`], `pending` |
//! | D1 | two replicas that know that their states differ never both serve | [`agreement`] |
#![cfg_attr(not(test), warn(clippy::disallowed_macros))]

pub mod agreement;
pub mod architecture;
pub mod client;
pub mod codec;
pub mod command;
pub mod config;
pub mod crash_vector;
mod digest;
mod encoding;
mod export;
pub mod founding;
pub mod io;
mod memory;
pub mod message;
pub mod notation;
mod password;
mod random;
pub mod recording;
mod refusal;
mod replica;
mod roles;
mod state;
pub mod status;
pub mod transaction;
pub mod types;
mod value;
pub mod wal;

pub use client::Client;
pub use command::{
    Batch, Command, Listed, Op, Outcome, Query, Refusal, Reply, Request, RequestBody, Tag, Value,
};
pub use config::{Config, ConfigError, Limits, Quorums, Timing, Update};
pub use export::{ExportError, ImportError};
pub use io::{Effect, Envelope, Event, Input, Memory, Observation, Reason, Record};
pub use message::{Message, Watermark};
pub use password::{MAX_PASSWORD, Password};
pub use random::Random;
pub use replica::Replica;
pub use roles::{acceptor, candidacy, leadership, recovery};
pub use state::machine::StateMachine;
pub use state::{machine, snapshot};
pub use status::Status;
pub use transaction::{Condition, Holds, Step, StepError, StepResult, Transaction, When};
pub use types::{
    Ballot, ClientId, Entropy, Founding, Incarnation, Life, Micros, ReplicaId, ReplicaSet, Revision, Role,
    Sequence, SessionId, Slot, Time,
};

/// Pages about the core that are no reference.
#[cfg(doc)]
pub mod manual {
    #[doc = include_str!("../docs/benchmarks.md")]
    pub mod benchmarks {}
}
