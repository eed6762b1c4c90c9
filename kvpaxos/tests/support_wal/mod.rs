//! The files of a log in memory. They are handled as a shell must handle files.

use std::collections::BTreeMap;

use kvpaxos::io::Checkpoint;
use kvpaxos::wal::{
    Batch, Damage, HEADER, Header, LogState, Owner, ReadError, SECTOR, SyncedPosition, Writer, read, scan,
};
use kvpaxos::{Ballot, Command, Record, ReplicaId, ReplicaSet, Slot, Tag, Value};

pub(crate) const OWNER: Owner = Owner {
    cluster: 0x0123_4567_89ab_cdef,
    replica: ReplicaId(3),
};
pub(crate) const SEED: u64 = 0xfeed_beef;
pub(crate) const OTHER: u64 = 0xbad_cafe;

pub(crate) fn ballot(round: u64) -> Ballot {
    Ballot {
        round,
        ..Ballot::ZERO
    }
}

/// A record of some hundred bytes, without long runs of zeros.
pub(crate) fn record(number: u64) -> Record {
    let tag = Tag { nonce: 1, number };
    let payload =
        vec![u8::try_from(number % 255).unwrap() + 1; 100 + usize::try_from(number * 37 % 600).unwrap()];
    Record::Accepted {
        ballot: Ballot::ZERO,
        slot: Slot(number),
        value: Value::Batch(kvpaxos::Batch::new(vec![Command::Opaque {
            tag,
            payload: payload.into(),
        }])),
    }
}

pub(crate) fn begin(number: u64) -> Record {
    Record::Checkpoint(Box::new(Checkpoint {
        number,
        members: ReplicaSet::first(5),
        ..Checkpoint::default()
    }))
}

pub(crate) fn end(number: u64) -> Record {
    Record::CheckpointEnd { number }
}

pub(crate) fn checkpoint_number(record: &Record) -> Option<u64> {
    match record {
        Record::Checkpoint(checkpoint) => Some(checkpoint.number),
        _ => None,
    }
}

/// The segments of a log, with its writer and its mark kept elsewhere.
#[derive(Clone)]
pub(crate) struct Files {
    pub(crate) owner: Owner,
    pub(crate) segments: BTreeMap<u64, Vec<u8>>,
    pub(crate) writer: Writer,
    /// The mark kept elsewhere.
    pub(crate) known_synced: Option<SyncedPosition>,
    limit: u64,
}

impl Files {
    pub(crate) fn new(seed: u64, limit: u64) -> Files {
        let mut batch = Batch::default();
        let header = Header::founding(OWNER.cluster, OWNER.replica, seed);
        let writer = Writer::found(&header, &mut batch).with_limit(limit);
        let mut files = Files {
            owner: OWNER,
            segments: BTreeMap::new(),
            writer,
            known_synced: None,
            limit,
        };
        files.take(&batch);
        files.sync();
        files.keep_mark();
        files
    }

    fn take(&mut self, batch: &Batch) {
        for piece in batch.pieces() {
            let is_new = !self.segments.contains_key(&piece.segment);
            assert_eq!(piece.begins, is_new);
            if is_new {
                self.writer.on_synced(piece.position + HEADER as u64);
                self.keep_mark();
            }
            self.segments
                .entry(piece.segment)
                .or_default()
                .extend(&piece.bytes);
        }
    }

    pub(crate) fn write(&mut self, records: &[Record]) {
        let mut batch = Batch::default();
        self.writer.append(records, &mut batch);
        self.take(&batch);
    }

    pub(crate) fn mark(&mut self) {
        let mut batch = Batch::default();
        self.writer.mark(&mut batch);
        self.take(&batch);
    }

    pub(crate) fn sync(&mut self) {
        let before = self.writer.keep_from();
        self.writer.on_synced(self.writer.position());
        if self.writer.keep_from() > before {
            self.keep_mark();
        }
    }

    fn keep_mark(&mut self) {
        self.known_synced = Some(self.writer.synced_mark());
    }

    pub(crate) fn shut_down(&mut self) {
        self.sync();
        self.mark();
        self.sync();
        self.keep_mark();
    }

