//! A bucket of the store: keys and values packed into one piece of memory.
//!
//! If each value had its own memory, the first write after a snapshot, a received part, and a state that is
//! freed would each cost a reference count or an allocation per entry. Packed, they cost copies of a few
//! kilobytes, and memory that is used together is close together.

use std::cmp::Ordering;
use std::ops::Range;

use bytes::Bytes;

use crate::state::buckets::{Bucket, guess};
use crate::types::{Revision, Slot};

/// Values longer than this have memory of their own: copying many of them would take longer than counting
/// references.
pub(super) const LONG: usize = 256;

/// A decoded value is a slice of its frame, and holds the memory of the whole frame. A value of at least this
/// length is shared nevertheless. A shorter one is copied, so that the store takes at most a few times the
/// size of its content.
pub(super) const SHARE_FROM: usize = 64 * 1024;

/// Freeing the memory of a long value costs work for each page.
const PAGE: usize = 4096;

/// The number of entries by which a full bucket grows, and the divisor for the growth of its data. Doubling
/// would leave a quarter of the memory unused.
const GROWTH: usize = 4;
const DATA_GROWTH: usize = 4;

/// Memory is given back when the capacity exceeds four times the size plus this.
const SLACK: usize = 256;

/// Entries sorted by hash, then key. The layout follows from the content.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Packed {
    entries: Vec<Entry>,
    /// The key and value of each entry, in order, without the long values.
    data: Vec<u8>,
    /// The long values, in order.
    long: Vec<Bytes>,
}

/// Half a cache line.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    hash: u32,
    /// The end of the entry in the data. It begins at the end of the one before it.
    end: u32,
    key: KeyLength,
    /// The revision of the last write: the place in the batch here, and the slot.
    index: u32,
    slot: u64,
    /// The digest of key, value and revision, so that removing the entry need not read the value.
    digest: u64,
}

const _: () = assert!(size_of::<Entry>() == 32);

/// The length of a key, and in the highest bit whether the value is long.
#[derive(Clone, Copy, PartialEq, Eq)]
struct KeyLength(u32);

impl KeyLength {
    const LONG_VALUE: u32 = 1 << 31;

    fn new(length: usize, is_long: bool) -> KeyLength {
        let length = u32::try_from(length).ok();
        let length = length.filter(|length| length & KeyLength::LONG_VALUE == 0);
        let length = length.expect("a key does not fill 2 GiB");
        KeyLength(if is_long {
            length | KeyLength::LONG_VALUE
        } else {
            length
        })
    }

    fn length(self) -> usize {
        (self.0 & !KeyLength::LONG_VALUE) as usize
    }

    fn is_long(self) -> bool {
        self.0 & KeyLength::LONG_VALUE != 0
    }
}

/// A key and its value that are being added to a bucket.
#[derive(Clone, Copy)]
pub(super) struct Pair<'a> {
    pub(super) hash: u32,
    pub(super) key: &'a [u8],
    pub(super) value: Value<'a>,
    pub(super) changed: Revision,
    pub(super) digest: u64,
}

impl Pair<'_> {
    /// Its entry, without the end.
    fn entry(&self) -> Entry {
        let Revision { slot, index } = self.changed;
        Entry {
            hash: self.hash,
            end: 0,
            key: KeyLength::new(self.key.len(), matches!(self.value, Value::Long(_))),
            index,
            slot: slot.0,
            digest: self.digest,
        }
    }
}

/// A reference to a value.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Short(&'a [u8]),
    Long(&'a Bytes),
}

impl<'a> Value<'a> {
    pub(super) fn new(value: &'a Bytes) -> Value<'a> {
        if value.len() > LONG {
            Value::Long(value)
        } else {
            Value::Short(value)
        }
    }

    pub(super) fn bytes(self) -> &'a [u8] {
        match self {
            Value::Short(bytes) => bytes,
            Value::Long(bytes) => bytes,
        }
    }

    pub(super) fn to_bytes(self) -> Bytes {
        match self {
            Value::Short(bytes) => Bytes::copy_from_slice(bytes),
            Value::Long(bytes) => bytes.clone(),
        }
    }

    /// The part of it that is in the data.
    fn packed(self) -> &'a [u8] {
        match self {
            Value::Short(bytes) => bytes,
            Value::Long(_) => &[],
        }
    }
}

impl Packed {
    /// The index of the key, or the index where it belongs.
    pub(super) fn find(&self, hash: u32, key: &[u8]) -> Result<usize, usize> {
        let mut at = self.find_hash(hash);
        while self.entries.get(at).is_some_and(|entry| entry.hash == hash) {
            match self.key(at).cmp(key) {
                Ordering::Less => at += 1,
                Ordering::Equal => return Ok(at),
                Ordering::Greater => break,
            }
        }
        Err(at)
    }

