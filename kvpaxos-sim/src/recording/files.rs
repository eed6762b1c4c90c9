//! Which recordings there are, and whether they belong together.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use kvpaxos::ReplicaId;
use kvpaxos::recording::{FileName, Header, Reader};

use super::error::RecordingError;

/// The recording of one life.
pub(super) struct LifeFile {
    pub(super) path: PathBuf,
    pub(super) header: Header,
}

impl LifeFile {
    fn open(path: PathBuf) -> Result<LifeFile, RecordingError> {
        let (_, header) = read(&path)?;
        Ok(LifeFile { path, header })
    }

    /// Reads it from its beginning.
    pub(super) fn reader(&self) -> Result<Reader<BufReader<File>>, RecordingError> {
        Ok(read(&self.path)?.0)
    }
}

fn read(path: &Path) -> Result<(Reader<BufReader<File>>, Header), RecordingError> {
    let path = path.to_owned();
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) => return Err(RecordingError::Io { path, error }),
    };
    Reader::new(BufReader::with_capacity(1 << 17, file)).map_err(|error| RecordingError::Read { path, error })
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
                let FileName { replica, life } = name;
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
        let file = LifeFile::open(path)?;
        let (replica, life) = (file.header.config.id, file.header.life);
        if (FileName { replica, life }) != name {
            let what = format!("life {life} of {replica}");
            let path = file.path;
            return Err(RecordingError::Name { path, what });
        }
        lives.entry(replica).or_default().push(file);
    }
    belong_together(&lives)?;
    Ok(lives)
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

fn belong_together(lives: &Found) -> Result<(), RecordingError> {
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
