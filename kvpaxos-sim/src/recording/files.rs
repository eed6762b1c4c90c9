//! Which recordings there are, and whether they belong together.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kvpaxos::ReplicaId;
use kvpaxos::recording::{Entry, FileName, Header, Reader};

use super::error::RecordingError;

/// The recording of one life.
pub(super) struct LifeFile {
    pub(super) path: PathBuf,
    pub(super) header: Header,
    /// The file with the checkpoint of the segment, if there is one.
    pub(super) checkpoint: Option<PathBuf>,
    /// What it holds, if it was made here and is on no disk.
    bytes: Option<Arc<[u8]>>,
    /// The later segments of the life. This is the first one that is left.
    pub(super) later: Vec<LifeFile>,
}

/// Where the bytes of a recording come from.
pub(super) type Source = Box<dyn Read>;

impl LifeFile {
    fn open(path: PathBuf, checkpoint: Option<PathBuf>) -> Result<LifeFile, RecordingError> {
        let (_, header) = read(&path, None)?;
        if let Some(checkpoint) = &checkpoint
            && read(checkpoint, None)?.1 != header
        {
            let (path, first) = (checkpoint.clone(), path);
            let why = "another header of the same segment";
            return Err(RecordingError::Stranger { path, why, first });
        }
        Ok(LifeFile {
            path,
            header,
            checkpoint,
            bytes: None,
            later: Vec::new(),
        })
    }

    /// A recording in memory. The path is what errors call it.
    pub(super) fn in_memory(path: PathBuf, bytes: Vec<u8>) -> Result<LifeFile, RecordingError> {
        let bytes: Arc<[u8]> = bytes.into();
        let (_, header) = read(&path, Some(&bytes))?;
        Ok(LifeFile {
            path,
            header,
            checkpoint: None,
            bytes: Some(bytes),
            later: Vec::new(),
        })
    }

    /// Reads it from its beginning.
    pub(super) fn reader(&self) -> Result<Reader<Source>, RecordingError> {
        Ok(read(&self.path, self.bytes.as_ref())?.0)
    }

    /// Reads its checkpoint, if that is in a file of its own.
    pub(super) fn checkpoint_reader(&self) -> Result<Option<Reader<Source>>, RecordingError> {
        let Some(path) = &self.checkpoint else {
            return Ok(None);
        };
        Ok(Some(read(path, None)?.0))
    }

    /// Whether it can be executed without a segment before it.
    fn is_beginning(&self) -> Result<bool, RecordingError> {
        if self.header.segment == 1 || self.checkpoint.is_some() {
            return Ok(true);
        }
        // What is wrong with a block is said by whoever executes it.
        let first = self.reader()?.next_block().ok().flatten();
        Ok(first.is_some_and(|block| matches!(block.entries.first(), Some(Entry::Checkpoint { .. }))))
    }
}

fn read(path: &Path, bytes: Option<&Arc<[u8]>>) -> Result<(Reader<Source>, Header), RecordingError> {
    let path = path.to_owned();
    let source: Source = match bytes {
        Some(bytes) => Box::new(Cursor::new(Arc::clone(bytes))),
        None => match File::open(&path) {
            Ok(file) => Box::new(BufReader::with_capacity(1 << 17, file)),
            Err(error) => return Err(RecordingError::Io { path, error }),
        },
    };
    Reader::new(source).map_err(|error| RecordingError::Read { path, error })
}

/// The recordings of a cluster: for each replica its lives in order.
pub(super) type Found = BTreeMap<ReplicaId, Vec<LifeFile>>;

/// Finds the recordings in these directories, and checks that they belong together.
pub(super) fn find<P: AsRef<Path>>(directories: &[P]) -> Result<Found, RecordingError> {
    let mut found: BTreeMap<FileName, PathBuf> = BTreeMap::new();
    for directory in directories {
        let directory = directory.as_ref();
        let before = found.len();
        for (name, path) in named(directory)? {
            if let Some(other) = found.insert(name, path.clone()) {
                let FileName { replica, life, .. } = name;
                let one = other;
                return Err(RecordingError::Twice {
                    replica,
                    life,
                    one,
                    other: path,
                });
            }
        }
        if found.len() == before {
            let path = directory.to_owned();
            return Err(RecordingError::Nothing { path });
        }
    }
    let mut lives = Found::new();
    for (name, path) in found {
        let checkpoint = path.with_file_name(name.checkpoint());
        let checkpoint = (name.segment > 1 && checkpoint.exists()).then_some(checkpoint);
        let file = LifeFile::open(path, checkpoint)?;
        if FileName::of(&file.header) != name {
            let Header { life, segment, .. } = file.header;
            let replica = file.header.config.id;
            let what = match segment {
                1 => format!("life {life} of {replica}"),
                _ => format!("segment {segment} of life {life} of {replica}"),
            };
            let path = file.path;
            return Err(RecordingError::Name { path, what });
        }
        add(lives.entry(name.replica).or_default(), file)?;
    }
    for lives in lives.values_mut() {
        begin_where_possible(lives)?;
    }
    belong_together(&lives)?;
    Ok(lives)
}

