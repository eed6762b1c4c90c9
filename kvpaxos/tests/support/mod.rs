//! A deterministic world of replicas. A message stays in flight, and a write stays unsynced, until the test
//! decides. The invariants that are visible from outside are checked after every step.

mod checks;
mod disk;
mod world;

pub(crate) use world::{Found, Seen, World};
