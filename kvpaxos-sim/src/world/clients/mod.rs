//! Simulated clients. Each is a [`kvpaxos::Client`] that draws operations, pauses between them, and records
//! how they end.

mod client;
mod operations;
mod shared;
mod state;
mod text;

pub use state::OperationCounts;
pub(super) use state::{Clients, Context};
