//! `kvpaxos-sim report`: draws a run as a page for a browser.

use std::path::PathBuf;

use clap::Args;
use kvpaxos_sim::mutants::{self, Mutant};
use kvpaxos_sim::timeline::page;
use kvpaxos_sim::world::scenario::Pictured;
use kvpaxos_sim::{Setup, say};

use crate::scenario::{mutant, read, unplayable, write_text};

#[derive(Args)]
pub(crate) struct Report {
    /// The scenario to draw.
    #[arg(required_unless_present = "seed", conflicts_with_all = ["seed", "mutant"])]
    file: Option<PathBuf>,
    /// Draw the run of this seed.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Put this mutant in the place of the replicas.
    #[arg(long, value_name = "NAME", value_parser = mutant)]
    mutant: Option<Mutant>,
    /// The page to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// Plays the run again, and writes the page.
pub(crate) fn report(what: &Report) -> u8 {
    // A failed assertion is a violation like any other, and stands on the page.
    std::panic::set_hook(Box::new(|_| ()));
    let pictured = match (&what.file, what.seed) {
        (Some(file), _) => read(file).and_then(|scenario| {
            mutants::replay_pictured(&scenario).map_err(|why| unplayable(&file.display().to_string(), &why))
        }),
        (None, Some(seed)) => mutants::record_pictured(Setup::drawn(seed), what.mutant)
            .map_err(|why| unplayable(&format!("seed {seed}"), &why)),
        (None, None) => unreachable!("clap requires a file or a seed"),
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
