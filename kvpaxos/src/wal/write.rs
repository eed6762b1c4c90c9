//! Creating a log and appending to it.

use std::iter::Peekable;

use super::cut::{Cuts, begins_segment};
use super::header::GroupHeader;
use super::{GROUP_END, GROUP_HEADER, HEADER, Header, SyncedPosition, checksum};
use crate::encoding::append_payload;
use crate::io::Record;

/// The size of a payload, in bytes, at which a group is closed and another begun. A flaw in a group costs all
/// of it.
const FULL_GROUP: usize = 16 * 1024 * 1024;

/// The size of a segment without its last group, in bytes, above which another one is begun: 64 MiB.
pub const SEGMENT: u64 = 64 * 1024 * 1024;

/// Pieces to be written, in this order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Batch {
    pieces: Vec<Piece>,
    spare: Vec<u8>,
}

/// Bytes to be written at the end of one segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Piece {
    /// The segment.
    pub segment: u64,
    /// The position in the log.
    pub position: u64,
    /// Whether the segment begins with this piece. Then its first [`HEADER`] bytes are the header: see [what
    /// a shell must do](super).
    pub begins: bool,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Batch {
    /// The pieces.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Whether there are no pieces.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Removes all pieces, and keeps the allocated memory.
    pub fn clear(&mut self) {
        if let Some(piece) = self.pieces.pop() {
            self.spare = piece.bytes;
            self.spare.clear();
        }
        self.pieces.clear();
    }

    fn begin(&mut self, header: &Header) {
        let mut bytes = std::mem::take(&mut self.spare);
        bytes.extend_from_slice(&header.encode());
        self.pieces.push(Piece {
            segment: header.segment,
            position: header.base,
            begins: true,
            bytes,
        });
    }

    fn of(&mut self, segment: u64, position: u64) -> &mut Vec<u8> {
        if self.pieces.last().is_none_or(|piece| piece.segment != segment) {
            self.pieces.push(Piece {
                segment,
                position,
                begins: false,
                bytes: std::mem::take(&mut self.spare),
            });
        }
        let last = self.pieces.len() - 1;
        &mut self.pieces[last].bytes
    }
}

/// The end of a log, with what the header of the next group needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Writer {
    /// The header of the last segment.
    pub(super) header: Header,
    /// The position of the next group.
    pub(super) position: u64,
    /// The position up to which the log is known to be synced.
    pub(super) synced: u64,
    /// The checksum of the last group.
    pub(super) previous: u32,
    pub(super) cuts: Cuts,
    limit: u64,
}

impl Writer {
    /// Creates a log. Its first segment begins with this header; nothing is durable yet.
    #[must_use]
    pub fn found(header: &Header, out: &mut Batch) -> Writer {
        out.begin(header);
        Writer::after(header)
    }

    /// A writer that stands after a segment's header.
    pub(super) fn after(header: &Header) -> Writer {
        Writer {
            header: *header,
            position: header.base + HEADER as u64,
            synced: header.base,
            previous: header.previous,
            cuts: Cuts::default(),
            limit: SEGMENT,
        }
    }

    /// Sets the size at which segments end, instead of [`SEGMENT`].
    #[must_use]
    pub fn with_limit(mut self, bytes: u64) -> Writer {
        self.limit = bytes;
        self
    }

    /// Appends the records to `out`: as one group, as several if they are large, or as none if there are no
    /// records. A checkpoint begins a segment, and so does the first record after a segment is full.
    pub fn append<'a>(&mut self, records: impl IntoIterator<Item = &'a Record>, out: &mut Batch) {
        let mut records = records.into_iter().peekable();
        while let Some(first) = records.peek() {
            let is_empty = self.position == self.header.base + HEADER as u64;
            if !is_empty && (begins_segment(first) || self.position - self.header.base >= self.limit) {
                self.begin_segment(out);
            }
            self.append_group(&mut records, out);
        }
    }

    /// Appends a group without records, whose mark says how far the log is synced. If bytes below are damaged
    /// later, they are then known to be damaged and not torn.
    pub fn mark(&mut self, out: &mut Batch) {
        self.append_group(&mut std::iter::empty().peekable(), out);
    }

    /// The position at which the log ends, with everything that was appended.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The position up to which the log is known to be synced.
    #[must_use]
    pub fn synced(&self) -> u64 {
        self.synced
    }

    /// The same position with the seed of the log, to be stored in another file and given to
    /// [`read`](super::read) later.
    #[must_use]
    pub fn synced_mark(&self) -> SyncedPosition {
        SyncedPosition {
            log: self.header.seed,
            position: self.synced,
        }
    }

    /// The segment that is being appended to.
    #[must_use]
    pub fn segment(&self) -> u64 {
        self.header.segment
    }

    /// The position at which that segment begins.
    #[must_use]
    pub fn base(&self) -> u64 {
        self.header.base
    }

    /// The first segment that is still needed. A durable checkpoint replaces those before it.
    #[must_use]
    pub fn keep_from(&self) -> u64 {
        self.cuts.keep_from()
    }

    /// A sync has succeeded that began after everything below `position` was written: all of it is durable.
    ///
    /// # Panics
    /// If `position` is beyond the end of the log.
    pub fn on_synced(&mut self, position: u64) {
        assert!(
            position <= self.position,
            "synced up to {position}, but only {} was written",
            self.position
        );
        self.synced = self.synced.max(position);
        self.cuts.on_synced(self.synced);
    }

    fn begin_segment(&mut self, out: &mut Batch) {
        self.header.segment += 1;
        self.header.base = self.position;
        self.header.previous = self.previous;
        self.position += HEADER as u64;
        out.begin(&self.header);
    }

    fn append_group<'a>(
        &mut self,
        records: &mut Peekable<impl Iterator<Item = &'a Record>>,
        out: &mut Batch,
    ) {
        let segment = self.header.segment;
        let out = out.of(segment, self.position);
        let start = out.len();
        out.extend_from_slice(&[0; GROUP_HEADER]);
        let mut count = 0;
        while out.len() - start < FULL_GROUP
            && let Some(record) = records.next_if(|record| count == 0 || !begins_segment(record))
        {
            append_payload(record, out);
            self.cuts.on_record(record, segment);
            count += 1;
        }
        let length = out.len() - start - GROUP_HEADER;
        let header = GroupHeader {
            length: u32::try_from(length).expect("a group ends with the record that fills it"),
            position: self.position,
            // The segment was begun when all before it was synced.
            synced: self.synced.max(self.header.base),
            previous: self.previous,
            count,
        };
        out[start..start + GROUP_HEADER].copy_from_slice(&header.encode(self.header.seed));
        let checksum = checksum(&[&out[start..]]);
        out.extend_from_slice(&checksum.to_le_bytes());
        out.extend_from_slice(&GROUP_END);
        self.position += (out.len() - start) as u64;
        self.previous = checksum;
        self.cuts.on_group(self.position);
    }
}
