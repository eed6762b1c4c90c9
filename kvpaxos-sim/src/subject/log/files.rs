//! The files of a write-ahead log on a simulated disk: their durable content, the operations since, and what
//! a crash between any two operations leaves.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use kvpaxos::wal::{HEADER, Piece, SECTOR, SyncedPosition};

use crate::engine::{Decision, FileDecider};

/// An operation on files, in the order that [`kvpaxos::wal`] requires.
#[derive(Clone, Debug)]
enum Operation {
    Append {
        segment: u64,
        bytes: Vec<u8>,
    },
    Sync,
    CreateDraft,
    WriteDraft,
    SyncDraft,
    Rename {
        segment: u64,
        header: Vec<u8>,
    },
    SyncDirectory,
    /// Writes a new superblock. Like a new segment, it is there as a whole or not at all.
    KeepMark(SyncedPosition),
}

/// The files of a log: their durable content, and the operations since.
#[derive(Clone, Debug, Default)]
pub(super) struct Files {
    /// The durable content of the segments, by number.
    pub(super) segments: BTreeMap<u64, Vec<u8>>,
    /// The mark in the superblock.
    pub(super) known_synced: Option<SyncedPosition>,
    /// Operations that are not durable yet, each with its position in the log.
    pending: VecDeque<(u64, Operation)>,
    /// Deleted segments whose directory is not synced yet.
    deleting: BTreeSet<u64>,
}

impl Files {
    /// Adds the operations that write a piece of the log.
    pub(super) fn write(&mut self, piece: &Piece, log: u64) {
        let segment = piece.segment;
        let (header, bytes) = piece.bytes.split_at(if piece.begins { HEADER } else { 0 });
        let position = piece.position;
        if piece.begins {
            let mark = SyncedPosition {
                log,
                position: position + HEADER as u64,
            };
            let header = header.to_vec();
            let before = (segment > 0).then_some(Operation::Sync);
            let begin = [
                Operation::CreateDraft,
                Operation::WriteDraft,
                Operation::SyncDraft,
                Operation::Rename { segment, header },
                Operation::SyncDirectory,
                Operation::KeepMark(mark),
            ];
            self.pending.extend(
                before
                    .into_iter()
                    .chain(begin)
                    .map(|operation| (position, operation)),
            );
        }
        let position = position + header.len() as u64;
        let bytes = bytes.to_vec();
        if !bytes.is_empty() {
            self.pending
                .push_back((position, Operation::Append { segment, bytes }));
        }
    }

    pub(super) fn keep_mark(&mut self, mark: SyncedPosition) {
        self.pending.push_back((mark.position, Operation::KeepMark(mark)));
    }

    /// Deletes the segments below `keep_from`. Segments that were deleted earlier are gone for good now.
    pub(super) fn delete_below(&mut self, keep_from: u64) {
        for segment in std::mem::take(&mut self.deleting) {
            self.segments.remove(&segment);
        }
        self.deleting = self
            .segments
            .range(..keep_from)
            .map(|(segment, _)| *segment)
            .collect();
    }

    /// Makes everything below a position durable.
    pub(super) fn settle(&mut self, position: u64) {
        let is_below = |(at, operation): &&(u64, Operation)| match operation {
            Operation::Append { bytes, .. } => *at + bytes.len() as u64 <= position,
            _ => *at <= position,
        };
        while self.pending.front().filter(is_below).is_some() {
            if let Some((_, operation)) = self.pending.pop_front() {
                self.carry_out(operation);
            }
        }
    }

    /// The segments as a process reads them that sees everything below a position.
    pub(super) fn up_to(&self, position: u64) -> BTreeMap<u64, Vec<u8>> {
        let mut files = Files {
            segments: self.segments.clone(),
            ..Files::default()
        };
        for (at, operation) in &self.pending {
            if *at >= position {
                break;
            }
            let mut operation = operation.clone();
            if let Operation::Append { bytes, .. } = &mut operation {
                bytes.truncate(index(position - *at));
            }
            files.carry_out(operation);
        }
        files.segments
    }

    fn carry_out(&mut self, operation: Operation) {
        match operation {
            Operation::Append { segment, bytes } => self.segments.entry(segment).or_default().extend(bytes),
            Operation::Rename { segment, header } => drop(self.segments.insert(segment, header)),
            Operation::KeepMark(mark) => self.note_synced(mark),
            Operation::Sync
            | Operation::CreateDraft
            | Operation::WriteDraft
            | Operation::SyncDraft
            | Operation::SyncDirectory => {}
        }
    }

    /// A superblock with this mark is durable. The mark of a log never goes down.
    pub(super) fn note_synced(&mut self, mark: SyncedPosition) {
        let known = self.known_synced.filter(|known| known.log == mark.log);
        if known.is_none_or(|known| known.position < mark.position) {
            self.known_synced = Some(mark);
        }
    }

    /// The process crashes: in half of the cases between any two operations, otherwise at about this
    /// position.
    pub(super) fn crash(&mut self, position: u64, decider: &mut FileDecider<'_>) {
        let mut pending = std::mem::take(&mut self.pending);
        if !pending.is_empty() && decider.below(Decision::CrashPoint, 2) == 0 {
            pending.truncate(decider.below(Decision::CrashPoint, pending.len() + 1));
        } else {
            pending.retain(|(at, _)| *at < position);
            if let Some((at, Operation::Append { bytes, .. })) = pending.back_mut() {
                bytes.truncate(index(position - *at));
            }
        }
        // Operations without a sync after them may have happened or not.
        let (mut unsynced, mut unnamed) = (None, None);
        for (_, operation) in pending {
            match &operation {
                Operation::Append { segment, .. } => {
                    let length = self.segments.get(segment).map_or(0, Vec::len);
                    unsynced.get_or_insert((*segment, length));
                }
                Operation::Sync => unsynced = None,
                Operation::Rename { segment, .. } => unnamed = Some(*segment),
                Operation::SyncDirectory => unnamed = None,
                _ => {}
            }
            self.carry_out(operation);
        }
        if let Some(segment) = unnamed
            && decider.below(Decision::UnsyncedName, 2) == 0
        {
            self.segments.remove(&segment);
        }
        for segment in std::mem::take(&mut self.deleting) {
            if decider.below(Decision::UnsyncedName, 2) == 0 {
                self.segments.remove(&segment);
            }
        }
        if let Some((segment, from)) = unsynced
            && let Some(bytes) = self.segments.get_mut(&segment)
        {
            tear(bytes, from, decider);
        }
    }
}

/// Removes some sectors of what was not synced.
fn tear(bytes: &mut [u8], from: usize, decider: &mut FileDecider<'_>) {
    if decider.below(Decision::TornSector, 2) == 0 {
        return;
    }
    for sector in from / SECTOR..bytes.len().div_ceil(SECTOR) {
        if decider.below(Decision::TornSector, 3) == 0 {
            let (begin, end) = (sector * SECTOR, (sector + 1) * SECTOR);
            let end = end.min(bytes.len());
            bytes[begin.max(from)..end].fill(0);
        }
    }
}

/// A position or a length in a file as an index into its bytes.
pub(super) fn index(number: u64) -> usize {
    usize::try_from(number).expect("a file in memory is no longer than memory")
}
