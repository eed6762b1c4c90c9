//! What can be wrong with the parts of a snapshot.

use super::{Cursor, MAX_ITEMS};
use crate::encoding::DecodeError;
use crate::state::session::SessionError;
use crate::types::{Revision, Slot};

/// What is wrong with a part of a snapshot, or with the whole. Nothing was taken from the part; it may be
/// requested from another replica.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The part is not the next one: a late answer, or a repeat.
    #[error("the part begins at {at}, but the one at {expected} is needed: ask for that one")]
    NotNext {
        /// The position at which it begins.
        at: Cursor,
        /// The position at which the next part must begin.
        expected: Cursor,
    },
    /// All parts have been added.
    #[error("the snapshot is complete and needs no more parts")]
    Complete,
    /// The part is empty although items are missing.
    #[error("the part at {at} is empty: the sender has another snapshot, or is faulty")]
    Empty {
        /// The position at which it begins.
        at: Cursor,
    },
    /// The bytes are not an encoding of items.
    #[error(transparent)]
    Bytes(#[from] DecodeError),
    /// One of its sessions is not valid.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// It has more items than a part may have.
    #[error("the part at {at} has more than {MAX_ITEMS} items: the sender divides snapshots in another way")]
    TooManyItems {
        /// The position at which it begins.
        at: Cursor,
    },
    /// The last command of the snapshot is not below its slot.
    #[error("the snapshot of the slots below {slot} holds the command at {last}: the sender is faulty")]
    TooLate {
        /// The snapshot's slot.
        slot: Slot,
        /// The last command.
        last: Revision,
    },
    /// The snapshot claims that no command was applied, but is not empty.
    #[error("the snapshot is not empty, but claims that no command was applied: the sender is faulty")]
    FromNothing,
    /// There are more sessions than the limits allow.
    #[error(
        "the snapshot has {count} sessions, more than the limit of {limit}: use the same limits on both ends"
    )]
    TooManySessions {
        /// The number that it claims.
        count: u64,
        /// The limit.
        limit: usize,
    },
    /// The results of some transactions are missing.
    #[error("the snapshot ends without the results of {count} transactions: the sender is faulty")]
    Results {
        /// The number of these transactions.
        count: u64,
    },
    /// A key is said to have been written after the last command.
    #[error(
        "a key was written at {at}, after the last command of the snapshot, {last}: the sender is faulty"
    )]
    Changed {
        /// The revision of the write.
        at: Revision,
        /// The last command.
        last: Revision,
    },
    /// A key does not belong after the one before it.
    #[error("the key of {length} bytes after {after} is out of order, or comes twice: the sender is faulty")]
    KeyOrder {
        /// The key's length.
        length: usize,
        /// The position behind the item before it.
        after: Cursor,
    },
    /// The part does not end where its sender says.
    #[error(
        "the part ends at {found:?}, but its sender says at {told:?} (none: it is the last): the sender has \
         another snapshot, or is faulty"
    )]
    End {
        /// The beginning of the next part, as the sender says.
        told: Option<Cursor>,
        /// The beginning of the next part, as the content shows.
        found: Option<Cursor>,
    },
    /// Parts are missing.
    #[error("the snapshot is not complete: ask for the part at {next}")]
    Incomplete {
        /// The position at which the missing part begins.
        next: Cursor,
    },
    /// All parts together are not the expected state.
    #[error(
        "the parts add up to the state {found:032x}, not to {expected:032x}: a sender is faulty; begin \
         again, with another replica"
    )]
    Digest {
        /// The digest that was expected.
        expected: u128,
        /// The digest of the parts.
        found: u128,
    },
}
