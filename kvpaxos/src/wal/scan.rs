//! Reading the groups of one segment, intact or not.

use std::ops::Range;

use super::header::GroupHeader;
use super::{
    Damage, GROUP_END, GROUP_HEADER, GROUP_MAGIC, GROUP_TRAILER, HEADER, Header, SECTOR, checksum, u32_at,
};
use crate::encoding::{Decode, DecodeError, Reader};
use crate::io::Record;

/// The bytes of a segment whose header is intact.
#[derive(Clone, Copy)]
pub(super) struct File<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) header: Header,
}

/// A group that is intact.
pub(super) struct Group<'a> {
    pub(super) header: GroupHeader,
    pub(super) checksum: u32,
    /// The offset of its end.
    pub(super) end: usize,
    payload: &'a [u8],
}

impl Group<'_> {
    pub(super) fn decode(&self, records: &mut Vec<Record>) -> Result<(), DecodeError> {
        let mut reader = Reader::new(self.payload);
        for _ in 0..self.header.count {
            reader.reset_counts();
            records.push(Record::decode(&mut reader)?);
        }
        reader.finish()
    }

    /// Its first record, if it can be decoded.
    pub(super) fn first(&self) -> Option<Record> {
        (self.header.count > 0).then_some(())?;
        Record::decode(&mut Reader::new(self.payload)).ok()
    }
}

impl<'a> File<'a> {
    pub(super) fn group_at(&self, at: usize) -> Option<Group<'a>> {
        let header = self.header_at(at)?;
        let start = at + GROUP_HEADER;
        let payload = self.bytes.get(start..start + header.length as usize)?;
        let trailer = self.bytes[start + payload.len()..].first_chunk::<GROUP_TRAILER>()?;
        let checksum = checksum(&[&self.bytes[at..start], payload]);
        let whole = trailer[4..] == GROUP_END && u32_at(trailer, 0) == checksum;
        whole.then_some(Group {
            header,
            payload,
            checksum,
            end: start + payload.len() + GROUP_TRAILER,
        })
    }

    /// Whether only zeros follow: nothing was written there, or nothing of it reached the disk.
    pub(super) fn is_blank_from(&self, at: usize) -> bool {
        is_zero(self.bytes.get(at..).unwrap_or_default())
    }

    /// Why the bytes at `at` in the last segment, which are no intact group, are damage; `None` if they can
    /// be a torn tail.
    pub(super) fn judge(&self, at: usize, known_synced: u64) -> Option<Damage> {
        if self.is_blank_from(at) {
            let mark = known_synced;
            return (mark > self.position(at)).then_some(Damage::Synced { mark });
        }
        let later = self.headers_from(at + 1);
        let mark = later
            .clone()
            .map(|(_, header)| header.synced)
            .max()
            .unwrap_or(0)
            .max(known_synced);
        if mark > self.position(at) {
            return Some(Damage::Synced { mark });
        }
        let end = match self.header_at(at) {
            Some(header) => at + GROUP_HEADER + header.length as usize + GROUP_TRAILER,
            // Its length cannot be known: it ends, at the latest, where another begins.
            None => later.map(|(offset, _)| offset).next().unwrap_or(self.bytes.len()),
        };
        let is_there_in_full = end >= at + GROUP_HEADER
            && self
                .bytes
                .get(at..end)
                .is_some_and(|group| !lacks_a_sector(group, at));
        is_there_in_full.then_some(Damage::NotTorn)
    }

    /// The first intact group with readable records that begins at `at` or anywhere after it.
    pub(super) fn next_whole(&self, mut at: usize, records: &mut Vec<Record>) -> Option<(usize, Group<'a>)> {
        loop {
            let (offset, _) = self.headers_from(at).next()?;
            let before = records.len();
            match self.group_at(offset) {
                Some(group) if group.decode(records).is_ok() => return Some((offset, group)),
                _ => records.truncate(before),
            }
            at = offset + 1;
        }
    }

    /// The header at this offset, if it is intact and was written for this position.
    fn header_at(&self, at: usize) -> Option<GroupHeader> {
        let header = GroupHeader::decode(self.bytes.get(at..)?, self.header.seed)?;
        (header.position == self.position(at)).then_some(header)
    }

    /// All such headers at or after offset `from`, with their offsets.
    fn headers_from(&self, from: usize) -> impl Iterator<Item = (usize, GroupHeader)> + Clone {
        let from = from.min(self.bytes.len());
        self.bytes[from..]
            .windows(GROUP_MAGIC.len())
            .enumerate()
            .filter(|(_, window)| *window == GROUP_MAGIC)
            .filter_map(move |(offset, _)| Some((from + offset, self.header_at(from + offset)?)))
    }

    pub(super) fn position(&self, offset: usize) -> u64 {
        self.header.base.saturating_add(offset as u64)
    }
}

/// Whether a whole sector of the group at offset `at`, or its last byte, is still zero, as before the group
/// was written.
fn lacks_a_sector(group: &[u8], at: usize) -> bool {
    let (first, rest) = group.split_at((SECTOR - at % SECTOR).min(group.len()));
    is_zero(first) || rest.chunks(SECTOR).any(is_zero) || group.ends_with(&[0])
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// The content of one segment, for tools that show logs and for the simulator. It does not decide what is
/// damage: see [`read`](super::read()).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scan {
    /// The version of the format.
    pub version: u16,
    /// The segment's header.
    pub header: Header,
    /// All intact groups, in order.
    pub groups: Vec<ScannedGroup>,
    /// The offsets of bytes that belong to no intact group, without zeros at the end.
    pub unreadable: Vec<Range<u64>>,
    /// The number of zeros at the end, after the last group.
    pub blank: u64,
}

/// A group that is intact.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScannedGroup {
    /// The offset in the file at which it begins.
    pub offset: u64,
    /// The position in the log at which it begins.
    pub position: u64,
    /// Its length in bytes.
    pub length: u64,
    /// Its mark: the position up to which the log was known to be synced when it was written.
    pub synced: u64,
    /// Its records.
    pub records: Vec<Record>,
}

/// Reads all groups of one segment. `None` if its header is not intact.
#[must_use]
pub fn scan(bytes: &[u8]) -> Option<Scan> {
    let (version, header) = Header::decode(bytes)?;
    let file = File { bytes, header };
    let end = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    let (mut groups, mut unreadable) = (Vec::new(), Vec::new());
    let mut at = HEADER;
    let mut records = Vec::new();
    while let Some((offset, group)) = file.next_whole(at, &mut records) {
        if offset > at {
            unreadable.push(at as u64..offset as u64);
        }
        groups.push(ScannedGroup {
            offset: offset as u64,
            position: group.header.position,
            length: (group.end - offset) as u64,
            synced: group.header.synced,
            records: std::mem::take(&mut records),
        });
        at = group.end;
    }
    let end = end.max(at);
    if end > at {
        unreadable.push(at as u64..end as u64);
    }
    Some(Scan {
        version,
        header,
        groups,
        unreadable,
        blank: (bytes.len() - end) as u64,
    })
}
