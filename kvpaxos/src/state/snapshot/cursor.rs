//! Positions in a snapshot.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::encoding::{Decode, DecodeError, Reader};
use crate::state::buckets::EntryPosition;

/// A position in the content of a snapshot, at which a part begins. Cursors are ordered as the items are, and
/// mean the same in every snapshot of the same slot and digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cursor {
    pub(super) section: Section,
    pub(super) spot: EntryPosition,
}

/// The kinds of items, in order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub(super) enum Section {
    Head,
    Sessions,
    Results,
    Entries,
}

impl Cursor {
    /// The position at which the first part begins.
    pub const START: Cursor = Cursor {
        section: Section::Head,
        spot: EntryPosition::START,
    };

    pub(super) const AFTER_HEAD: Cursor = Cursor {
        section: Section::Sessions,
        spot: EntryPosition::START,
    };

    /// The position behind an item.
    pub(super) fn after(section: Section, spot: EntryPosition) -> Cursor {
        let spot = spot.next();
        Cursor { section, spot }
    }
}

/// Any cursor that can be encoded is accepted: see [`Snapshot::part`](super::Snapshot::part).
impl Decode for Cursor {
    fn decode(r: &mut Reader) -> Result<Cursor, DecodeError> {
        let section = match r.u32("cursor's section")? {
            0 => Section::Head,
            1 => Section::Sessions,
            2 => Section::Results,
            3 => Section::Entries,
            found => {
                let what = "cursor's section";
                return Err(DecodeError::Variant { what, found });
            }
        };
        let spot = EntryPosition {
            bucket: r.u32("cursor's bucket")?,
            entry: r.u32("cursor's entry")?,
        };
        Ok(Cursor { section, spot })
    }
}

/// `sessions 3.1`: the section, the bucket, and the index within the bucket.
impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let section = match self.section {
            Section::Head => "head",
            Section::Sessions => "sessions",
            Section::Results => "results",
            Section::Entries => "entries",
        };
        write!(f, "{section} {}.{}", self.spot.bucket, self.spot.entry)
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
