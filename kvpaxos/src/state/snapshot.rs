//! Snapshots: the state after a prefix of the log. A snapshot lets the log be cut, and helps replicas that
//! lag too far behind.
//!
//! A [`Snapshot`] shares everything with the state that it was taken of, and with its own clones. Taking one
//! copies one pointer per few thousand keys. Its content is sent, and written to disk, in parts: the sender
//! makes them with [`Snapshot::part`], and the receiver assembles them with a [`Builder`].
//!
//! ```text
//!   sender                                        receiver
//!                                                 Builder::new(limits, slot, digest)
//!   part(Cursor::START, bytes) ── head, sessions ... ──▶  add        checks every part before it takes it
//!   part(builder.next(), bytes) ── sessions, entries ──▶  add
//!          ...                                            ...
//!   part(builder.next(), bytes) ── entries ────────────▶  add: complete
//!                                                         finish: checks the digest of the whole
//! ```
//!
//! Parts and their boundaries depend on the content alone. So any replica that has a snapshot of the same
//! slot and digest can continue a transfer that another began. A part that is lost or refused is requested
//! again.
//!
//! # Layout
//!
//! The content is a sequence of items. A part is some of them, one after the other. Postcard encodes them;
//! any change is a new version of the [codec](crate::codec).
//!
//! | items | fields |
//! | --- | --- |
//! | head, once | revision of the last command (option), sessions dropped so far, number of sessions, number of transactions with results, number of keys, history (two u64, the higher half first): the chain of the digests after all slots |
//! | sessions, in the order of their table | id, tag, last use, time of queueing, standing (0 new, 1 on trial, 2 in use), floor, stored outcomes |
//! | results of a transaction, in the order of their table | session, sequence, result of each step |
//! | entries, in the order of the store | key, value, revision of the last write |
//!
//! A stored outcome is 0 (not executed), 1 (done: revision), 2 (deleted: revision, existed), 3 (swapped:
//! revision, applied) or 4 (executed: revision, whether the conditions held). Everything else (queues,
//! indices, sums) follows from these and is computed by the receiver.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use crate::config::MAX_CHUNK;
use crate::digest::halves;
use crate::encoding::append_payload;
use crate::state::buckets::EntryPosition;
use crate::state::machine::StateMachine;
use crate::types::{Revision, Slot};

mod builder;
mod cursor;
mod deferred_free;
mod error;

pub use crate::state::session::{ResultsOf, SessionError};
pub use builder::{Builder, Rejected};
pub use cursor::Cursor;
use cursor::Section;
pub use deferred_free::{DeferredFree, StateToFree};
pub use error::SnapshotError;

/// The least that an item, a session and a stored outcome count for in a part, in bytes. The charges stand
/// for processing time, and bound the number of items in a part.
const LEAST_CHARGE: usize = 64;
const SESSION_CHARGE: usize = 1024;
const KEPT_CHARGE: usize = 64;
/// The greatest number of items in a part.
const MAX_ITEMS: usize = MAX_CHUNK / LEAST_CHARGE;

/// The state after every slot below a certain one. A clone copies one pointer.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Snapshot {
    slot: Slot,
    machine: Arc<StateMachine>,
}

impl Snapshot {
    /// Takes a snapshot of the state after every slot below `slot`. This copies one pointer per few thousand
    /// entries.
    ///
    /// # Panics
    /// If a command of `slot` or a later slot is applied to the state already (L4).
    #[must_use]
    pub fn new(slot: Slot, machine: &StateMachine) -> Snapshot {
        let (last, ..) = machine.content();
        assert!(
            last.is_none_or(|last| last.slot < slot),
            "L4: a snapshot of the slots below {slot} holds the command at {}",
            machine.revision()
        );
        Snapshot {
            slot,
            machine: Arc::new(machine.clone()),
        }
    }

    /// The first slot that it does not hold.
    #[must_use]
    pub fn slot(&self) -> Slot {
        self.slot
    }

    /// The digest of the state (L3).
    #[must_use]
    pub fn digest(&self) -> u128 {
        self.machine.digest()
    }

    /// The state.
    #[must_use]
    pub fn machine(&self) -> &StateMachine {
        &self.machine
    }

    /// The approximate size of the state in bytes; see [`StateMachine::bytes`].
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.machine.bytes()
    }

    /// The part that begins at `at`, and the cursor at which the next one begins; `None` if this is the last.
    ///
    /// The part holds as many items as fit in `bytes` bytes (and in [`MAX_CHUNK`]), but at least one,
    /// whatever its length. Items that take long to process count for more than their length: an entry for at
    /// least 64 bytes, a session for 1,024 and another 64 for each outcome that it stores, and the results of
    /// a transaction for what they count for in [`Limits::results_bytes`](crate::Limits::results_bytes). The
    /// part depends only on the snapshot's content and the arguments.
    ///
    /// The cursor may come from a peer, and may be any. If it points between items, the part begins with the
    /// next one. If it points past the end, the part is empty and the last.
    #[must_use]
    pub fn part(&self, at: Cursor, bytes: usize) -> (Bytes, Option<Cursor>) {
        let mut part = Part::new(self, at, bytes);
        let next = match part.fill(self) {
            PartEnd::Full => Some(part.next),
            PartEnd::LastItem => None,
        };
        (Bytes::from(part.bytes), next)
    }
}

