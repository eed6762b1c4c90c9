//! Judges histories that were written down: by clients of a real cluster, or by anything else that writes kv-history/1.

use std::fs::File;
use std::io::{self, BufReader, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use kvpaxos_sim::check::{Budget, Report, Verdict, check};
use kvpaxos_sim::history::{History, ReadError};

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

pub(crate) fn run(files: &[PathBuf], steps: u64) -> ExitCode {
    let budget = Budget {
        steps,
        ..Budget::default()
    };
    let judged = files.iter().map(|file| judge(file, budget));
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
                "not decided within {} steps or {} MiB for each key: {}; --steps N allows more of them",
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
