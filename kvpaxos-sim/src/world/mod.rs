//! Whole runs: replicas, clients, a network, disks, clocks and a nemesis under one event queue, drawn from a seed, played, and judged.

mod audited;
mod clients;
pub mod forks;
mod nemesis;
pub mod partition;
mod phases;
mod recorder;
mod report;
mod script;
mod liveness;
mod setup;
mod state;
mod swarm;
mod sweep;
#[cfg(test)]
mod tests;

pub use clients::OperationCounts;
pub use nemesis::FaultCounts;
pub use phases::Phases;
pub use report::{Report, run, run_seed};
pub use script::Answer;
pub use setup::{Cluster, FaultKind, Faults, Length, Setup, SetupError, Workload};
pub use state::World;
pub use sweep::{ENOUGH_FOR_COVERAGE, Summary, Sweep, per_second, sweep};
