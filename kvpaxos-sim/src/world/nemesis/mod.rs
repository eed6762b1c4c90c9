//! The nemesis: it begins faults of the kinds in the setup, and an alarm ends each.
//!
//! A scenario plans the faults instead. Otherwise the kind, the time, the length and
//! the target of a fault are drawn from [`Stream::Nemesis`], and crashes that follow a
//! [moment](super::moments::Moment) from [`Stream::Moments`].

mod begin;
mod end;
mod fault;
mod healing;
pub(crate) mod inflict;
mod state;
mod strike;
mod text;

pub use fault::{Fault, LastingFault, PlannedFault};
pub use state::FaultCounts;
pub(super) use state::{BrokenConnection, Nemesis};
