//! Recorded lives of a data directory.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use kvpaxos::snapshot::Cursor;
use kvpaxos::{Ballot, Record};
use tempfile::TempDir;

use super::check::{DATA, Recording, get, scratch};
use super::tape::{Note, Tape};
use super::world::Tree;
use crate::storage::directory::{Directory, OpenDirectory};
use crate::storage::error::LogError;
use crate::storage::log::SUPERBLOCK;
use crate::storage::samples::{OWNER, begin, end, promised};
use crate::storage::segments;

/// The size at which a segment is full in these scenes.
const FULL: u64 = 500;

/// A data directory with a tape.
struct Scene {
    root: TempDir,
    before: Tree,
    tape: Tape,
    path: PathBuf,
}

impl Scene {
    /// A directory that is not formatted yet.
    fn new() -> Scene {
        let root = scratch();
        let tape = Tape::start(root.path());
        let path = root.path().join(DATA);
        Scene {
            root,
            before: Tree::new(),
            tape,
            path,
        }
    }

    fn formatted() -> Scene {
        let scene = Scene::new();
        Directory::format(&scene.path, OWNER).unwrap();
        scene.tape.note(Note::Founded);
        scene
    }

    /// Makes everything durable, and records from now on.
    fn restart_tape(&mut self) {
        self.before = get(self.root.path());
        self.tape.clone().stop();
        self.tape = Tape::start(self.root.path());
    }

    fn open(&self) -> OpenDirectory {
        Directory::open(&self.path, OWNER).unwrap()
    }

    /// Writes and syncs as the disk thread does, and acknowledges.
    fn try_write(&self, opened: &mut OpenDirectory, records: &[Record]) -> Result<(), LogError> {
        self.give(opened, records)?;
        opened.log.sync()?;
        self.tape.note(Note::Acknowledged);
        Ok(())
    }

    fn write(&self, opened: &mut OpenDirectory, records: &[Record]) {
        self.try_write(opened, records).unwrap();
    }

    /// Writes records that nobody waits for.
    fn give(&self, opened: &mut OpenDirectory, records: &[Record]) -> Result<(), LogError> {
        opened.log.append(records);
        opened.log.write()
    }

    fn end(self) -> Recording {
        let entries = self.tape.stop();
        drop(self.root);
        Recording {
            owner: OWNER,
            before: self.before,
            entries,
        }
    }

    fn segments(&self) -> Vec<Vec<u8>> {
        segments::read_all(&self.path).unwrap().into_values().collect()
    }
}

/// A record of several sectors, with few zeros.
fn large(seed: u8, length: usize) -> Record {
    let bytes = (1..=250).cycle().map(|byte: u8| byte ^ seed).take(length);
    Record::SnapshotPart {
        at: Cursor::START,
        next: None,
        bytes: Bytes::from_iter(bytes),
    }
}

/// All scenes, with their names.
pub(super) fn all() -> Vec<(&'static str, Recording)> {
    vec![
        ("load", load()),
        ("checkpoints", checkpoints()),
        ("full segments", full_segments()),
        ("killed and begun again", killed()),
        ("a full disk", full()),
        ("syncs that fail", failing()),
        ("recovered from nothing", recovered()),
        ("discarded while whole", discarded()),
        ("damaged and replaced", damaged()),
        ("damaged behind its mark", damaged_behind_its_mark()),
    ]
}

/// A directory is formatted, opened, written to in batches small and large, marked, and closed.
fn load() -> Recording {
    let scene = Scene::formatted();
    let mut opened = scene.open();
    scene.write(&mut opened, &[promised(1)]);
    scene.write(&mut opened, &[promised(2), large(2, 1400)]);
    scene.give(&mut opened, &[promised(3)]).unwrap();
    scene.give(&mut opened, &[promised(4), large(4, 700)]).unwrap();
    scene.write(&mut opened, &[promised(5)]);
    opened.log.keep_mark().unwrap();
    scene.write(&mut opened, &[large(6, 5000)]);
    scene.write(&mut opened, &[promised(7)]);
    opened.log.close().unwrap();
    drop(opened);
    let mut opened = scene.open();
    scene.write(&mut opened, &[promised(8)]);
    scene.end()
}

