//! The headers of segments and groups.

use super::{GROUP_HEADER, GROUP_MAGIC, HEADER, MAGIC, VERSION, checksum, u32_at, u64_at};
use crate::types::{MAX_REPLICAS, ReplicaId};

/// A limit for positions that no log reaches. A larger number is damage; smaller ones can be added without
/// overflow.
const ABSURD: u64 = 1 << 60;

/// The header of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Header {
    /// The number that identifies the cluster.
    pub cluster: u64,
    /// The replica that owns the log.
    pub replica: ReplicaId,
    /// Its number among the segments of the log, from 0.
    pub segment: u64,
    /// The position in the log at which it begins, and at which the segment before ended.
    pub base: u64,
    /// Drawn at random when the log was created, so that segments and groups of different logs are
    /// distinguished.
    pub seed: u64,
    /// The checksum of the last group of the segment before; 0 if there is none.
    pub previous: u32,
}

impl Header {
    /// The header of the first segment of a new log. The seed must be random.
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

    /// Whose log it is.
    #[must_use]
    pub fn owner(&self) -> super::Owner {
        super::Owner {
            cluster: self.cluster,
            replica: self.replica,
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

    /// The version of the format and the header at the beginning of `bytes`, if it is intact. Its layout is
    /// the same in every version.
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
        let sane = usize::from(header.replica.0) < MAX_REPLICAS && header.segment.max(header.base) < ABSURD;
        (whole && sane).then_some((version, header))
    }
}

/// The header of a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct GroupHeader {
    /// The length of the payload in bytes.
    pub(super) length: u32,
    /// The position of the group in the log.
    pub(super) position: u64,
    /// The position up to which the log was known to be synced.
    pub(super) synced: u64,
    /// The checksum of the group before.
    pub(super) previous: u32,
    /// The number of records in the payload.
    pub(super) count: u32,
}

impl GroupHeader {
    pub(super) fn encode(self, seed: u64) -> [u8; GROUP_HEADER] {
        let mut bytes = [0; GROUP_HEADER];
        bytes[..4].copy_from_slice(&GROUP_MAGIC);
        bytes[4..8].copy_from_slice(&self.length.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.position.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.synced.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.previous.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.count.to_le_bytes());
        let checksum = checksum(&[&seed.to_le_bytes(), &bytes[..32]]);
        bytes[32..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// The header at the beginning of `bytes`, if it is intact.
    pub(super) fn decode(bytes: &[u8], seed: u64) -> Option<GroupHeader> {
        let bytes = bytes.first_chunk::<GROUP_HEADER>()?;
        let header = GroupHeader {
            length: u32_at(bytes, 4),
            position: u64_at(bytes, 8),
            synced: u64_at(bytes, 16),
            previous: u32_at(bytes, 24),
            count: u32_at(bytes, 28),
        };
        (header.encode(seed) == *bytes).then_some(header)
    }
}
