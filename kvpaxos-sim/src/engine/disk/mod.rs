//! Disks: the log of a machine, group commit, and what a crash leaves of a log.

mod group_commit;
mod list;
mod log;

pub(super) use group_commit::{Disk, SyncRequest};
pub use list::List;
pub use log::{Damage, DamageOutcome, Format, Log, Recovered};
