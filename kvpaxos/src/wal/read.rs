//! Reading a log back, and telling a torn tail from damage.

use super::{
    GROUP_END, GROUP_HEADER, GROUP_MAGIC, GROUP_TRAILER, GroupHeader, HEADER, Header, SECTOR, VERSION,
    Writer, checksum, u32_at,
};
use crate::codec::{Decode, DecodeError, Reader};
use crate::io::Record;
use crate::types::ReplicaId;

/// Whose log is expected.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Owner {
    /// The cluster's fingerprint.
    pub cluster: u64,
    /// The replica.
    pub replica: ReplicaId,
}

/// What a log file held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Log {
    /// All that was ever synced ([`Memory::Kept`](crate::Memory::Kept)).
    Kept {
        /// All records, in the order they were appended.
        records: Vec<Record>,
        /// Goes on appending, once the tail is cut and what was read is synced.
        writer: Writer,
        /// What a crash left of the last writes.
        torn: Option<Torn>,
    },
    /// Something that was synced is gone ([`Memory::Lost`](crate::Memory::Lost)).
    Damaged(Damaged),
}

/// A tail that was never synced and is there in part. It must be cut before anything is appended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Torn {
    /// Where the file is to be cut: its new length.
    pub at: u64,
    /// How many bytes that drops.
    pub dropped: u64,
}

/// A log that lost what had been synced.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damaged {
    /// Where in the file the first flaw was met.
    pub at: u64,
    /// How it is known not to be a torn tail.
    pub why: Damage,
    /// What could still be read, before and after the flaw, in order. Hints and counters that must not repeat may be taken from it;
    /// a promise or a vote must not: there were others.
    pub salvaged: Vec<Record>,
}

/// How a flaw is known not to be a torn tail.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Damage {
    /// The file's header, durable before the log was used, is not whole.
    #[error("the log's header is damaged or missing; this replica has lost its memory")]
    Header,
    /// A mark says that the flawed bytes had been synced.
    #[error(
        "the log is damaged although it was synced up to position {mark}; this replica has lost its memory"
    )]
    Synced {
        /// The highest mark.
        mark: u64,
    },
    /// Every sector of the last group was written, and it is wrong all the same.
    #[error(
        "the log's last writes are all there, and wrong: damaged, not torn; this replica has lost its memory"
    )]
    NotTorn,
    /// A whole group does not follow the one before it.
    #[error(
        "a part of the log does not follow what stands before it, an older version or another place's; this replica has lost its memory"
    )]
    Chain,
    /// The log ends before what is known to have been synced.
    #[error(
        "the log ends at position {end}, but was synced up to {known_synced}; this replica has lost its memory"
    )]
    LostTail {
        /// Where it ends.
        end: u64,
        /// What was said to be synced.
        known_synced: u64,
    },
}

/// Why a log was not read at all. Nothing is damaged, and nothing may be changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReadError {
    /// It is of a format that this program does not know.
    #[error(
        "the log is of format version {found}, this program reads {VERSION}: start the release that wrote it"
    )]
    Version {
        /// Its version.
        found: u16,
    },
    /// It is somebody else's.
    #[error(
        "the log belongs to {} of cluster {:016x}, not to {} of cluster {:016x}: check the data directory",
        found.replica, found.cluster, expected.replica, expected.cluster
    )]
    Owner {
        /// Whose it is.
        found: Owner,
        /// Whose was expected.
        expected: Owner,
    },
    /// It is not the first segment of its log.
    #[error("the log begins with segment {found}: this program reads logs of one segment, number 0")]
    Segment {
        /// The segment's number.
        found: u64,
    },
    /// A group is whole, but what it holds is not known to this program.
    #[error("the log's records at offset {at} cannot be read ({error}): start the release that wrote them")]
    Records {
        /// Where in the file.
        at: u64,
        /// What is wrong.
        error: DecodeError,
    },
}

/// Reads the bytes of a log file. `known_synced` is the position up to which the log is known, from elsewhere, to have been synced; 0 if
/// nothing else knows.
///
/// # Errors
/// If the log is not this replica's, or of another format.
pub fn read(bytes: &[u8], expected: Owner, known_synced: u64) -> Result<Log, ReadError> {
    let Some((version, header)) = Header::decode(bytes) else {
        return Ok(Log::Damaged(Damaged {
            at: 0,
            why: Damage::Header,
            salvaged: Vec::new(),
        }));
    };
    if version != VERSION {
        return Err(ReadError::Version { found: version });
    }
    let found = Owner {
        cluster: header.cluster,
        replica: header.replica,
    };
    if found != expected {
        return Err(ReadError::Owner { found, expected });
    }
    if header.segment != 0 || header.base != 0 {
        return Err(ReadError::Segment {
            found: header.segment,
        });
    }
    File { bytes, header }.read(known_synced)
}

