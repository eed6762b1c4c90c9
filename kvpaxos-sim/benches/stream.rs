//! How many operations a second the checker judges where they are easy. Run with `cargo bench -p kvpaxos-sim
//! --bench stream`.
//!
//! 64 clients work on 10,000 keys, with 0 % and with 1 % of unknown outcomes. The history comes from a file,
//! or from memory, where a part of it is generated at a time. `--help` lists the flags.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Parser, value_parser};
use kvpaxos_sim::history::generate::{Fraction, Generator, Settings};
use kvpaxos_sim::history::{Event, ReadError, Reader, Writer};
use kvpaxos_sim::linearizability::{Budget, Report, Stream, check_twice};

/// How many events of a history are in memory at a time.
const PART: usize = 1_000_000;

/// How many operations a second the checker judges where they are easy.
#[derive(Parser)]
struct Arguments {
    /// The length of the history.
    #[arg(long, default_value_t = 10_000_000, value_parser = value_parser!(u64).range(1..))]
    operations: u64,
    /// Where its file goes [default: the directory for temporary files].
    #[arg(long = "dir")]
    directory: Option<PathBuf>,
    /// Cargo passes it.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let arguments = Arguments::parse();
    let operations = arguments.operations;
    let directory = arguments.directory.unwrap_or_else(std::env::temp_dir);
    println!(
        "{:<12}{:>12}{:>12}{:>12}{:>16}{:>16}{:>10}",
        "unknown", "operations", "from", "ms", "operations/s", "peak MiB", "verdict"
    );
    for unknown in ["0%", "1%"] {
        let settings = Settings {
            operations,
            keys: 10_000,
            clients: 64,
            unknown: unknown.parse::<Fraction>().expect("these are shares"),
            ..Settings::default()
        };
        for (from, (report, took)) in [
            ("a file", from_file(&settings, &directory)),
            ("memory", from_memory(&settings)),
        ] {
            assert!(!report.is_bad(), "{report}");
            let rate = report.operations as u128 * 1_000_000 / took.as_micros().max(1);
            println!(
                "{unknown:<12}{:>12}{from:>12}{:>12}{rate:>16}{:>16}{:>10}",
                report.operations,
                took.as_millis(),
                peak(),
                if report.is_good() { "good" } else { "undecided" },
            );
        }
    }
}

/// Measures the time of judging alone.
fn from_memory(settings: &Settings) -> (Report, Duration) {
    let mut generator = Generator::new(settings.clone()).expect("there are such histories");
    let mut stream = Stream::new(settings.initial.clone(), Budget::default());
    let mut took = Duration::ZERO;
    loop {
        let part: Vec<Event> = generator.by_ref().take(PART).collect();
        if part.is_empty() {
            break;
        }
        let began = Instant::now();
        part.iter().for_each(|event| stream.add(event));
        took += began.elapsed();
    }
    let began = Instant::now();
    let report = stream.finish();
    (report, took + began.elapsed())
}

/// Measures the time of reading and judging.
fn from_file(settings: &Settings, dir: &Path) -> (Report, Duration) {
    let path = dir.join(format!("kvpaxos-stream-{}.jsonl", std::process::id()));
    let file = BufWriter::new(File::create(&path).expect("the file can be made"));
    let mut writer = Writer::new(file, &settings.initial).expect("it can be written");
    for event in Generator::new(settings.clone()).expect("there are such histories") {
        writer.write(&event).expect("it can be written");
    }
    writer.flush().expect("it can be written");
    let began = Instant::now();
    let open = || -> Result<_, ReadError> {
        let reader = Reader::new(BufReader::with_capacity(1 << 16, File::open(&path)?))?;
        Ok((reader.initial().clone(), reader))
    };
    let report = check_twice(open, Budget::default()).expect("it can be read");
    let took = began.elapsed();
    std::fs::remove_file(&path).expect("it is there");
    (report, took)
}

/// The peak memory of this process so far, in MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or_default() >> 10
}
