//! A recording in which a property is violated.

use std::path::Path;

use kvpaxos::Config;

use super::judged::Judged;
use super::script::Script;
use super::{RecordingError, Report, check, files, merge};
use crate::invariants::{Audit, Finding, Trace};

/// A recording in which a property is violated: what is left out of, and what futures are drawn of.
#[derive(Debug)]
pub struct FailingRecording {
    /// The verdict.
    pub report: Report,
    /// What is violated.
    pub violation: Finding,
    pub(super) script: Script,
    pub(super) judged: Judged,
}

impl FailingRecording {
    /// Executes the recordings in these directories. Returns only the report if nothing is violated.
    ///
    /// # Errors
    /// Those of [`replay`](super::replay).
    pub fn read<P: AsRef<Path>>(
        directories: &[P],
    ) -> Result<Result<FailingRecording, Box<Report>>, RecordingError> {
        let found = files::find(directories)?;
        let checked = check::check(&found)?;
        let wanted = merge::Wanted {
            trace: Trace::Off,
            timeline: false,
            script: true,
        };
        let merge::Merged { report, script, .. } = merge::merge(&found, &checked, wanted)?;
        let judged = Judged::of(&found, &checked);
        Ok(match (report.violation.clone(), script) {
            (Some(violation), Some(mut script)) => {
                script.find_common_beginning();
                Ok(FailingRecording {
                    report,
                    violation,
                    script,
                    judged,
                })
            }
            _ => Err(Box::new(report)),
        })
    }

    /// The configuration of one of the replicas.
    pub(super) fn config(&self) -> &Config {
        let first = self.script.headers.first();
        &first
            .expect("a recording in which something is violated has a life")
            .config
    }

    /// An audit that has seen nothing yet.
    pub(super) fn audit(&self) -> Audit {
        merge::audit(Some(self.config()), &self.judged)
    }
}
