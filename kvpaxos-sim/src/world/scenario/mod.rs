//! Scenarios: a run as data. It holds what differs from a run in which nothing goes wrong, and it can be
//! played, written to a file, edited, and shrunk to what a violation needs.
//!
//! A [`Scenario`] names its decisions by what they are (the third `Accept` of slot 7 from r0 to r2) and not by
//! their number in the run, so that most of it still means the same after an edit or a change of the code.
//! [`record`] makes one from a seed, [`play`] plays it, [`shrink`] makes it smaller. The format of the file
//! is on the page [`crate::manual::scenarios`].
//!
//! | file | what it holds |
//! | --- | --- |
//! | `play` | recording and playing |
//! | `write`, `read` | the text form |
//! | `faults` | faults as lines of text |
//! | `settings` | the setup as lines of text |
//! | `words` | keys, values, times and calls as words of a line |
//! | `measure` | how a scenario violates its property, and how large it is |
//! | `shrink` | the search for a smaller scenario |

mod faults;
mod measure;
mod play;
mod read;
mod settings;
mod shrink;
mod timeline;
mod words;
mod write;

#[cfg(test)]
mod tests;

use kvpaxos::Time;

use crate::decisions::Variation;
pub use crate::decisions::{Deviations, Draw, DrawName, MessageName, SyncName};
use crate::invariants::Property;
use crate::world::clients::PlannedCall;
use crate::world::nemesis::PlannedFault;
use crate::world::setup::Setup;

pub(crate) use faults::write_plan;
pub(crate) use measure::without_numbers;
pub use measure::{Manner, Size, is_replayable};
pub(super) use play::forked;
pub use play::{Recording, play, play_pictured, record, record_decided, record_pictured};
pub use read::ScenarioError;
pub use shrink::{Shrinking, shrink};
pub use timeline::Pictured;

/// A run as data. See the module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scenario {
    /// The [mutant](crate::mutants) that takes the place of the replicas; `None` for the replicas themselves.
    pub mutant: Option<String>,
    /// The property that the run violates; `None` if every property must hold.
    pub violates: Option<Property>,
    /// The setup. Its kinds of faults and its mix of operations are not used.
    pub setup: Setup,
    /// How the run ends.
    pub end: End,
    /// The faults, in the order of their times.
    pub faults: Vec<PlannedFault>,
    /// The calls of clients; those of a lane are in the order of their times.
    pub calls: Vec<PlannedCall>,
    /// All other decisions that differ from the default.
    pub deviations: Deviations,
    /// What the search for a smaller scenario tries; nothing in a scenario that was recorded or read.
    variation: Variation,
}

/// How a scenario ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// It is judged at this time.
    Stop(Time),
    /// Faults stop at this time. A quorum heals, and the calls must be answered; then all replicas heal, and
    /// must come to hold the same state; then it is judged.
    Heal(Time),
}