/// How long the parts are that clients are sent, in bytes.
pub const REPLY_BYTES: usize = 512 * 1024;

impl Snapshot {
    /// The part that begins at `at`, as a client is sent it: of [`REPLY_BYTES`], or one item.
    #[must_use]
    pub fn reply(&self, at: Cursor) -> crate::message::SnapshotPart {
        crate::message::SnapshotPart::of(self, at, REPLY_BYTES)
    }
}

/// The first item of a snapshot.
#[derive(Serialize)]
struct Head {
    last: Option<Revision>,
    dropped: u64,
    sessions: u64,
    results: u64,
    keys: u64,
    history: [u64; 2],
}

/// A part that is being made.
struct Part {
    bytes: Vec<u8>,
    /// The sum of the charges of its items, and the limit of this sum.
    charged: usize,
    limit: usize,
    /// The position behind its last item.
    next: Cursor,
}

enum PartEnd {
    Full,
    LastItem,
}

impl Part {
    fn new(snapshot: &Snapshot, at: Cursor, bytes: usize) -> Part {
        let limit = bytes.min(MAX_CHUNK);
        let content = snapshot.bytes().min(limit as u64);
        Part {
            bytes: Vec::with_capacity(usize::try_from(content).expect("at most the limit")),
            charged: 0,
            limit,
            next: at,
        }
    }

    fn fill(&mut self, snapshot: &Snapshot) -> PartEnd {
        let (last, sessions, store) = snapshot.machine.content();
        let from = self.next;
        if from.section == Section::Head {
            let head = Head {
                last,
                dropped: sessions.dropped(),
                sessions: sessions.len() as u64,
                results: sessions.results_len() as u64,
                keys: store.len() as u64,
                history: halves(snapshot.machine.history()),
            };
            self.add(Cursor::AFTER_HEAD, LEAST_CHARGE, |out| append_payload(&head, out));
        }
        if from.section <= Section::Sessions {
            let from = from.spot_in(Section::Sessions);
            for (spot, id, session) in sessions.iter_from(from) {
                let charge = SESSION_CHARGE + KEPT_CHARGE * session.kept();
                if !self.add(Cursor::after(Section::Sessions, spot), charge, |out| {
                    session.append(id, out);
                }) {
                    return PartEnd::Full;
                }
            }
        }
        if from.section <= Section::Results {
            let from = from.spot_in(Section::Results);
            for (spot, of, results, bytes) in sessions.results_from(from) {
                let item = (of.session, of.sequence, results);
                if !self.add(Cursor::after(Section::Results, spot), bytes, |out| {
                    append_payload(&item, out);
                }) {
                    return PartEnd::Full;
                }
            }
        }
        for (spot, entry) in store.iter_from(from.spot_in(Section::Entries)) {
            let charge = LEAST_CHARGE.max(entry.key.len() + entry.value.len());
            if !self.add(Cursor::after(Section::Entries, spot), charge, |out| {
                append_bytes(entry.key, out);
                append_bytes(entry.value, out);
                append_payload(&entry.changed, out);
            }) {
                return PartEnd::Full;
            }
        }
        PartEnd::LastItem
    }

    /// Adds an item if it fits, and returns whether it did. It counts for its length, and for `charge` at
    /// least. `after` is the cursor behind it.
    fn add(&mut self, after: Cursor, charge: usize, append: impl FnOnce(&mut Vec<u8>)) -> bool {
        let start = self.bytes.len();
        let fits = |charge: usize| start == 0 || self.charged + charge <= self.limit;
        if !fits(charge) {
            return false;
        }
        append(&mut self.bytes);
        let charge = charge.max(self.bytes.len() - start);
        if !fits(charge) {
            self.bytes.truncate(start);
            return false;
        }
        self.charged += charge;
        self.next = after;
        true
    }
}

/// Appends a byte string as postcard does.
fn append_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    append_payload(&bytes.len(), out);
    out.extend_from_slice(bytes);
}

impl Cursor {
    /// The position at which to begin in a section when continuing from this cursor.
    fn spot_in(self, section: Section) -> EntryPosition {
        if self.section == section {
            self.spot
        } else {
            EntryPosition::START
        }
    }
}

/// Without the content, which may be large.
impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("slot", &self.slot)
            .field("digest", &format_args!("{:032x}", self.digest()))
            .field("keys", &self.machine.keys())
            .field("sessions", &self.machine.sessions())
            .finish()
    }
}

#[cfg(test)]
mod tests;
