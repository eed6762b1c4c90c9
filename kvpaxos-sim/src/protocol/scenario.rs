//! A run of a protocol as data, and as text.

use std::fmt;

use kvpaxos::{ReplicaId, Time};
use serde::Serialize;

use crate::decisions::words::seconds;
use crate::decisions::{Deviations, Variation, settings};
use crate::protocol::setup::Setup;
use crate::world::PlannedFault;
use crate::world::scenario::write_plan;

/// The first word of the file, and the version of the format. The name of the protocol follows.
pub(super) const HEAD: &str = "protocol-scenario 1";

/// A run of a protocol as data: what differs from a run in which nothing goes wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scenario<Q> {
    /// The name of the protocol.
    pub protocol: String,
    /// What does not hold in the run, as the first line of its violation says it; `None` if nothing is violated.
    pub violates: Option<String>,
    /// The setup. Its faults, its losses and its length are not used.
    pub setup: Setup,
    /// When the run is judged.
    pub stop: Time,
    /// The faults, in the order of their times.
    pub faults: Vec<PlannedFault>,
    /// The calls of clients, in the order of their times.
    pub calls: Vec<PlannedCall<Q>>,
    /// All other decisions that differ from the default.
    pub deviations: Deviations,
    /// What the search tries beside that; nothing in a scenario that was recorded or read.
    pub(super) variation: Variation,
}

/// A call of a client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlannedCall<Q> {
    /// The client.
    pub client: u32,
    /// When it asks, or later, if its call before that is under way.
    pub at: Time,
    /// The host that it asks.
    pub to: ReplicaId,
    /// What it asks.
    pub request: Q,
}

impl<Q: Serialize> fmt::Display for Scenario<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD} {}", self.protocol)?;
        if let Some(violates) = &self.violates {
            writeln!(f, "violates {violates}")?;
        }
        writeln!(f, "seed {}", self.setup.seed)?;
        for line in settings::lines(&self.setup, &Setup::quiet(self.setup.seed)) {
            writeln!(f, "{line}")?;
        }
        write_plan(
            f,
            &self.calls,
            |call| call.at,
            |f, call| call.fmt(f),
            &self.faults,
        )?;
        write!(f, "{}", self.deviations)?;
        writeln!(f, "stop {}", seconds(self.stop.0))
    }
}

impl<Q: Serialize> PlannedCall<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PlannedCall {
            client,
            at,
            to,
            request,
        } = self;
        let request = serde_json::to_string(request).map_err(|_| fmt::Error)?;
        // What follows a # that stands alone is a comment. In JSON a space stands in strings only.
        let request = request.replace(" #", "\\u0020#");
        writeln!(f, "call {} c{client} {to} {request}", seconds(at.0))
    }
}
