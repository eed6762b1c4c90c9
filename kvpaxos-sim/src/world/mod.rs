//! Whole runs: a seed draws a [`Setup`], a [`World`] is built from it and played, and the checks judge it.
//!
//! A world is an [engine](crate::engine) of replicas, with clients and a nemesis around it.
//! [`World::play`](World::play) has three phases: faults, during which safety is checked; then a random
//! quorum heals, and every request must be answered within a bound; then all replicas heal, and must come to
//! hold the same state. At the end the history of the clients must be linearizable.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `setup` | [`Setup`]: everything that is fixed before a run begins |
//! | `swarm` | how a seed draws a setup |
//! | `state` | [`World`], and how time passes in it |
//! | `script` | what a scripted test can ask of a world, and do to it |
//! | `clients` | the simulated clients |
//! | `nemesis` | the faults: how they begin, how they end, how they heal |
//! | `moments` | the moments of a replica at which a crash is most dangerous |
//! | `partition` | which links a fault cuts |
//! | `phases` | the three phases of a run, and its verdict |
//! | `liveness` | how long requests may take once a quorum has healed |
//! | `recorder`, `store_recorder` | the history of the clients, and its verdict: key by key, and of the whole store |
//! | `futures` | a failing run, the future of which is drawn again |
//! | `resumed` | a world whose replicas ran elsewhere: the future of a recording |
//! | `report`, `report_text` | the outcome of one run, and its table |
//! | [`scenario`] | a run as data: recorded, played, written to a file, shrunk |
//! | `sweep`, `summary` | many seeds in parallel, and their sums |
//! | `swept` | which seeds a sweep played, and the digest of their digests |
//! | [`guided`] | sweeps that go on from where runs came into rare situations |
//! | `forks` | worlds in which disks lose synced records without a trace |

mod audited;
mod clients;
pub mod forks;
mod futures;
pub mod guided;
mod liveness;
mod moments;
mod nemesis;
pub mod partition;
mod phases;
mod recorder;
mod report;
mod report_text;
mod resumed;
pub mod scenario;
mod script;
mod setup;
mod state;
mod store_recorder;
mod summary;
mod swarm;
mod sweep;
mod swept;
#[cfg(test)]
mod tests;

pub(crate) use audited::Watch;
pub use clients::{OperationCounts, PlannedCall};
pub use futures::{FailingRun, Origin};
pub(crate) use futures::{event_lines, play_future};
pub use moments::Moment;
pub(crate) use nemesis::inflict;
pub use nemesis::{Fault, FaultCounts, LastingFault, PlannedFault};
pub use phases::Phases;
#[cfg(test)]
pub(crate) use report::caught;
pub use report::{Report, run, run_seed};
pub(crate) use resumed::{Down, Guest, Start, without_replica};
pub use script::Answer;
pub use setup::{Cluster, FaultKind, Faults, Length, Setup, SetupError, Workload};
pub use state::World;
pub use summary::{Summary, per_second};
pub use sweep::{ENOUGH_FOR_COVERAGE, Player, Sweep, sweep, sweep_on};
pub use swept::{Block, SeedsDigest, Swept, seed_range};
