//! `kvpaxos-sim report`: draws a run as a page for a browser.

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use kvpaxos_sim::explain::{Explanation, Turn};
use kvpaxos_sim::timeline::{Timeline, page};
use kvpaxos_sim::world::FailingRun;
use kvpaxos_sim::world::scenario::Pictured;
use kvpaxos_sim::{note, recording, say, say_part};
use serde::Deserialize;

use crate::explain::{changed, look};
use crate::origin::{Chosen, RunFlags};
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
    #[arg(long, conflicts_with_all = ["recording", "explained"])]
    explain: bool,
    /// Mark the events that `kvpaxos-sim explain --json` found in this run, from the file that holds its output.
    #[arg(long, value_name = "FILE", conflicts_with = "recording")]
    explained: Option<PathBuf>,
    /// The page to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// Plays the run again, and writes the page.
pub(crate) fn report(what: &Report) -> u8 {
    // A failed assertion is a violation like any other, and stands on the page.
    std::panic::set_hook(Box::new(|_| ()));
    if !what.recording.is_empty() {
        return recorded(&what.recording, &what.output);
    }
    match picture(what).and_then(|pictured| write_page(&pictured, &what.output)) {
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
    let Turns { likely, certain } = turns;
    let is_certain = |turn: &Turn| certain.is_some_and(|certain| certain.event == turn.event);
    if let Some(turn) = likely.filter(|turn| !is_certain(turn)) {
        let text = format!("from here on failure was likely: {}", changed(&turn));
        pictured.point_out(turn.event, "likely", text);
    }
    if let Some(turn) = certain {
        let text = format!(
            "from here on failure was certain, as far as samples tell: {}",
            changed(&turn)
        );
        pictured.point_out(turn.event, "certain", text);
    }
    Ok(pictured)
}

/// The events that explain a failure, as `kvpaxos-sim explain --json` writes them.
#[derive(Default, Deserialize)]
struct Turns {
    likely: Option<Turn>,
    certain: Option<Turn>,
}

fn find_turns(chosen: Chosen, pictured: &Pictured) -> Turns {
    let mutant = chosen.mutant();
    let Some(run) = FailingRun::new(chosen.origin(), &pictured.recording, FailingRun::GRACE) else {
        note!("there is no failure to explain: no event is marked");
        return Turns::default();
    };
    let Explanation { likely, certain, .. } = look(&run, mutant, None, threads(None));
    if likely.or(certain).is_none() {
        note!("no single event made the failure likely: none is marked");
    }
    Turns { likely, certain }
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
    for pointer in &timeline.pointers {
        say!("marked as {}: {}", pointer.name, pointer.text);
    }
    say_drawn(timeline, output);
    Ok(())
}

fn say_drawn(timeline: &Timeline, output: &Path) {
    say!(
        "{} events and {} messages are drawn in {}",
        timeline.events.len(),
        timeline.messages.len(),
        output.display()
    );
}

/// Executes recordings again, and writes the page.
fn recorded(directories: &[PathBuf], output: &Path) -> u8 {
    let (report, timeline) = match recording::picture(directories) {
        Ok(pictured) => pictured,
        Err(why) => {
            note!("{why}");
            return UNREADABLE;
        }
    };
    drop(std::panic::take_hook());
    if let Err(code) = write_text(output, &page(&timeline)) {
        return code;
    }
    say_part!("{report}");
    say_drawn(&timeline, output);
    0
}
