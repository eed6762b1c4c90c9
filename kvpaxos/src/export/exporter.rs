//! State to bytes.

use std::collections::HashMap;

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_128;

use crate::config::MAX_CHUNK;
use crate::encoding::append_payload;
use crate::state::snapshot::{Cursor, Snapshot};
use crate::types::Slot;
use crate::value::Value;

/// Why the state of a replica is not exported now. Nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ExportError {
    /// It receives a snapshot of another replica, and what is built of one cannot be written.
    #[error("the replica receives a snapshot of another one: try again when it has it")]
    Receiving,
    /// It is too long.
    #[error("the state of the replica has more than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
}

/// Writes the state of a replica.
#[derive(Default)]
pub(crate) struct Exporter {
    state: Vec<u8>,
    values: Vec<u8>,
    /// The numbers of the values, by what identifies their memory while they are borrowed, and by their content. They are
    /// looked up and never listed, so that their order has no influence.
    by_place: HashMap<usize, u64>,
    by_content: HashMap<u128, u64>,
    snapshots: Vec<u8>,
    /// What each snapshot is known by.
    known: Vec<(Slot, u128)>,
    /// Nothing more is written once there are more bytes than this.
    limit: usize,
}

impl Exporter {
    /// Writes so many bytes, and gives up then.
    pub(crate) fn within(limit: usize) -> Exporter {
        Exporter {
            limit,
            ..Exporter::default()
        }
    }

    /// Whether there are more bytes than there may be. The rest is not written, and what there is means nothing.
    pub(crate) fn is_over(&self) -> bool {
        self.length() > self.limit
    }

    fn length(&self) -> usize {
        self.state.len() + self.values.len() + self.snapshots.len()
    }

    /// Adds something that serde can encode.
    pub(crate) fn put<T: Serialize>(&mut self, content: &T) {
        if self.is_over() {
            return;
        }
        append_payload(content, &mut self.state);
    }

    /// Adds a value, by its number. The value itself is written once.
    pub(crate) fn put_value(&mut self, value: &Value) {
        if self.is_over() {
            return;
        }
        let place = value.place();
        let known = place.and_then(|place| self.by_place.get(&place)).copied();
        let number = known.unwrap_or_else(|| {
            let from = self.values.len();
            append_payload(value, &mut self.values);
            let next = self.by_content.len() as u64;
            let number = *self
                .by_content
                .entry(xxh3_128(&self.values[from..]))
                .or_insert(next);
            if number != next {
                self.values.truncate(from);
            }
            if let Some(place) = place {
                self.by_place.insert(place, number);
            }
            number
        });
        self.put(&number);
    }

    /// Adds a snapshot, by its number. The snapshot itself is written once: slot and digest decide what is in it.
    pub(crate) fn put_snapshot(&mut self, snapshot: &Snapshot) {
        let key = (snapshot.slot(), snapshot.digest());
        let known = self.known.iter().position(|known| *known == key);
        let number = known.unwrap_or_else(|| {
            self.known.push(key);
            append_payload(&key, &mut self.snapshots);
            let mut at = Some(Cursor::START);
            while let Some(cursor) = at.filter(|_| !self.is_over()) {
                let (bytes, next) = snapshot.part(cursor, MAX_CHUNK);
                append_payload(&(true, bytes.len()), &mut self.snapshots);
                self.snapshots.extend_from_slice(&bytes);
                append_payload(&next, &mut self.snapshots);
                at = next;
            }
            append_payload(&false, &mut self.snapshots);
            self.known.len() - 1
        });
        self.put(&(number as u64));
    }

    /// The bytes.
    pub(crate) fn finish(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.length() + 16);
        append_payload(&(self.known.len() as u64), &mut bytes);
        bytes.extend_from_slice(&self.snapshots);
        append_payload(&(self.by_content.len() as u64), &mut bytes);
        bytes.extend_from_slice(&self.values);
        bytes.extend_from_slice(&self.state);
        bytes
    }
}
