//! Simulated clients. Each is a [`kvpaxos::Client`] that draws operations, pauses between them, and records
//! how they end.

mod client;
mod operations;
mod shared;
mod state;
mod text;

pub(super) use state::{Clients, Context};
pub use state::{OperationCounts, PlannedCall};
