//! Reading a log, and distinguishing a torn tail from damage.

use std::collections::BTreeMap;

use super::cut::begins_segment;
use super::scan::File;
use super::{Damage, DamagedLog, HEADER, Header, ReadError, SyncedPosition, VERSION, Writer};
use crate::io::Record;
use crate::types::ReplicaId;

/// The owner of a log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Owner {
    /// The number that identifies the cluster.
    pub cluster: u64,
    /// The replica.
    pub replica: ReplicaId,
}

/// The state in which a log was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LogState {
    /// Everything that was synced is there ([`Memory::Kept`](crate::Memory::Kept)).
    Kept {
        /// All records from the last complete checkpoint on, in the order in which they were appended.
        records: Vec<Record>,
        /// Appends to the log, once the tail is cut and what was read is synced.
        writer: Writer,
        /// The torn tail of the last segment, if there is one.
        torn: Option<TornTail>,
        /// Segments that a complete checkpoint replaces; they were not read. They may be deleted once what
        /// was read is synced: see [`Writer::keep_from`].
        obsolete: Vec<u64>,
    },
    /// Synced bytes are missing or damaged ([`Memory::Lost`](crate::Memory::Lost)).
    Damaged(DamagedLog),
}

/// A tail of the last segment that was never synced: a part of a write, or zeros. It must be cut, or be
/// zeros, before anything is appended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TornTail {
    /// The segment: always the last one.
    pub segment: u64,
    /// The length to which the file must be cut.
    pub at: u64,
    /// The number of bytes that are cut off.
    pub dropped: u64,
    /// Whether they are all zeros: space that was allocated in advance, or a write of which nothing reached
    /// the disk.
    pub blank: bool,
}

/// Reads the segments of a log, given by their numbers. `known_synced` is the position up to which the log is
/// known, from another file, to have been synced.
///
/// # Errors
/// If the log belongs to another replica, or has another format.
pub fn read<B: AsRef<[u8]>>(
    segments: &BTreeMap<u64, B>,
    expected: Owner,
    known_synced: Option<SyncedPosition>,
) -> Result<LogState, ReadError> {
    let log = Segments {
        all: segments
            .iter()
            .map(|(number, bytes)| (*number, bytes.as_ref()))
            .collect(),
        known_synced,
    };
    Ok(
        match log
            .check_headers(expected)?
            .map_or_else(|| log.read(), |flaw| Ok(Err(flaw)))?
        {
            Ok(kept) => kept,
            Err(Flaw { segment, at, why }) => LogState::Damaged(DamagedLog {
                segment,
                at: at as u64,
                why,
                salvaged: log.salvage(),
            }),
        },
    )
}

/// The position of the first flaw.
#[derive(Clone, Copy)]
struct Flaw {
    segment: u64,
    at: usize,
    why: Damage,
}

struct Segments<'a> {
    all: BTreeMap<u64, &'a [u8]>,
    known_synced: Option<SyncedPosition>,
}

/// The result of reading from one segment to the last.
struct Reading {
    log: Result<LogState, Flaw>,
    /// Whether the first segment read begins with a complete checkpoint.
    begins_complete: bool,
}

impl<'a> Segments<'a> {
    /// Checks that all intact headers are of this log and in the right segments, including those of obsolete
    /// segments.
    fn check_headers(&self, expected: Owner) -> Result<Option<Flaw>, ReadError> {
        let mut seed = self.known_synced.map(|mark| mark.log);
        let mut flaw = None;
        for (number, bytes) in &self.all {
            let Some((version, header)) = Header::decode(bytes) else {
                continue;
            };
            if version != VERSION {
                return Err(ReadError::Version { found: version });
            }
            if header.owner() != expected {
                let found = header.owner();
                return Err(ReadError::Owner { found, expected });
            }
            let why = if header.segment != *number {
                let found = header.segment;
                Some(Damage::Number { found })
            } else if *seed.get_or_insert(header.seed) != header.seed {
                Some(Damage::History)
            } else {
                None
            };
            flaw = flaw.or(why.map(|why| Flaw {
                segment: *number,
                at: 0,
                why,
            }));
        }
        Ok(flaw)
    }

    /// Reads from the last complete checkpoint on, or from the beginning.
    fn read(&self) -> Result<Result<LogState, Flaw>, ReadError> {
        let Some((first, _)) = self.all.first_key_value() else {
            let why = Damage::Gone;
            return Ok(Err(Flaw {
                segment: 0,
                at: 0,
                why,
            }));
        };
        for number in self.all.keys().rev() {
            let file = self.file(*number);
            let first = file.and_then(|file| file.group_at(HEADER)?.first());
            if first.is_some_and(|record| begins_segment(&record)) {
                let reading = self.read_from(*number)?;
                if reading.begins_complete {
                    return Ok(reading.log);
                }
            }
        }
        let log = self.read_from(*first)?.log;
        // Where a segment before it was deleted, a checkpoint was complete.
        Ok(log.and_then(|log| match *first {
            0 => Ok(log),
            segment => Err(Flaw {
                segment,
                at: 0,
                why: Damage::Beginning,
            }),
        }))
    }

