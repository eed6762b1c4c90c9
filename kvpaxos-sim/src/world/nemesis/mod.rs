//! The nemesis: it begins faults of the kinds in the setup, and an alarm ends each.
//!
//! The kind, the time, the length and the target of a fault are drawn from [`Stream::Nemesis`].

mod active;
mod begin;
mod end;
mod healing;
mod state;

pub use state::FaultCounts;
pub(super) use state::{BrokenConnection, Nemesis};