/// Segments begin, some with checkpoints that are completed and make earlier segments obsolete.
fn checkpoints() -> Recording {
    let scene = Scene::formatted();
    let mut opened = scene.open();
    scene.write(&mut opened, &[promised(1), large(1, 600)]);
    scene.give(&mut opened, &[promised(2)]).unwrap();
    scene.write(&mut opened, &[begin(1), promised(3)]);
    scene.write(&mut opened, &[large(4, 900)]);
    scene.write(&mut opened, &[end(1), promised(5)]);
    // One checkpoint is abandoned; the next one makes two segments obsolete. All this is one write.
    scene.give(&mut opened, &[begin(2), large(6, 300)]).unwrap();
    let rest = [promised(7), begin(3), promised(8), end(3), promised(9)];
    scene.write(&mut opened, &rest);
    scene.write(&mut opened, &[promised(10)]);
    scene.end()
}

/// Segments become full one after the other, without checkpoints: by a single write, by one of several
/// batches in one write, right after a start, and where only the beginning of the next segment syncs the last
/// one.
pub(super) fn full_segments() -> Recording {
    let scene = Scene::formatted();
    scene.tape.set_segment(Some(FULL));
    let mut opened = scene.open();
    scene.write(&mut opened, &[promised(1), large(1, 600)]);
    scene.write(&mut opened, &[promised(2)]);
    assert_eq!(opened.log.segment(), 1, "the first was full");
    scene.give(&mut opened, &[promised(3), large(3, 900)]).unwrap();
    scene.write(&mut opened, &[promised(4)]);
    assert_eq!(
        opened.log.segment(),
        2,
        "records that were not synced yet filled the second segment"
    );
    for round in [5, 6, 7] {
        opened.log.append(&[promised(round), large(5, 550)]);
    }
    opened.log.write().unwrap();
    assert_eq!(opened.log.segment(), 4, "one write filled two");
    scene.write(&mut opened, &[promised(8), large(8, 700)]);
    drop(opened);
    let mut opened = scene.open();
    scene.write(&mut opened, &[promised(9)]);
    assert_eq!(opened.log.segment(), 6, "it was full when the replica started");
    // A final checkpoint makes most segments obsolete.
    scene.write(&mut opened, &[large(9, 700)]);
    scene.write(&mut opened, &[promised(10), begin(1), large(11, 650)]);
    scene.write(&mut opened, &[promised(11), end(1)]);
    assert_eq!(
        opened.log.segment(),
        9,
        "the checkpoint began in a full segment too"
    );
    scene.write(&mut opened, &[promised(12)]);
    scene.end()
}

/// Batches are written and synced one after the other, in a directory that was formatted before. The mark is
/// renewed once.
pub(super) fn batches() -> Recording {
    let mut scene = Scene::formatted();
    scene.restart_tape();
    let mut opened = scene.open();
    for round in 1..=12 {
        let length = [0, 60, 300, 150, 1400, 700][usize::try_from(round % 6).unwrap()];
        if round % 4 == 0 {
            scene.give(&mut opened, &[promised(100 + round)]).unwrap();
        }
        scene.write(&mut opened, &[promised(round), large(9, length)]);
        if round == 6 {
            opened.log.keep_mark().unwrap();
        }
    }
    scene.end()
}

/// The process is killed again and again. Its writes stay in the system until power fails.
fn killed() -> Recording {
    let scene = Scene::formatted();
    for life in 0..2 {
        let first = 10 * life;
        let mut opened = scene.open();
        scene.write(&mut opened, &[promised(first + 1)]);
        let unsynced = [promised(first + 2), large(2, 900)];
        scene.give(&mut opened, &unsynced).unwrap();
        drop(opened);
        let mut opened = scene.open();
        scene
            .give(&mut opened, &[promised(first + 3), begin(life)])
            .unwrap();
        drop(opened);
        let mut opened = scene.open();
        scene
            .give(&mut opened, &[promised(first + 4), end(life)])
            .unwrap();
        drop(opened);
    }
    let mut opened = scene.open();
    scene.write(&mut opened, &[promised(50)]);
    scene.end()
}