    fn file(&self, number: u64) -> Option<File<'a>> {
        let bytes = *self.all.get(&number)?;
        let (_, header) = Header::decode(bytes)?;
        Some(File { bytes, header })
    }

    fn read_from(&self, first: u64) -> Result<Reading, ReadError> {
        let mut chain = Chain {
            records: Vec::new(),
            writer: None,
            torn: None,
        };
        let log = self.follow(first, &mut chain)?;
        let begins_complete = chain
            .writer
            .as_ref()
            .is_some_and(|writer| writer.cuts.complete().is_some_and(|segment| segment >= first));
        let log = match (log, chain.writer) {
            (None, Some(mut writer)) => {
                let oldest = self.all.keys().next().copied().unwrap_or(first);
                writer.cuts.nothing_before(oldest);
                Ok(LogState::Kept {
                    records: chain.records,
                    writer,
                    torn: chain.torn,
                    obsolete: self.all.range(..first).map(|(number, _)| *number).collect(),
                })
            }
            (Some(flaw), _) => Err(flaw),
            (None, None) => Err(Flaw {
                segment: first,
                at: 0,
                why: Damage::Missing,
            }),
        };
        Ok(Reading { log, begins_complete })
    }

    /// Reads group after group up to the end or the first flaw.
    fn follow(&self, first: u64, chain: &mut Chain) -> Result<Option<Flaw>, ReadError> {
        let last = self.all.keys().next_back().copied().unwrap_or(first);
        for number in first..=last {
            let flaw = |at, why| {
                Ok(Some(Flaw {
                    segment: number,
                    at,
                    why,
                }))
            };
            let Some(bytes) = self.all.get(&number) else {
                return flaw(0, Damage::Missing);
            };
            let Some(file) = self.file(number) else {
                return flaw(0, Damage::Header);
            };
            match &chain.writer {
                // Groups are missing at the end of the segment before.
                Some(writer) if writer.position < file.header.base => {
                    return Ok(Some(Flaw {
                        segment: writer.header.segment,
                        at: writer.offset(),
                        why: Damage::Followed,
                    }));
                }
                Some(writer) if !writer.is_followed_by(&file.header) => return flaw(0, Damage::Chain),
                _ => {}
            }
            let at = chain.add(&file)?;
            if at == bytes.len() || (number < last && file.is_blank_from(at)) {
                continue;
            }
            // What does not follow is whole, and so was written: that is no torn tail.
            if file.group_at(at).is_some() {
                return flaw(at, Damage::Chain);
            }
            if number < last {
                return flaw(at, Damage::Followed);
            }
            if let Some(why) = file.judge(at, self.known_synced.map_or(0, |mark| mark.position)) {
                return flaw(at, why);
            }
            chain.torn = Some(TornTail {
                segment: number,
                at: at as u64,
                dropped: (bytes.len() - at) as u64,
                blank: file.is_blank_from(at),
            });
        }
        Ok(self.check_end(last, chain))
    }

    fn check_end(&self, last: u64, chain: &Chain) -> Option<Flaw> {
        let known_synced = self.known_synced?.position;
        let writer = chain.writer.as_ref()?;
        let end = writer.position;
        (known_synced > end).then(|| Flaw {
            segment: last,
            at: writer.offset(),
            why: Damage::LostTail { end, known_synced },
        })
    }

    /// The records of all intact groups, of all segments of this log.
    fn salvage(&self) -> Vec<Record> {
        let mut records = Vec::new();
        let mut seed = self.known_synced.map(|mark| mark.log);
        for number in self.all.keys() {
            let Some(file) = self.file(*number).filter(|file| file.header.segment == *number) else {
                continue;
            };
            if *seed.get_or_insert(file.header.seed) != file.header.seed {
                continue;
            }
            let mut at = HEADER;
            while let Some((_, group)) = file.next_whole(at, &mut records) {
                at = group.end;
            }
        }
        records
    }
}

/// The groups that were read so far; each follows the one before.
struct Chain {
    records: Vec<Record>,
    writer: Option<Writer>,
    torn: Option<TornTail>,
}

impl Chain {
    /// Adds the groups of a segment up to the first one that is not intact or does not follow. Returns its
    /// offset.
    fn add(&mut self, file: &File) -> Result<usize, ReadError> {
        let mut next = Writer::after(&file.header);
        if let Some(writer) = &self.writer {
            next.cuts = writer.cuts.clone();
            next.synced = next.synced.max(writer.synced);
        }
        let segment = file.header.segment;
        let writer = self.writer.insert(next);
        let mut at = HEADER;
        while let Some(group) = file.group_at(at)
            && group.header.previous == writer.previous
        {
            let before = self.records.len();
            group
                .decode(&mut self.records)
                .map_err(|error| ReadError::Records {
                    segment,
                    at: at as u64,
                    error,
                })?;
            for record in &self.records[before..] {
                writer.cuts.on_record(record, segment);
            }
            writer.previous = group.checksum;
            writer.position = file.position(group.end);
            writer.synced = writer.synced.max(group.header.synced.min(group.header.position));
            writer.cuts.on_group(writer.position);
            at = group.end;
        }
        Ok(at)
    }
}

impl Writer {
    /// Where it stands in its segment, which was read into memory as a whole.
    fn offset(&self) -> usize {
        usize::try_from(self.position - self.header.base).expect("a segment that was read fits into memory")
    }

    fn is_followed_by(&self, next: &Header) -> bool {
        self.position == next.base && self.previous == next.previous
    }
}
