//! What a replica took in, written down so that it can be executed again: [`kvpaxos::recording`] has the format.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `options` | [`RecordOptions`]: where, and how much at most |
//! | `files` | the files of a directory: one for each life, the oldest removed when they take too much |
//! | `recorder` | `Recorder`: what the event loop tells, and what may leave only when that is written |

mod files;
mod options;
mod recorder;

pub use options::RecordOptions;
pub(crate) use recorder::{Life, Outgoing, Recorder};
