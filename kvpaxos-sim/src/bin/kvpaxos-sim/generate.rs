//! Writes histories that were made from a seed (kv-history/1), to measure and to test what judges them.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use kvpaxos_sim::history::generate::{Flaw, Generator, Mix, Settings, Share, Values};
use kvpaxos_sim::history::{Datum, Writer};

/// Lines are short, and there may be millions.
const BUFFER: usize = 1 << 18;

/// What to make; see `Settings`.
#[derive(Args)]
pub(crate) struct Generate {
    /// The seed; the same seed and flags give the same history on every machine.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// How many operations.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    operations: u64,
    /// How many keys.
    #[arg(long, value_name = "N", default_value_t = 10)]
    keys: u64,
    /// The share of operations on the first key, beside what it gets as one of all.
    #[arg(long, value_name = "SHARE", default_value = "0%")]
    hot: Share,
    /// How many clients, each with one operation at a time.
    #[arg(long, value_name = "N", default_value_t = 10)]
    clients: u32,
    /// Weights of the kinds of operations; what is not named does not occur.
    #[arg(
        long,
        value_name = "WEIGHTS",
        default_value = "get=50,put=25,append=5,delete=5,cas=15"
    )]
    mix: Mix,
    /// How often a value is written: unique, twice (about, to one key), or how many values there are at all.
    #[arg(long, value_name = "WHICH", default_value = "unique")]
    values: Values,
    /// The share of operations whose outcome nobody knows. Half of them take effect, at once or long after.
    #[arg(long, value_name = "SHARE", default_value = "0%")]
    unknown: Share,
    /// The share of operations that fail.
    #[arg(long, value_name = "SHARE", default_value = "0%")]
    failed: Share,
    /// How long an operation lasts on average, in ticks.
    #[arg(long, value_name = "TICKS", default_value_t = 1000)]
    length: u64,
    /// The share of operations that last ten times as long.
    #[arg(long, value_name = "SHARE", default_value = "0%")]
    long: Share,
    /// How long a client pauses on average between two operations, in ticks; with 0 all are busy all the time.
    #[arg(long, value_name = "TICKS", default_value_t = 1000)]
    pause: u64,
    /// The first value of every key: null, an integer, or else a string.
    #[arg(long, value_name = "VALUE", default_value = "null", value_parser = datum, allow_hyphen_values = true)]
    initial: Datum,
    /// Let answers say their position in one order of everything (the field rev).
    #[arg(long)]
    rev: bool,
    /// What is wrong with the history.
    #[arg(long, value_name = "FLAW", value_enum, default_value = "none")]
    flaw: Wrong,
    /// Where to; standard output if not given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// See `Flaw`.
#[derive(Clone, Copy, ValueEnum)]
enum Wrong {
    /// Nothing: it is linearizable.
    None,
    /// One get says a value that its key had at another time; most likely the history is not linearizable.
    Stale,
    /// One get says a value that its key never had: the history is not linearizable.
    Impossible,
}

/// As in the lines of a history, but for the quotes around strings.
fn datum(text: &str) -> Result<Datum, String> {
    if text == "null" {
        return Ok(Datum::Null);
    }
    Ok(text.parse::<i64>().map_or_else(|_| text.into(), Datum::from))
}

/// Exit codes: 0 it is written, 2 the flags make no sense or it could not be written.
pub(crate) fn run(what: &Generate) -> ExitCode {
    let settings = settings(what);
    let initial = settings.initial.clone();
    let generator = match Generator::new(settings) {
        Ok(generator) => generator,
        Err(nonsense) => {
            eprintln!("there is no such history: {nonsense}");
            return ExitCode::from(2);
        }
    };
    let (written, name) = match &what.out {
        Some(file) => (to_file(file, &initial, generator), file.display().to_string()),
        None => {
            let written = write(io::stdout().lock(), &initial, generator);
            (written, "standard output".to_owned())
        }
    };
    match written {
        // Whoever reads it has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot write to {name}: {error}");
            ExitCode::from(2)
        }
        Ok(()) => ExitCode::SUCCESS,
    }
}

fn settings(what: &Generate) -> Settings {
    Settings {
        seed: what.seed,
        operations: what.operations,
        keys: what.keys,
        hot: what.hot,
        clients: what.clients,
        mix: what.mix,
        values: what.values,
        unknown: what.unknown,
        failed: what.failed,
        length: what.length,
        long: what.long,
        pause: what.pause,
        initial: what.initial.clone(),
        rev: what.rev,
        flaw: match what.flaw {
            Wrong::None => Flaw::None,
            Wrong::Stale => Flaw::Stale,
            Wrong::Impossible => Flaw::Impossible,
        },
    }
}

fn to_file(file: &Path, initial: &Datum, generator: Generator) -> io::Result<()> {
    write(File::create(file)?, initial, generator)
}

fn write(sink: impl Write, initial: &Datum, mut generator: Generator) -> io::Result<()> {
    let mut writer = Writer::new(BufWriter::with_capacity(BUFFER, sink), initial)?;
    generator.try_for_each(|event| writer.write(&event))?;
    writer.flush()
}
