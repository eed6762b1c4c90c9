//! Drives any [`Machine`]s under one event queue: processes, disks, clocks, network. Knows nothing of Paxos.
//!
//! Clients and the nemesis stand outside: what concerns them comes back from [`Engine::advance`] as an [`Output`].

mod advance;
mod clock;
mod connections;
mod decider;
mod digest;
mod disk;
mod effects;
mod host;
pub mod latency;
mod lifecycle;
mod machine;
mod network;
mod node;
mod observer;
mod pending;
mod queue;
mod state;
mod sync;

pub use clock::RIGHT_SPEED;
pub use decider::{Choice, Decider, Decision, FileDecider, Range, Seeded, Stream};
pub use digest::EntryKind;
pub use disk::{Damage, DamageOutcome, Format, List, Log, Recovered};
pub use host::RoleState;
pub use latency::Table;
pub use machine::{EffectOf, EventOf, InputOf, Machine};
pub use network::{LinkProfile, Network, Traffic};
pub use node::Node;
pub use observer::{Misbehaviour, Observer};
pub use pending::{Alarm, Output};
pub use state::{Counts, Engine};
