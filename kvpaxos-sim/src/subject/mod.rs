//! The machines that this simulator is for, behind the engine's seam: replicas of kvpaxos and variants of them, and the logs that they keep
//! on simulated disks.
//!
//! The log in files stands here and not in [`crate::engine`], which knows nothing of the write-ahead log's format.

mod log;
mod replica;

pub use log::ReplicaLog;
pub use replica::Subject;
pub(crate) use replica::garble;
