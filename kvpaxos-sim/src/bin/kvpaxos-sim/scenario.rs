//! `kvpaxos-sim record`, `replay` and `shrink`: runs as scenario files.

use std::io::IsTerminal as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{ArgGroup, Args};
use kvpaxos_sim::mutants::{self, MUTANTS, Mutant};
use kvpaxos_sim::output::UNWRITTEN;
use kvpaxos_sim::shrinking::{Limits, Progress};
use kvpaxos_sim::world::scenario::{Manner, Recording, Scenario, Size, is_replayable, shrink};
use kvpaxos_sim::{Setup, Trace};
use kvpaxos_sim::{note, note_part, say, say_part};

use crate::interrupt::Interrupt;
use crate::origin::RunFlags;
use crate::recording;
use crate::whole_file::write_whole;

/// The exit code for a scenario that cannot be read, or cannot be played.
pub(crate) const UNREADABLE: u8 = 3;

/// The exit code of `shrink` and `explain` if nothing is violated.
pub(crate) const HELD: u8 = 5;

/// How often `shrink` writes its file and its line on a terminal while it works.
const PAUSE: Duration = Duration::from_millis(250);

/// How often it does where standard error is no terminal.
const LONG_PAUSE: Duration = Duration::from_secs(5);

#[derive(Args)]
pub(crate) struct Record {
    /// The seed to simulate.
    #[arg(long, value_name = "N")]
    seed: u64,
    /// Put this mutant in the place of the replicas. `kvpaxos-sim mutants --list` names all.
    #[arg(long, value_name = "NAME", value_parser = mutant)]
    mutant: Option<Mutant>,
    /// The file to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Args)]
pub(crate) struct Replay {
    /// The scenario.
    #[arg(required_unless_present = "recording", conflicts_with = "recording")]
    file: Option<PathBuf>,
    /// Execute what real replicas took in: the directories that `kvpaxos serve --record` wrote.
    #[arg(long, value_name = "DIR", num_args = 1..)]
    recording: Vec<PathBuf>,
    /// Print a line for each event.
    #[arg(long, conflicts_with = "json")]
    trace: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[command(group(ArgGroup::new("run").args(["file", "seed", "recording"]).required(true)))]
pub(crate) struct Shrink {
    #[command(flatten)]
    run: RunFlags,
    /// Shrink what real replicas recorded: the directories that `kvpaxos serve --record` wrote.
    #[arg(long, value_name = "DIR", num_args = 1.., conflicts_with = "mutant")]
    recording: Vec<PathBuf>,
    /// Play at most so many events. An idle core plays about a million in a second.
    #[arg(long, value_name = "N", default_value_t = 60_000_000)]
    events: u64,
    /// Play at most so many runs.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    runs: u64,
    /// The file to write, every few seconds and at the end: the smallest scenario so far. Of a recording, a directory for the
    /// files of a smaller recording, written at the end. Ctrl-C ends the search.
    #[arg(short, long, value_name = "PATH")]
    output: PathBuf,
}

impl Shrink {
    fn limits(&self) -> Limits {
        Limits {
            runs: self.runs,
            events: self.events,
        }
    }
}

/// Reads the name of a mutant.
pub(crate) fn mutant(name: &str) -> Result<Mutant, String> {
    Mutant::named(name).ok_or_else(|| {
        let known: Vec<&str> = MUTANTS.iter().map(|mutant| mutant.name).collect();
        format!("there is no such mutant; there are {}", known.join(", "))
    })
}

/// Simulates a seed and writes the scenario.
pub(crate) fn record(what: &Record) -> u8 {
    let recording = match mutants::record(Setup::drawn(what.seed), what.mutant) {
        Ok(recording) => recording,
        Err(why) => return unplayable(&format!("seed {}", what.seed), &why),
    };
    say_part!("{}", recording.report);
    if let Err(code) = write(&what.output, &recording.scenario) {
        return code;
    }
    say!("  scenario    {}", what.output.display());
    u8::from(recording.report.violation.is_some())
}

/// Plays a scenario and prints the report.
pub(crate) fn replay(what: &Replay) -> u8 {
    let Some(file) = &what.file else {
        return recording::replay(&what.recording, what.trace, what.json);
    };
    let scenario = match read(file) {
        Ok(scenario) => scenario,
        Err(code) => return code,
    };
    let trace = if what.trace { Trace::Print } else { Trace::Off };
    let report = match mutants::replay(&scenario, trace) {
        Ok(recording) => recording.report,
        Err(why) => return unplayable(&file.display().to_string(), &why),
    };
    if what.json {
        say!("{}", serde_json::json!(report));
    } else {
        say_part!("{report}");
        let found = report.violation.as_ref().map(|violation| violation.property);
        if let Some(expected) = scenario.violates.filter(|expected| found != Some(*expected)) {
            say!("  expected    the scenario says that it violates {expected}, and it does not");
        }
    }
    u8::from(report.violation.is_some())
}

/// Shrinks a scenario, or the run of a seed.
pub(crate) fn shrink_command(what: &Shrink) -> u8 {
    // A failed assertion is a violation like any other, and comes up in many runs.
    std::panic::set_hook(Box::new(|_| ()));
    let interrupt = Interrupt::watched();
    if !what.recording.is_empty() {
        return recording::shrink(&what.recording, what.limits(), &what.output, &interrupt);
    }
    let first = match what.run.chosen().and_then(|chosen| chosen.play()) {
        Ok(first) => first,
        Err(code) => return code,
    };
    let Some(violation) = &first.report.violation else {
        note!("every property holds in this run: there is nothing to shrink");
        return HELD;
    };
    say!("{violation}");
    if !is_replayable(violation) {
        note!(
            "this cannot be shrunk: fairness is counted over the calls that the clients of a seed draw, and a scenario \
             fixes the calls; play it with: kvpaxos-sim run --seed {} --trace",
            violation.seed
        );
        return UNREADABLE;
    }
    let again = match mutants::replay(&first.scenario, Trace::Off) {
        Ok(again) => again,
        Err(why) => return unplayable("the recorded run", &why),
    };
    if again.report.violation.as_ref().map(Manner::of) != Some(Manner::of(violation)) {
        note!(
            "the recorded run does not violate {} in the same way when it is played again: a tie between two events \
             can end otherwise",
            violation.property
        );
        return UNREADABLE;
    }
    search(what, again, &interrupt)
}

fn search(what: &Shrink, first: Recording, interrupt: &Interrupt) -> u8 {
    let began = Instant::now();
    let mut watch = Watch::new(&what.output, interrupt);
    let shrunk = shrink(
        first,
        what.limits(),
        |candidate| mutants::replay(candidate, Trace::Off),
        |progress| watch.on_run(progress),
    );
    watch.end();
    let shrunk = match shrunk {
        Ok(Some(shrunk)) => shrunk,
        Ok(None) => return HELD,
        Err(why) => return unplayable("a smaller scenario", &why),
    };
    let failed = watch.failed;
    if let Some(code) = failed.or_else(|| write(&what.output, &shrunk.smallest.scenario).err()) {
        return code;
    }
    say!("before: {}", shrunk.before);
    say!("after:  {}", shrunk.size);
    let output = what.output.display();
    say!(
        "{} runs with {} events in {} s{}; the scenario is in {output}",
        shrunk.runs,
        shrunk.events,
        began.elapsed().as_secs(),
        why_ended(shrunk.is_complete, interrupt),
    );
    if !shrunk.is_complete {
        say!("go on from there with: kvpaxos-sim shrink {output} -o {output}");
    }
    say!("play it with: kvpaxos-sim replay {output} --trace");
    0
}

/// Why a search ended, at the end of a sentence.
pub(crate) fn why_ended(is_complete: bool, interrupt: &Interrupt) -> &'static str {
    if is_complete {
        ", and nothing more was found to leave out"
    } else if interrupt.is_asked() {
        ", and was interrupted"
    } else {
        ", which is the limit"
    }
}

/// Shows how far a search has come, and writes the best scenario so far.
struct Watch<'a> {
    output: &'a Path,
    interrupt: &'a Interrupt,
    is_terminal: bool,
    last: Instant,
    /// Whether the best scenario is not written yet.
    unwritten: bool,
    failed: Option<u8>,
}

