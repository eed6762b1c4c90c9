//! The write-ahead log as files: opens, appends, syncs, begins segments and deletes them. [`kvpaxos::wal`]
//! has the format of their contents.

use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use kvpaxos::wal::{
    self, Batch, HEADER, Header, Owner, Piece, Superblock, SuperblockState, SyncedPosition, Writer,
};
use kvpaxos::{Memory, Record};

use crate::metrics::StorageMetrics;
#[cfg(test)]
use crate::power::tape::{self, Note};
use crate::storage::error::{LogError, log_failed};
use crate::storage::files::File;
use crate::storage::segments::{self, sync_directory};
use crate::system::shortage::ShortagePolicy;

/// The name of the file that holds the superblock.
pub(crate) const SUPERBLOCK: &str = "superblock";
/// The last segment is made this many bytes longer than it is, as a hole. A sync that need not write a new
/// length took 0.09 ms, one that must took 0.14 ms (ext4, 300 bytes each). In tests the room is small, so
/// that it runs out.
const ROOM: u64 = if cfg!(test) { 4096 } else { 4 * 1024 * 1024 };

/// The log that a replica appends to.
#[derive(Debug)]
pub(crate) struct Log {
    directory: PathBuf,
    owner: Owner,
    writer: Writer,
    /// What was appended and is not written yet.
    batch: Batch,
    /// The last segment, and the offset in it of the next byte.
    file: File,
    end: u64,
    /// The length that the file was given in advance; `None` if the file system refuses that.
    room: Option<u64>,
    /// The oldest segment that exists.
    oldest: u64,
    /// Shared with every reader: while there is one, no segment is deleted.
    readers: Arc<()>,
    on_shortage: ShortagePolicy,
    metrics: Option<StorageMetrics>,
    /// The bytes of all segments, without the room.
    size: u64,
    /// The position of the last mark that was written.
    marked: u64,
}

/// What the files of a log turned out to hold.
pub(crate) enum LogContents {
    /// Everything that was ever synced.
    Kept { records: Vec<Record>, log: Box<Log> },
    /// Something that was synced is missing.
    Damaged(wal::DamagedLog),
}