/// The disk becomes full after each number of bytes. The replica stops, and starts again when there is room.
fn full() -> Recording {
    let scene = Scene::formatted();
    for (life, room) in [0, 30, 52, 200, 300, 420, 700, 1000].into_iter().enumerate() {
        let first = 10 * life as u64;
        let mut opened = scene.open();
        scene.tape.set_room(Some(room));
        let load = [
            vec![promised(first + 1)],
            vec![promised(first + 2), begin(life as u64), promised(first + 3)],
            vec![large(4, 400), end(life as u64)],
            vec![large(5, 600)],
        ];
        let failed = load
            .iter()
            .any(|records| scene.try_write(&mut opened, records).is_err());
        assert!(failed, "there was room");
        drop(opened);
        scene.tape.set_room(None);
    }
    scene.write(&mut scene.open(), &[promised(90)]);
    scene.end()
}

/// Each sync fails in turn. The replica stops, and starts again at once.
fn failing() -> Recording {
    let scene = Scene::formatted();
    for syncs in 0..9 {
        let first = 10 * syncs as u64;
        scene.tape.set_syncs(Some(syncs));
        if let Ok(mut opened) = Directory::open(&scene.path, OWNER) {
            let load = [
                vec![promised(first + 1), large(1, 600)],
                vec![promised(first + 2), begin(first), promised(first + 3)],
            ];
            let failed = load
                .iter()
                .any(|records| scene.try_write(&mut opened, records).is_err());
            assert!(failed, "all syncs were done");
        }
        scene.tape.set_syncs(None);
        scene.open();
    }
    scene.write(&mut scene.open(), &[promised(90)]);
    scene.end()
}

/// The disk is lost; the replica is recovered on another one.
fn recovered() -> Recording {
    let scene = Scene::new();
    scene.tape.note(Note::Replacing(Vec::new()));
    Directory::recover(&scene.path, OWNER, false).unwrap();
    scene.tape.note(Note::Replaced(vec![Record::DiskLost]));
    let mut opened = scene.open();
    scene.write(&mut opened, &[promised(1)]);
    scene.end()
}

/// An operator discards an intact log of several segments, and the replica goes on with a new one.
fn discarded() -> Recording {
    let scene = Scene::formatted();
    let mut opened = scene.open();
    scene.write(
        &mut opened,
        &[Record::Proposed { ballot: Ballot::ZERO }, begin(1)],
    );
    scene.write(&mut opened, &[promised(1), begin(2), promised(2)]);
    drop(opened);
    for _ in 0..2 {
        scene.tape.note(Note::Replacing(scene.segments()));
        Directory::recover(&scene.path, OWNER, true).unwrap();
        scene.tape.note(Note::Replaced(vec![Record::DiskLost]));
        let mut opened = scene.open();
        scene.write(&mut opened, &[promised(3), begin(1), promised(4)]);
    }
    scene.end()
}

/// A log was damaged while the replica was down. It is set aside at the next start.
fn damaged() -> Recording {
    let scene = Scene::formatted();
    let mut opened = scene.open();
    scene.write(&mut opened, &[promised(1), large(1, 900)]);
    scene.write(&mut opened, &[promised(2), begin(1), promised(3)]);
    drop(opened);
    flip(&segments::path(&scene.path, 0));
    replaced(scene)
}

/// The same, after the process was killed between the beginning of a segment and the mark that covers it, and
/// the segment before it lost its end. If this log is set aside only in part, the rest looks like a log that
/// a crash cut short.
fn damaged_behind_its_mark() -> Recording {
    let scene = Scene::formatted();
    let mut opened = scene.open();
    let mark = scene.path.join(SUPERBLOCK);
    let before = std::fs::read(&mark).unwrap();
    scene.write(&mut opened, &[promised(1), large(1, 900)]);
    opened.log.append(&[begin(1)]);
    opened.log.write().unwrap();
    drop(opened);
    std::fs::write(&mark, before).unwrap();
    let first = segments::path(&scene.path, 0);
    let bytes = std::fs::read(&first).unwrap();
    std::fs::write(&first, &bytes[..600]).unwrap();
    replaced(scene)
}

/// A replica starts on a lost log.
fn replaced(mut scene: Scene) -> Recording {
    scene.restart_tape();
    scene.tape.note(Note::Replacing(scene.segments()));
    let mut opened = scene.open();
    scene.write(&mut opened, &[promised(4)]);
    scene.write(&mut opened, &[begin(2), promised(5), end(2)]);
    drop(opened);
    scene.write(&mut scene.open(), &[promised(6)]);
    scene.end()
}

fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[100] ^= 1;
    std::fs::write(path, bytes).unwrap();
}
