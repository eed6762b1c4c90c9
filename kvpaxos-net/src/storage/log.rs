//! The write-ahead log as files: opens, appends, syncs, begins segments and deletes them. What stands in them is [`kvpaxos::wal`]'s
//! business.

use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kvpaxos::wal::{self, Batch, HEADER, Header, Mark, Owner, Piece, State, Superblock, Writer};
use kvpaxos::{Memory, Record};

#[cfg(test)]
use crate::power::tape::{self, Note};
use crate::storage::error::{LogError, log_failed};
use crate::storage::files::File;
use crate::storage::segments::{self, sync_directory};
use crate::system::shortage::Patience;

/// The name of the superblock.
pub(crate) const SUPERBLOCK: &str = "superblock";
/// A file is made so much longer than it is, in holes: a sync that need not write a new length took 0.09 ms where one that must took
/// 0.14 (ext4, 300 bytes each). In tests it is used up sooner.
const ROOM: u64 = if cfg!(test) { 4096 } else { 4 * 1024 * 1024 };

/// The log that a replica appends to.
#[derive(Debug)]
pub(crate) struct Log {
    directory: PathBuf,
    owner: Owner,
    writer: Writer,
    /// Appended and not written yet.
    batch: Batch,
    /// The last segment, and where in it the next byte goes.
    file: File,
    end: u64,
    /// How long the file is made; `None` where the system will not.
    room: Option<u64>,
    /// The oldest segment that is there.
    oldest: u64,
    /// Held by everybody who reads: nothing is deleted meanwhile.
    readers: Arc<()>,
    /// How long it waits where the system lacks descriptors or memory.
    patience: Patience,
    /// The position of the mark that was last kept.
    marked: u64,
}

/// What was found where a log should be.
pub(crate) enum Found {
    /// All that was ever synced.
    Kept { records: Vec<Record>, log: Box<Log> },
    /// Something that was synced is gone.
    Damaged(wal::Damaged),
}

impl Log {
    /// Founds a log that begins with these records, all or nothing.
    pub(crate) fn found(
        directory: &Path,
        owner: Owner,
        seed: u64,
        records: &[Record],
    ) -> Result<Log, LogError> {
        let path = segments::path(directory, 0);
        let header = Header::founding(owner.cluster, owner.replica, seed);
        let mut batch = Batch::default();
        let mut writer = Writer::found(&header, &mut batch);
        writer.append(records, &mut batch);
        let bytes: Vec<u8> = batch
            .pieces()
            .iter()
            .flat_map(|piece| piece.bytes.clone())
            .collect();
        let file = segments::create(&path, &bytes, &Patience::NONE).map_err(log_failed("create", &path))?;
        writer.on_synced(writer.position());
        Ok(Log::over(directory, owner, writer, file, 0))
    }

    fn over(directory: &Path, owner: Owner, writer: Writer, file: File, oldest: u64) -> Log {
        #[cfg(test)]
        let writer = tape::limited(directory, writer);
        Log {
            directory: directory.to_owned(),
            owner,
            end: writer.position() - writer.base(),
            writer,
            batch: Batch::default(),
            file,
            room: Some(0),
            oldest,
            readers: Arc::new(()),
            patience: Patience::NONE,
            marked: 0,
        }
    }

    /// Reads a log, cuts a torn tail, and makes sure that what was read is durable before anything is done upon it.
    pub(crate) fn open(directory: &Path, owner: Owner, known_synced: Mark) -> Result<Found, LogError> {
        let segments = segments::read_all(directory).map_err(log_failed("read", directory))?;
        let oldest = segments.keys().next().copied().unwrap_or(0);
        let (records, writer, torn) = match judge(directory, &segments, owner, Some(known_synced))? {
            wal::Log::Kept {
                records,
                writer,
                torn,
                ..
            } => (records, writer, torn),
            wal::Log::Damaged(damaged) => return Ok(Found::Damaged(damaged)),
        };
        let path = segments::path(directory, writer.segment());
        if let Some(torn) = torn.filter(|torn| !torn.blank) {
            tracing::warn!(
                log = %path.display(), at = torn.at, dropped = torn.dropped,
                "the log's last write is not whole, and is cut off: no mark says that it was synced. So it was cut short by a crash, and nothing was \
                 promised on it; unless the disk lost it within 200 ms of its sync, for which see the docs of kvpaxos::wal"
            );
        }
        let bytes = segments.get(&writer.segment()).map_or(&[][..], Vec::as_slice);
        let mut file = rewritten(&path, bytes, &writer).map_err(log_failed("sync", &path))?;
        segments::remove_drafts(directory).map_err(log_failed("remove drafts of", directory))?;
        sync_directory(directory, &Patience::NONE).map_err(log_failed("sync", directory))?;
        let mut log = {
            let end = writer.position() - writer.base();
            file.seek(SeekFrom::Start(end))
                .map_err(log_failed("open", &path))?;
            Log::over(directory, owner, writer, file, oldest)
        };
        log.writer.on_synced(log.writer.position());
        log.keep_mark()?;
        log.delete_obsolete()?;
        let log = Box::new(log);
        Ok(Found::Kept { records, log })
    }

