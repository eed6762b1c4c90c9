//! Bytes to state. Nothing in them is trusted: numbers that are too large, snapshots that are not what they claim, and state that
//! does not fit together are errors, and memory grows only in proportion to the bytes that are there.

use bytes::Bytes;
use serde::Deserialize;

use super::item;
use crate::config::{Config, ConfigError, Limits};
use crate::encoding::MAX_COUNTER;
use crate::state::snapshot::{Builder, Cursor, Snapshot, SnapshotError};
use crate::types::Slot;
use crate::value::Value;

/// Why bytes are not the exported state of a replica. Nothing was taken from them.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ImportError {
    /// The configuration is not consistent.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The bytes end too early, or are not postcard.
    #[error("the state cannot be read after {at} of {length} bytes: {why}")]
    Bytes {
        /// Where the field begins that cannot be read.
        at: usize,
        /// How many bytes there are.
        length: usize,
        /// What postcard says.
        why: String,
    },
    /// Bytes follow the state.
    #[error("{count} bytes follow the state of the replica")]
    Trailing {
        /// How many.
        count: usize,
    },
    /// A variant that this release does not have.
    #[error("{what} has no variant {found}")]
    Variant {
        /// The type.
        what: &'static str,
        /// The number.
        found: u8,
    },
    /// The state names a value or a snapshot that is not in the bytes.
    #[error("there is no {what} of number {number}")]
    Missing {
        /// A value or a snapshot.
        what: &'static str,
        /// The number.
        number: u64,
    },
    /// A snapshot is not what it claims to be.
    #[error("snapshot {number}: {error}")]
    Snapshot {
        /// The number of the snapshot.
        number: u64,
        /// What is wrong.
        error: SnapshotError,
    },
    /// Parts of the state do not fit together.
    #[error("the state of the replica is not consistent: {why}")]
    Inconsistent {
        /// What does not fit.
        why: &'static str,
    },
}

/// Reads the state of a replica.
pub(crate) struct Importer<'a> {
    rest: &'a [u8],
    length: usize,
    config: &'a Config,
    values: Vec<Value>,
    snapshots: Vec<Snapshot>,
}

impl<'a> Importer<'a> {
    /// Reads the snapshots and values before the state.
    pub(crate) fn new(bytes: &'a [u8], config: &'a Config) -> Result<Importer<'a>, ImportError> {
        let mut importer = Importer {
            rest: bytes,
            length: bytes.len(),
            config,
            values: Vec::new(),
            snapshots: Vec::new(),
        };
        loop {
            match importer.get::<u8>()? {
                item::END => return Ok(importer),
                item::SNAPSHOT => {
                    let snapshot = importer.snapshot(importer.snapshots.len() as u64)?;
                    importer.snapshots.push(snapshot);
                }
                item::VALUE => {
                    let value = importer.get()?;
                    importer.values.push(value);
                }
                found => {
                    let what = "an item";
                    return Err(ImportError::Variant { what, found });
                }
            }
        }
    }

    /// The configuration of the replica.
    pub(crate) fn config(&self) -> &'a Config {
        self.config
    }

    /// The limits of the replica.
    pub(crate) fn limits(&self) -> Limits {
        self.config.limits
    }

    /// Reads something that serde can decode.
    pub(crate) fn get<T: Deserialize<'a>>(&mut self) -> Result<T, ImportError> {
        let (content, rest) =
            postcard::take_from_bytes(self.rest).map_err(|why| self.unreadable(&why.to_string()))?;
        self.rest = rest;
        Ok(content)
    }

    /// Reads a slot to which numbers of slots are added.
    pub(crate) fn slot(&mut self) -> Result<Slot, ImportError> {
        let slot: Slot = self.get()?;
        let why = "a slot is beyond what any cluster reaches";
        (slot.0 <= MAX_COUNTER)
            .then_some(slot)
            .ok_or(ImportError::Inconsistent { why })
    }

    /// Reads the number of a value, and returns the value.
    pub(crate) fn value(&mut self) -> Result<Value, ImportError> {
        let number = self.get()?;
        let value = usize::try_from(number)
            .ok()
            .and_then(|number| self.values.get(number));
        value.cloned().ok_or(ImportError::Missing {
            what: "value",
            number,
        })
    }

    /// Reads the number of a snapshot, and returns the snapshot.
    pub(crate) fn known_snapshot(&mut self) -> Result<Snapshot, ImportError> {
        let number = self.get()?;
        let snapshot = usize::try_from(number)
            .ok()
            .and_then(|number| self.snapshots.get(number));
        let what = "snapshot";
        snapshot.cloned().ok_or(ImportError::Missing { what, number })
    }

    /// Checks that everything is read.
    pub(crate) fn finish(&self) -> Result<(), ImportError> {
        match self.rest.len() {
            0 => Ok(()),
            count => Err(ImportError::Trailing { count }),
        }
    }

    fn snapshot(&mut self, number: u64) -> Result<Snapshot, ImportError> {
        let (slot, digest): (Slot, u128) = self.get()?;
        let mut builder = Builder::new(self.limits(), slot, digest);
        let failed = |error| ImportError::Snapshot { number, error };
        let mut at = Some(Cursor::START);
        while self.get::<bool>()? {
            let length: usize = self.get()?;
            let Some((part, rest)) = self.rest.split_at_checked(length) else {
                return Err(self.unreadable("it ends within a part of a snapshot"));
            };
            self.rest = rest;
            let next: Option<Cursor> = self.get()?;
            let Some(cursor) = at else {
                return Err(failed(SnapshotError::Complete));
            };
            builder
                .add(cursor, &Bytes::copy_from_slice(part), next)
                .map_err(failed)?;
            at = next;
        }
        builder.finish().map_err(|rejected| failed(rejected.error))
    }

    fn unreadable(&self, why: &str) -> ImportError {
        ImportError::Bytes {
            at: self.length - self.rest.len(),
            length: self.length,
            why: why.to_owned(),
        }
    }
}
