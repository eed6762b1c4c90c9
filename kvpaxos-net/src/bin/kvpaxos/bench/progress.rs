//! How a run goes, on standard error if that is a terminal.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::bench::pace::RunTime;

/// A line that shows how a run goes.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    /// What is measured.
    what: String,
}

impl Progress {
    pub(crate) fn new() -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{msg}") {
                bar.set_style(style);
            }
            bar
        });
        Progress {
            bar,
            what: String::new(),
        }
    }

    /// Something else begins.
    pub(crate) fn begin(&mut self, what: String) {
        if let Some(bar) = &self.bar {
            bar.set_message(what.clone());
        }
        self.what = what;
    }

    /// Shows how far the run is, how many requests ended in each second since the last call, and how many have
    /// failed.
    pub(crate) fn show(&self, time: &RunTime, now: Instant, rate: f64, errors: u64) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}: {}", self.what, line(time, now, rate, errors)));
        }
    }

    /// Removes the line.
    pub(crate) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn line(time: &RunTime, now: Instant, rate: f64, errors: u64) -> String {
    let all = time.measured();
    let passed = now.saturating_duration_since(time.measured_from()).min(all);
    let at = match passed {
        Duration::ZERO => "warm-up".to_owned(),
        passed => format!("{:.0} s of {:.0} s", passed.as_secs_f64(), all.as_secs_f64()),
    };
    let errors = match errors {
        0 => String::new(),
        1 => ", 1 error".to_owned(),
        more => format!(", {more} errors"),
    };
    format!("{at}, {rate:.0} operations/s{errors}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_the_warm_up_from_the_measurement() {
        let start = Instant::now();
        let time = RunTime::new(start, Duration::from_secs(1), Duration::from_secs(5));
        let at = |seconds, errors| line(&time, start + Duration::from_secs(seconds), 1234.5, errors);
        assert_eq!(at(1, 0), "warm-up, 1234 operations/s");
        assert_eq!(at(3, 1), "2 s of 5 s, 1234 operations/s, 1 error");
        assert_eq!(at(9, 2), "5 s of 5 s, 1234 operations/s, 2 errors");
    }
}