    pub(crate) fn delete_obsolete(&mut self) {
        let keep = self.writer.keep_from();
        self.segments.retain(|number, _| *number >= keep);
    }

    /// Deletes some obsolete segments, in any combination, as deletions that were not synced do.
    pub(crate) fn delete_some_obsolete(&mut self, which: u8) {
        let keep = self.writer.keep_from();
        self.segments
            .retain(|number, _| *number >= keep || which & (1 << (number % 8)) == 0);
    }

    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.segments.keys().copied().collect()
    }

    pub(crate) fn base(&self, number: u64) -> u64 {
        scan(&self.segments[&number]).unwrap().header.base
    }

    pub(crate) fn read(&self) -> Result<LogState, ReadError> {
        read(&self.segments, self.owner, self.known_synced)
    }

    /// The records, and the numbers of the obsolete segments.
    pub(crate) fn kept(&self) -> (Vec<Record>, Vec<u64>) {
        match self.read() {
            Ok(LogState::Kept {
                records, obsolete, ..
            }) => (records, obsolete),
            other => panic!("the log is not kept: {other:?}"),
        }
    }

    pub(crate) fn damage(&self) -> (u64, Damage) {
        match self.read() {
            Ok(LogState::Damaged(damaged)) => (damaged.segment, damaged.why),
            other => panic!("damage is not noticed: {other:?}"),
        }
    }

    /// Reads the log as a starting process does: cuts a torn tail, and syncs.
    pub(crate) fn reopen(&mut self) {
        match self.read() {
            Ok(LogState::Kept { writer, torn, .. }) => {
                if let Some(torn) = torn {
                    let last = self.segments.get_mut(&torn.segment).unwrap();
                    assert_eq!(last.len() as u64, torn.at + torn.dropped);
                    last.truncate(usize::try_from(torn.at).unwrap());
                }
                self.writer = writer.with_limit(self.limit);
                self.sync();
            }
            other => panic!("the log is not kept: {other:?}"),
        }
    }

    /// Tears the unsynced bytes: the file ends somewhere within them, and any of their sectors are zeros. A
    /// segment that has only just begun may be missing.
    pub(crate) fn crash(&mut self, length: u16, missing: u64) {
        let synced = self.writer.synced();
        let numbers = self.numbers();
        let last = *numbers.last().unwrap();
        let base = self.base(last);
        let bytes = self.segments.get_mut(&last).unwrap();
        if synced == base + HEADER as u64 && last > 0 && missing & (1 << 63) != 0 {
            // The name of the segment was not synced, so the mark was not renewed either.
            self.segments.remove(&last);
            if let Some(mark) = &mut self.known_synced {
                mark.position = mark.position.min(base);
            }
            return;
        }
        let durable = usize::try_from(synced.saturating_sub(base)).unwrap().max(HEADER);
        let unsynced = bytes.len() - durable;
        bytes.truncate(durable + usize::from(length) % (unsynced + 1));
        let end = bytes.len();
        for (bit, sector) in (durable / SECTOR..end.div_ceil(SECTOR)).enumerate() {
            if missing & (1 << (bit % 63)) != 0 {
                bytes[(sector * SECTOR).max(durable)..((sector + 1) * SECTOR).min(end)].fill(0);
            }
        }
    }

    /// The highest durable mark. Damage below it is never taken for a torn tail.
    pub(crate) fn marked(&self) -> u64 {
        let scans = self.segments.values().filter_map(|bytes| scan(bytes));
        let marks = scans.flat_map(|scan| {
            let groups = scan.groups.into_iter().map(|group| group.synced);
            groups.chain([scan.header.base]).collect::<Vec<_>>()
        });
        let known = self.known_synced.map(|mark| mark.position);
        marks.chain(known).max().unwrap_or(0)
    }

    /// All bytes below a position, as segment and offset.
    pub(crate) fn places_below(&self, position: u64) -> impl Iterator<Item = (u64, usize)> {
        self.segments.iter().flat_map(move |(number, bytes)| {
            let base = self.base(*number);
            (0..bytes.len())
                .filter(move |offset| base + (*offset as u64) < position)
                .map(|offset| (*number, offset))
        })
    }
}