    /// From now on it waits where the system lacks descriptors or memory.
    pub(crate) fn wait_with(&mut self, patience: Patience) {
        self.patience = patience;
    }

    /// Adds records to what is to be written.
    pub(crate) fn append(&mut self, records: &[Record]) {
        #[cfg(test)]
        tape::note(&self.directory, || Note::Appending(records.to_vec()));
        self.writer.append(records, &mut self.batch);
    }

    /// Writes what was appended.
    pub(crate) fn write(&mut self) -> Result<(), LogError> {
        let mut batch = std::mem::take(&mut self.batch);
        for piece in batch.pieces() {
            let bytes = if piece.begins {
                self.begin_segment(piece)?;
                &piece.bytes[HEADER..]
            } else {
                &piece.bytes
            };
            self.make_room(bytes.len() as u64);
            self.file
                .write_all(bytes)
                .map_err(|error| self.error("append to", error))?;
            self.end += bytes.len() as u64;
        }
        batch.clear();
        self.batch = batch;
        Ok(())
    }

    /// The segment before is synced first: what follows it says so.
    fn begin_segment(&mut self, piece: &Piece) -> Result<(), LogError> {
        self.trim()?;
        self.file.sync_all().map_err(|error| self.error("sync", error))?;
        self.writer.on_synced(piece.position);
        let path = segments::path(&self.directory, piece.segment);
        let created = segments::create(&path, &piece.bytes[..HEADER], &self.patience);
        let mut file = created.map_err(log_failed("create", &path))?;
        file.seek(SeekFrom::Start(HEADER as u64))
            .map_err(log_failed("create", &path))?;
        self.writer.on_synced(piece.position + HEADER as u64);
        self.file = file;
        self.end = HEADER as u64;
        self.room = self.room.map(|_| 0);
        self.keep_mark()
    }

    /// Makes the file longer than it is. Where that fails it grows by and by, or the write that follows will say what is wrong.
    fn make_room(&mut self, more: u64) {
        let needed = self.end + more;
        if self.room.is_some_and(|room| needed > room) {
            let room = needed + ROOM;
            self.room = self.file.set_len(room).is_ok().then_some(room);
        }
    }

    /// Gives back what room was made.
    fn trim(&mut self) -> Result<(), LogError> {
        self.room = self.room.map(|_| 0);
        let trimmed = self.file.set_len(self.end);
        trimmed.map_err(|error| self.error("cut", error))
    }

    /// Makes durable what was written.
    pub(crate) fn sync(&mut self) -> Result<(), LogError> {
        self.file.sync_data().map_err(|error| self.error("sync", error))?;
        let kept = self.writer.keep_from();
        self.writer.on_synced(self.writer.position());
        if self.writer.keep_from() > kept {
            self.keep_mark()?;
        }
        self.delete_obsolete()
    }

    /// Segments that a checkpoint replaces go, unless somebody reads them: then another time.
    fn delete_obsolete(&mut self) -> Result<(), LogError> {
        let keep_from = self.writer.keep_from();
        if self.oldest >= keep_from || Arc::strong_count(&self.readers) > 1 {
            return Ok(());
        }
        segments::delete(&self.directory, self.oldest..keep_from, &self.patience)
            .map_err(log_failed("delete segments of", &self.directory))?;
        tracing::info!(
            log = %self.directory.display(), from = self.oldest, to = keep_from - 1,
            "segments of the log are deleted: a checkpoint stands in for them"
        );
        self.oldest = keep_from;
        Ok(())
    }

    /// Keeps how far the log is synced in another file, so that the loss of its last part is seen.
    pub(crate) fn keep_mark(&mut self) -> Result<(), LogError> {
        let mark = self.writer.synced_mark();
        let superblock = Superblock {
            owner: self.owner,
            state: State::Ready(mark),
        };
        write_superblock(&self.directory, &superblock, &self.patience)?;
        self.marked = mark.position;
        Ok(())
    }

