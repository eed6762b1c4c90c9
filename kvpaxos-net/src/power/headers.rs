//! Would a second copy of each group's header help? It would show that a disk has lost a tail that it had
//! synced. The answer depends on when the copy is written.
//!
//! *Under the same sync as the group*, like the identifiers of log entries in Alagappan et al.,
//! *Protocol-Aware Recovery for Consensus-Based Storage*, FAST 2018: until that sync is complete, the disk
//! may have written the copy and not the group. This leaves the same bytes as a tail that the disk lost after
//! the sync. So a reader that takes the one for lost memory takes the other for lost memory too. If power
//! fails for all replicas at once, while each waits for a sync, more of them are then without memory than the
//! others can restore.
//!
//! *After that sync, under a sync of its own*, before anybody is told, as TigerBeetle's journal writes a
//! prepare and then its header: no power failure leaves a copy without its group. It costs a second sync each
//! time (`cargo bench -p kvpaxos-net --bench marks`). Our mark is such a copy, but nobody waits for it, so it
//! lags.
//!
//! Here shells with such copies are derived from a recording of the real shell, and judged by what power
//! failures leave.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use kvpaxos::Random;
use kvpaxos::wal::{
    self, GROUP_HEADER, GROUP_TRAILER, LogState, Superblock, SuperblockState, SyncedPosition,
};

use super::check::{DATA, Recording, combination};
use super::scenes;
use super::tape::Entry;
use super::world::{Tree, World};
use crate::storage::log::SUPERBLOCK;
use crate::storage::samples::OWNER;
use crate::storage::segments;

/// When a shell writes the second copies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Before the sync of their groups, which covers the copies too.
    SameSync,
    /// After the sync of their groups. The copies are synced before anybody is told.
    NextSync,
}

/// What a replica that starts takes a directory for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum StartVerdict {
    Kept,
    MemoryLost,
}

/// The file of the copies, the room for each (so that none is in two sectors), and for how many there is
/// room.
const COPIES: &str = "headers";
const SLOT: usize = 64;
const SLOTS: usize = 64;
/// A handle that no tape gives: tapes count from 1.
const HANDLE: usize = usize::MAX;

/// How many power failures are simulated, of how many replicas, and how many of these can recover from the
/// others.
const FAILURES: usize = 10_000;
const REPLICAS: usize = 5;
const RECOVERABLE: usize = 2;

/// A recording of what a shell with copies of headers would have done.
struct Shell {
    order: Order,
    before: Tree,
    entries: Vec<Entry>,
    /// The handles of segments.
    logs: BTreeSet<usize>,
}

impl Shell {
    fn new(recording: Recording, order: Order) -> Shell {
        let mut before = recording.before;
        before.insert(place(COPIES), Some(vec![0; SLOT * SLOTS]));
        let mut entries = vec![Entry::Open {
            handle: HANDLE,
            path: place(COPIES),
        }];
        let mut logs = BTreeSet::new();
        let mut positions = BTreeSet::new();
        let mut waiting = Vec::new();
        for entry in recording.entries {
            match &entry {
                Entry::Open { handle, path } if *path == log() => _ = logs.insert(*handle),
                Entry::Write { handle, bytes, .. } if logs.contains(handle) => {
                    // A start writes again what no mark covers.
                    for header in headers(bytes) {
                        if positions.insert(position(header)) {
                            waiting.push(copy(header, positions.len() - 1));
                        }
                    }
                    if order == Order::SameSync {
                        entries.append(&mut waiting);
                    }
                }
                _ => {}
            }
            let syncs = matches!(&entry, Entry::Sync { handle, .. } if logs.contains(handle));
            entries.push(entry);
            if syncs {
                entries.append(&mut waiting);
                entries.push(Entry::Sync {
                    handle: HANDLE,
                    whole: true,
                    point: COPIES.to_owned(),
                });
            }
        }
        Shell {
            order,
            before,
            entries,
            logs,
        }
    }

    /// The contents of the disk at the end.
    fn last(&self) -> Tree {
        let mut world = World::new(&self.before);
        self.entries.iter().for_each(|entry| world.apply(entry));
        world.now()
    }

