//! Judges histories that were written down: by clients of a real cluster, or by anything else that writes kv-history/1.

use std::fs::File;
use std::io::{self, BufReader, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use kvpaxos_sim::check::{Budget, Report, Verdict, check};
use kvpaxos_sim::history::{History, ReadError};

#[derive(Args)]
pub(crate) struct Check {
    /// The histories; `-` reads one from standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What may be spent on a key before it is given up as undecided: configurations looked at, and MiB of them remembered.
    #[arg(long, value_name = "STEPS[,MIB]", default_value = DEFAULT, value_parser = budget)]
    budget: Budget,
}

/// [`Budget::default`] as it is written on the command line.
const DEFAULT: &str = "20000000,1024";

/// What one file comes to, as an exit code.
#[derive(Clone, Copy, Debug)]
enum Judged {
    Linearizable = 0,
    Undecided = 2,
    Malformed = 3,
    NotLinearizable = 1,
}

impl Judged {
    /// A history that is bad is worse news than one that could not be judged.
    fn gravity(self) -> u8 {
        match self {
            Judged::Linearizable => 0,
            Judged::Undecided => 1,
            Judged::Malformed => 2,
            Judged::NotLinearizable => 3,
        }
    }
}

pub(crate) fn run(what: &Check) -> ExitCode {
    let judged = what.files.iter().map(|file| judge(file, what.budget));
    let worst = judged.max_by_key(|judged| judged.gravity());
    ExitCode::from(worst.unwrap_or(Judged::Linearizable) as u8)
}

fn judge(file: &Path, budget: Budget) -> Judged {
    let began = Instant::now();
    let name = if is_stdin(file) {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    };
    match read(file) {
        Ok(history) => {
            let report = check(&history, budget);
            println!("{name}: {report} ({} ms)", began.elapsed().as_millis());
            tell(&report, budget)
        }
        Err(error) => {
            println!("{name}: {error}");
            Judged::Malformed
        }
    }
}

/// The evidence for each key that is bad, and the names of those that were too hard.
fn tell(report: &Report, budget: Budget) -> Judged {
    match &report.verdict {
        Verdict::Linearizable => Judged::Linearizable,
        Verdict::NotLinearizable(bad) => {
            for evidence in bad {
                println!("{evidence}");
            }
            Judged::NotLinearizable
        }
        Verdict::Undecided { keys } => {
            println!(
                "not decided within {} steps or {} MiB for each key: {}; --budget STEPS,MIB allows more",
                budget.steps,
                budget.memory >> 20,
                keys.join(", ")
            );
            Judged::Undecided
        }
    }
}

fn read(file: &Path) -> Result<History, ReadError> {
    if is_stdin(file) {
        if io::stdin().is_terminal() {
            eprintln!("reading a history from standard input, a JSON object a line; Ctrl-D ends it");
        }
        return History::read(io::stdin().lock());
    }
    History::read(BufReader::new(File::open(file)?))
}

fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

/// Reads a budget like `20000000,1024`. Without the second number the memory is that of the default.
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
