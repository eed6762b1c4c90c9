//! A linearizable key-value store replicated by Multi-Paxos, as a pure state machine: no sockets, no clocks, no threads,
//! no files. Whoever drives it brings these, and so one and the same code runs on real machines, in a simulator where every
//! failure replays from a seed, and under a fuzzer.
//!
//! ```text
//!             Input { at, event }                                     Vec<Effect>
//!   peers ───┐                    ┌──────────── Replica ───────────┐            ┌──▶ Send     to peers
//!   clients ─┼──────▶ step ──────▶│  Proposer  Acceptor  Learner   │───────────▶┼──▶ Persist  to the disk, then Send
//!   clock ───┤                    │  Peers     PendingRequests      Reads     │            ├──▶ Reply    to clients
//!   faults ──┘                    └────────────────────────────────┘            └──▶ Observe, Halt
//! ```
//!
//! # The loop
//!
//! Three replicas, a network that loses nothing and a disk that is always in time:
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
//! // A client of replica 2 opens a session; whoever leads, replica 2 answers.
//! let tag = Tag { nonce: 7, number: 0 };
//! let request = Request { id: 1, body: RequestBody::Open { tag } };
//! inbox.push_back((ReplicaId(2), Input { at: start, event: Event::Client { from: ClientId(7), request } }));
//!
//! while outcome.is_none() {
//!     // When nothing is on its way, time passes until somebody wants to hear the clock.
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
//! # Where to read on
//!
//! - [`io`]: the contract of [`Replica::step`], and what its driver owes;
//! - [`message`]: the protocol's manual, message by message;
//! - [`command`]: what clients ask, what the log holds, how requests end;
//! - [`config`]: quorum sizes, paces, limits, and the two-phase setting;
//! - [`agreement`]: how replicas notice that their states differ, and what they do then;
//! - [`recovery`]: how an acceptor that lost its memory comes back, and why that is safe;
//! - [`acceptor`] and [`candidacy`]: role machines, for whoever wants to study or check them alone;
//! - [`snapshot`]: the state in parts;
//! - [`client`]: the client as a state machine: sessions, retries, failover;
//! - [`machine`]: the replicated state: sessions and store;
//! - [`codec`] and [`wal`]: bytes on the wire and on the disk.
//!
//! # Glossary
//!
//! The words are those of the papers: Lamport, *Paxos Made Simple* (2001); van Renesse and Altinbuken, *Paxos Made Moderately
//! Complex* (2015); Howard, Malkhi and Spiegelman, *Flexible Paxos* (2016).
//!
//! | word | meaning |
//! | --- | --- |
//! | acceptor | the role that promises and votes; its memory is what must not be lost |
//! | ballot | a proposal number; belongs to one life of one proposer ([`Ballot`]) |
//! | batch | commands chosen together in one slot ([`Batch`]) |
//! | checkpoint | what all earlier records of a log come to; once its end is durable, they can go ([`io::Checkpoint`]) |
//! | chosen | accepted by a phase-2 quorum of acceptors in one ballot: final |
//! | command | one entry of a batch ([`Command`]) |
//! | crash vector | for each acceptor, which life of it is known to have begun ([`crash_vector::CrashVector`]) |
//! | cut | every slot below is chosen, and the acceptor does not hold what it accepted there ([`acceptor::Acceptor::cut`]) |
//! | founding | names the first life of a replica ([`Founding`]) |
//! | incarnation | a life of an acceptor: a new one begins when it lost its memory ([`Incarnation`]) |
//! | leader | a proposer whose phase 1 is complete |
//! | learner | the role that finds out what is chosen and applies it in slot order |
//! | life | what lies between two restarts of a proposer ([`Life`]) |
//! | no-op | the value that fills a gap and does nothing ([`Value::Noop`]) |
//! | phase 1 | prepare and promise: once per ballot, for all open slots |
//! | phase 2 | accept and accepted: once per slot |
//! | proposer | the role that stands for election and leads |
//! | quorum | of phase 1 or of phase 2 ([`Quorums`]): any two, one of each, have a member in common |
//! | read index | the slot up to which a replica must have applied before it may serve a read |
//! | revision | the position of a command: slot and place in its batch ([`Revision`]) |
//! | session | what makes a client's writes take effect exactly once ([`SessionId`]) |
//! | settled | two-phase setting: applied by every replica |
//! | snapshot | the state after every slot below a certain one ([`snapshot::Snapshot`]) |
//! | slot | a position in the log: one instance of Paxos ([`Slot`]) |
//! | watermark | every slot below it is chosen ([`Watermark`]) |
//!
//! # Invariants
//!
//! Each is asserted where it is kept, in release builds too, and checked again from outside by the simulator.
//!
//! | name | what always holds | kept in |
//! | --- | --- | --- |
//! | A1 | an acceptor's promise never goes down within an incarnation | [`acceptor`] |
//! | A2 | it accepts only at its promise or above | [`acceptor`] |
//! | A3 | nothing that reveals unsynced state leaves | the shape of [`Effect::Persist`] |
//! | A4 | no acceptor that lost its memory votes, or answers for another, before it has durably got back what counts | [`recovery`], `replica` (there is no acceptor to ask) |
//! | A5 | no vote of a replica that was founded anew counts with whoever knows of the earlier founding | [`founding`] |
//! | P1 | one value per ballot and slot | `leadership` |
//! | P2 | in an open slot, the value of the highest ballot among the promises, or a no-op | [`candidacy`], `leadership` |
//! | P3 | no ballot is used twice | `proposer`, `restore` |
//! | P4 | a vote counts once per acceptor, for its ballot only, and only with those that it is crash-consistent with | [`crash_vector::ConsistentSet`] |
//! | L1 | once chosen, for ever the same value, at every replica | `learner` |
//! | L2 | applied in slot order, no gap, each once | `learner` |
//! | L3 | the state after a slot has the same digest at every replica | [`machine`] |
//! | L4 | a snapshot holds exactly what it replaces | [`snapshot`] |
//! | S1 | a request takes effect at most once | `session` |
//! | S2 | every history is linearizable, reads included | `read` |
//! | S3 | an acknowledged write survives whatever the fault model allows | all of the above |
//! | S4 | when faults stop and a quorum is connected, every request is answered in bounded time | `peers`, `pending` |
//! | S5 | in the two-phase setting a write is answered only once every replica has acknowledged that it has applied it | `leadership`, `pending` |
//! | D1 | replicas that know that their states differ never both serve | [`agreement`] |

pub mod agreement;
pub mod client;
pub mod codec;
pub mod command;
pub mod config;
pub mod crash_vector;
mod digest;
mod encoding;
pub mod founding;
pub mod io;
mod memory;
pub mod message;
pub mod notation;
mod random;
mod replica;
mod roles;
mod state;
pub mod status;
pub mod types;
pub mod wal;

pub use client::Client;
pub use command::{Batch, Command, Op, Outcome, Refusal, Reply, Request, RequestBody, Tag, Value};
pub use config::{Config, ConfigError, Limits, Quorums, Timing, Update};
pub use io::{Effect, Envelope, Event, Input, Memory, Observation, Reason, Record};
pub use message::{Message, Watermark};
pub use random::Random;
pub use replica::Replica;
pub use roles::{acceptor, candidacy, leadership, recovery};
pub use state::machine::StateMachine;
pub use state::{machine, snapshot};
pub use status::Status;
pub use types::{
    Ballot, ClientId, Entropy, Founding, Incarnation, Life, Micros, ReplicaId, ReplicaSet, Revision, Role,
    Sequence, SessionId, Slot, Time,
};
