//! What must hold of each thing that a power failure may leave: a replica opens it, finds all that it ever stood by and nothing that was
//! never written, goes on, and stands the next failure.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::Path;

use kvpaxos::wal::Owner;
use kvpaxos::{Ballot, Memory, Record};
use tempfile::TempDir;

use super::tape::{Entry, Note, Tape};
use super::world::{Tree, World};
use crate::storage::directory::{Directory, OpenDirectory};
use crate::storage::error::DirectoryError;
use crate::storage::samples::OWNER;

/// Where the data directory is, below the root: in one that has to be made, too.
pub(super) const DATA: &str = "replicas/1";
/// How many states are tried for each operation, where there are more; and in a life that comes after a failure.
const STATES: usize = 24;
const STATES_AFTER: usize = 4;
/// After one in so many states, power fails once more.
const AGAIN: usize = 16;

/// What a replica stands by.
#[derive(Clone, Hash, Debug)]
struct Told {
    stage: Stage,
    /// What is in segments that are on their way aside. If power fails meanwhile some may get lost: only that both ends of a rename are synced
    /// makes it sure where a file is, and nobody is told before. It is kept for people to look at; no replica needs it.
    leaving: Vec<Vec<u8>>,
    /// Those that were set aside, and must be somewhere.
    aside: Vec<Vec<u8>>,
}

#[derive(Clone, Hash, Debug)]
enum Stage {
    /// Its directory was not formatted, or nobody was told yet.
    Unfounded,
    /// Its directory was formatted.
    Founded,
    /// The log was given these records, and so many of them count.
    Kept { given: Vec<Record>, told: usize },
    /// The log is lost or to be discarded; what it was, if it was whole.
    Replacing(Option<Vec<Record>>),
}

impl Told {
    const NOTHING: Told = Told {
        stage: Stage::Unfounded,
        leaving: Vec::new(),
        aside: Vec::new(),
    };

    fn take(&mut self, note: &Note) {
        let all = |records: &Vec<Record>| Stage::Kept {
            given: records.clone(),
            told: records.len(),
        };
        if matches!(note, Note::Opened(_) | Note::Replaced(_)) {
            self.aside.append(&mut self.leaving);
        }
        match (note, &mut self.stage) {
            (Note::Founded, _) => self.stage = Stage::Founded,
            (Note::Opened(records) | Note::Replaced(records), _) => self.stage = all(records),
            (Note::Appending(records), Stage::Kept { given, .. }) => given.extend_from_slice(records),
            (Note::Told, Stage::Kept { given, told }) => *told = given.len(),
            (Note::Replacing(segments), stage) => {
                self.leaving.clone_from(segments);
                let before = match stage {
                    Stage::Kept { given, .. } => Some(given.clone()),
                    _ => None,
                };
                *stage = Stage::Replacing(before);
            }
            (note, stage) => panic!("{note:?} in {stage:?}"),
        }
    }

    /// What still holds after a power failure.
    fn after_failure(&self) -> Told {
        Told {
            leaving: Vec::new(),
            ..self.clone()
        }
    }

    /// Whether these are records that a replica may find.
    fn allows(&self, found: &[Record]) -> bool {
        match &self.stage {
            Stage::Unfounded | Stage::Founded => matches!(found, [Record::Founded { .. }]),
            Stage::Kept { given, told } => (*told..=given.len()).any(|end| from_cut(&given[..end]) == found),
            Stage::Replacing(before) => {
                is_beginning(found) || before.as_ref().is_some_and(|it| from_cut(it) == found)
            }
        }
    }
}

impl Stage {
    fn expected(&self) -> String {
        match self {
            Stage::Unfounded | Stage::Founded => "nothing was written but that it is founded".to_owned(),
            Stage::Kept { given, told } => format!("{told} count of {}", kinds(given)),
            Stage::Replacing(_) => "its memory is lost".to_owned(),
        }
    }
}

