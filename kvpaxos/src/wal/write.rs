//! Founding a log and appending to it.

use super::{GROUP_END, GROUP_HEADER, GroupHeader, HEADER, MAGIC, VERSION, checksum, u32_at, u64_at};
use crate::codec::append_payload;
use crate::io::Record;
use crate::types::{MAX_REPLICAS, ReplicaId};

/// A group whose payload has reached this many bytes is closed, and another begun: what is wrong with a group costs all of it.
const FULL_GROUP: usize = 16 * 1024 * 1024;

/// What a log file says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Header {
    /// The cluster's fingerprint.
    pub cluster: u64,
    /// Whose log it is.
    pub replica: ReplicaId,
    /// The file's number among the segments of the log, from 0.
    pub segment: u64,
    /// The position in the log at which the file begins.
    pub base: u64,
    /// Drawn when the log was founded: groups of one log are never taken for another's.
    pub seed: u64,
    /// The checksum of the last group of the segment before; 0 if there is none.
    pub previous: u32,
}

impl Header {
    /// Of the only segment of a new log. The seed must be random.
    #[must_use]
    pub fn founding(cluster: u64, replica: ReplicaId, seed: u64) -> Header {
        Header {
            cluster,
            replica,
            segment: 0,
            base: 0,
            seed,
            previous: 0,
        }
    }

    pub(super) fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[10] = self.replica.0;
        bytes[12..16].copy_from_slice(&self.previous.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.cluster.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.segment.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.base.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.seed.to_le_bytes());
        let checksum = checksum(&[&bytes[..48]]);
        bytes[48..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// The format's version and the header that `bytes` begins with, if it is whole. Its layout is the same in every version.
    pub(super) fn decode(bytes: &[u8]) -> Option<(u16, Header)> {
        let bytes = bytes.first_chunk::<HEADER>()?;
        let whole = bytes[..8] == MAGIC && u32_at(bytes, 48) == checksum(&[&bytes[..48]]);
        let header = Header {
            cluster: u64_at(bytes, 16),
            replica: ReplicaId(bytes[10]),
            segment: u64_at(bytes, 24),
            base: u64_at(bytes, 32),
            seed: u64_at(bytes, 40),
            previous: u32_at(bytes, 12),
        };
        let version = u16::from_le_bytes([bytes[8], bytes[9]]);
        (whole && usize::from(header.replica.0) < MAX_REPLICAS).then_some((version, header))
    }
}

/// Where a log is appended to: what the next group has to say of those before it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Writer {
    pub(super) seed: u64,
    /// Where the next group begins.
    pub(super) position: u64,
    /// Up to where the log is known to be synced.
    pub(super) synced: u64,
    /// The checksum of the last group.
    pub(super) previous: u32,
}

impl Writer {
    /// Appends a new file's header to `out` and begins to write after it. The header must be durable before the log is used.
    #[must_use]
    pub fn create(header: &Header, out: &mut Vec<u8>) -> Writer {
        out.extend_from_slice(&header.encode());
        Writer {
            seed: header.seed,
            position: header.base + HEADER as u64,
            synced: header.base,
            previous: header.previous,
        }
    }

    /// Appends the records to `out`, which is to be written at the end of the file: one group, or more if they are large, or
    /// nothing if there are none.
    pub fn append<'a>(&mut self, records: impl IntoIterator<Item = &'a Record>, out: &mut Vec<u8>) {
        let mut records = records.into_iter().peekable();
        while records.peek().is_some() {
            self.append_group(&mut records, out);
        }
    }

    /// Appends a group without records: it tells how far the log is synced. For quiet moments: what is damaged below it later is
    /// then known to be damaged, and not torn.
    pub fn mark(&mut self, out: &mut Vec<u8>) {
        self.append_group(&mut std::iter::empty(), out);
    }

    /// Where the log ends, with all that was appended.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Up to where the log is known to be synced.
    #[must_use]
    pub fn synced(&self) -> u64 {
        self.synced
    }

    /// Everything below `position` is durable: a sync that began after it was written has succeeded.
    ///
    /// # Panics
    /// If so much was never written.
    pub fn on_synced(&mut self, position: u64) {
        assert!(
            position <= self.position,
            "synced up to {position}, but only {} was written",
            self.position
        );
        self.synced = self.synced.max(position);
    }

    fn append_group<'a>(&mut self, records: &mut impl Iterator<Item = &'a Record>, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; GROUP_HEADER]);
        let mut count = 0;
        for record in records {
            append_payload(record, out);
            count += 1;
            if out.len() - start >= FULL_GROUP {
                break;
            }
        }
        let length = out.len() - start - GROUP_HEADER;
        let header = GroupHeader {
            length: u32::try_from(length).expect("a group ends with the record that fills it"),
            position: self.position,
            synced: self.synced,
            previous: self.previous,
            count,
        };
        out[start..start + GROUP_HEADER].copy_from_slice(&header.encode(self.seed));
        let checksum = checksum(&[&out[start..]]);
        out.extend_from_slice(&checksum.to_le_bytes());
        out.extend_from_slice(&GROUP_END);
        self.position += (out.len() - start) as u64;
        self.previous = checksum;
    }
}