/// Leaves out the oldest segments of a replica as long as what is left begins neither with the start of a life nor with a checkpoint:
/// the process was killed while it deleted the oldest ones.
fn begin_where_possible(lives: &mut Vec<LifeFile>) -> Result<(), RecordingError> {
    let path = lives.first().map(|first| first.path.clone());
    while let Some(first) = lives.first_mut() {
        if first.is_beginning()? {
            return Ok(());
        }
        if first.later.is_empty() {
            lives.remove(0);
        } else {
            let mut later = std::mem::take(&mut first.later);
            *first = later.remove(0);
            first.later = later;
        }
    }
    path.map_or(Ok(()), |path| Err(RecordingError::NoBeginning { path }))
}

/// Adds a segment to the lives of a replica: it goes on with the last one, or begins another life.
fn add(lives: &mut Vec<LifeFile>, file: LifeFile) -> Result<(), RecordingError> {
    let Header { life, segment, .. } = file.header;
    let before = lives.last().map(|last| last.later.last().unwrap_or(last));
    let goes_on = before.is_some_and(|before| before.header.life == life);
    let expected = match before {
        Some(before) if goes_on => before.header.segment.saturating_add(1),
        Some(_) => 1,
        // The segments before were deleted to make room.
        None => segment,
    };
    if segment != expected {
        let replica = file.header.config.id;
        return Err(RecordingError::MissingSegment {
            replica,
            life,
            segment,
            expected,
        });
    }
    if let (true, Some(before)) = (goes_on, before) {
        let same = Header {
            segment,
            ..before.header.clone()
        };
        if same != file.header {
            let (path, first) = (file.path, before.path.clone());
            let why = "another header of the same life";
            return Err(RecordingError::Stranger { path, why, first });
        }
    }
    match lives.last_mut() {
        Some(last) if goes_on => last.later.push(file),
        _ => lives.push(file),
    }
    Ok(())
}

/// The files of a directory that bear the name of a recording.
fn named(directory: &Path) -> Result<Vec<(FileName, PathBuf)>, RecordingError> {
    let failed = |error| RecordingError::Io {
        path: directory.to_owned(),
        error,
    };
    let mut names = Vec::new();
    for file in directory.read_dir().map_err(failed)? {
        let file = file.map_err(failed)?;
        if let Some(name) = file.file_name().to_str().and_then(FileName::parse) {
            names.push((name, file.path()));
        }
    }
    names.sort();
    Ok(names)
}

/// Checks that recordings belong together.
pub(super) fn belong_together(lives: &Found) -> Result<(), RecordingError> {
    let all = || lives.values().flatten();
    if let Some(first) = all().next() {
        for file in all() {
            let (one, other) = (&first.header.config, &file.header.config);
            let differing = [
                (first.header.cluster != file.header.cluster, "another cluster"),
                (one.members != other.members, "other members"),
                (one.quorums != other.quorums, "other quorums"),
                (one.update != other.update, "another kind of update"),
                (one.limits != other.limits, "other limits"),
            ];
            if let Some((_, why)) = differing.into_iter().find(|(differs, _)| *differs) {
                return Err(RecordingError::Stranger {
                    path: file.path.clone(),
                    why,
                    first: first.path.clone(),
                });
            }
        }
    }
    for (replica, files) in lives {
        for pair in files.windows(2) {
            let (before, after) = (pair[0].header.life, pair[1].header.life);
            if after != before.saturating_add(1) {
                return Err(RecordingError::MissingLife {
                    replica: *replica,
                    before,
                    after,
                });
            }
        }
    }
    Ok(())
}