/// The records from the last complete checkpoint on.
fn from_cut(records: &[Record]) -> &[Record] {
    let mut cut = 0;
    let mut begun = None;
    for (at, record) in records.iter().enumerate() {
        match record {
            Record::Checkpoint(checkpoint) => begun = Some((checkpoint.number, at)),
            Record::CheckpointEnd { number } => {
                if let Some((_, at)) = begun.filter(|(begun, _)| begun == number) {
                    cut = at;
                }
            }
            _ => {}
        }
    }
    &records[cut..]
}

/// Whether a log that lost its memory begins so.
fn is_beginning(records: &[Record]) -> bool {
    let is_counter = |record: &Record| matches!(record, Record::Proposed { .. } | Record::Heard { .. });
    let last = records.split_last();
    last.is_some_and(|(last, rest)| *last == Record::DiskLost && rest.iter().all(is_counter))
}

/// What the life after a power failure writes.
fn next_life() -> Record {
    let ballot = Ballot {
        round: 1_000_000,
        ..Ballot::ZERO
    };
    Record::Promised { ballot }
}

/// A file system before, and what was done to it.
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

    /// How many segments were begun because the one before was full: all but the first and those that a checkpoint begins.
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

/// Goes through the states that power failures leave.
pub(super) struct Check<'a> {
    /// How many states are tried where there are more, for each operation.
    states: usize,
    /// Whose directory it is.
    owner: Owner,
    /// The shell has no such sync.
    without: Option<&'a str>,
    /// Draws states.
    random: u64,
    /// How many states were met.
    met: usize,
    /// Those that were found good.
    good: HashSet<u64>,
    scratch: TempDir,
}

/// A life that something puts an end to at any moment.
struct Life<'a> {
    entries: &'a [Entry],
    /// What the lives before have left.
    world: World,
    told: Told,
    /// How many lives after this one come to such an end.
    after: usize,
}