impl Log {
    /// Creates a log that begins with these records; after a crash it has all of them, or does not exist.
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
        let file =
            segments::create(&path, &bytes, &ShortagePolicy::FAIL).map_err(log_failed("create", &path))?;
        writer.on_synced(writer.position());
        Ok(Log::over(directory, owner, writer, file, 0))
    }

    fn over(directory: &Path, owner: Owner, writer: Writer, file: File, oldest: u64) -> Log {
        #[cfg(test)]
        let writer = tape::limited(directory, writer);
        let end = writer.position() - writer.base();
        Log {
            directory: directory.to_owned(),
            owner,
            end,
            writer,
            batch: Batch::default(),
            file,
            room: Some(0),
            oldest,
            readers: Arc::new(()),
            on_shortage: ShortagePolicy::FAIL,
            metrics: None,
            size: end,
            marked: 0,
        }
    }

    /// Reads a log and cuts off an incomplete last write. What was read is durable before it is returned.
    pub(crate) fn open(
        directory: &Path,
        owner: Owner,
        known_synced: SyncedPosition,
    ) -> Result<LogContents, LogError> {
        let segments = segments::read_all(directory).map_err(log_failed("read", directory))?;
        let (records, writer, torn) = match judge(directory, &segments, owner, Some(known_synced))? {
            wal::LogState::Kept {
                records,
                writer,
                torn,
                ..
            } => (records, writer, torn),
            wal::LogState::Damaged(damaged) => return Ok(LogContents::Damaged(damaged)),
        };
        let oldest = *segments
            .keys()
            .next()
            .expect("a log that is intact has a segment");
        let path = segments::path(directory, writer.segment());
        if let Some(torn) = torn.filter(|torn| !torn.blank) {
            tracing::warn!(
                log = %path.display(), at = torn.at, dropped = torn.dropped,
                "the last write of the log is incomplete and is cut off: no mark says that it was synced. A \
                 crash interrupted it, and nothing was promised on it; or the disk lost it within 200 ms of \
                 its sync (see the docs of kvpaxos::wal)"
            );
        }
        let bytes = segments.get(&writer.segment()).map_or(&[][..], Vec::as_slice);
        let mut file = rewritten(&path, bytes, &writer).map_err(log_failed("sync", &path))?;
        segments::remove_drafts(directory).map_err(log_failed("remove drafts of", directory))?;
        sync_directory(directory, &ShortagePolicy::FAIL).map_err(log_failed("sync", directory))?;
        let mut log = {
            let end = writer.position() - writer.base();
            file.seek(SeekFrom::Start(end))
                .map_err(log_failed("open", &path))?;
            Log::over(directory, owner, writer, file, oldest)
        };
        log.writer.on_synced(log.writer.position());
        let earlier = segments
            .range(..log.writer.segment())
            .map(|(_, bytes)| bytes.len() as u64);
        log.size += earlier.sum::<u64>();
        log.keep_mark()?;
        log.delete_obsolete()?;
        let log = Box::new(log);
        Ok(LogContents::Kept { records, log })
    }

    /// Sets what the log does from now on if the system lacks descriptors or memory.
    pub(crate) fn set_shortage_policy(&mut self, on_shortage: ShortagePolicy) {
        self.on_shortage = on_shortage;
    }

    /// From now on syncs and bytes are counted.
    pub(crate) fn set_metrics(&mut self, metrics: StorageMetrics) {
        metrics.size.set(self.size.cast_signed());
        self.metrics = Some(metrics);
    }

    /// The log takes so many bytes more, or less.
    fn resize(&mut self, more: u64, less: u64) {
        self.size = (self.size + more).saturating_sub(less);
        if let Some(metrics) = &self.metrics {
            metrics.size.set(self.size.cast_signed());
        }
    }

    /// Adds records to what [`write`](Log::write) will write.
    pub(crate) fn append(&mut self, records: &[Record]) {
        #[cfg(test)]
        tape::note(&self.directory, || Note::Appending(records.to_vec()));
        self.writer.append(records, &mut self.batch);
    }

    /// Writes what was appended, without a sync.
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
            if let Some(metrics) = &self.metrics {
                metrics.written.inc_by(bytes.len() as u64);
            }
            self.resize(bytes.len() as u64, 0);
        }
        batch.clear();
        self.batch = batch;
        Ok(())
    }

    /// Begins a segment. The one before is synced first, as the header of the new one says.
    fn begin_segment(&mut self, piece: &Piece) -> Result<(), LogError> {
        self.trim()?;
        self.file.sync_all().map_err(|error| self.error("sync", error))?;
        self.writer.on_synced(piece.position);
        let path = segments::path(&self.directory, piece.segment);
        let created = segments::create(&path, &piece.bytes[..HEADER], &self.on_shortage);
        let mut file = created.map_err(log_failed("create", &path))?;
        file.seek(SeekFrom::Start(HEADER as u64))
            .map_err(log_failed("create", &path))?;
        self.writer.on_synced(piece.position + HEADER as u64);
        self.file = file;
        self.end = HEADER as u64;
        self.resize(HEADER as u64, 0);
        self.room = self.room.map(|_| 0);
        self.keep_mark()
    }

    /// Lengthens the file in advance. If that fails, the file grows write by write, or the next write reports
    /// what is wrong.
    fn make_room(&mut self, more: u64) {
        let needed = self.end + more;
        if self.room.is_some_and(|room| needed > room) {
            let room = needed + ROOM;
            self.room = self.file.set_len(room).is_ok().then_some(room);
        }
    }

    /// Cuts the room that was made in advance.
    fn trim(&mut self) -> Result<(), LogError> {
        self.room = self.room.map(|_| 0);
        let trimmed = self.file.set_len(self.end);
        trimmed.map_err(|error| self.error("cut", error))
    }

    /// Makes durable what was written.
    pub(crate) fn sync(&mut self) -> Result<(), LogError> {
        let began = Instant::now();
        self.file.sync_data().map_err(|error| self.error("sync", error))?;
        if let Some(metrics) = &self.metrics {
            metrics.syncs.observe(began.elapsed().as_secs_f64());
        }
        let kept = self.writer.keep_from();
        self.writer.on_synced(self.writer.position());
        if self.writer.keep_from() > kept {
            self.keep_mark()?;
        }
        self.delete_obsolete()
    }

    /// Deletes the segments that a checkpoint replaces, unless somebody is reading: then a later call does.
    fn delete_obsolete(&mut self) -> Result<(), LogError> {
        let keep_from = self.writer.keep_from();
        if self.oldest >= keep_from || Arc::strong_count(&self.readers) > 1 {
            return Ok(());
        }
        let sizes = (self.oldest..keep_from).map(|number| {
            let file = std::fs::metadata(segments::path(&self.directory, number));
            file.map_or(0, |file| file.len())
        });
        let freed = sizes.sum();
        segments::delete(&self.directory, self.oldest..keep_from, &self.on_shortage)
            .map_err(log_failed("delete segments of", &self.directory))?;
        self.resize(0, freed);
        tracing::info!(
            log = %self.directory.display(), from = self.oldest, to = keep_from - 1,
            "segments of the log are deleted: a checkpoint replaces them"
        );
        self.oldest = keep_from;
        Ok(())
    }

    /// Writes to the superblock how far the log is synced, so that the loss of its last part would be
    /// noticed.
    pub(crate) fn keep_mark(&mut self) -> Result<(), LogError> {
        let mark = self.writer.synced_mark();
        let superblock = Superblock {
            owner: self.owner,
            state: SuperblockState::Ready(mark),
        };
        write_superblock(&self.directory, &superblock, &self.on_shortage)?;
        self.marked = mark.position;
        Ok(())
    }

    /// Whether the mark covers all that is written.
    pub(crate) fn is_marked(&self) -> bool {
        self.marked >= self.writer.position()
    }

    /// Writes and syncs everything, and marks the end: later damage is never taken for an interrupted write.
    pub(crate) fn close(&mut self) -> Result<(), LogError> {
        self.write()?;
        self.sync()?;
        self.writer.mark(&mut self.batch);
        self.write()?;
        self.trim()?;
        self.sync()?;
        self.keep_mark()
    }

    /// A reader of what is durable now, for use in another thread.
    pub(crate) fn reader(&self) -> Reader {
        Reader {
            directory: self.directory.clone(),
            owner: self.owner,
            from: self.writer.keep_from(),
            last: self.writer.segment(),
            length: self.writer.synced().saturating_sub(self.writer.base()),
            mark: self.writer.synced_mark(),
            on_shortage: self.on_shortage.clone(),
            _reads: Arc::clone(&self.readers),
        }
    }

    /// The number of the last segment.
    #[cfg(test)]
    pub(crate) fn segment(&self) -> u64 {
        self.writer.segment()
    }

    /// Makes further writes go to another file.
    #[cfg(test)]
    pub(crate) fn redirect(&mut self, file: File) {
        self.file = file;
        self.room = None;
    }

    /// The directory of the log.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// An error of the last segment.
    pub(crate) fn error(&self, what: &'static str, error: io::Error) -> LogError {
        log_failed(what, &segments::path(&self.directory, self.writer.segment()))(error)
    }
}

