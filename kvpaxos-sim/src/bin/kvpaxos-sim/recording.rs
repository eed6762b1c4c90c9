//! `kvpaxos-sim replay --recording`: executes what real replicas took in, and judges it.

use std::path::PathBuf;

use kvpaxos_sim::invariants::excerpt_of;
use kvpaxos_sim::recording;
use kvpaxos_sim::{Trace, note, say, say_part};

use crate::scenario::UNREADABLE;

/// How many lines of a trace are kept to choose an excerpt from.
const TRACE_LINES: usize = 50_000;

/// Executes the recordings in these directories and prints the report.
pub(crate) fn replay(directories: &[PathBuf], trace: bool, json: bool) -> u8 {
    // A failed assertion is a finding like any other.
    std::panic::set_hook(Box::new(|_| ()));
    let trace = if trace {
        Trace::Print
    } else {
        Trace::keep(TRACE_LINES)
    };
    let report = match recording::replay(directories, trace) {
        Ok(report) => report,
        Err(why) => {
            note!("{why}");
            return UNREADABLE;
        }
    };
    if json {
        say!("{}", serde_json::json!(report));
    } else {
        say_part!("{report}");
        if let Some(found) = &report.violation {
            for line in excerpt_of(&found.explanation, &report.trace) {
                say!("  {line}");
            }
        }
    }
    u8::from(report.violation.is_some())
}
