//! The files of a directory with recordings.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use kvpaxos::ReplicaId;
use kvpaxos::recording::{FileName, Header};

/// The ending of a file that is not complete, behind the name that it will have.
const UNFINISHED: &str = ".part";

/// The recordings of one replica in a directory.
pub(super) struct Files {
    directory: PathBuf,
    replica: ReplicaId,
    /// The segments by life and number, the present one too.
    segments: BTreeMap<(u64, u64), Segment>,
    /// What they take together, in bytes.
    taken: u64,
}

/// What a segment takes, in bytes.
#[derive(Default)]
struct Segment {
    /// 0 for the present one, which its writer counts.
    inputs: u64,
    checkpoint: Option<u64>,
}

impl Files {
    /// Finds what the directory holds of this replica. Makes the directory if it is not there, and removes what a kill left: files
    /// that are not complete, whose inputs are in the segment before; and checkpoints whose segments are gone.
    pub(super) fn find(directory: &Path, replica: ReplicaId) -> io::Result<Files> {
        fs::create_dir_all(directory)?;
        let mut files = Files {
            directory: directory.to_owned(),
            replica,
            segments: BTreeMap::new(),
            taken: 0,
        };
        let mut checkpoints = Vec::new();
        for file in fs::read_dir(directory)? {
            let file = file?;
            let name = file.file_name();
            let Some(name) = OsStr::to_str(&name) else {
                continue;
            };
            let of_this = |name: &FileName| name.replica == replica;
            let segment = |name: &str| FileName::parse(name).filter(of_this);
            let checkpoint = |name: &str| FileName::parse_checkpoint(name).filter(of_this);
            if let Some(name) = segment(name) {
                let segment = files.segments.entry((name.life, name.segment)).or_default();
                segment.inputs = file.metadata()?.len();
                files.taken += segment.inputs;
            } else if let Some(name) = checkpoint(name) {
                checkpoints.push((name, file.metadata()?.len()));
            } else if let Some(name) = name.strip_suffix(UNFINISHED)
                && segment(name).or_else(|| checkpoint(name)).is_some()
            {
                remove(&file.path())?;
            }
        }
        for (name, bytes) in checkpoints {
            match files.segments.get_mut(&(name.life, name.segment)) {
                Some(segment) => {
                    segment.checkpoint = Some(bytes);
                    files.taken += bytes;
                }
                None => remove(&directory.join(name.checkpoint()))?,
            }
        }
        Ok(files)
    }

    /// The number of the next life.
    pub(super) fn next_life(&self) -> u64 {
        self.segments
            .last_key_value()
            .map_or(1, |((last, _), _)| last.saturating_add(1))
    }

    /// Begins the file of a segment with its first bytes. The segment before took `before` bytes. The file gets its name once it has these
    /// bytes, so that a kill leaves no half of a header.
    pub(super) fn begin(
        &mut self,
        header: &Header,
        first: &[u8],
        before: u64,
    ) -> io::Result<(PathBuf, File)> {
        let path = self.directory.join(FileName::of(header).to_string());
        let unfinished = unfinished(&path);
        let mut file = create(&unfinished)?;
        file.write_all(first)?;
        fs::rename(&unfinished, &path)?;
        if let Some(earlier) = header.segment.checked_sub(1)
            && let Some(earlier) = self.segments.get_mut(&(header.life, earlier))
        {
            earlier.inputs = before;
            self.taken += before;
        }
        self.segments
            .insert((header.life, header.segment), Segment::default());
        Ok((path, file))
    }

    /// Where the checkpoint of a segment is to be.
    pub(super) fn checkpoint(&self, header: &Header) -> PathBuf {
        self.directory.join(FileName::of(header).checkpoint())
    }

    /// The present segment has a checkpoint of so many bytes.
    pub(super) fn has_checkpoint(&mut self, bytes: u64) {
        if let Some(mut present) = self.segments.last_entry() {
            present.get_mut().checkpoint = Some(bytes);
            self.taken += bytes;
        }
    }

    /// Removes the oldest segments, until all that are left take `bytes` at most; `present` is what the present one takes
    /// beside a checkpoint that is complete. What is left begins with the start of a life or with a checkpoint.
    /// Returns whether it takes as little now.
    pub(super) fn keep_within(&mut self, bytes: u64, present: u64) -> io::Result<bool> {
        while self.taken.saturating_add(present) > bytes {
            if !self.remove_oldest()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Removes the oldest segments up to the next one with which a recording can begin. Returns whether there is one.
    fn remove_oldest(&mut self) -> io::Result<bool> {
        let mut later = self.segments.iter().skip(1);
        let first = later.find(|((_, number), segment)| *number == 1 || segment.checkpoint.is_some());
        let Some((&first, _)) = first else {
            return Ok(false);
        };
        while let Some(oldest) = self.segments.first_entry()
            && *oldest.key() < first
        {
            let ((life, segment), held) = oldest.remove_entry();
            let name = FileName {
                replica: self.replica,
                life,
                segment,
            };
            remove(&self.directory.join(name.to_string()))?;
            self.taken -= held.inputs;
            if let Some(bytes) = held.checkpoint {
                remove(&self.directory.join(name.checkpoint()))?;
                self.taken -= bytes;
            }
        }
        Ok(true)
    }
}

/// What a file is called until it is complete.
pub(super) fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(UNFINISHED);
    name.into()
}

/// Creates a file that only its owner can read: it holds what clients write and read.
pub(super) fn create(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Removes a file that may be gone already.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