/// Reads the part of a log that was durable at some time, while more is appended.
pub(crate) struct Reader {
    directory: PathBuf,
    owner: Owner,
    /// The segments to read, and how many bytes of the last.
    from: u64,
    last: u64,
    length: u64,
    mark: SyncedPosition,
    on_shortage: ShortagePolicy,
    /// While this exists, no segment is deleted.
    _reads: Arc<()>,
}

impl Reader {
    /// The memory of a role that restarts.
    pub(crate) fn memory(&self) -> Result<Memory, LogError> {
        let part = |number| {
            let length = if number == self.last {
                self.length
            } else {
                u64::MAX
            };
            let bytes = segments::read_part(&self.directory, number, length, &self.on_shortage);
            let path = segments::path(&self.directory, number);
            Ok((number, bytes.map_err(log_failed("read back", &path))?))
        };
        let segments = (self.from..=self.last)
            .map(part)
            .collect::<Result<_, LogError>>()?;
        match judge(&self.directory, &segments, self.owner, Some(self.mark))? {
            wal::LogState::Kept { records, .. } => Ok(Memory::Kept(records)),
            wal::LogState::Damaged(damaged) => Err(LogError::Damaged {
                path: segments::path(&self.directory, damaged.segment),
                why: damaged.why,
            }),
        }
    }
}

/// Interprets the bytes of a log.
pub(crate) fn judge(
    directory: &Path,
    segments: &std::collections::BTreeMap<u64, Vec<u8>>,
    owner: Owner,
    known_synced: Option<SyncedPosition>,
) -> Result<wal::LogState, LogError> {
    wal::read(segments, owner, known_synced).map_err(|error| LogError::Foreign {
        path: directory.to_owned(),
        error,
    })
}

/// Opens the last segment, cuts it at the end of what was read, and makes that durable. The bytes that no
/// mark covers are written once more: if a sync of an earlier process failed, the system may consider them
/// written though they are not.
fn rewritten(path: &Path, bytes: &[u8], writer: &Writer) -> io::Result<File> {
    // The writer stands at the end of a group in these bytes. What is synced may end in an earlier segment,
    // which counts as the beginning of this one.
    let offset = |position: u64| {
        let offset = position.saturating_sub(writer.base());
        usize::try_from(offset).expect("an offset within bytes that are in memory")
    };
    let end = offset(writer.position());
    let from = offset(writer.synced()).clamp(HEADER, end);
    let mut file = File::options().read(true).write(true).open(path)?;
    file.set_len(end as u64)?;
    file.seek(SeekFrom::Start(from as u64))?;
    file.write_all(&bytes[from..end])?;
    file.sync_all()?;
    Ok(file)
}

/// Replaces the superblock, all or nothing.
#[cfg_attr(test, track_caller)]
pub(crate) fn write_superblock(
    directory: &Path,
    superblock: &Superblock,
    on_shortage: &ShortagePolicy,
) -> Result<(), LogError> {
    let path = directory.join(SUPERBLOCK);
    let written = segments::create(&path, superblock.to_string().as_bytes(), on_shortage);
    written
        .map(drop)
        .map_err(log_failed("write the superblock of", &path))
}
