//! The superblock, a file beside the log: the owner of the log, and up to where it was synced.
//!
//! It is a short text that people can read. It is always replaced as a whole: a new file is written under
//! another name, synced and renamed, and the directory is synced.

use std::fmt;

use super::{Owner, SyncedPosition, checksum};
use crate::types::{MAX_REPLICAS, ReplicaId};

const TITLE: &str = "kvpaxos superblock ";
const NOTICE: &str = "Whose data this is, and how far its log was synced. Written by kvpaxos: do not change it, do not copy it elsewhere.";
/// The version of the superblock and of its directory.
const VERSION: u16 = 1;

/// The content of a superblock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Superblock {
    /// The owner of the log.
    pub owner: Owner,
    /// The state of the log.
    pub state: SuperblockState,
}

/// The state of a log, as its superblock reports it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SuperblockState {
    /// The log is being created, and no replica has used it yet. Other files of it must be ignored.
    Founding {
        /// Whether it replaces a log that was lost.
        lost: bool,
    },
    /// The log was synced at least up to this position.
    Ready(SyncedPosition),
}

/// Why a superblock cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SuperblockError {
    /// It has a format that this program does not know.
    #[error(
        "the superblock is of format version {found}, this program reads {VERSION}: start the release that \
         wrote it"
    )]
    Version {
        /// Its version.
        found: u16,
    },
    /// It is damaged.
    #[error("the superblock is damaged")]
    Damaged,
}

impl Superblock {
    /// Reads a superblock.
    ///
    /// # Errors
    /// If it is damaged, or has another format.
    pub fn parse(text: &[u8]) -> Result<Superblock, SuperblockError> {
        let text = str::from_utf8(text).map_err(|_| SuperblockError::Damaged)?;
        let version = text.strip_prefix(TITLE).and_then(|rest| rest.split_once('\n'));
        let (version, _) = version.ok_or(SuperblockError::Damaged)?;
        let found = version.parse().map_err(|_| SuperblockError::Damaged)?;
        let superblock = Superblock::fields(text).filter(|superblock| superblock.to_string() == text);
        match superblock {
            _ if found != VERSION && is_sealed(text) => Err(SuperblockError::Version { found }),
            Some(superblock) => Ok(superblock),
            None => Err(SuperblockError::Damaged),
        }
    }

    fn fields(text: &str) -> Option<Superblock> {
        let field = |name: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        };
        let owner = Owner {
            cluster: u64::from_str_radix(field("cluster")?, 16).ok()?,
            replica: ReplicaId(field("replica")?.parse().ok()?),
        };
        let state = match field("state")? {
            "founding" => SuperblockState::Founding { lost: false },
            "founding again" => SuperblockState::Founding { lost: true },
            "ready" => SuperblockState::Ready(SyncedPosition {
                log: u64::from_str_radix(field("log")?, 16).ok()?,
                position: field("synced")?.parse().ok()?,
            }),
            _ => return None,
        };
        (usize::from(owner.replica.0) < MAX_REPLICAS).then_some(Superblock { owner, state })
    }
}

/// As it is written.
impl fmt::Display for Superblock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Owner { cluster, replica } = self.owner;
        let mut text = format!(
            "{TITLE}{VERSION}\n{NOTICE}\ncluster {cluster:016x}\nreplica {}\n",
            replica.0
        );
        text += &match self.state {
            SuperblockState::Founding { lost: false } => "state founding\n".to_owned(),
            SuperblockState::Founding { lost: true } => "state founding again\n".to_owned(),
            SuperblockState::Ready(SyncedPosition { log, position }) => {
                format!("state ready\nlog {log:016x}\nsynced {position}\n")
            }
        };
        let crc = checksum(&[text.as_bytes()]);
        writeln!(f, "{text}crc {crc:08x}")
    }
}

/// Whether the last line is the checksum of everything before it. This is so in every version.
fn is_sealed(text: &str) -> bool {
    let sealed = text.rsplit_once("crc ").map(|(before, crc)| {
        let crc = crc.strip_suffix('\n').unwrap_or_default();
        u32::from_str_radix(crc, 16) == Ok(checksum(&[before.as_bytes()]))
    });
    sealed == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Owner = Owner {
        cluster: 0xabc,
        replica: ReplicaId(3),
    };

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let states = [
            SuperblockState::Founding { lost: false },
            SuperblockState::Founding { lost: true },
            SuperblockState::Ready(SyncedPosition {
                log: 0xfeed,
                position: 12_345,
            }),
        ];
        for state in states {
            let superblock = Superblock { owner: OWNER, state };
            let text = superblock.to_string();
            assert_eq!(Superblock::parse(text.as_bytes()), Ok(superblock), "{text}");
            for at in 0..text.len() {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= 1;
                assert_eq!(
                    Superblock::parse(&bytes),
                    Err(SuperblockError::Damaged),
                    "byte {at}"
                );
                assert_eq!(
                    Superblock::parse(&text.as_bytes()[..at]),
                    Err(SuperblockError::Damaged)
                );
            }
        }
        assert_eq!(Superblock::parse(b""), Err(SuperblockError::Damaged));
    }

    #[test]
    fn a_newer_one_is_named() {
        let text = "kvpaxos superblock 7\nwhatever it says\n";
        let crc = checksum(&[text.as_bytes()]);
        let text = format!("{text}crc {crc:08x}\n");
        let found = Superblock::parse(text.as_bytes());
        assert_eq!(found, Err(SuperblockError::Version { found: 7 }));
    }
}
