//! What a disk does to synced files of a log.
//!
//! The damage stays within what the format must detect, as the tables of [`kvpaxos::wal`] say: flipped bits
//! anywhere, and everything else below the highest mark.

use std::collections::BTreeMap;
use std::ops::Range;

use kvpaxos::wal::{HEADER, SECTOR, scan};

use crate::engine::{Damage, Decision, FileDecider};

use super::files::{Files, index};

/// Damages files that are durable up to the position `end`. `ends` are the positions of earlier syncs.
pub(super) fn damage(files: &mut Files, how: Damage, end: u64, ends: &[u64], decider: &mut FileDecider<'_>) {
    let marked = marked(files);
    match how {
        Damage::FlipBit => flip_bit(files, marked, end, decider),
        Damage::LoseBlock => match decider.below(Decision::Damage, 8) {
            0 => lose_segment(files, decider),
            1 => lose_last_segments(files, decider),
            // No header is left that names the owner of the data: an operator discards the directory and lets
            // the replica recover.
            2 => files.segments.clear(),
            3 | 4 => lose_write(files, marked, decider),
            _ => lose_sector(files, marked, decider),
        },
        Damage::MisdirectWrite => misdirect(files, marked, decider),
        Damage::LoseTail => lose_tail(files, decider),
        Damage::StaleBlock => match decider.below(Decision::Damage, 4) {
            0 => stale_segment(files, decider),
            1 => stale_superblock(files, ends, decider),
            _ => stale_sector(files, marked, ends, decider),
        },
    }
}

/// The highest mark. Damage below it is never taken for a torn write.
fn marked(files: &Files) -> u64 {
    let scans = files.segments.values().filter_map(|bytes| scan(bytes));
    let in_segments = scans.map(|scan| {
        let groups = scan.groups.iter().map(|group| group.synced);
        groups.max().unwrap_or(0).max(scan.header.base)
    });
    let known = files.known_synced.map(|mark| mark.position);
    in_segments.chain(known).max().unwrap_or(0)
}

/// How many bytes of each segment lie below a position.
fn below(files: &Files, position: u64) -> Vec<(u64, usize)> {
    let within = |(number, bytes): (&u64, &Vec<u8>)| {
        let base = scan(bytes)?.header.base;
        let length = index(position.checked_sub(base)?);
        Some((*number, length.min(bytes.len())))
    };
    files.segments.iter().filter_map(within).collect()
}

/// Any byte below a position, all with the same probability.
fn byte_below(files: &Files, position: u64, decider: &mut FileDecider<'_>) -> Option<(u64, usize)> {
    let below = below(files, position);
    let mut place = decider.below(Decision::Damage, below.iter().map(|(_, length)| length).sum());
    for (number, length) in below {
        match place.checked_sub(length) {
            Some(rest) => place = rest,
            None => return Some((number, place)),
        }
    }
    None
}

/// All sectors that lie entirely below a position. The last sector of a file may be shorter.
fn sectors_below(files: &Files, position: u64) -> Vec<(u64, Range<usize>)> {
    let mut sectors = Vec::new();
    for (number, length) in below(files, position) {
        let end = files.segments.get(&number).map_or(0, Vec::len);
        let within = (0..length).step_by(SECTOR).map(|at| at..(at + SECTOR).min(end));
        sectors.extend(
            within
                .filter(|sector| sector.end <= length)
                .map(|sector| (number, sector)),
        );
    }
    sectors
}

/// Picks one of several parts of files, given with the number of their file. Every third pick is the first or
/// last part of a file, because readers have more bugs there than in the middle.
fn any_in_files<T: Clone>(of: &[(u64, T)], decider: &mut FileDecider<'_>) -> Option<(u64, T)> {
    if decider.below(Decision::Damage, 3) > 0 {
        return any_of(of, decider);
    }
    let files = of.chunk_by(|one, next| one.0 == next.0);
    let ends: Vec<_> = files
        .flat_map(|file| file.first().into_iter().chain(file.last()))
        .cloned()
        .collect();
    any_of(&ends, decider)
}

fn any_of<T: Clone>(of: &[T], decider: &mut FileDecider<'_>) -> Option<T> {
    of.get(decider.below(Decision::Damage, of.len())).cloned()
}

fn flip_bit(files: &mut Files, marked: u64, end: u64, decider: &mut FileDecider<'_>) {
    let bit = decider.below(Decision::Damage, 8);
    let Some((number, at)) = byte_below(files, end, decider) else {
        return;
    };
    let Some(bytes) = files.segments.get_mut(&number) else {
        return;
    };
    let base = scan(bytes).map_or(0, |scan| scan.header.base);
    // In the last writes, a flaw beside a sector of zeros looks like a torn write.
    let blank = |bytes: &[u8]| {
        bytes
            .chunks(SECTOR)
            .any(|sector| sector.iter().all(|byte| *byte == 0))
    };
    let first = index(marked.saturating_sub(base)) / SECTOR * SECTOR;
    if base + (at as u64) < marked || !bytes.get(first..).is_some_and(blank) {
        bytes[at] ^= 1 << bit;
    }
}

fn lose_sector(files: &mut Files, marked: u64, decider: &mut FileDecider<'_>) {
    if let Some((number, sector)) = any_in_files(&sectors_below(files, marked), decider)
        && let Some(bytes) = files.segments.get_mut(&number)
    {
        bytes[sector].fill(0);
    }
}

