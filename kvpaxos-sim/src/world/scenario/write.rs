//! A scenario as text.

use std::fmt;

use super::faults::write_plan;
use super::words::call_words;
use super::{End, Scenario, settings};
use crate::decisions::words::seconds;
use crate::world::clients::PlannedCall;

/// The first word of the file, and the version of the format.
pub(super) const HEAD: &str = "kvpaxos-scenario 1";

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD}")?;
        if let Some(mutant) = &self.mutant {
            writeln!(f, "mutant {mutant}")?;
        }
        if let Some(property) = self.violates {
            writeln!(f, "violates {property} # {}", property.says())?;
        }
        writeln!(f, "seed {}", self.setup.seed)?;
        for line in settings::lines(&self.setup) {
            writeln!(f, "{line}")?;
        }
        write_plan(f, &self.calls, |call| call.at, write_call, &self.faults)?;
        write!(f, "{}", self.deviations)?;
        match self.end {
            End::Stop(at) => writeln!(f, "stop {}", seconds(at.0)),
            End::Heal(at) => writeln!(f, "heal {}", seconds(at.0)),
        }
    }
}

fn write_call(f: &mut fmt::Formatter<'_>, planned: &PlannedCall) -> fmt::Result {
    let PlannedCall {
        client,
        lane,
        at,
        call,
    } = planned;
    let lane = if *lane == 0 {
        String::new()
    } else {
        format!(".{lane}")
    };
    writeln!(f, "call {} c{client}{lane} {}", seconds(at.0), call_words(call))
}