    /// Each sync of the log, and of the copies if they have their own: the state just before it, what is
    /// certain after it, the end of the log that was synced before, and the end that is written by now.
    fn syncs(&self) -> Vec<Moment> {
        let mut world = World::new(&self.before);
        let mut durable = content(&self.before, &name()).len();
        let mut written = durable;
        let mut moments = Vec::new();
        for (entry, next) in self.entries.iter().zip(self.entries.iter().skip(1)) {
            match entry {
                Entry::Write { handle, at, bytes } if self.logs.contains(handle) => {
                    written = at + bytes.len();
                }
                Entry::Sync { handle, .. } if self.logs.contains(handle) || self.has_own_sync(*handle) => {
                    let mut after = world.clone();
                    after.apply(entry);
                    after.apply(next);
                    moments.push(Moment {
                        before: world.clone(),
                        after: after.now(),
                        durable,
                        written,
                    });
                    durable = written;
                }
                _ => {}
            }
            world.apply(entry);
        }
        moments
    }

    fn has_own_sync(&self, handle: usize) -> bool {
        handle == HANDLE && self.order == Order::NextSync
    }
}

/// A sync of the log.
struct Moment {
    before: World,
    after: Tree,
    durable: usize,
    written: usize,
}

/// All states that a power failure may leave.
fn states(world: &World) -> impl Iterator<Item = Tree> {
    let counts = world.uncertain();
    let all = counts.iter().product();
    (0..all).map(move |nth| world.left(&combination(&counts, nth)))
}

/// The disk loses a range of the log: it is zeros again.
fn lose(tree: &mut Tree, range: std::ops::Range<usize>) {
    let file = tree.get_mut(&log()).and_then(Option::as_mut).unwrap();
    file[range].fill(0);
}

/// Judges a directory as the shell does: by the mark in the superblock.
fn by_mark(tree: &Tree) -> StartVerdict {
    judge(tree, mark(tree))
}

/// Judges a directory as a shell that takes a group for synced if there is a copy of its header.
fn by_copies(tree: &Tree) -> StartVerdict {
    let mut mark = mark(tree);
    for copy in content(tree, COPIES).chunks(SLOT) {
        if let Some(header) = headers(copy).first() {
            mark.position = mark.position.max(position(header) + length(header) as u64);
        }
    }
    judge(tree, mark)
}

fn judge(tree: &Tree, mark: SyncedPosition) -> StartVerdict {
    let segments = BTreeMap::from([(0, content(tree, &name()))]);
    match wal::read(&segments, OWNER, Some(mark)).unwrap() {
        LogState::Kept { .. } => StartVerdict::Kept,
        LogState::Damaged(_) => StartVerdict::MemoryLost,
    }
}

fn mark(tree: &Tree) -> SyncedPosition {
    match Superblock::parse(content(tree, SUPERBLOCK)).unwrap().state {
        SuperblockState::Ready(mark) => mark,
        SuperblockState::Founding { .. } => panic!("it is founded"),
    }
}

fn content<'a>(tree: &'a Tree, name: &str) -> &'a [u8] {
    tree[&place(name)].as_deref().unwrap()
}

fn place(name: &str) -> PathBuf {
    Path::new(DATA).join(name)
}

/// The path of the log, which has one segment here.
fn log() -> PathBuf {
    segments::path(Path::new(DATA), 0)
}

fn name() -> String {
    log().file_name().unwrap().to_str().unwrap().to_owned()
}

fn copy(header: &[u8], slot: usize) -> Entry {
    assert!(slot < SLOTS, "there is no room for so many");
    Entry::Write {
        handle: HANDLE,
        at: slot * SLOT,
        bytes: header.to_owned(),
    }
}

/// The headers of the groups at the beginning of these bytes.
fn headers(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while bytes.starts_with(b"KPGR") {
        found.push(&bytes[..GROUP_HEADER]);
        bytes = bytes.get(length(bytes)..).unwrap_or_default();
    }
    found
}

