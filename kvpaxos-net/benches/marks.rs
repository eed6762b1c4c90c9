//! What a mark after every sync would cost, instead of one every 200 ms (see `kvpaxos::wal`). Run with `cargo
//! bench -p kvpaxos-net --bench marks`.
//!
//! Three logs are written as a replica writes them: groups are appended and synced. The mark is written
//! never, in place, or as a new file that is renamed over the old one. The logs take turns, group by group,
//! so that other load on the machine affects all alike; only the ratios mean something. `--rounds N` sets the
//! number of groups, `--bytes N` the size of a value, `--dir PATH` the directory (default: that for temporary
//! files).

use std::fs::{File, rename};
use std::io::{Result, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

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

struct Settings {
    rounds: usize,
    bytes: usize,
    directory: PathBuf,
}

impl Settings {
    fn from_arguments() -> Settings {
        let mut settings = Settings {
            rounds: 1000,
            bytes: 100,
            directory: std::env::temp_dir(),
        };
        let mut arguments = std::env::args().skip(1).filter(|it| it != "--bench");
        while let Some(flag) = arguments.next() {
            let value = arguments.next().unwrap_or_default();
            let number = || {
                value
                    .parse()
                    .unwrap_or_else(|_| panic!("{flag} {value:?} is no number"))
            };
            match flag.as_str() {
                "--rounds" => settings.rounds = number(),
                "--bytes" => settings.bytes = number(),
                "--dir" => settings.directory = PathBuf::from(&value),
                _ => panic!("{flag} is none of --rounds, --bytes and --dir"),
            }
        }
        assert!(settings.rounds > 0, "--rounds 0 measures nothing");
        settings
    }
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

    fn round(&mut self, record: &Record, number: usize) -> Result<()> {
        let begun = Instant::now();
        self.writer.append([record], &mut self.batch);
        write(&mut self.file, &mut self.batch)?;
        self.file.sync_data()?;
        self.writer.on_synced(self.writer.position());
        self.keep_mark(number)?;
        self.spent.push(begun.elapsed());
        Ok(())
    }

    fn keep_mark(&mut self, number: usize) -> Result<()> {
        let mark = Superblock {
            owner: OWNER,
            state: SuperblockState::Ready(self.writer.synced_mark()),
        };
        let mut text = mark.to_string().into_bytes();
        match self.keeping {
            MarkMethod::Never => Ok(()),
            MarkMethod::InPlace => {
                text.resize(SECTOR, 0);
                let at = number % 2 * SECTOR;
                self.marks.seek(SeekFrom::Start(at as u64))?;
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
    let settings = Settings::from_arguments();
    let root = tempfile::tempdir_in(&settings.directory)?;
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
        settings.directory.display()
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
            millis(sum) / settings.rounds as f64,
            sum.as_secs_f64() / base_sum.as_secs_f64(),
        );
    }
    Ok(())
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
