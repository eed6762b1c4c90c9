//! kvpaxos: a linearizable key-value store replicated by Multi-Paxos, as a pure state machine.

mod acceptor;
mod buckets;
mod candidacy;
pub mod client;
pub mod command;
pub mod config;
mod desk;
pub mod io;
mod kv;
mod leadership;
mod learner;
pub mod machine;
pub mod message;
mod peers;
mod proposer;
mod random;
mod read;
mod replica;
mod restore;
mod session;
pub mod status;
pub mod types;

pub use client::Client;
pub use command::{Batch, Command, Op, Outcome, Refusal, Reply, Request, RequestBody, Tag, Value};
pub use config::{Config, ConfigError, Limits, Quorums, Timing, Update};
pub use io::{Effect, Envelope, Event, Input, Memory, Observation, Reason, Record};
pub use machine::StateMachine;
pub use message::{Message, Watermark};
pub use random::Random;
pub use replica::Replica;
pub use status::Status;
pub use types::{
    Ballot, ClientId, Entropy, Incarnation, Life, Micros, ReplicaId, ReplicaSet, Revision, Role, Sequence,
    SessionId, Slot, Time,
};