impl<'a> Watch<'a> {
    fn new(output: &'a Path, interrupt: &'a Interrupt) -> Watch<'a> {
        Watch {
            output,
            interrupt,
            is_terminal: std::io::stderr().is_terminal(),
            last: Instant::now(),
            unwritten: false,
            failed: None,
        }
    }

    fn on_run(&mut self, progress: &Progress<'_, Recording>) -> ControlFlow<()> {
        self.unwritten |= progress.improved;
        let pause = if self.is_terminal { PAUSE } else { LONG_PAUSE };
        if self.last.elapsed() > pause && (self.unwritten || self.is_terminal) {
            self.last = Instant::now();
            let Progress { runs, events, .. } = progress;
            let millions = events / 1_000_000;
            let size = Size::of(progress.best);
            // One line of a terminal is written again and again; a file gets a line when there is news.
            if self.is_terminal {
                note_part!("\r\x1b[K{runs} runs, {millions} M events: {size}");
            } else {
                note!("{runs} runs, {millions} M events: {size}");
            }
            if self.unwritten {
                self.unwritten = false;
                self.failed = write(self.output, &progress.best.scenario).err();
            }
        }
        match self.failed {
            Some(_) => ControlFlow::Break(()),
            None => self.interrupt.flow(),
        }
    }

    fn end(&self) {
        if self.is_terminal {
            note_part!("\r\x1b[K");
        }
    }
}

pub(crate) fn read(path: &Path) -> Result<Scenario, u8> {
    let bytes = std::fs::read(path).map_err(|why| {
        note!("cannot read {}: {why}", path.display());
        UNREADABLE
    })?;
    let text = String::from_utf8(bytes).map_err(|why| {
        let at = why.utf8_error().valid_up_to();
        note!("{} is no text: its byte {at} is not UTF-8", path.display());
        UNREADABLE
    })?;
    Scenario::read(&text).map_err(|why| {
        note!("{}: {why}", path.display());
        UNREADABLE
    })
}

/// Writes a scenario as [`write_text`] does.
pub(crate) fn write(path: &Path, scenario: &Scenario) -> Result<(), u8> {
    write_text(path, &scenario.to_string())
}

/// Writes a file that is whole whenever the program ends, or says why not.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<(), u8> {
    write_whole(path, text).map_err(|why| {
        note!("cannot write {}: {why}", path.display());
        UNWRITTEN
    })
}

pub(crate) fn unplayable(what: &str, why: &impl std::fmt::Display) -> u8 {
    note!("{what} cannot be played: {why}");
    UNREADABLE
}
