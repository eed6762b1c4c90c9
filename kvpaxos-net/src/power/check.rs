//! What must hold in every state that a power failure may leave: a replica opens the directory, finds
//! everything that it had acknowledged or promised and nothing that was never written, goes on, and survives
//! the next failure.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::Path;

use kvpaxos::wal::Owner;
use kvpaxos::{Memory, Record};
use tempfile::TempDir;

use super::expectation::{Expectation, Stage, kinds, next_life};
use super::tape::{Entry, Note, Tape};
use super::world::{Tree, World};
use crate::storage::directory::{Directory, OpenDirectory};
use crate::storage::error::DirectoryError;
use crate::storage::samples::OWNER;

/// The data directory, below the root. Its parent has to be created too.
pub(super) const DATA: &str = "replicas/1";
/// The most states that are tried for each operation: in the first life, and in a life after a failure.
const STATES: usize = 24;
const STATES_AFTER: usize = 4;
/// After one of this many states, power fails once more.
const AGAIN: usize = 16;

/// A file system, and the operations on it.
#[derive(Clone, Debug)]
pub(super) struct Recording {
    pub(super) owner: Owner,
    pub(super) before: Tree,
    pub(super) entries: Vec<Entry>,
}

impl Recording {
    /// How many checkpoints were completed.
    pub(super) fn checkpoints(&self) -> usize {
        self.count(|record| matches!(record, Record::CheckpointEnd { .. }))
    }

    /// How many segments were begun because the one before was full: all except the first and those that
    /// begin with a checkpoint.
    pub(super) fn full_segments(&self) -> usize {
        let is_segment = |path: &Path| {
            path.file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b"log."))
        };
        let begun = self
            .entries
            .iter()
            .filter(|entry| matches!(entry, Entry::Rename { to, .. } if is_segment(to)));
        let checkpoints = self.count(|record| matches!(record, Record::Checkpoint(_)));
        begun.count().saturating_sub(1 + checkpoints)
    }

    fn count(&self, is_meant: impl Fn(&Record) -> bool) -> usize {
        let given = self.entries.iter().map(|entry| match entry {
            Entry::Note(Note::Appending(records)) => records.as_slice(),
            _ => &[],
        });
        given.flatten().filter(|record| is_meant(record)).count()
    }
}

/// Tries the states that power failures leave.
pub(super) struct Check<'a> {
    /// The most states that are tried for each operation.
    states: usize,
    /// The owner of the directory.
    owner: Owner,
    /// The sync that the shell lacks.
    without: Option<&'a str>,
    /// The state of the random numbers that draw states.
    random: u64,
    /// How many states were tried.
    tried: usize,
    /// The states that were found good.
    good: HashSet<u64>,
    scratch: TempDir,
}

/// A life of the replica, which may end after any operation.
struct Life<'a> {
    entries: &'a [Entry],
    /// What the earlier lives left.
    world: World,
    expectation: Expectation,
    /// How many lives after this one end like this one.
    after: usize,
}

