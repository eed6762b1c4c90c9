//! Decisions by name: what a run decides is called by what it is (the third `Accept` of slot 7 from r0 to r2), and
//! only what differs from the default is written down. It knows nothing of Paxos, so that scenarios of
//! [kvpaxos](crate::world::scenario) and of other protocols share it.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `names` | the names of decisions |
//! | `settings` | a setup as lines of text |
//! | `text`, `words` | deviations as lines of text, and the words of such lines |
//! | `decider` | a decider that names each decision, and writes down those that differ from the default |
//! | `variation` | what a search tries beside what a scenario says |

mod decider;
mod names;
pub(crate) mod settings;
mod text;
mod variation;
pub(crate) mod words;

pub use decider::Deviations;
pub(crate) use decider::{Decided, NamingDecider, Record, name_by_time};
pub use names::{Draw, DrawName, MessageName, SyncName};
pub(crate) use text::Nodes;
pub(crate) use variation::{Anchor, Sampling, Variation, anchors};
