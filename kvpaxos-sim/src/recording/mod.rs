//! Recordings of real replicas, executed again and audited: what `kvpaxos serve --record` wrote.
//!
//! A recording holds every input of a replica, with its time, its random bits and its memory. The core is pure, so
//! executing these inputs gives every effect again: each block of a recording holds a digest of the effects so far, and
//! an execution that differs is found within a block. Then all replicas are executed a second time, together, in an
//! order in which every message is sent before it arrives, and the [audit](crate::invariants) watches them as it
//! watches a simulated cluster.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `files` | which recordings there are, and whether they belong together |
//! | `tape` | the entries of a replica, one after the other, and where each stands |
//! | `execution` | one life of a replica: what the event loop of `kvpaxos-net` did, done again |
//! | `memory` | what a replica has written, and whether the memory of its next life is that |
//! | `check` | the first pass: each replica alone |
//! | `merge` | the second pass: all replicas in one order |
//! | `failing` | [`FailingRecording`]: one in which a property is violated |
//! | `script` | what replicas took in, as a list that can be shortened |
//! | `late` | a replica of a script that goes on from a checkpoint |
//! | `play` | plays a script, without what cannot happen any more |
//! | `post` | the messages and sessions of a script that is being played |
//! | `disk` | what a replica of a script has written, and what a restart finds of it |
//! | `tracks` | a script that is being played, as recordings |
//! | `shrink` | [`shrink`]: the search for fewer inputs |
//! | `cut` | a script that begins later, with checkpoints of all replicas |
//! | `futures` | [`RecordedRun`]: the future of a recording, drawn again |
//! | `judged` | which properties can be judged, and why others cannot |
//! | `report` | [`Report`]: what was found |
//! | `error` | [`RecordingError`]: why a recording cannot be judged |
//!
//! What each invariant can say of a recording stands in the page `manual::recordings`.

mod check;
mod cut;
mod disk;
mod error;
mod execution;
mod failing;
mod files;
mod futures;
mod judged;
mod late;
mod memory;
mod merge;
mod play;
mod post;
mod report;
mod script;
mod shrink;
mod tape;
#[cfg(test)]
mod tests;
mod tracks;

use std::path::Path;

pub use error::{Place, RecordingError};
pub use failing::FailingRecording;
pub use futures::{NoFuture, RecordedRun};
pub use kvpaxos::recording::FileName;
pub use report::{Ending, Played, Report};
pub use script::ScriptSize;
pub use shrink::{RecordingShrinking, ShrunkRecording, shrink};

use crate::invariants::Trace;
use crate::timeline::Timeline;

/// Executes the recordings in these directories again, and judges them. Where the trace goes is said by `trace`.
///
/// # Errors
/// If a recording cannot be read, does not belong to the others, has a hole, or is executed otherwise than it was
/// recorded.
pub fn replay<P: AsRef<Path>>(directories: &[P], trace: Trace) -> Result<Report, RecordingError> {
    let found = files::find(directories)?;
    let checked = check::check(&found)?;
    let wanted = merge::Wanted {
        trace,
        timeline: false,
        script: false,
    };
    Ok(merge::merge(&found, &checked, wanted)?.report)
}

/// Like [`replay`], with what happened as a timeline.
///
/// # Errors
/// Those of [`replay`].
pub fn picture<P: AsRef<Path>>(directories: &[P]) -> Result<(Report, Timeline), RecordingError> {
    let found = files::find(directories)?;
    let checked = check::check(&found)?;
    let wanted = merge::Wanted {
        trace: Trace::Off,
        timeline: true,
        script: false,
    };
    let merge::Merged { report, timeline, .. } = merge::merge(&found, &checked, wanted)?;
    let mut timeline = timeline.unwrap_or_default();
    entitle(&mut timeline, &report);
    Ok((report, timeline))
}

/// Says on a timeline what it shows.
fn entitle(timeline: &mut Timeline, report: &Report) {
    timeline.title = format!("recordings of cluster {:016x}", report.cluster);
    let facts = report
        .unjudged
        .iter()
        .map(|(property, why)| (format!("{property} is not judged"), why.clone()));
    timeline.facts = facts.collect();
}
