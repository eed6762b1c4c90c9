//! `kvpaxos-sim report`: draws a run as a page for a browser.

use std::path::{Path, PathBuf};

use clap::Args;
use kvpaxos_sim::mutants::{self, Mutant};
use kvpaxos_sim::timeline::page;
use kvpaxos_sim::world::scenario::Pictured;
use kvpaxos_sim::{Setup, note, recording, say, say_part};

use crate::scenario::{UNREADABLE, mutant, read, unplayable, write_text};

#[derive(Args)]
pub(crate) struct Report {
    /// The scenario to draw.
    #[arg(required_unless_present_any = ["seed", "recording"], conflicts_with_all = ["seed", "mutant", "recording"])]
    file: Option<PathBuf>,
    /// Draw the run of this seed.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Put this mutant in the place of the replicas.
    #[arg(long, value_name = "NAME", value_parser = mutant)]
    mutant: Option<Mutant>,
    /// Draw what real replicas recorded: the directories that `kvpaxos serve --record` wrote.
    #[arg(long, value_name = "DIR", num_args = 1.., conflicts_with_all = ["seed", "mutant"])]
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
    let pictured = match (&what.file, what.seed) {
        (Some(file), _) => read(file).and_then(|scenario| {
            mutants::replay_pictured(&scenario).map_err(|why| unplayable(&file.display().to_string(), &why))
        }),
        (None, Some(seed)) => mutants::record_pictured(Setup::drawn(seed), what.mutant)
            .map_err(|why| unplayable(&format!("seed {seed}"), &why)),
        (None, None) => unreachable!("clap requires a file, a seed or a recording"),
    };
    let Pictured { recording, timeline } = match pictured {
        Ok(pictured) => pictured,
        Err(code) => return code,
    };
    drop(std::panic::take_hook());
    if let Err(code) = write_text(&what.output, &page(&timeline)) {
        return code;
    }
    match &recording.report.violation {
        Some(violation) => say!("{violation}"),
        None => say!("every property held"),
    }
    say!(
        "{} events and {} messages are drawn in {}",
        timeline.events.len(),
        timeline.messages.len(),
        what.output.display()
    );
    0
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
    say!(
        "{} events and {} messages are drawn in {}",
        timeline.events.len(),
        timeline.messages.len(),
        output.display()
    );
    0
}
