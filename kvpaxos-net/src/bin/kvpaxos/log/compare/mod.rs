//! `kvpaxos log compare`: the first slot at which the histories of several directories diverge, as text or as
//! JSON.

mod command;
mod json;
mod report;
mod text;
mod transaction;

use std::io::Write;
use std::path::PathBuf;

use kvpaxos::Limits;
use kvpaxos_net::compare::{ComparisonVerdict, HistoryError, compare, read};

use crate::exit::Exit;
use crate::terminal::{complain, to_stdout};
use report::Report;

pub(crate) fn run(directories: &[PathBuf], rest: bool, as_json: bool) -> Result<Exit, String> {
    let mut histories = Vec::new();
    for directory in directories {
        match read(directory, Limits::default()) {
            Ok(history) => histories.push(history),
            Err(error @ HistoryError::Damaged { .. }) => {
                complain(error);
                return Ok(Exit::Damaged);
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    let comparison = compare(&histories).map_err(|error| error.to_string())?;
    let report = Report {
        histories: &histories,
        comparison: &comparison,
        rest,
    };
    to_stdout(|out| {
        if as_json {
            writeln!(out, "{}", report.as_value())
        } else {
            report.print(out)
        }
    });
    Ok(match comparison.verdict {
        ComparisonVerdict::Same => Exit::Done,
        ComparisonVerdict::Differ => Exit::Differ,
        ComparisonVerdict::Unknown => Exit::Undecided,
    })
}