/// The bytes of a file whose header is whole.
struct File<'a> {
    bytes: &'a [u8],
    header: Header,
}

/// A group that is whole in itself.
struct Group<'a> {
    header: GroupHeader,
    payload: &'a [u8],
    checksum: u32,
    /// The offset of what follows.
    end: usize,
}

impl File<'_> {
    fn read(&self, known_synced: u64) -> Result<Log, ReadError> {
        let mut records = Vec::new();
        let mut writer = Writer::create(&self.header, &mut Vec::new());
        let mut at = HEADER;
        while at < self.bytes.len() {
            let group = match self.group_at(at) {
                Some(group) if group.header.previous == writer.previous => group,
                flawed => {
                    let flaw = if flawed.is_some() {
                        Some(Damage::Chain)
                    } else {
                        self.judge(at, known_synced)
                    };
                    return Ok(self.end_at_flaw(at, flaw, records, writer));
                }
            };
            decode_records(&group, &mut records)
                .map_err(|error| ReadError::Records { at: at as u64, error })?;
            writer.previous = group.checksum;
            writer.position = self.position(group.end);
            writer.synced = writer.synced.max(group.header.synced);
            at = group.end;
        }
        let end = writer.position;
        Ok(if known_synced > end {
            let why = Damage::LostTail { end, known_synced };
            Log::Damaged(Damaged {
                at: at as u64,
                why,
                salvaged: records,
            })
        } else {
            Log::Kept {
                records,
                writer,
                torn: None,
            }
        })
    }

    fn end_at_flaw(&self, at: usize, flaw: Option<Damage>, mut records: Vec<Record>, writer: Writer) -> Log {
        match flaw {
            None => {
                let dropped = (self.bytes.len() - at) as u64;
                Log::Kept {
                    records,
                    writer,
                    torn: Some(Torn {
                        at: at as u64,
                        dropped,
                    }),
                }
            }
            Some(why) => {
                self.salvage(at, &mut records);
                Log::Damaged(Damaged {
                    at: at as u64,
                    why,
                    salvaged: records,
                })
            }
        }
    }

    /// Whether what begins at `at`, and is no whole group, is damage; `None` if it can be a torn tail.
    fn judge(&self, at: usize, known_synced: u64) -> Option<Damage> {
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

    /// Adds the records of all groups from `at` on that are whole in themselves.
    fn salvage(&self, mut at: usize, records: &mut Vec<Record>) {
        while let Some((offset, _)) = self.headers_from(at).next() {
            let mut found = Vec::new();
            at = match self.group_at(offset) {
                Some(group) if decode_records(&group, &mut found).is_ok() => group.end,
                _ => offset + 1,
            };
            if at > offset + 1 {
                records.append(&mut found);
            }
        }
    }

    fn group_at(&self, at: usize) -> Option<Group<'_>> {
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

    /// The header of a group that was written for this place.
    fn header_at(&self, at: usize) -> Option<GroupHeader> {
        let header = GroupHeader::decode(self.bytes.get(at..)?, self.header.seed)?;
        (header.position == self.position(at)).then_some(header)
    }

    /// All such headers from offset `from` on, wherever they may stand, with their offsets.
    fn headers_from(&self, from: usize) -> impl Iterator<Item = (usize, GroupHeader)> + Clone {
        let from = from.min(self.bytes.len());
        self.bytes[from..]
            .windows(GROUP_MAGIC.len())
            .enumerate()
            .filter(|(_, window)| *window == GROUP_MAGIC)
            .filter_map(move |(offset, _)| Some((from + offset, self.header_at(from + offset)?)))
    }

    fn position(&self, offset: usize) -> u64 {
        self.header.base + offset as u64
    }
}

fn decode_records(group: &Group, records: &mut Vec<Record>) -> Result<(), DecodeError> {
    let mut reader = Reader::new(group.payload);
    for _ in 0..group.header.count {
        reader.reset_counts();
        records.push(Record::decode(&mut reader)?);
    }
    reader.finish()
}

/// Whether a sector of the group that begins at offset `at`, or its last byte, is as it was before the group was written: zero.
fn lacks_a_sector(group: &[u8], at: usize) -> bool {
    let is_zero = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
    let (first, rest) = group.split_at((SECTOR - at % SECTOR).min(group.len()));
    is_zero(first) || rest.chunks(SECTOR).any(is_zero) || group.ends_with(&[0])
}
