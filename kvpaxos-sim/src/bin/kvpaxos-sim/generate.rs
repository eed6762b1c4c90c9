//! `kvpaxos-sim generate`: writes histories that are made from a seed, to test and measure a checker.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use kvpaxos_sim::history::generate::{Flaw, Fraction, Generator, Mix, Settings, Values};
use kvpaxos_sim::history::{Datum, Writer};
use kvpaxos_sim::note;
use kvpaxos_sim::output::UNWRITTEN;

/// The size of the output buffer: lines are short, and there may be millions.
const BUFFER: usize = 1 << 18;

/// The settings of the history; see `Settings`.
#[derive(Args)]
pub(crate) struct Generate {
    /// The seed; the same seed and flags give the same history on every machine.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// The number of operations.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    operations: u64,
    /// The number of keys.
    #[arg(long, value_name = "N", default_value_t = 10)]
    keys: u64,
    /// The fraction of operations that go to the first key, in addition to its equal part of the others.
    #[arg(long, value_name = "PERCENT", default_value = "0%")]
    hot: Fraction,
    /// The number of clients, each with one operation at a time.
    #[arg(long, value_name = "N", default_value_t = 10)]
    clients: u32,
    /// Weights of the kinds of operations; a kind that is not named does not occur.
    #[arg(
        long,
        value_name = "WEIGHTS",
        default_value = "get=50,put=25,append=5,delete=5,cas=15"
    )]
    mix: Mix,
    /// Which values are written: unique, twice (each about twice to one key), or a number of values.
    #[arg(long, value_name = "WHICH", default_value = "unique")]
    values: Values,
    /// The fraction of operations of unknown outcome. Half of them take effect, at once or long after.
    #[arg(long, value_name = "PERCENT", default_value = "0%")]
    unknown: Fraction,
    /// The fraction of operations that fail.
    #[arg(long, value_name = "PERCENT", default_value = "0%")]
    failed: Fraction,
    /// The mean duration of an operation, in ticks.
    #[arg(long, value_name = "TICKS", default_value_t = 1000)]
    length: u64,
    /// The fraction of operations that last ten times as long.
    #[arg(long, value_name = "PERCENT", default_value = "0%")]
    long: Fraction,
    /// The mean pause of a client between two operations, in ticks; with 0 every client is always busy.
    #[arg(long, value_name = "TICKS", default_value_t = 1000)]
    pause: u64,
    /// The value that every key has at first: null, an integer, or else a string.
    #[arg(long, value_name = "VALUE", default_value = "null", value_parser = datum, allow_hyphen_values = true)]
    initial: Datum,
    /// Give each answer its position in one order of all operations (the field rev).
    #[arg(long)]
    rev: bool,
    /// What is wrong with the history.
    #[arg(long, value_name = "FLAW", value_enum, default_value = "none")]
    flaw: FlawArgument,
    /// The file to write; standard output if not given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// See `Flaw`.
#[derive(Clone, Copy, ValueEnum)]
enum FlawArgument {
    /// Nothing: the history is linearizable.
    None,
    /// One get answers with a value that its key had at another time; most likely the history is not
    /// linearizable.
    Stale,
    /// One get answers with a value that its key never had: the history is not linearizable.
    Impossible,
}

/// Parses a value as in a line of a history, but without quotes around strings.
fn datum(text: &str) -> Result<Datum, String> {
    if text == "null" {
        return Ok(Datum::Null);
    }
    Ok(text.parse::<i64>().map_or_else(|_| text.into(), Datum::from))
}

/// Writes the history, and returns the exit code.
pub(crate) fn run(what: &Generate) -> u8 {
    let settings = settings(what);
    let initial = settings.initial.clone();
    let generator = match Generator::new(settings) {
        Ok(generator) => generator,
        Err(error) => {
            note!("there is no such history: {error}");
            return 2;
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
        // The reader has closed the pipe: it has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(error) => {
            note!("cannot write to {name}: {error}");
            UNWRITTEN
        }
        Ok(()) => 0,
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
            FlawArgument::None => Flaw::None,
            FlawArgument::Stale => Flaw::Stale,
            FlawArgument::Impossible => Flaw::Impossible,
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
