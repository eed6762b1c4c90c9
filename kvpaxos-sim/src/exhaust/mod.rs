//! Every run of a small world: a decider that takes its answers from a list, and a search that goes through all
//! lists, a batch at a time and within a batch on several threads.
//!
//! Only some choices have more than one answer here: what happens to the first messages (each arrives as usual, is
//! lost, or arrives late), and the first faults (when, of which kind, where, how long). Everything else is as
//! usual. So the search is complete within [`Bounds`] and says nothing beyond them. It knows nothing of Paxos.
//!
//! ```
//! use std::ops::ControlFlow;
//! use kvpaxos_sim::engine::{Choice, Decision, Range, Stream};
//! use kvpaxos_sim::exhaust::{Bounds, Limits, exhaust};
//!
//! // A run that draws one fault: one of two times, of three kinds.
//! let play = |mut decider: Box<dyn kvpaxos_sim::engine::Decider + Send>| {
//!     let mut ask = |decision, range| decider.decide(&Choice { stream: Stream::Nemesis, decision, range });
//!     let pause = ask(Decision::FaultPause, Range::Below(1_000));
//!     (pause, ask(Decision::FaultKind, Range::Weighted(&[1, 1, 1])))
//! };
//! let mut runs = Vec::new();
//! let bounds = Bounds { faults: 1, ..Bounds::default() };
//! let outcome = exhaust(&bounds, 7, Limits { runs: 1_000, threads: 2 }, play, |run| {
//!     runs.push(run);
//!     ControlFlow::<()>::Continue(())
//! });
//! assert_eq!((outcome.runs, outcome.is_complete), (6, true));
//! runs.dedup();
//! assert_eq!(runs.len(), 6);
//! ```
//!
//! | file | what it holds |
//! | --- | --- |
//! | `decider` | the decider that takes its answers from a list |
//! | `search` | all lists, those that differ late first |

mod decider;
mod search;

pub use decider::Bounds;
pub use search::{Limits, Outcome, exhaust};
