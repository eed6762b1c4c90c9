//! What can be wrong with the parts of a snapshot, by name.

use super::{Cursor, MAX_ITEMS};
use crate::encoding::DecodeError;
use crate::state::session::SessionError;
use crate::types::{Revision, Slot};

/// What is wrong with a part of a snapshot, or with all of them. Nothing was taken from the part: the same one may be asked of
/// another replica.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The part is not the one that comes next: a late answer, or a repeat.
    #[error("the part begins at {at}, where the one at {expected} is wanted: ask for that one")]
    NotNext {
        /// Where it begins.
        at: Cursor,
        /// Where the next part must begin.
        expected: Cursor,
    },
    /// All parts have come.
    #[error("the snapshot is complete, nothing more is wanted of it")]
    Complete,
    /// The part holds nothing, and more was to come.
    #[error("the part at {at} is empty: the sender has another snapshot, or lies")]
    Empty {
        /// Where it begins.
        at: Cursor,
    },
    /// The bytes are not those of a part.
    #[error(transparent)]
    Bytes(#[from] DecodeError),
    /// One of the sessions in it cannot be.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// It holds more items than a part may.
    #[error(
        "the part at {at} holds more than {MAX_ITEMS} items: the sender does not cut as this program does"
    )]
    TooManyItems {
        /// Where it begins.
        at: Cursor,
    },
    /// The last command of the snapshot does not lie below its slot.
    #[error("the snapshot of what lies below slot {slot} holds the command at {last}: the sender lies")]
    TooLate {
        /// The snapshot's slot.
        slot: Slot,
        /// The last command.
        last: Revision,
    },
    /// The snapshot says that no command was applied, and yet that there is something in it.
    #[error("the snapshot holds something, but no command was applied: the sender lies")]
    FromNothing,
    /// There are more sessions than there may be.
    #[error(
        "the snapshot holds {count} sessions, over the limit of {limit}: run the same limits on both ends"
    )]
    TooManySessions {
        /// How many it says to hold.
        count: u64,
        /// The limit.
        limit: usize,
    },
    /// A key does not follow the one before it.
    #[error("the key of {length} bytes after {after} comes out of order, or twice: the sender lies")]
    KeyOrder {
        /// The key's length.
        length: usize,
        /// Behind the item before it.
        after: Cursor,
    },
    /// The part ends elsewhere than its sender says.
    #[error(
        "the part ends at {found:?}, its sender says at {told:?} (none: it is the last): \
         the sender has another snapshot, or lies"
    )]
    End {
        /// Where the next part begins, as the sender says.
        told: Option<Cursor>,
        /// Where it begins, as the content says.
        found: Option<Cursor>,
    },
    /// The parts that have come are not all.
    #[error("the snapshot is not complete: ask for the part at {next}")]
    Incomplete {
        /// Where the next part begins.
        next: Cursor,
    },
    /// All parts have come, and are not the state that was promised.
    #[error(
        "the parts add up to the state {found:032x}, not to {expected:032x}: \
         one of the senders lies, or its memory is damaged; begin anew, with another replica"
    )]
    Digest {
        /// What was promised.
        expected: u128,
        /// What came.
        found: u128,
    },
}
