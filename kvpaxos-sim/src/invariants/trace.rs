//! The trace of a run: a readable line for each event.

use std::collections::{BTreeMap, VecDeque};

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
    /// Into memory: the lines of some events, without the times.
    Events(EventLines),
}

/// The lines of some events of a run, by the numbers of the events. The first event is 1.
#[derive(Clone, Debug, Default)]
pub struct EventLines {
    present: u64,
    lines: BTreeMap<u64, (Time, Vec<String>)>,
}

impl EventLines {
    /// Keeps the lines of these events.
    #[must_use]
    pub fn of(events: impl IntoIterator<Item = u64>) -> EventLines {
        let lines = events.into_iter().map(|event| (event, (Time(0), Vec::new())));
        EventLines {
            present: 0,
            lines: lines.collect(),
        }
    }

    /// When an event happened, and its lines; none if it has none or did not happen.
    #[must_use]
    pub fn at(&self, event: u64) -> (Time, &[String]) {
        let kept = self.lines.get(&event);
        kept.map_or((Time(0), &[]), |(at, lines)| (*at, lines))
    }
}

impl Trace {
    /// Keeps the last `lines` lines.
    #[must_use]
    pub fn keep(lines: usize) -> Trace {
        Trace::Keep(lines, VecDeque::new())
    }

    /// The event of this number begins.
    pub(crate) fn begin_event(&mut self, event: u64, now: Time) {
        if let Trace::Events(EventLines { present, lines }) = self {
            *present = event;
            if let Some((at, _)) = lines.get_mut(&event) {
                *at = now;
            }
        }
    }

    /// Adds a line about the present event if it has none.
    pub(crate) fn or_else(&mut self, what: impl FnOnce() -> String) {
        if let Trace::Events(EventLines { present, lines }) = self
            && let Some((_, lines)) = lines.get_mut(present)
            && lines.is_empty()
        {
            lines.push(what());
        }
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
            Trace::Events(EventLines { present, lines }) => {
                if let Some((_, lines)) = lines.get_mut(present) {
                    lines.push(what());
                }
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
