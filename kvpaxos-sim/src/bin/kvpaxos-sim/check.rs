//! `kvpaxos-sim check`: judges histories in the format kv-history/1, of any origin.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use kvpaxos_sim::history::ReadError;
use kvpaxos_sim::linearizability::{Budget, FileReport, Report, Verdict, check_first, check_twice, page};
use kvpaxos_sim::output::UNWRITTEN;
use kvpaxos_sim::{note, say};

use crate::exit::Exit;
use crate::source::{name, source};
use crate::{store, witness};

#[derive(Args)]
pub(crate) struct Check {
    /// The histories; `-` reads one from standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The most that may be spent on a history: configurations looked at, and MiB of them in memory. Keys
    /// that are not easily judged share it evenly; a key for which it does not suffice is undecided.
    #[arg(long, value_name = "STEPS[,MIB]", default_value = DEFAULT, value_parser = budget)]
    budget: Budget,
    /// Write one JSON object for each file, on a line of its own, and nothing else: the verdict, the figures,
    /// and for each key that is not linearizable the operations that show it.
    #[arg(long)]
    json: bool,
    /// Stop at the first key that is found not linearizable, and report on that key alone. What follows in the
    /// file is not read. For histories that may be bad in many places.
    #[arg(long)]
    first: bool,
    /// Judge by the positions of the answers (`rev`) instead of by a search: whether the operations of all
    /// keys, in that one order, explain all answers. Takes n log n, however hard the history is.
    #[arg(long, conflicts_with_all = ["json", "html", "budget", "first"])]
    witness: bool,
    /// Judge all keys together, for histories with transactions: whether some order of all operations explains
    /// all answers. All orders are tried, so it is for at most 64 operations.
    #[arg(long, conflicts_with_all = ["witness", "json", "html", "budget", "first"])]
    store: bool,
    /// Write a page to this file that draws the evidence. Any browser shows it, without a network.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// [`Budget::default`] as it is written on the command line.
const DEFAULT: &str = "20000000,1024";

pub(crate) fn run(what: &Check) -> u8 {
    if what.witness {
        return witness::run(&what.files);
    }
    if what.store {
        return store::run(&what.files);
    }
    let mut exits = Vec::new();
    let mut files = Vec::new();
    for file in &what.files {
        let file = judge(file, what);
        exits.push(Exit::of(&file));
        if what.html.is_some() {
            files.push(file);
        }
    }
    if let Some(path) = &what.html
        && let Err(error) = fs::write(path, page(&files, what.budget))
    {
        note!("the page {} cannot be written: {error}", path.display());
        return UNWRITTEN;
    }
    Exit::worst(exits).code()
}

fn judge(file: &Path, what: &Check) -> FileReport {
    let began = Instant::now();
    let result = search(file, what);
    let file = name(file);
    let judged = FileReport { file, result };
    if what.json {
        match judged.json() {
            Ok(line) => say!("{line}"),
            Err(error) => note!("{}: there is no JSON for it: {error}", judged.file),
        }
        return judged;
    }
    match &judged.result {
        Ok(report) => {
            say!("{}: {report} ({} ms)", judged.file, began.elapsed().as_millis());
            print(report, what.budget);
        }
        Err(error) => say!("{}: {error}", judged.file),
    }
    judged
}

/// Prints the evidence for each key that is bad, or the names of the keys that are undecided.
fn print(report: &Report, budget: Budget) {
    match &report.verdict {
        Verdict::Linearizable => {}
        Verdict::NotLinearizable(bad) => {
            for evidence in bad {
                say!("{evidence}");
            }
        }
        Verdict::Undecided { keys } => say!(
            "not decided within {} steps and {} MiB for these keys together: {}; --budget STEPS,MIB allows more",
            budget.steps,
            budget.memory >> 20,
            keys.join(", ")
        ),
    }
}

/// Judges a file, reading it once or twice; memory holds little of it.
fn search(file: &Path, what: &Check) -> Result<Report, ReadError> {
    let mut source = source(file)?;
    let open = || {
        let reader = source.reader()?;
        Ok((reader.initial().clone(), reader))
    };
    if what.first {
        check_first(open, what.budget)
    } else {
        check_twice(open, what.budget)
    }
}

/// Parses a budget like `20000000,1024`. Without the second number the memory is that of the default.
fn budget(text: &str) -> Result<Budget, String> {
    const EXAMPLE: &str = "write it as STEPS or STEPS,MIB, for example 20000000,1024";
    let number = |what: &str, text: &str| match text.parse::<u64>() {
        Ok(0) => Err(format!("with 0 {what} nothing can be decided; {EXAMPLE}")),
        Ok(number) => Ok(number),
        Err(why) => Err(format!("{text:?} is no number of {what} ({why}); {EXAMPLE}")),
    };
    let (steps, memory) = match text.split_once(',') {
        Some((steps, memory)) => (steps, Some(memory)),
        None => (text, None),
    };
    let steps = number("steps", steps)?;
    let Some(memory) = memory else {
        return Ok(Budget {
            steps,
            ..Budget::default()
        });
    };
    let mib = number("MiB", memory)?;
    let bytes = mib
        .checked_mul(1 << 20)
        .and_then(|bytes| usize::try_from(bytes).ok());
    let memory =
        bytes.ok_or_else(|| format!("{mib} MiB are more than this machine can address; {EXAMPLE}"))?;
    Ok(Budget { steps, memory })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets() {
        assert_eq!(budget(DEFAULT), Ok(Budget::default()));
        let memory = Budget::default().memory;
        assert_eq!(budget("7"), Ok(Budget { steps: 7, memory }));
        let memory = 3 << 20;
        assert_eq!(budget("7,3"), Ok(Budget { steps: 7, memory }));
    }

    #[test]
    fn a_budget_that_makes_no_sense_is_refused_with_an_example() {
        for text in [
            "",
            "x",
            "7,",
            ",7",
            "7,8,9",
            "-1",
            "0",
            "7,0",
            "7, 8",
            "7,18446744073709551615",
        ] {
            let refused = budget(text).expect_err(text);
            assert!(refused.contains("20000000,1024"), "{text}: {refused}");
        }
    }
}
