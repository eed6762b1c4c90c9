//! Replicas of kvpaxos behind the engine's seam, and the logs that they keep on simulated disks.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `replica` | [`Subject`]: what a machine must be to stand in the place of a replica |
//! | `mutated` | [`Mutated`]: a replica that is wrong on purpose |
//! | `label` | what messages are called in scenarios |
//! | `log` | [`ReplicaLog`]: the log of a replica on a simulated disk |
//! | `log/files` | the files of a log, operation by operation, and what a crash leaves of them |
//! | `log/damage` | what a disk does to these files: flipped bits, lost, misdirected and stale blocks, lost ends |
//!
//! The log is here and not in [`crate::engine`], because the engine does not know the format of the
//! write-ahead log.

mod label;
mod log;
mod mutated;
mod replica;

pub use label::LABELS;
pub use log::ReplicaLog;
pub use mutated::Mutated;
pub(crate) use mutated::{MutantStep, MutatedReplica, Mutation};
pub use replica::Subject;
pub(crate) use replica::corrupt;
