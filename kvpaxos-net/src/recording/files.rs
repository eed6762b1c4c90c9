//! The files of a directory with recordings.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use kvpaxos::ReplicaId;
use kvpaxos::recording::{FileName, Header};

/// The recordings of one replica in a directory.
pub(super) struct Files {
    directory: PathBuf,
    replica: ReplicaId,
    /// The files of earlier lives, and their lengths.
    earlier: BTreeMap<u64, u64>,
    /// What they take together, in bytes.
    taken: u64,
}

impl Files {
    /// Finds what the directory holds of this replica. Makes the directory if it is not there.
    pub(super) fn find(directory: &Path, replica: ReplicaId) -> io::Result<Files> {
        fs::create_dir_all(directory)?;
        let mut earlier = BTreeMap::new();
        for file in fs::read_dir(directory)? {
            let file = file?;
            let name = file.file_name().to_str().and_then(FileName::parse);
            if let Some(name) = name.filter(|name| name.replica == replica) {
                earlier.insert(name.life, file.metadata()?.len());
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
        self.earlier.last_key_value().map_or(1, |(last, _)| last + 1)
    }

    /// Creates the file of a life. Only its owner can read it: it holds what clients write and read.
    pub(super) fn create(&self, header: &Header) -> io::Result<(PathBuf, File)> {
        let path = self.path(header.life);
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path)?;
        Ok((path, file))
    }

    /// Whether all files together take more than `bytes`; `present` is what the file of the present life takes.
    pub(super) fn is_over(&self, bytes: u64, present: u64) -> bool {
        self.taken.saturating_add(present) > bytes
    }

    /// Removes the oldest files, until all that are left take `bytes` at most; `present` is what the file of the
    /// present life takes. Returns whether that is so now.
    pub(super) fn keep_within(&mut self, bytes: u64, present: u64) -> io::Result<bool> {
        while self.is_over(bytes, present) {
            let Some((life, length)) = self.earlier.pop_first() else {
                return Ok(false);
            };
            self.taken -= length;
            match fs::remove_file(self.path(life)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(true)
    }

    fn path(&self, life: u64) -> PathBuf {
        let replica = self.replica;
        self.directory.join(FileName { replica, life }.to_string())
    }
}
