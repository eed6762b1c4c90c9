//! Drives deterministic [`Machine`]s under one event queue, with simulated processes, disks, clocks and a
//! network. It knows nothing of Paxos: `tests/integration/toy.rs` drives a protocol of a few lines with it.
//!
//! [`Engine::advance`] takes one event from the queue and carries it out. Clients and the nemesis are not
//! part of the engine: `advance` returns what concerns them as an [`Output`]. Everything random is a question
//! to a [`Decider`]; every event is added to a rolling digest; an [`Observer`] sees every step.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `state` | [`Engine`], and what can be asked of it |
//! | `advance` | taking an event from the queue, stepping a machine |
//! | `effects` | carrying out the effects of a step |
//! | `sync` | the syncs of disks |
//! | `connections` | requests of clients, and connections that break |
//! | `lifecycle` | crashes, restarts, failing roles, damage, pauses, clocks that go wrong |
//! | `host` | one machine with its process, disk and clock |
//! | `disk` | logs, group commit, and what a crash leaves of them |
//! | `network`, `node`, `latency` | links, their ends, and how long things take |
//! | `regions` | networks that span regions |
//! | `clock` | the clock of a replica |
//! | `decider` | random decisions: where a fault, a delay or a loss is drawn |
//! | `from_bytes` | a decider that is driven by bytes |
//! | `forking` | a run whose future is drawn again from an event on |
//! | `adopt` | machines that ran elsewhere, and go on here |
//! | `label` | what messages are called in scenarios |
//! | `digest` | the rolling digest over all events |
//! | `machine`, `observer` | the seams to a protocol and to its checks |
//! | `queue`, `pending` | the event queue and what waits in it |

mod adopt;
mod advance;
mod clock;
mod connections;
mod decider;
mod digest;
mod disk;
mod effects;
mod forking;
mod from_bytes;
mod host;
mod label;
pub mod latency;
mod lifecycle;
mod machine;
mod network;
mod node;
mod observer;
mod pending;
mod queue;
pub mod regions;
mod state;
mod sync;

pub(crate) use adopt::{Adopted, Unsynced};
pub use clock::RIGHT_SPEED;
pub use decider::{Choice, Decider, Decision, Fate, FileDecider, Range, Seeded, Sending, Stream, draw_fate};
pub use digest::EntryKind;
pub use disk::{Damage, DamageOutcome, Format, List, Log, Recovered};
pub use forking::Fork;
pub use from_bytes::BytesDecider;
pub use host::RoleState;
pub use label::Label;
pub(crate) use label::interned;
pub use latency::Table;
pub use machine::{EffectOf, EventOf, InputOf, Machine};
pub use network::{LinkProfile, Network, Traffic};
pub use node::Node;
pub use observer::{Loss, Misbehaviour, Observer, Packet, PacketId};
pub use pending::{Alarm, Output};
pub use state::{Counts, Engine, Environment};