impl<'a> Check<'a> {
    pub(super) fn new() -> Check<'a> {
        Check {
            states: STATES,
            owner: OWNER,
            without: None,
            random: 1,
            tried: 0,
            good: HashSet::new(),
            scratch: scratch(),
        }
    }

    /// How many states were found good.
    pub(super) fn good(&self) -> usize {
        self.good.len()
    }

    /// Makes power fail after each operation, and again in the life after some of these failures. Also kills
    /// the process after each operation, and makes power fail in the life after that. If a sync is named, the
    /// shell lacks it.
    pub(super) fn survives(&mut self, recording: &Recording, without: Option<&'a str>) -> Result<(), String> {
        self.owner = recording.owner;
        self.without = without;
        self.live(Life {
            entries: &recording.entries,
            world: World::new(&recording.before),
            expectation: Expectation::NOTHING,
            after: 1,
        })
    }

    fn live(&mut self, mut life: Life) -> Result<(), String> {
        let mut seen = HashSet::new();
        for (number, entry) in life.entries.iter().enumerate() {
            match entry {
                Entry::Sync { point, .. } if self.without == Some(point) => continue,
                Entry::Note(note) => life.expectation.take(note),
                _ => life.world.apply(entry),
            }
            let at = |what| format!("{what}\n  after operation {number}, {}", brief(entry));
            for versions in self.versions(&life.world.uncertain()) {
                let tree = life.world.left(&versions);
                let state = hash(&(&tree, &life.expectation));
                if seen.insert(state) {
                    self.fail(tree, state, &life).map_err(at)?;
                }
            }
            let changes = !matches!(entry, Entry::Open { .. } | Entry::Sync { .. } | Entry::Note(_));
            if changes && life.after > 0 {
                self.kill(&life).map_err(at)?;
            }
        }
        Ok(())
    }

    /// Power fails, and leaves this state.
    fn fail(&mut self, tree: Tree, state: u64, life: &Life) -> Result<(), String> {
        self.tried += 1;
        let again = life.after > 0 && self.tried.is_multiple_of(AGAIN);
        if !again && self.good.contains(&state) {
            return Ok(());
        }
        let opened = self.open(&tree, &life.expectation, again);
        let entries = opened.map_err(|what| format!("{what}\n  where power left {}", listed(&tree)))?;
        self.good.insert(state);
        let Some(entries) = entries else {
            return Ok(());
        };
        self.live_after(life, &entries, World::new(&tree))
            .map_err(|what| format!("{what}\n  in the life after power failed"))
    }

    /// The process is killed: the system still has all its writes, synced or not.
    fn kill(&mut self, life: &Life) -> Result<(), String> {
        let entries = self.open(&life.world.now(), &life.expectation, true)?;
        self.live_after(life, &entries.unwrap_or_default(), life.world.clone())
            .map_err(|what| format!("{what}\n  in the life after the process was killed"))
    }

    fn live_after(&mut self, life: &Life, entries: &[Entry], world: World) -> Result<(), String> {
        let states = std::mem::replace(&mut self.states, STATES_AFTER);
        let survived = self.live(Life {
            entries,
            world,
            expectation: life.expectation.after_failure(),
            after: life.after - 1,
        });
        self.states = states;
        survived
    }

    /// All combinations of versions if these are few. Otherwise all oldest and all newest versions, those
    /// with a single other version as far as there is room, and some that are drawn.
    fn versions(&mut self, counts: &[usize]) -> Vec<Vec<usize>> {
        let all = counts
            .iter()
            .try_fold(1, |all: usize, count| all.checked_mul(*count));
        if let Some(all) = all.filter(|all| *all <= self.states) {
            return (0..all).map(|nth| combination(counts, nth)).collect();
        }
        let oldest = vec![0; counts.len()];
        let newest: Vec<_> = counts.iter().map(|count| count - 1).collect();
        let mut states = vec![oldest.clone(), newest.clone()];
        let first = self.draw(counts.len());
        for offset in 0..counts.len().min(self.states / 4) {
            let one = (first + offset) % counts.len();
            for (base, other) in [(&oldest, &newest), (&newest, &oldest)] {
                let mut state = base.clone();
                state[one] = other[one];
                states.push(state);
            }
        }
        while states.len() < self.states {
            states.push(counts.iter().map(|count| self.draw(*count)).collect());
        }
        states
    }

    /// Draws a number below a bound (SplitMix64).
    fn draw(&mut self, bound: usize) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.random;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((bits ^ (bits >> 31)) >> 33).map_or(0, |bits| bits % bound)
    }

    /// Starts the replica on a state, lets it append, and starts it again. Returns its operations if they are
    /// recorded.
    fn open(
        &self,
        tree: &Tree,
        expectation: &Expectation,
        is_taken: bool,
    ) -> Result<Option<Vec<Entry>>, String> {
        for bytes in &expectation.aside {
            if !tree.values().flatten().any(|file| file == bytes) {
                return Err("a segment that was set aside is gone".to_owned());
            }
        }
        let root = self.scratch.path();
        put(root, tree);
        let tape = is_taken.then(|| Tape::start(root));
        let path = root.join(DATA);
        let begun = begin(&path, self.owner, expectation, tape.as_ref());
        let entries = tape.map(Tape::stop);
        let (found, _) = begun
            .and_then(|()| opened(&path, self.owner).map_err(|error| format!("the life after: {error}")))?;
        if found.last() != Some(&next_life()) {
            return Err(format!("the life after found {}", kinds(&found)));
        }
        Ok(entries)
    }
}

