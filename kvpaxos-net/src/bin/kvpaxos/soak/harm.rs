//! Damage to the log of a replica that does not run: always of something that was synced, which the disk had promised to keep. What was
//! written and not known to be synced is left alone: a disk may lose that, and the replica cannot know that it did.

use std::fmt;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use kvpaxos::Random;
use kvpaxos::wal::{HEADER, Superblock, SuperblockState};
use kvpaxos_net::inspect::{Inspection, LogVerdict, Segment, inspect};

/// Bytes that a zeroed block has.
const BLOCK: u64 = 4096;

/// What is done to a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Harm {
    /// All segments are deleted, and the operator says so.
    Log,
    /// The whole directory is deleted, and the operator says so.
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

impl Harm {
    const ALL: [Harm; 6] = [
        Harm::Log,
        Harm::Directory,
        Harm::Flip,
        Harm::Truncate,
        Harm::Zero,
        Harm::Segment,
    ];

    pub(crate) fn draw(random: &mut Random) -> Harm {
        let index = usize::try_from(random.below(Harm::ALL.len() as u64)).unwrap_or(0);
        Harm::ALL[index]
    }

    /// Whether the replica is told by `kvpaxos recover`. Otherwise it must see by itself.
    pub(crate) fn is_told(self) -> bool {
        matches!(self, Harm::Log | Harm::Directory)
    }
}

impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Harm::Log => "log deleted",
            Harm::Directory => "directory deleted",
            Harm::Flip => "bit flipped",
            Harm::Truncate => "segment truncated",
            Harm::Zero => "block zeroed",
            Harm::Segment => "segment deleted",
        })
    }
}

/// Does it. Answers with whether there was anything to damage: a log that is a moment old may have nothing in it that was synced.
///
/// # Errors
/// If files cannot be had, or if the damage cannot be told from a log that is whole: then the replica would forget what it promised.
pub(crate) fn inflict(harm: Harm, data: &Path, random: &mut Random) -> Result<bool, String> {
    let failed = |error: std::io::Error| format!("cannot damage {}: {error}", data.display());
    match harm {
        Harm::Directory => {
            fs::remove_dir_all(data).map_err(failed)?;
            return Ok(true);
        }
        Harm::Log => {
            for segment in inspect(data).map_err(failed)?.segments {
                fs::remove_file(segment.file).map_err(failed)?;
            }
            return Ok(true);
        }
        Harm::Flip | Harm::Truncate | Harm::Zero | Harm::Segment => {}
    }
    let inspection = inspect(data).map_err(failed)?;
    let Some(target) = target(harm, &inspection, random) else {
        return Ok(false);
    };
    if !damage(harm, target, random).map_err(failed)? {
        return Ok(false);
    }
    match inspect(data).map_err(failed)?.verdict {
        LogVerdict::Damaged { .. } => Ok(true),
        other => Err(format!(
            "{harm} in {} up to offset {}, which was synced, and the log is still taken for {other}",
            target.segment.file.display(),
            target.synced
        )),
    }
}

/// A segment, and up to where in it everything is known to be synced.
#[derive(Clone, Copy)]
struct Target<'a> {
    segment: &'a Segment,
    synced: u64,
}

fn target<'a>(harm: Harm, inspection: &'a Inspection, random: &mut Random) -> Option<Target<'a>> {
    let LogVerdict::Whole { obsolete, .. } = &inspection.verdict else {
        return None;
    };
    let kept = match &inspection.superblock {
        Some(Ok(Superblock {
            state: SuperblockState::Ready(mark),
            ..
        })) => mark.position,
        _ => 0,
    };
    // A cut takes away the marks that stand behind it; those of groups count only while the groups are there.
    let marked = match harm {
        Harm::Truncate => kept,
        _ => inspection
            .groups()
            .map(|(_, group)| group.synced)
            .fold(kept, u64::max),
    };
    let last = inspection.segments.last()?.number;
    let targets: Vec<Target<'_>> = inspection
        .segments
        .iter()
        .filter(|segment| !obsolete.contains(&segment.number))
        .filter_map(|segment| {
            let scan = segment.scan.as_ref()?;
            // A segment is followed by another only when it is synced.
            let synced = if segment.number < last {
                segment.bytes
            } else {
                marked.saturating_sub(scan.header.base).min(segment.bytes)
            };
            Some(Target { segment, synced })
        })
        .filter(|target| target.synced > HEADER as u64)
        .collect();
    let index = usize::try_from(random.below(targets.len().max(1) as u64)).ok()?;
    targets.get(index).copied()
}

fn damage(harm: Harm, target: Target<'_>, random: &mut Random) -> std::io::Result<bool> {
    let path = &target.segment.file;
    if harm == Harm::Segment {
        fs::remove_file(path)?;
        return Ok(true);
    }
    let mut file = File::options().read(true).write(true).open(path)?;
    let at = random.below(target.synced);
    match harm {
        Harm::Truncate => file.set_len(at)?,
        Harm::Flip => {
            let mut byte = [0];
            file.seek(SeekFrom::Start(at))?;
            file.read_exact(&mut byte)?;
            byte[0] ^= 1 << random.below(8);
            file.seek(SeekFrom::Start(at))?;
            file.write_all(&byte)?;
        }
        _ => {
            let block = at / BLOCK * BLOCK;
            let length = usize::try_from(BLOCK.min(target.synced - block)).unwrap_or(0);
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
