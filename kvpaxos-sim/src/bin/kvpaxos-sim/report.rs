//! `kvpaxos-sim report`: draws a run as a page for a browser.

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use kvpaxos_sim::explain::{Explanation, Turn};
use kvpaxos_sim::recording::{self, FailingRecording, RecordedRun};
use kvpaxos_sim::timeline::{Timeline, page};
use kvpaxos_sim::world::FailingRun;
use kvpaxos_sim::world::scenario::Pictured;
use kvpaxos_sim::{note, say, say_part};
use serde::Deserialize;

use crate::explain::{changed, look, look_at_recording, unexplained};
use crate::origin::{Chosen, RunFlags};
use crate::recording::unreadable;
use crate::scenario::{UNREADABLE, write_text};
use crate::threads;

#[derive(Args)]
#[command(group(ArgGroup::new("run").args(["file", "seed", "recording"]).required(true)))]
pub(crate) struct Report {
    #[command(flatten)]
    run: RunFlags,
    /// Draw what real replicas recorded: the directories that `kvpaxos serve --record` wrote.
    #[arg(long, value_name = "DIR", num_args = 1.., conflicts_with = "mutant")]
    recording: Vec<PathBuf>,
    /// Mark the events after which the failure was likely and certain, as `kvpaxos-sim explain` finds them. That takes
    /// about a minute of one core.
    #[arg(long, conflicts_with = "explained")]
    explain: bool,
    /// Mark the events that `kvpaxos-sim explain --json` found in this run, from the file that holds its output.
    #[arg(long, value_name = "FILE")]
    explained: Option<PathBuf>,
    /// The page to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// Plays the run again, and writes the page.
pub(crate) fn report(what: &Report) -> u8 {
    // A failed assertion is a violation like any other, and stands on the page.
    std::panic::set_hook(Box::new(|_| ()));
    let written = if what.recording.is_empty() {
        picture(what).and_then(|pictured| write_page(&pictured, &what.output))
    } else {
        recorded(what).and_then(|(report, timeline)| write_recorded(&report, &timeline, &what.output))
    };
    match written {
        Ok(()) => 0,
        Err(code) => code,
    }
}

/// Plays the run, and marks what explains its failure if that is wanted.
fn picture(what: &Report) -> Result<Pictured, u8> {
    let chosen = what.run.chosen()?;
    let mut pictured = chosen.picture()?;
    let turns = match &what.explained {
        Some(file) => read_turns(file, pictured.recording.report.counts.events)?,
        None if what.explain => find_turns(chosen, &pictured),
        None => Turns::default(),
    };
    mark(&turns, |event, name, text| pictured.point_out(event, name, text));
    Ok(pictured)
}

/// Points out the events that explain a failure.
fn mark(Turns { likely, certain }: &Turns, mut point_out: impl FnMut(u64, &str, String)) {
    let is_certain = |turn: &Turn| certain.is_some_and(|certain| certain.event == turn.event);
    if let Some(turn) = likely.filter(|turn| !is_certain(turn)) {
        let text = format!("from here on failure was likely: {}", changed(&turn));
        point_out(turn.event, "likely", text);
    }
    if let Some(turn) = certain {
        let text = format!(
            "from here on failure was certain, as far as samples tell: {}",
            changed(turn)
        );
        point_out(turn.event, "certain", text);
    }
}

const NO_FAILURE: &str = "there is no failure to explain: no event is marked";

/// The events that explain a failure, as `kvpaxos-sim explain --json` writes them.
#[derive(Default, Deserialize)]
struct Turns {
    likely: Option<Turn>,
    certain: Option<Turn>,
}

fn find_turns(chosen: Chosen, pictured: &Pictured) -> Turns {
    let mutant = chosen.mutant();
    let Some(run) = FailingRun::new(chosen.origin(), &pictured.recording, FailingRun::GRACE) else {
        note!("{NO_FAILURE}");
        return Turns::default();
    };
    Turns::of(&look(&run, mutant, None, threads(None)))
}

impl Turns {
    fn of(Explanation { likely, certain, .. }: &Explanation) -> Turns {
        if likely.or(*certain).is_none() {
            note!("no single event made the failure likely: none is marked");
        }
        Turns {
            likely: *likely,
            certain: *certain,
        }
    }
}

/// Reads what was found in a run of so many events.
fn read_turns(file: &Path, events: u64) -> Result<Turns, u8> {
    #[derive(Deserialize)]
    struct Explained {
        events: u64,
        #[serde(flatten)]
        turns: Turns,
    }
    let shown = file.display();
    let text = std::fs::read_to_string(file).map_err(|why| {
        note!("cannot read {shown}: {why}");
        UNREADABLE
    })?;
    let explained: Explained = serde_json::from_str(&text).map_err(|why| {
        note!("{shown} is not what `kvpaxos-sim explain --json` prints: {why}");
        UNREADABLE
    })?;
    if explained.events != events {
        let other = explained.events;
        note!("{shown} explains another run: one of {other} events, and this one has {events}");
        return Err(UNREADABLE);
    }
    Ok(explained.turns)
}

fn write_page(
    Pictured {
        recording, timeline, ..
    }: &Pictured,
    output: &Path,
) -> Result<(), u8> {
    drop(std::panic::take_hook());
    write_text(output, &page(timeline))?;
    match &recording.report.violation {
        Some(violation) => say!("{violation}"),
        None => say!("every property held"),
    }
    say_drawn(timeline, output);
    Ok(())
}

fn say_drawn(timeline: &Timeline, output: &Path) {
    for pointer in &timeline.pointers {
        say!("marked as {}: {}", pointer.name, pointer.text);
    }
    say!(
        "{} events and {} messages are drawn in {}",
        timeline.events.len(),
        timeline.messages.len(),
        output.display()
    );
}

/// Executes recordings again, and marks what explains their failure if that is wanted.
fn recorded(what: &Report) -> Result<(recording::Report, Timeline), u8> {
    let explained = if what.explain || what.explained.is_some() {
        recorded_and_explained(what)?
    } else {
        None
    };
    match explained {
        Some(explained) => Ok(explained),
        None => recording::picture(&what.recording).map_err(|why| unreadable(&why)),
    }
}

/// `None` if nothing is violated.
fn recorded_and_explained(what: &Report) -> Result<Option<(recording::Report, Timeline)>, u8> {
    let read = FailingRecording::read(&what.recording).map_err(|why| unreadable(&why))?;
    let Ok(recording) = read else {
        note!("{NO_FAILURE}");
        return Ok(None);
    };
    let run = RecordedRun::new(&recording, RecordedRun::GRACE).map_err(|why| unexplained(&why))?;
    let turns = match &what.explained {
        Some(file) => read_turns(file, run.steps)?,
        None => Turns::of(&look_at_recording(&run, None, threads(None))),
    };
    let (mut timeline, begun) = run.picture();
    mark(&turns, |event, name, text| {
        timeline.point_out(&begun, event, name, text);
    });
    Ok(Some((recording.report.clone(), timeline)))
}

fn write_recorded(report: &recording::Report, timeline: &Timeline, output: &Path) -> Result<(), u8> {
    drop(std::panic::take_hook());
    write_text(output, &page(timeline))?;
    say_part!("{report}");
    say_drawn(timeline, output);
    Ok(())
}
