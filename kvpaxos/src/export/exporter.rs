//! State to bytes.

use std::collections::HashMap;
use std::ops::ControlFlow;

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_128;

use super::item;
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
    /// Whoever takes the bytes wants no more of them.
    #[error("the state of the replica is not complete: no more of it was taken")]
    Stopped,
}

/// Writes the state of a replica. Values and snapshots leave as the state first names them; the state itself, which is short
/// without them, is kept until the end.
pub(crate) struct Exporter<'a> {
    /// Takes the bytes in their order, and says whether it takes more.
    take: &'a mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    /// Set once it takes no more. The rest is not written, and what there is means nothing.
    is_stopped: bool,
    /// The item that is being written.
    item: Vec<u8>,
    state: Vec<u8>,
    /// The numbers of the values, by what identifies their memory while they are borrowed, and by their content. They are
    /// looked up and never listed, so that their order has no influence.
    by_place: HashMap<usize, u64>,
    by_content: HashMap<u128, u64>,
    /// What each snapshot is known by.
    known: Vec<(Slot, u128)>,
}

impl<'a> Exporter<'a> {
    /// Gives the bytes to `take`.
    pub(crate) fn new(take: &'a mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> Exporter<'a> {
        Exporter {
            take,
            is_stopped: false,
            item: Vec::new(),
            state: Vec::new(),
            by_place: HashMap::new(),
            by_content: HashMap::new(),
            known: Vec::new(),
        }
    }

    /// Adds something that serde can encode.
    pub(crate) fn put<T: Serialize>(&mut self, content: &T) {
        if self.is_stopped {
            return;
        }
        append_payload(content, &mut self.state);
    }

    /// Adds a value, by its number. The value itself is written once.
    pub(crate) fn put_value(&mut self, value: &Value) {
        if self.is_stopped {
            return;
        }
        let place = value.place();
        let known = place.and_then(|place| self.by_place.get(&place)).copied();
        let number = known.unwrap_or_else(|| {
            let number = self.write_value(value);
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
            self.write_snapshot(snapshot);
            self.known.len() - 1
        });
        self.put(&(number as u64));
    }

    /// Ends the bytes with the state. Returns whether all of them were taken.
    pub(crate) fn finish(mut self) -> ControlFlow<()> {
        append_payload(&item::END, &mut self.item);
        self.hand_out();
        if self.is_stopped {
            return ControlFlow::Break(());
        }
        (self.take)(&self.state)
    }

    /// Writes a value unless one like it is written already. Returns its number.
    fn write_value(&mut self, value: &Value) -> u64 {
        append_payload(&item::VALUE, &mut self.item);
        append_payload(value, &mut self.item);
        let next = self.by_content.len() as u64;
        let number = *self.by_content.entry(xxh3_128(&self.item)).or_insert(next);
        if number == next {
            self.hand_out();
        } else {
            self.item.clear();
        }
        number
    }

    fn write_snapshot(&mut self, snapshot: &Snapshot) {
        append_payload(&item::SNAPSHOT, &mut self.item);
        append_payload(&(snapshot.slot(), snapshot.digest()), &mut self.item);
        let mut at = Some(Cursor::START);
        while let Some(cursor) = at.filter(|_| !self.is_stopped) {
            let (bytes, next) = snapshot.part(cursor, MAX_CHUNK);
            append_payload(&(true, bytes.len()), &mut self.item);
            self.item.extend_from_slice(&bytes);
            append_payload(&next, &mut self.item);
            self.hand_out();
            at = next;
        }
        append_payload(&false, &mut self.item);
        self.hand_out();
    }

    /// Gives away the item, or as much of it as there is.
    fn hand_out(&mut self) {
        if !self.is_stopped && (self.take)(&self.item).is_break() {
            self.is_stopped = true;
        }
        self.item.clear();
    }
}
