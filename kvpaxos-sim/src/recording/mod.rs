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
//! | `judged` | which properties can be judged, and why others cannot |
//! | `report` | [`Report`]: what was found |
//! | `error` | [`RecordingError`]: why a recording cannot be judged |
//!
//! What each invariant can say of a recording stands in the page `manual::recordings`.

mod check;
mod error;
mod execution;
mod files;
mod judged;
mod memory;
mod merge;
mod report;
mod tape;
#[cfg(test)]
mod tests;

use std::path::Path;

pub use error::{Place, RecordingError};
pub use report::{Ending, Played, Report};

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
    let (report, _) = merge::merge(&found, &checked, trace, false)?;
    Ok(report)
}

/// Like [`replay`], with what happened as a timeline.
///
/// # Errors
/// Those of [`replay`].
pub fn picture<P: AsRef<Path>>(directories: &[P]) -> Result<(Report, Timeline), RecordingError> {
    let found = files::find(directories)?;
    let checked = check::check(&found)?;
    let (report, timeline) = merge::merge(&found, &checked, Trace::Off, true)?;
    let mut timeline = timeline.unwrap_or_default();
    timeline.title = format!("recordings of cluster {:016x}", report.cluster);
    let facts = report
        .unjudged
        .iter()
        .map(|(property, why)| (format!("{property} is not judged"), why.clone()));
    timeline.facts = facts.collect();
    Ok((report, timeline))
}
