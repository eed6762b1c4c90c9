//! A readable line for each event, for whoever wants to understand a seed.

use std::collections::VecDeque;

use kvpaxos::Time;

/// What becomes of the lines.
#[derive(Clone, Debug, Default)]
pub enum Trace {
    /// Nobody reads them; none is made.
    #[default]
    Off,
    /// They go to standard output.
    Print,
    /// The last so many are kept.
    Keep(usize, VecDeque<String>),
}

impl Trace {
    /// Keeps the last `lines` lines.
    #[must_use]
    pub fn keep(lines: usize) -> Trace {
        Trace::Keep(lines, VecDeque::new())
    }

    /// Adds a line, which is made only if somebody wants it.
    pub fn line(&mut self, now: Time, what: impl FnOnce() -> String) {
        match self {
            Trace::Off => {}
            Trace::Print => println!("{} {}", seconds(now), what()),
            Trace::Keep(limit, lines) => {
                if lines.len() >= *limit {
                    lines.pop_front();
                }
                lines.push_back(format!("{} {}", seconds(now), what()));
            }
        }
    }

    /// The lines that were kept.
    pub fn kept(&self) -> Vec<String> {
        match self {
            Trace::Keep(_, lines) => lines.iter().cloned().collect(),
            _ => Vec::new(),
        }
    }
}

/// A point in time for people.
#[must_use]
pub(crate) fn seconds(time: Time) -> String {
    format!("{:>3}.{:06}", time.0 / 1_000_000, time.0 % 1_000_000)
}
