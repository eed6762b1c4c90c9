//! `kvpaxos-sim report`: draws a run as a page for a browser.

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use kvpaxos_sim::timeline::{Timeline, page};
use kvpaxos_sim::world::scenario::Pictured;
use kvpaxos_sim::{note, recording, say, say_part};

use crate::origin::RunFlags;
use crate::scenario::{UNREADABLE, write_text};

#[derive(Args)]
#[command(group(ArgGroup::new("run").args(["file", "seed", "recording"]).required(true)))]
pub(crate) struct Report {
    #[command(flatten)]
    run: RunFlags,
    /// Draw what real replicas recorded: the directories that `kvpaxos serve --record` wrote.
    #[arg(long, value_name = "DIR", num_args = 1.., conflicts_with = "mutant")]
    recording: Vec<PathBuf>,
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
    match what
        .run
        .chosen()
        .and_then(|chosen| chosen.picture())
        .and_then(|pictured| write_page(&pictured, &what.output))
    {
        Ok(()) => 0,
        Err(code) => code,
    }
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
