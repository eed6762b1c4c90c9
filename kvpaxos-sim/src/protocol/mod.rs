//! Worlds for a protocol of one's own: simulated clients, faults, a verdict, scenarios, and the search for the smallest
//! one, for anything that is a [`Machine`](crate::Machine).
//!
//! Implement [`Protocol`]: which machines there are, what clients ask, and what must hold. Then
//! [`find`] plays seeds until one breaks something, [`record`] turns a seed into a [`Scenario`], [`replay`] plays a
//! scenario, and [`shrink()`] makes it smaller. The page [`crate::manual::protocols`] walks through an example.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `seam` | [`Protocol`]: what one has to write |
//! | `setup` | [`Setup`]: clients, links, disks, faults |
//! | `world` | the engine with clients and faults around it |
//! | `faults` | which faults are drawn, how they begin and end |
//! | `play` | finding, recording, replaying |
//! | `scenario`, `read` | a run as data, and as text |
//! | `shrink` | the search for a smaller scenario |
//! | `explain` | when the failure of a run became likely, and certain |
//! | `command` | all of that as a command line |
//! | `picture` | the timeline of a run, for its page |
//! | `judge` | the calls of a run as a history, for the linearizability checker |
//! | `watch` | the observer of a world |

mod command;
mod explain;
mod faults;
mod judge;
mod picture;
mod play;
mod read;
mod scenario;
mod seam;
mod setup;
mod shrink;
mod watch;
mod world;

pub use crate::engine::Label;
pub use crate::history::{Answer, Operation};
pub use command::command;
pub use explain::{Explained, explain};
pub use judge::linearizable;
pub use picture::timeline;
pub use play::{Recording, Violation, assert_scenario, find, record, replay};
pub use read::ScenarioError;
pub use scenario::{PlannedCall, Scenario};
pub use seam::{Call, CallOf, Draws, Protocol, ReplyOf, RequestOf};
pub use setup::{Faults, Setup};
pub use shrink::shrink;