    pub(super) fn key(&self, at: usize) -> &[u8] {
        let start = self.start(at);
        &self.data[start..start + self.entries[at].key.length()]
    }

    /// The revision of the last write of the key.
    pub(super) fn changed(&self, at: usize) -> Revision {
        let Entry { slot, index, .. } = self.entries[at];
        let slot = Slot(slot);
        Revision { slot, index }
    }

    /// All keys.
    pub(super) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.entries.len()).map(|at| self.key(at))
    }

    pub(super) fn value(&self, at: usize) -> Value<'_> {
        if self.entries[at].key.is_long() {
            Value::Long(&self.long[self.long_before(at)])
        } else {
            Value::Short(&self.data[self.value_range(at)])
        }
    }

    /// Adds a pair at the index where it belongs.
    pub(super) fn insert(&mut self, at: usize, pair: Pair) {
        let (key, packed) = (pair.key, pair.value.packed());
        let (start, length) = (self.start(at), key.len() + packed.len());
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact(GROWTH);
        }
        let entry = Entry {
            end: offset(start),
            ..pair.entry()
        };
        self.entries.insert(at, entry);
        if let Value::Long(value) = pair.value {
            let place = self.long_before(at);
            let mut own = Bytes::new();
            replace(&mut own, value);
            self.long.insert(place, own);
        }
        let room = self.resize(at, start..start, length);
        room[..key.len()].copy_from_slice(key);
        room[key.len()..].copy_from_slice(packed);
    }

    /// Replaces the value of a key; returns the digest and the length of the old one.
    pub(super) fn set(&mut self, at: usize, value: &Bytes, changed: Revision, digest: u64) -> (u64, usize) {
        let length = self.value(at).bytes().len();
        let value = Value::new(value);
        let (range, place) = (self.value_range(at), self.long_before(at));
        let entry = &mut self.entries[at];
        let before = std::mem::replace(&mut entry.digest, digest);
        (entry.slot, entry.index) = (changed.slot.0, changed.index);
        let was_long = entry.key.is_long();
        entry.key = KeyLength::new(entry.key.length(), matches!(value, Value::Long(_)));
        match value {
            Value::Long(value) => {
                if !was_long {
                    self.long.insert(place, Bytes::new());
                }
                replace(&mut self.long[place], value);
            }
            Value::Short(_) if was_long => drop(self.long.remove(place)),
            Value::Short(_) => {}
        }
        let packed = value.packed();
        if packed.len() == range.len() {
            self.data[range].copy_from_slice(packed);
        } else {
            self.resize(at, range, packed.len()).copy_from_slice(packed);
            self.give_back();
        }
        (before, length)
    }

    /// Removes an entry; returns its digest and the length of its value.
    pub(super) fn remove(&mut self, at: usize) -> (u64, usize) {
        let length = self.value(at).bytes().len();
        if self.entries[at].key.is_long() {
            self.long.remove(self.long_before(at));
        }
        let all = self.start(at)..self.entries[at].end as usize;
        self.resize(at, all, 0);
        let entry = self.entries.remove(at);
        self.give_back();
        (entry.digest, length)
    }

    /// Reads the entry where the hash belongs, without following a pointer.
    pub(super) fn touch(&self, hash: u32) -> u64 {
        let near = self.entries.get(guess(hash, self.entries.len()));
        near.map_or(0, |entry| entry.digest)
    }

    /// Reads the data of the first entry with this hash, most likely the only one.
    pub(super) fn touch_data(&self, hash: u32) -> u8 {
        let at = self.find_hash(hash);
        let Some(entry) = self.entries.get(at) else {
            return 0;
        };
        let (start, end) = (self.start(at), entry.end as usize);
        let looks = (start..end).step_by(64).chain(end.checked_sub(1));
        looks.fold(0, |seen, at| seen ^ self.data[at])
    }

    /// The index of the first entry with this hash, or the index where it belongs.
    fn find_hash(&self, hash: u32) -> usize {
        let mut at = guess(hash, self.entries.len());
        while at > 0 && self.entries[at - 1].hash >= hash {
            at -= 1;
        }
        while self.entries.get(at).is_some_and(|other| other.hash < hash) {
            at += 1;
        }
        at
    }

    fn start(&self, at: usize) -> usize {
        at.checked_sub(1)
            .map_or(0, |before| self.entries[before].end as usize)
    }

    fn value_range(&self, at: usize) -> Range<usize> {
        let entry = &self.entries[at];
        self.start(at) + entry.key.length()..entry.end as usize
    }

    /// The number of long values before this index.
    fn long_before(&self, at: usize) -> usize {
        if self.long.is_empty() {
            return 0;
        }
        self.entries[..at]
            .iter()
            .filter(|entry| entry.key.is_long())
            .count()
    }

    /// Changes the length of a range within an entry's data, and returns the range.
    fn resize(&mut self, at: usize, range: Range<usize>, length: usize) -> &mut [u8] {
        let (before, start) = (self.data.len(), range.start);
        if length > range.len() {
            let more = length - range.len();
            if before + more > self.data.capacity() {
                self.data.reserve_exact(more + before / DATA_GROWTH);
            }
            self.data.resize(before + more, 0);
        }
        self.data.copy_within(range.end..before, start + length);
        self.data.truncate(before - range.len() + length);
        for entry in &mut self.entries[at..] {
            entry.end = offset(entry.end as usize - range.len() + length);
        }
        &mut self.data[start..start + length]
    }

    /// Gives memory back after the data has become shorter.
    fn give_back(&mut self) {
        let used = self.data.len();
        if self.data.capacity() > SLACK + 4 * used {
            self.data.shrink_to(2 * used);
        }
        if self.long.is_empty() {
            self.long = Vec::new();
        }
    }

    /// Adds pairs that belong after all others.
    pub(super) fn extend<'a>(&mut self, pairs: impl Iterator<Item = Pair<'a>> + Clone) {
        let length = |pair: Pair| pair.key.len() + pair.value.packed().len();
        self.entries.reserve_exact(pairs.clone().count());
        self.data.reserve_exact(pairs.clone().map(length).sum());
        for pair in pairs {
            let long = match pair.value {
                Value::Short(_) => None,
                Value::Long(value) => {
                    let mut own = Bytes::new();
                    replace(&mut own, value);
                    Some(own)
                }
            };
            self.push(pair.entry(), [pair.key, pair.value.packed()], long);
        }
    }

    /// Appends an entry that belongs after all others.
    fn push<const N: usize>(&mut self, entry: Entry, bytes: [&[u8]; N], long: Option<Bytes>) {
        for bytes in bytes {
            self.data.extend_from_slice(bytes);
        }
        let end = offset(self.data.len());
        self.entries.push(Entry { end, ..entry });
        self.long.extend(long);
    }
}

