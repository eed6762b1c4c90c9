//! The invariants, checked from outside after every event.
//!
//! [`Audit`] watches what replicas write, send and tell, and trusts nothing else: a vote counts here when its record is
//! durable, a value is chosen here when a phase-2 quorum has durably accepted it in one ballot. What a replica says of
//! itself is held against that. No check costs more than the event that it looks at.

mod acceptors;
mod answers;
mod audit;
mod ballots;
mod coverage;
mod divergence;
mod excerpt;
mod learners;
mod messages;
mod observations;
mod observer;
mod operations;
mod records;
mod slots;
mod trace;
mod two_phase;
mod violation;
mod votes;

pub(crate) use answers::Floor;
pub(crate) use audit::Audit;
pub use audit::ProtocolCounts;
pub use coverage::{Coverage, Sometimes};
pub use excerpt::excerpt;
pub use trace::Trace;
pub(crate) use trace::seconds;
pub use violation::{Finding, Property, Violation};