impl<'a> Check<'a> {
    pub(super) fn new() -> Check<'a> {
        Check {
            states: STATES,
            owner: OWNER,
            without: None,
            random: 1,
            met: 0,
            good: HashSet::new(),
            scratch: scratch(),
        }
    }

    /// How many states were found good.
    pub(super) fn good(&self) -> usize {
        self.good.len()
    }

    /// Lets power fail after each operation, and once more in the life after some of these failures; and lets the process be killed after each
    /// operation, and power fail in the life after. All that with a shell that lacks a sync, if one is named.
    pub(super) fn survives(&mut self, recording: &Recording, without: Option<&'a str>) -> Result<(), String> {
        self.owner = recording.owner;
        self.without = without;
        self.live(Life {
            entries: &recording.entries,
            world: World::new(&recording.before),
            told: Told::NOTHING,
            after: 1,
        })
    }

    fn live(&mut self, mut life: Life) -> Result<(), String> {
        let mut seen = HashSet::new();
        for (number, entry) in life.entries.iter().enumerate() {
            match entry {
                Entry::Sync { point, .. } if self.without == Some(point) => continue,
                Entry::Note(note) => life.told.take(note),
                _ => life.world.apply(entry),
            }
            let at = |what| format!("{what}\n  after operation {number}, {}", brief(entry));
            for versions in self.versions(&life.world.uncertain()) {
                let tree = life.world.left(&versions);
                let state = hash(&(&tree, &life.told));
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

    /// Power fails and leaves this.
    fn fail(&mut self, tree: Tree, state: u64, life: &Life) -> Result<(), String> {
        self.met += 1;
        let again = life.after > 0 && self.met.is_multiple_of(AGAIN);
        if !again && self.good.contains(&state) {
            return Ok(());
        }
        let opened = self.open(&tree, &life.told, again);
        let entries = opened.map_err(|what| format!("{what}\n  where power left {}", listed(&tree)))?;
        self.good.insert(state);
        let Some(entries) = entries else {
            return Ok(());
        };
        self.live_after(life, &entries, World::new(&tree))
            .map_err(|what| format!("{what}\n  in the life after power failed"))
    }

    /// The process is killed: the system holds what it did, synced or not.
    fn kill(&mut self, life: &Life) -> Result<(), String> {
        let entries = self.open(&life.world.now(), &life.told, true)?;
        self.live_after(life, &entries.unwrap_or_default(), life.world.clone())
            .map_err(|what| format!("{what}\n  in the life after the process was killed"))
    }

    fn live_after(&mut self, life: &Life, entries: &[Entry], world: World) -> Result<(), String> {
        let states = std::mem::replace(&mut self.states, STATES_AFTER);
        let survived = self.live(Life {
            entries,
            world,
            told: life.told.after_failure(),
            after: life.after - 1,
        });
        self.states = states;
        survived
    }

    /// All combinations of versions, where they are few. Else the oldest and newest of all, each thing that differs from these alone, as far as
    /// that goes, and some that are drawn.
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

    /// A number below a bound (SplitMix64).
    fn draw(&mut self, bound: usize) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.random;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((bits ^ (bits >> 31)) >> 33).map_or(0, |bits| bits % bound)
    }

    /// Lets the replica begin on a state, append and begin once more. Says what it did, if that is to be known.
    fn open(&self, tree: &Tree, told: &Told, is_taken: bool) -> Result<Option<Vec<Entry>>, String> {
        for bytes in &told.aside {
            if !tree.values().flatten().any(|file| file == bytes) {
                return Err("a segment that was set aside is gone".to_owned());
            }
        }
        let root = self.scratch.path();
        put(root, tree);
        let tape = is_taken.then(|| Tape::start(root));
        let path = root.join(DATA);
        let begun = begin(&path, self.owner, told, tape.as_ref());
        let entries = tape.map(Tape::stop);
        let (found, _) = begun
            .and_then(|()| opened(&path, self.owner).map_err(|error| format!("the life after: {error}")))?;
        if found.last() != Some(&next_life()) {
            return Err(format!("the life after found {}", kinds(&found)));
        }
        Ok(entries)
    }
}

/// The nth of all combinations of versions, of which there are so many each.
pub(super) fn combination(counts: &[usize], mut nth: usize) -> Vec<usize> {
    let digit = |count: &usize| {
        let digit = nth % count;
        nth /= count;
        digit
    };
    counts.iter().map(digit).collect()
}

/// A life that begins on what is there, and appends a record. A directory that nobody was told of may have to be founded again.
fn begin(path: &Path, owner: Owner, told: &Told, tape: Option<&Tape>) -> Result<(), String> {
    let note = |note: Note| {
        if let Some(tape) = tape {
            tape.note(note);
        }
    };
    let refused = |error: DirectoryError| error.to_string();
    let (records, mut life) = match (opened(path, owner), &told.stage) {
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
    if !told.allows(&records) {
        return Err(format!(
            "it found {}, but {}",
            kinds(&records),
            told.stage.expected()
        ));
    }
    life.log.append(&[next_life()]);
    let written = life.log.write().and_then(|()| life.log.sync());
    written.map_err(|error| error.to_string())?;
    note(Note::Told);
    Ok(())
}

/// Opens a directory, and what it remembers.
pub(super) fn opened(path: &Path, owner: Owner) -> Result<(Vec<Record>, OpenDirectory), DirectoryError> {
    let opened = Directory::open(path, owner)?;
    match &opened.memory {
        Memory::Kept(records) => Ok((records.clone(), opened)),
        Memory::Lost => panic!("a directory always has a log"),
    }
}

/// A directory to try things in, in memory where there is such.
pub(super) fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// What is in a directory.
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

/// Puts that into a directory, and nothing else.
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

/// Records in few words: promises by their rounds, all others by their kinds.
fn kinds(records: &[Record]) -> String {
    let words = records.iter().map(|record| match record {
        Record::Promised { ballot } => ballot.round.to_string(),
        other => {
            let text = format!("{other:?}");
            text.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
        }
    });
    format!("[{}]", words.collect::<Vec<_>>().join(" "))
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
