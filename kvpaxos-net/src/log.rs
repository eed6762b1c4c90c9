//! The write-ahead log as a file: opens, appends, syncs. What stands in it is [`kvpaxos::wal`]'s business.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use kvpaxos::wal::{self, Header, Owner, Writer};
use kvpaxos::{Memory, Record};

/// Why nothing more can be made durable, or what was cannot be read back. The replica stops.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The system refused.
    #[error(
        "cannot {what} the log {}: {error}; the replica stops, for it could no longer keep what it promises. \
         Look after the disk and start it again", path.display()
    )]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The log was damaged under the running replica.
    #[error(
        "the log {} was damaged while the replica ran: {why}. The replica stops; started again, it sets the log aside",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: wal::Damage,
    },
    /// The log is not of this replica or this release.
    #[error("cannot read the log {}: {error}; nothing was changed", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: wal::ReadError,
    },
}

/// The log that a replica appends to.
#[derive(Debug)]
pub(crate) struct Log {
    file: File,
    path: PathBuf,
    owner: Owner,
    writer: Writer,
    /// Appended and not written yet.
    buffer: Vec<u8>,
}

/// What was found where a log should be.
pub(crate) enum Found {
    /// All that was ever synced.
    Kept { records: Vec<Record>, log: Log },
    /// Something that was synced is gone.
    Damaged(wal::Damaged),
}

impl Log {
    /// Founds a log that begins with these records, all or nothing: it has another name until it is whole and durable.
    pub(crate) fn found(
        directory: &Path,
        name: &str,
        owner: Owner,
        seed: u64,
        records: &[Record],
    ) -> Result<Log, LogError> {
        let path = directory.join(name);
        let draft = directory.join(format!("{name}.new"));
        let header = Header::founding(owner.cluster, owner.replica, seed);
        let mut buffer = Vec::new();
        let mut writer = Writer::create(&header, &mut buffer);
        writer.append(records, &mut buffer);
        let create = |draft: &Path| {
            let mut file = File::create(draft)?;
            file.write_all(&buffer)?;
            file.sync_all()?;
            std::fs::rename(draft, &path)?;
            sync_directory(directory)?;
            Ok(file)
        };
        let file = create(&draft).map_err(failed("create", &path))?;
        writer.on_synced(writer.position());
        buffer.clear();
        Ok(Log {
            file,
            path,
            owner,
            writer,
            buffer,
        })
    }

    /// Reads a log, cuts a torn tail, and makes sure that what was read is durable before anything is done upon it.
    pub(crate) fn open(path: &Path, owner: Owner) -> Result<Found, LogError> {
        let open = || File::options().read(true).append(true).open(path);
        let mut file = open().map_err(failed("open", path))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed("read", path))?;
        let read = wal::read(&bytes, owner, 0).map_err(|error| LogError::Foreign {
            path: path.to_owned(),
            error,
        })?;
        let (records, mut writer, torn) = match read {
            wal::Log::Kept {
                records,
                writer,
                torn,
            } => (records, writer, torn),
            wal::Log::Damaged(damaged) => return Ok(Found::Damaged(damaged)),
        };
        if let Some(torn) = torn {
            tracing::warn!(
                log = %path.display(), at = torn.at, dropped = torn.dropped,
                "the log's last write was cut short by a crash before it was synced; nothing was promised on it, and it is cut off"
            );
            file.set_len(torn.at).map_err(failed("cut", path))?;
        }
        file.sync_all().map_err(failed("sync", path))?;
        writer.on_synced(writer.position());
        let log = Log {
            file,
            path: path.to_owned(),
            owner,
            writer,
            buffer: Vec::new(),
        };
        Ok(Found::Kept { records, log })
    }

    /// Adds records to what is to be written.
    pub(crate) fn append(&mut self, records: &[Record]) {
        self.writer.append(records, &mut self.buffer);
    }

    /// Writes what was appended.
    pub(crate) fn write(&mut self) -> Result<(), LogError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let written = self.file.write_all(&self.buffer);
        written.map_err(|error| self.error("append to", error))?;
        self.buffer.clear();
        Ok(())
    }

    /// Makes durable what was written.
    pub(crate) fn sync(&mut self) -> Result<(), LogError> {
        self.file.sync_data().map_err(|error| self.error("sync", error))?;
        self.writer.on_synced(self.writer.position());
        Ok(())
    }

    /// Appends how far the log is synced, so that later damage is never taken for a torn tail.
    pub(crate) fn mark(&mut self) {
        self.writer.mark(&mut self.buffer);
    }

    /// Reads what is durable now, later and elsewhere.
    pub(crate) fn reader(&self) -> Reader {
        Reader {
            path: self.path.clone(),
            owner: self.owner,
            synced: self.writer.synced(),
        }
    }

    pub(crate) fn error(&self, what: &'static str, error: io::Error) -> LogError {
        failed(what, &self.path)(error)
    }
}

/// Reads the part of a log that is durable, while more is being appended.
pub(crate) struct Reader {
    path: PathBuf,
    owner: Owner,
    synced: u64,
}

impl Reader {
    /// What a role that restarts finds.
    pub(crate) fn memory(&self) -> Result<Memory, LogError> {
        let read = || {
            let mut bytes = Vec::new();
            // The log is one segment: positions are offsets.
            File::open(&self.path)?
                .take(self.synced)
                .read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().map_err(failed("read back", &self.path))?;
        match wal::read(&bytes, self.owner, self.synced) {
            Ok(wal::Log::Kept { records, .. }) => Ok(Memory::Kept(records)),
            Ok(wal::Log::Damaged(damaged)) => Err(LogError::Damaged {
                path: self.path.clone(),
                why: damaged.why,
            }),
            Err(error) => Err(LogError::Foreign {
                path: self.path.clone(),
                error,
            }),
        }
    }
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LogError {
    let path = path.to_owned();
    move |error| LogError::Io { what, path, error }
}

/// Makes names durable: those of files that were created or renamed.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
