//! What a replica took in, written down so that it can be executed again: [`kvpaxos::recording`] has the format.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `options` | [`RecordOptions`]: where, and how much at most |
//! | `files` | the files of a directory: the segments of each life and their checkpoints, the oldest removed when they take too much |
//! | `checkpoint` | a checkpoint that a thread of its own writes |
//! | `recorder` | `Recorder`: what the event loop tells, and what may leave only when that is written |

mod checkpoint;
mod files;
mod options;
mod recorder;

pub use options::RecordOptions;
pub(crate) use recorder::{Life, Outgoing, Recorder};
