//! Copies of the store in files: [`save`], [`read`] and [`restore`].
//!
//! A copy is the whole state of a cluster at one moment, as a replica has it: keys, values, revisions and
//! sessions, with the digest that all replicas have after the same slot. It is taken while the cluster serves.
//! [`save`] first reads through the leader, and then takes the state of the replica that served the read, so
//! that the copy holds everything that was acknowledged before.
//!
//! ```text
//! offset  bytes
//! 0       8       "KVPSNAP" and a newline
//! 8       4       the version of the file's format, 1, least significant byte first
//! 12      ...     the parts of the state: frames of the clients' protocol, each a reply that holds one part
//! then    4       "END" and a newline
//! then    16      a checksum of everything before it: XXH3 of 128 bits, least significant byte first
//! ```
//!
//! The checksum finds every change of the file, and the digest tells that the state is the one that the
//! replica had. Frames and parts are those of one version of the codec ([`kvpaxos::codec`]), which stands in
//! each frame: a program of another version refuses the file.

mod file;
mod restore;
mod save;

pub use file::{BackupError, SavedState, read, read_from};
pub use restore::{RESTORING, RestoreError, restore};
pub use save::{CopyFailure, SaveError, save};
