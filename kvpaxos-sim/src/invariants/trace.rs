//! The trace of a run: a readable line for each event.

use std::collections::VecDeque;

use kvpaxos::Time;

/// Where the lines of a trace go.
#[derive(Clone, Debug, Default)]
pub enum Trace {
    /// Nowhere: no line is made.
    #[default]
    Off,
    /// To standard output.
    Print,
    /// Into memory: the last lines, and how many of them at most.
    Keep(usize, VecDeque<String>),
}

impl Trace {
    /// Keeps the last `lines` lines.
    #[must_use]
    pub fn keep(lines: usize) -> Trace {
        Trace::Keep(lines, VecDeque::new())
    }

    /// Adds a line. It is made only if it goes somewhere.
    pub(crate) fn line(&mut self, now: Time, what: impl FnOnce() -> String) {
        match self {
            Trace::Off => {}
            Trace::Print => crate::say!("{} {}", seconds(now), what()),
            Trace::Keep(limit, lines) => {
                if lines.len() >= *limit {
                    lines.pop_front();
                }
                lines.push_back(format!("{} {}", seconds(now), what()));
            }
        }
    }

    /// The lines in memory.
    pub fn kept(&self) -> Vec<String> {
        match self {
            Trace::Keep(_, lines) => lines.iter().cloned().collect(),
            _ => Vec::new(),
        }
    }
}

/// A time in seconds with six decimals, padded on the left so that times below 1000 s line up.
#[must_use]
pub(crate) fn seconds(time: Time) -> String {
    format!("{:>3}.{:06}", time.0 / 1_000_000, time.0 % 1_000_000)
}
