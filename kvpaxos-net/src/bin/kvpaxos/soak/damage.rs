//! Damage to the disk of a replica that is not running. Only bytes that are known to be synced are damaged,
//! because the disk had promised to keep those. A disk may lose other bytes, and the replica cannot notice
//! that.

use std::fmt;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use kvpaxos::Random;
use kvpaxos::wal::{HEADER, Superblock, SuperblockState};
use kvpaxos_net::inspect::{Inspection, LogVerdict, Segment, inspect};

/// The size of a block that is zeroed, in bytes.
const BLOCK: u64 = 4096;

/// What is done to the disk of a replica.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum DiskDamage {
    /// All segments are deleted; the operator recovers the replica.
    Log,
    /// The whole directory is deleted; the operator recovers the replica.
    Directory,
    /// A bit is flipped.
    Flip,
    /// A segment is cut short.
    Truncate,
    /// A block is zeroed.
    Zero,
    /// A segment is deleted.
    Segment,
}

impl DiskDamage {
    const ALL: [DiskDamage; 6] = [
        DiskDamage::Log,
        DiskDamage::Directory,
        DiskDamage::Flip,
        DiskDamage::Truncate,
        DiskDamage::Zero,
        DiskDamage::Segment,
    ];

    pub(crate) fn draw(random: &mut Random) -> DiskDamage {
        DiskDamage::ALL[random_index(random, DiskDamage::ALL.len())]
    }

    /// Whether the operator runs `kvpaxos recover`. Otherwise the replica must notice the damage by itself.
    pub(crate) fn is_recovered_by_operator(self) -> bool {
        matches!(self, DiskDamage::Log | DiskDamage::Directory)
    }
}

impl fmt::Display for DiskDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DiskDamage::Log => "log deleted",
            DiskDamage::Directory => "directory deleted",
            DiskDamage::Flip => "bit flipped",
            DiskDamage::Truncate => "segment truncated",
            DiskDamage::Zero => "block zeroed",
            DiskDamage::Segment => "segment deleted",
        })
    }
}

/// Damages a data directory. Returns `false` if there was nothing to damage: a log that is a moment old may
/// have nothing in it that is known to be synced.
///
/// # Errors
/// If a file cannot be read or written, or if the log is still taken for an intact one: then the replica
/// would forget its promises.
pub(crate) fn inflict(damage: DiskDamage, data: &Path, random: &mut Random) -> Result<bool, String> {
    let failed = |error: std::io::Error| format!("cannot damage {}: {error}", data.display());
    match damage {
        DiskDamage::Directory => {
            fs::remove_dir_all(data).map_err(failed)?;
            return Ok(true);
        }
        DiskDamage::Log => {
            for segment in inspect(data).map_err(failed)?.segments {
                fs::remove_file(segment.file).map_err(failed)?;
            }
            return Ok(true);
        }
        DiskDamage::Flip | DiskDamage::Truncate | DiskDamage::Zero | DiskDamage::Segment => {}
    }
    let inspection = inspect(data).map_err(failed)?;
    let Some(target) = target(damage, &inspection, random) else {
        return Ok(false);
    };
    if !damage_segment(damage, target, random).map_err(failed)? {
        return Ok(false);
    }
    match inspect(data).map_err(failed)?.verdict {
        LogVerdict::Damaged { .. } => Ok(true),
        other => Err(format!(
            "{damage} in {} up to offset {}, which was synced, but the log is taken for {other}",
            target.segment.file.display(),
            target.synced
        )),
    }
}

/// A segment, and the offset up to which it is known to be synced.
#[derive(Clone, Copy)]
struct Target<'a> {
    segment: &'a Segment,
    synced: u64,
}

fn target<'a>(damage: DiskDamage, inspection: &'a Inspection, random: &mut Random) -> Option<Target<'a>> {
    let LogVerdict::Whole { obsolete, .. } = &inspection.verdict else {
        return None;
    };
    let superblock_mark = match &inspection.superblock {
        Some(Ok(Superblock {
            state: SuperblockState::Ready(mark),
            ..
        })) => mark.position,
        _ => 0,
    };
    // Truncation removes the marks behind it too, so then only the mark in the superblock counts.
    let marked = match damage {
        DiskDamage::Truncate => superblock_mark,
        _ => inspection
            .groups()
            .map(|(_, group)| group.synced)
            .fold(superblock_mark, u64::max),
    };
    let last = inspection.segments.last()?.number;
    let targets: Vec<Target<'_>> = inspection
        .segments
        .iter()
        .filter(|segment| !obsolete.contains(&segment.number))
        .filter_map(|segment| {
            let scan = segment.scan.as_ref()?;
            // A segment is synced before the next one begins.
            let synced = if segment.number < last {
                segment.bytes
            } else {
                marked.saturating_sub(scan.header.base).min(segment.bytes)
            };
            Some(Target { segment, synced })
        })
        .filter(|target| target.synced > HEADER as u64)
        .collect();
    if targets.is_empty() {
        return None;
    }
    Some(targets[random_index(random, targets.len())])
}

fn damage_segment(damage: DiskDamage, target: Target<'_>, random: &mut Random) -> std::io::Result<bool> {
    let path = &target.segment.file;
    if damage == DiskDamage::Segment {
        fs::remove_file(path)?;
        return Ok(true);
    }
    let mut file = File::options().read(true).write(true).open(path)?;
    let at = random.below(target.synced);
    match damage {
        DiskDamage::Truncate => file.set_len(at)?,
        DiskDamage::Flip => {
            let mut byte = [0];
            file.seek(SeekFrom::Start(at))?;
            file.read_exact(&mut byte)?;
            byte[0] ^= 1 << random.below(8);
            file.seek(SeekFrom::Start(at))?;
            file.write_all(&byte)?;
        }
        _ => {
            let block = at / BLOCK * BLOCK;
            let length = usize::try_from(BLOCK.min(target.synced - block)).expect("a block at most");
            let mut bytes = vec![0; length];
            file.seek(SeekFrom::Start(block))?;
            file.read_exact(&mut bytes)?;
            if bytes.iter().all(|byte| *byte == 0) {
                return Ok(false);
            }
            bytes.fill(0);
            file.seek(SeekFrom::Start(block))?;
            file.write_all(&bytes)?;
        }
    }
    file.sync_all()?;
    Ok(true)
}

/// A random index of a list that is not empty.
pub(crate) fn random_index(random: &mut Random, length: usize) -> usize {
    usize::try_from(random.below(length as u64)).expect("an index is below a length")
}
