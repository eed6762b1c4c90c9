//! What a mark after every sync would cost, instead of one every 200 ms (see `kvpaxos::wal`). Run with `cargo
//! bench -p kvpaxos-net --bench marks`.
//!
//! Three logs are written as a replica writes them: groups are appended and synced. The mark is written
//! never, in place, or as a new file that is renamed over the old one. The logs take turns, group by group,
//! so that other load on the machine affects all alike; only the ratios mean something. `--help` lists the flags.

use std::fs::{File, rename};
use std::io::{Result, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Parser, value_parser};
use kvpaxos::snapshot::Cursor;
use kvpaxos::wal::{Batch, Header, Owner, SECTOR, Superblock, SuperblockState, Writer};
use kvpaxos::{Record, ReplicaId};

const OWNER: Owner = Owner {
    cluster: 1,
    replica: ReplicaId(0),
};
/// The files are lengthened in advance, as the shell does, so that a sync need not write the length.
const ROOM: u64 = 64 * 1024 * 1024;

/// How the mark is written after a sync.
#[derive(Clone, Copy)]
enum MarkMethod {
    Never,
    /// In a file of two sectors that are written in turn, so that one of them is always intact.
    InPlace,
    /// As the shell does: a draft is written, synced and renamed, and the directory is synced.
    ByName,
}

const ROWS: [(&str, MarkMethod); 3] = [
    ("a sync alone", MarkMethod::Never),
    ("and a mark in place", MarkMethod::InPlace),
    ("and a mark by name", MarkMethod::ByName),
];

/// What a mark costs that is written after each sync.
#[derive(Parser)]
struct Settings {
    /// Groups of each log.
    #[arg(long, default_value_t = 1000, value_parser = value_parser!(u32).range(1..))]
    rounds: u32,
    /// The bytes of a value.
    #[arg(long, default_value_t = 100)]
    bytes: usize,
    /// Where the files go [default: the directory for temporary files].
    #[arg(long = "dir")]
    directory: Option<PathBuf>,
    /// Cargo passes it.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A log in a directory of its own.
struct Log {
    directory: PathBuf,
    keeping: MarkMethod,
    file: File,
    marks: File,
    writer: Writer,
    batch: Batch,
    spent: Vec<Duration>,
}

impl Log {
    fn new(root: &Path, name: &str, keeping: MarkMethod) -> Result<Log> {
        let directory = root.join(name);
        std::fs::create_dir(&directory)?;
        let mut file = File::create(directory.join("log"))?;
        let mut batch = Batch::default();
        let writer = Writer::found(&Header::founding(OWNER.cluster, OWNER.replica, 1), &mut batch);
        write(&mut file, &mut batch)?;
        file.set_len(ROOM)?;
        file.sync_all()?;
        let mut marks = File::create(directory.join("marks"))?;
        marks.write_all(&[0; 2 * SECTOR])?;
        marks.sync_all()?;
        File::open(&directory)?.sync_all()?;
        Ok(Log {
            directory,
            keeping,
            file,
            marks,
            writer,
            batch,
            spent: Vec::new(),
        })
    }

    fn round(&mut self, record: &Record, number: u32) -> Result<()> {
        let begun = Instant::now();
        self.writer.append([record], &mut self.batch);
        write(&mut self.file, &mut self.batch)?;
        self.file.sync_data()?;
        self.writer.on_synced(self.writer.position());
        self.keep_mark(number)?;
        self.spent.push(begun.elapsed());
        Ok(())
    }

    fn keep_mark(&mut self, number: u32) -> Result<()> {
        let mark = Superblock {
            owner: OWNER,
            state: SuperblockState::Ready(self.writer.synced_mark()),
        };
        let mut text = mark.to_string().into_bytes();
        match self.keeping {
            MarkMethod::Never => Ok(()),
            MarkMethod::InPlace => {
                text.resize(SECTOR, 0);
                let at = u64::from(number % 2) * SECTOR as u64;
                self.marks.seek(SeekFrom::Start(at))?;
                self.marks.write_all(&text)?;
                self.marks.sync_data()
            }
            MarkMethod::ByName => {
                let draft = self.directory.join("superblock.new");
                let mut file = File::create(&draft)?;
                file.write_all(&text)?;
                file.sync_all()?;
                rename(&draft, self.directory.join("superblock"))?;
                File::open(&self.directory)?.sync_all()
            }
        }
    }

    fn sum(&self) -> Duration {
        self.spent.iter().sum()
    }

    fn median(&mut self) -> Duration {
        self.spent.sort_unstable();
        self.spent[self.spent.len() / 2]
    }
}

fn write(file: &mut File, batch: &mut Batch) -> Result<()> {
    for piece in batch.pieces() {
        file.write_all(&piece.bytes)?;
    }
    batch.clear();
    Ok(())
}

fn main() -> Result<()> {
    let settings = Settings::parse();
    let directory = settings.directory.unwrap_or_else(std::env::temp_dir);
    let root = tempfile::tempdir_in(&directory)?;
    let record = Record::SnapshotPart {
        at: Cursor::START,
        next: None,
        bytes: vec![0x61; settings.bytes].into(),
    };
    let logs = ROWS
        .iter()
        .map(|(name, keeping)| Log::new(root.path(), name, *keeping));
    let mut logs = logs.collect::<Result<Vec<_>>>()?;
    for number in 0..settings.rounds {
        for log in &mut logs {
            log.round(&record, number)?;
        }
    }
    println!(
        "{} groups with a value of {} bytes, in {}",
        settings.rounds,
        settings.bytes,
        directory.display()
    );
    println!(
        "{:<24}{:>14}{:>10}{:>14}{:>10}",
        "", "median", "ratio", "mean", "ratio"
    );
    let (base_median, base_sum) = (logs[0].median(), logs[0].sum());
    for ((name, _), log) in ROWS.iter().zip(&mut logs) {
        let (median, sum) = (log.median(), log.sum());
        println!(
            "{name:<24}{:>11.3} ms{:>10.2}{:>11.3} ms{:>10.2}",
            millis(median),
            median.as_secs_f64() / base_median.as_secs_f64(),
            millis(sum) / f64::from(settings.rounds),
            sum.as_secs_f64() / base_sum.as_secs_f64(),
        );
    }
    Ok(())
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
