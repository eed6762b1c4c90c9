//! Deterministic simulation of kvpaxos.

pub mod check;
pub mod history;
pub mod checks;
pub mod clock;
pub mod decider;
pub mod digest;
pub mod disk;
pub mod engine;
mod hazards;
mod host;
pub mod machine;
pub mod marks;
pub mod network;
pub mod queue;
pub mod subject;
pub mod tables;
pub mod violation;
pub mod watch;

pub use engine::Engine;
pub use host::RoleState;
pub use machine::Machine;
pub use subject::Subject;