/// The nth combination of versions, given how many versions each thing has.
pub(super) fn combination(counts: &[usize], mut nth: usize) -> Vec<usize> {
    let digit = |count: &usize| {
        let digit = nth % count;
        nth /= count;
        digit
    };
    counts.iter().map(digit).collect()
}

/// Starts a life on what is there, and appends a record. A directory that nobody was told of may have to be
/// formatted again.
fn begin(path: &Path, owner: Owner, expectation: &Expectation, tape: Option<&Tape>) -> Result<(), String> {
    let note = |note: Note| {
        if let Some(tape) = tape {
            tape.note(note);
        }
    };
    let refused = |error: DirectoryError| error.to_string();
    let (records, mut life) = match (opened(path, owner), &expectation.stage) {
        (Err(DirectoryError::NotFormatted { .. } | DirectoryError::Unfinished { .. }), Stage::Unfounded) => {
            Directory::format(path, owner).map_err(refused)?;
            note(Note::Founded);
            opened(path, owner).map_err(refused)?
        }
        (Err(DirectoryError::NotFormatted { .. }), Stage::Replacing(None)) => {
            Directory::recover(path, owner, false).map_err(refused)?;
            note(Note::Replaced(vec![Record::DiskLost]));
            opened(path, owner).map_err(refused)?
        }
        (result, _) => result.map_err(refused)?,
    };
    if !expectation.allows(&records) {
        return Err(format!(
            "it found {}, but {}",
            kinds(&records),
            expectation.stage.expected()
        ));
    }
    life.log.append(&[next_life()]);
    let written = life.log.write().and_then(|()| life.log.sync());
    written.map_err(|error| error.to_string())?;
    note(Note::Acknowledged);
    Ok(())
}

/// Opens a directory, and returns its records too.
pub(super) fn opened(path: &Path, owner: Owner) -> Result<(Vec<Record>, OpenDirectory), DirectoryError> {
    let opened = Directory::open(path, owner)?;
    match &opened.memory {
        Memory::Kept(records) => Ok((records.clone(), opened)),
        Memory::Lost => panic!("a directory always has a log"),
    }
}

/// A temporary directory, in memory if possible.
pub(super) fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// Reads a directory.
pub(super) fn get(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let content = path.is_file().then(|| fs::read(&path).unwrap());
            tree.insert(path.strip_prefix(root).unwrap().to_owned(), content);
            if path.is_dir() {
                open.push(path);
            }
        }
    }
    tree
}

/// Writes these files to a directory, and removes all others.
fn put(root: &Path, tree: &Tree) {
    for entry in fs::read_dir(root).unwrap() {
        fs::remove_dir_all(entry.unwrap().path()).unwrap();
    }
    for (path, content) in tree {
        match content {
            None => fs::create_dir(root.join(path)).unwrap(),
            Some(bytes) => fs::write(root.join(path), bytes).unwrap(),
        }
    }
}

fn hash(of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

fn brief(entry: &Entry) -> String {
    match entry {
        Entry::Write { handle, at, bytes } => {
            format!("a write of {} bytes at {at} of file {handle}", bytes.len())
        }
        Entry::Note(_) => "a note".to_owned(),
        other => format!("{other:?}"),
    }
}

fn listed(tree: &Tree) -> String {
    let files = tree.iter().filter_map(|(path, content)| {
        let length = content.as_ref()?.len();
        Some(format!("{} of {length} bytes", path.display()))
    });
    files.collect::<Vec<_>>().join(", ")
}