/// The length of a group in bytes, according to its header.
fn length(header: &[u8]) -> usize {
    let payload = u32::from_le_bytes(header[4..8].try_into().unwrap());
    GROUP_HEADER + usize::try_from(payload).unwrap() + GROUP_TRAILER
}

fn position(header: &[u8]) -> u64 {
    u64::from_le_bytes(header[8..16].try_into().unwrap())
}

#[test]
fn under_the_same_sync_a_power_failure_leaves_the_bytes_of_a_tail_that_was_lost() {
    let mut compared = 0;
    for moment in Shell::new(scenes::batches(), Order::SameSync).syncs() {
        if moment.durable == moment.written {
            continue;
        }
        // The sync is complete, somebody was told, and then the disk loses the group.
        let mut lost = moment.after;
        lose(&mut lost, moment.durable..moment.written);
        assert_eq!(by_copies(&lost), StartVerdict::MemoryLost, "the copy shows it");
        assert_eq!(by_mark(&lost), StartVerdict::Kept, "no mark covers it yet");
        // The same bytes, but nobody was told anything.
        assert!(states(&moment.before).any(|interrupted| interrupted == lost));
        compared += 1;
    }
    assert!(compared >= 12, "only {compared} syncs");
}

/// Power fails for all replicas at once, each in the middle of a sync. Everything that is not synced is there
/// or not, with even chances.
#[test]
fn only_copies_under_the_same_sync_cost_more_memories_than_can_be_restored() {
    let failures = |order, verdict: fn(&Tree) -> StartVerdict| {
        let moments = Shell::new(scenes::batches(), order).syncs();
        let verdicts: Vec<Vec<_>> = moments
            .iter()
            .filter(|moment| !moment.before.uncertain().is_empty())
            .map(|moment| states(&moment.before).map(|tree| verdict(&tree)).collect())
            .collect();
        let mut random = Random::from_seed(1);
        let mut pick = |count: usize| usize::try_from(random.below(count as u64)).unwrap();
        let (mut one, mut too_many) = (0, 0);
        for _ in 0..FAILURES {
            let mut lost = 0;
            for _ in 0..REPLICAS {
                let states = &verdicts[pick(verdicts.len())];
                lost += usize::from(states[pick(states.len())] == StartVerdict::MemoryLost);
            }
            one += usize::from(lost > 0);
            too_many += usize::from(lost > RECOVERABLE);
        }
        (one, too_many)
    };
    let same = failures(Order::SameSync, by_copies);
    let next = failures(Order::NextSync, by_copies);
    let ours = failures(Order::SameSync, by_mark);
    println!(
        "of {FAILURES} power failures of {REPLICAS} replicas, some memory and more than {RECOVERABLE} are \
         lost:"
    );
    println!("  copies under the same sync {same:?}, under the next {next:?}, marks that lag {ours:?}");
    assert!(same.1 > FAILURES / 10, "{same:?}");
    assert_eq!((next, ours), ((0, 0), (0, 0)));
}

/// The loss of synced data is noticed up to the last copy, or up to the mark.
#[test]
fn a_lost_tail_is_seen_as_far_as_there_are_copies_or_a_mark() {
    let shell = Shell::new(scenes::batches(), Order::NextSync);
    let disk = shell.last();
    let ends: BTreeSet<usize> = shell.syncs().iter().map(|moment| moment.written).collect();
    let (end, mark) = (*ends.last().unwrap(), mark(&disk).position);
    let seen = |seen| {
        if seen {
            StartVerdict::MemoryLost
        } else {
            StartVerdict::Kept
        }
    };
    let mut unseen = 0;
    for lost_from in ends {
        let mut tree = disk.clone();
        lose(&mut tree, lost_from..end);
        assert_eq!(by_copies(&tree), seen(lost_from < end));
        assert_eq!(by_mark(&tree), seen((lost_from as u64) < mark));
        unseen += usize::from(lost_from < end && lost_from as u64 >= mark);
    }
    assert!(unseen >= 6, "{unseen} syncs came after the mark");
}