    /// Whether the mark covers all that is written.
    pub(crate) fn is_marked(&self) -> bool {
        self.marked >= self.writer.position()
    }

    /// All is written and synced, and says so: later damage is never taken for a torn tail.
    pub(crate) fn close(&mut self) -> Result<(), LogError> {
        self.write()?;
        self.sync()?;
        self.writer.mark(&mut self.batch);
        self.write()?;
        self.trim()?;
        self.sync()?;
        self.keep_mark()
    }

    /// Reads what is durable now, later and elsewhere.
    pub(crate) fn reader(&self) -> Reader {
        Reader {
            directory: self.directory.clone(),
            owner: self.owner,
            from: self.writer.keep_from(),
            last: self.writer.segment(),
            length: self.writer.synced().saturating_sub(self.writer.base()),
            mark: self.writer.synced_mark(),
            patience: self.patience.clone(),
            _reads: Arc::clone(&self.readers),
        }
    }

    /// The last segment.
    #[cfg(test)]
    pub(crate) fn segment(&self) -> u64 {
        self.writer.segment()
    }

    /// Writes go to another file from now on.
    #[cfg(test)]
    pub(crate) fn redirect(&mut self, file: File) {
        self.file = file;
        self.room = None;
    }

    /// Where it lies.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn error(&self, what: &'static str, error: io::Error) -> LogError {
        log_failed(what, &segments::path(&self.directory, self.writer.segment()))(error)
    }
}

/// Reads the part of a log that is durable, while more is being appended.
pub(crate) struct Reader {
    directory: PathBuf,
    owner: Owner,
    /// The segments to read, and how much of the last.
    from: u64,
    last: u64,
    length: u64,
    mark: Mark,
    patience: Patience,
    /// While this lives, nothing is deleted.
    _reads: Arc<()>,
}

impl Reader {
    /// What a role that restarts finds.
    pub(crate) fn memory(&self) -> Result<Memory, LogError> {
        let part = |number| {
            let length = if number == self.last {
                self.length
            } else {
                u64::MAX
            };
            let bytes = segments::read_part(&self.directory, number, length, &self.patience);
            let path = segments::path(&self.directory, number);
            Ok((number, bytes.map_err(log_failed("read back", &path))?))
        };
        let segments = (self.from..=self.last)
            .map(part)
            .collect::<Result<_, LogError>>()?;
        match judge(&self.directory, &segments, self.owner, Some(self.mark))? {
            wal::Log::Kept { records, .. } => Ok(Memory::Kept(records)),
            wal::Log::Damaged(damaged) => Err(LogError::Damaged {
                path: segments::path(&self.directory, damaged.segment),
                why: damaged.why,
            }),
        }
    }
}

/// Reads a log and changes nothing.
pub(crate) fn judge(
    directory: &Path,
    segments: &std::collections::BTreeMap<u64, Vec<u8>>,
    owner: Owner,
    known_synced: Option<Mark>,
) -> Result<wal::Log, LogError> {
    wal::read(segments, owner, known_synced).map_err(|error| LogError::Foreign {
        path: directory.to_owned(),
        error,
    })
}

/// The last segment, cut behind what was read and durable. What no mark covers is written once more: if the sync of an earlier process
/// failed, the system may take it for written though it is not, and would not write it by itself.
fn rewritten(path: &Path, bytes: &[u8], writer: &Writer) -> io::Result<File> {
    let offset =
        |position: u64| usize::try_from(position.saturating_sub(writer.base())).unwrap_or(usize::MAX);
    let end = offset(writer.position());
    let from = offset(writer.synced()).clamp(HEADER.min(end), end);
    let mut file = File::options().read(true).write(true).open(path)?;
    file.set_len(end as u64)?;
    file.seek(SeekFrom::Start(from as u64))?;
    file.write_all(bytes.get(from..end).unwrap_or_default())?;
    file.sync_all()?;
    Ok(file)
}

#[cfg_attr(test, track_caller)]
pub(crate) fn write_superblock(
    directory: &Path,
    superblock: &Superblock,
    patience: &Patience,
) -> Result<(), LogError> {
    let path = directory.join(SUPERBLOCK);
    let written = segments::create(&path, superblock.to_string().as_bytes(), patience);
    written
        .map(drop)
        .map_err(log_failed("write the superblock of", &path))
}