impl Bucket for Packed {
    fn len(&self) -> usize {
        self.entries.len()
    }

    fn split(self, goes: impl Fn(u32) -> bool) -> (Packed, Packed) {
        let (mut stay, mut go) = (Packed::default(), Packed::default());
        let gone = self.entries.iter().filter(|entry| goes(entry.hash)).count();
        stay.entries.reserve_exact(self.entries.len() - gone);
        go.entries.reserve_exact(gone);
        // Assume the same length for each entry.
        let data = self.data.len() / self.entries.len().max(1);
        stay.data.reserve_exact(data * (self.entries.len() - gone));
        go.data.reserve_exact(data * gone);
        let mut long = self.long.into_iter();
        let mut start = 0;
        for entry in self.entries {
            let to = if goes(entry.hash) { &mut go } else { &mut stay };
            let end = entry.end as usize;
            let long = if entry.key.is_long() { long.next() } else { None };
            to.push(entry, [&self.data[start..end]], long);
            start = end;
        }
        (stay, go)
    }

    fn merge(&mut self, other: Packed) {
        for (at, entry) in other.entries.iter().enumerate() {
            let pair = Pair {
                hash: entry.hash,
                key: other.key(at),
                value: other.value(at),
                changed: other.changed(at),
                digest: entry.digest,
            };
            let (Ok(place) | Err(place)) = self.find(pair.hash, pair.key);
            self.insert(place, pair);
        }
    }

    fn cost(&self) -> usize {
        let long = self.long.iter().map(|value| 1 + value.len() / PAGE);
        3 + long.sum::<usize>()
    }
}

/// A position in the data of a bucket.
fn offset(position: usize) -> u32 {
    u32::try_from(position).expect("the keys and short values of one bucket do not fill 4 GiB")
}

/// Replaces `old` by `value`. The memory of `old` is reused if it has the right length and nothing else, such
/// as a snapshot or a reply, refers to it.
fn replace(old: &mut Bytes, value: &Bytes) {
    if value.len() >= SHARE_FROM {
        *old = value.clone();
        return;
    }
    let fits = old.len() == value.len() && !old.is_empty();
    match std::mem::take(old).try_into_mut() {
        Ok(mut memory) if fits => {
            memory.copy_from_slice(value);
            *old = memory.freeze();
        }
        _ => *old = Bytes::copy_from_slice(value),
    }
}

#[cfg(test)]
impl Packed {
    pub(super) fn memory(&self) -> usize {
        self.data.capacity()
    }
}
