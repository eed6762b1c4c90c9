//! The files of a directory with recordings.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use kvpaxos::ReplicaId;
use kvpaxos::recording::{FileName, Header};

/// The ending of a segment whose checkpoint is being written, behind the name that it will have.
const UNFINISHED: &str = ".part";

/// The recordings of one replica in a directory.
pub(super) struct Files {
    directory: PathBuf,
    replica: ReplicaId,
    /// The segments before the present one, by life and number, and their lengths.
    earlier: BTreeMap<(u64, u64), u64>,
    /// What they take together, in bytes.
    taken: u64,
}

impl Files {
    /// Finds what the directory holds of this replica. Makes the directory if it is not there, and removes a segment that was
    /// not finished: the process was killed while it wrote the checkpoint, and all inputs are in the segment before.
    pub(super) fn find(directory: &Path, replica: ReplicaId) -> io::Result<Files> {
        fs::create_dir_all(directory)?;
        let mut earlier = BTreeMap::new();
        let named = |name: &str| FileName::parse(name).filter(|name| name.replica == replica);
        for file in fs::read_dir(directory)? {
            let file = file?;
            let name = file.file_name();
            let Some(name) = OsStr::to_str(&name) else {
                continue;
            };
            if let Some(name) = named(name) {
                earlier.insert((name.life, name.segment), file.metadata()?.len());
            } else if name.strip_suffix(UNFINISHED).and_then(named).is_some() {
                fs::remove_file(file.path())?;
            }
        }
        Ok(Files {
            directory: directory.to_owned(),
            replica,
            taken: earlier.values().sum(),
            earlier,
        })
    }

    /// The number of the next life.
    pub(super) fn next_life(&self) -> u64 {
        self.earlier.last_key_value().map_or(1, |((last, _), _)| last + 1)
    }

    /// Creates the file of the first segment of a life.
    pub(super) fn create(&self, header: &Header) -> io::Result<(PathBuf, File)> {
        let path = self.path(header.life, header.segment);
        let file = create(&path)?;
        Ok((path, file))
    }

    /// Creates the file of a later segment, with these bytes. It gets its name once it has all of them, so that no segment is
    /// seen without its checkpoint. The one before took `before` bytes.
    pub(super) fn create_next(
        &mut self,
        header: &Header,
        first: &[u8],
        before: u64,
    ) -> io::Result<(PathBuf, File)> {
        let path = self.path(header.life, header.segment);
        let mut unfinished = path.clone().into_os_string();
        unfinished.push(UNFINISHED);
        let mut file = create(Path::new(&unfinished))?;
        file.write_all(first)?;
        fs::rename(&unfinished, &path)?;
        self.earlier.insert((header.life, header.segment - 1), before);
        self.taken += before;
        Ok((path, file))
    }

    /// Whether all files together take more than `bytes`; `present` is what the present file takes.
    pub(super) fn is_over(&self, bytes: u64, present: u64) -> bool {
        self.taken.saturating_add(present) > bytes
    }

    /// Removes the oldest files, until all that are left take `bytes` at most; `present` is what the present file takes.
    /// Returns whether that is so now.
    pub(super) fn keep_within(&mut self, bytes: u64, present: u64) -> io::Result<bool> {
        while self.is_over(bytes, present) {
            let Some(((life, segment), length)) = self.earlier.pop_first() else {
                return Ok(false);
            };
            self.taken -= length;
            match fs::remove_file(self.path(life, segment)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(true)
    }

    fn path(&self, life: u64, segment: u64) -> PathBuf {
        let name = FileName {
            replica: self.replica,
            life,
            segment,
        };
        self.directory.join(name.to_string())
    }
}

/// Creates a file that only its owner can read: it holds what clients write and read.
fn create(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
