//! Deterministic simulation of kvpaxos.

pub mod check;
pub mod history;