/// A synced write never reached the disk.
fn lose_write(files: &mut Files, marked: u64, decider: &mut FileDecider<'_>) {
    let groups = |(number, bytes): (&u64, &Vec<u8>)| {
        let number = *number;
        let groups = scan(bytes).map(|scan| scan.groups).unwrap_or_default();
        groups.into_iter().map(move |group| (number, group))
    };
    let written: Vec<_> = files
        .segments
        .iter()
        .flat_map(groups)
        .filter(|(_, group)| group.position + group.length <= marked)
        .collect();
    if let Some((number, group)) = any_in_files(&written, decider)
        && let Some(bytes) = files.segments.get_mut(&number)
    {
        let (from, length) = (index(group.offset), index(group.length));
        bytes[from..from + length].fill(0);
    }
}

fn lose_segment(files: &mut Files, decider: &mut FileDecider<'_>) {
    let drawn = decider.below(Decision::Damage, files.segments.len());
    if let Some(number) = files.segments.keys().nth(drawn).copied() {
        files.segments.remove(&number);
    }
}

/// The last files are lost: the newest entries of the directory are missing.
fn lose_last_segments(files: &mut Files, decider: &mut FileDecider<'_>) {
    let lost = 1 + decider.below(Decision::Damage, files.segments.len());
    for _ in 0..lost {
        files.segments.pop_last();
    }
}

/// The log ends earlier: files are missing, shorter, or zeros from there on. Only the mark in another file
/// tells of the loss, so the new end lies before that mark.
fn lose_tail(files: &mut Files, decider: &mut FileDecider<'_>) {
    let marked = files.known_synced.map_or(0, |mark| mark.position);
    let below = below(files, marked);
    let length: usize = below.iter().map(|(_, length)| length).sum();
    if length == 0 {
        return;
    }
    // The last bytes, the last sectors, or any part.
    let most = length.min([16, 4 * SECTOR, length][decider.below(Decision::Damage, 3)]);
    let end = marked - 1 - decider.below(Decision::Damage, most) as u64;
    let zeroed = decider.below(Decision::Damage, 2) == 0;
    let mut left = files.segments.clone();
    left.retain(|number, bytes| {
        let base = scan(bytes).map_or(0, |scan| scan.header.base);
        let kept = index(end.saturating_sub(base));
        if kept <= HEADER && *number > 0 {
            return false;
        }
        match bytes.get_mut(kept..) {
            Some(lost) if zeroed => lost.fill(0),
            _ => bytes.truncate(kept),
        }
        true
    });
    let part = |segments: &BTreeMap<u64, Vec<u8>>, (number, length): (u64, usize)| {
        segments.get(&number)?.get(..length).map(<[u8]>::to_vec)
    };
    let is_lost = |place: &(u64, usize)| part(&left, *place) != part(&files.segments, *place);
    // Zeros in the place of zeros lose nothing below the mark, and a loss behind the mark cannot be detected.
    if below.iter().any(is_lost) {
        files.segments = left;
    }
}

/// The superblock is as it was at an earlier sync. That alone loses nothing: its mark is only lower.
fn stale_superblock(files: &mut Files, ends: &[u64], decider: &mut FileDecider<'_>) {
    if let (Some(end), Some(mark)) = (any_of(ends, decider), &mut files.known_synced) {
        mark.position = mark.position.min(end);
    }
}

fn misdirect(files: &mut Files, marked: u64, decider: &mut FileDecider<'_>) {
    let sectors = sectors_below(files, marked);
    let from = any_in_files(&sectors, decider);
    let others: Vec<_> = sectors
        .into_iter()
        .filter(|sector| Some(sector) != from.as_ref())
        .collect();
    if let (Some((from, source)), Some((to, target))) = (from, any_in_files(&others, decider))
        && let Some(block) = files.segments.get(&from).map(|bytes| bytes[source].to_vec())
        && let Some(bytes) = files.segments.get_mut(&to)
    {
        let length = block.len().min(target.len());
        bytes[target][..length].copy_from_slice(&block[..length]);
    }
}

/// A sector is as it was at an earlier sync that ended within it.
fn stale_sector(files: &mut Files, marked: u64, ends: &[u64], decider: &mut FileDecider<'_>) {
    let below = below(files, marked);
    let Some(end) = any_of(ends, decider) else { return };
    for (number, length) in below {
        let Some(bytes) = files.segments.get_mut(&number) else {
            continue;
        };
        let base = scan(bytes).map_or(0, |scan| scan.header.base);
        let Some(at) = end.checked_sub(base).map(index).filter(|at| *at < length) else {
            continue;
        };
        let sector_ends = ((at / SECTOR + 1) * SECTOR).min(bytes.len());
        if sector_ends <= length {
            bytes[at..sector_ends].fill(0);
        }
    }
}

/// A segment, but not the last one, is as it was when it was begun.
fn stale_segment(files: &mut Files, decider: &mut FileDecider<'_>) {
    let drawn = decider.below(Decision::Damage, files.segments.len().saturating_sub(1));
    let last = files.segments.len().saturating_sub(1);
    if let Some((_, bytes)) = files.segments.iter_mut().take(last).nth(drawn) {
        bytes.truncate(HEADER);
    }
}
