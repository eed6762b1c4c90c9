//! A world of replicas without chance: messages wait in flight and writes wait on their way to the disk until a test says
//! what becomes of them. What can be seen from outside is checked after every step.

mod checks;
mod disk;
mod world;

pub(crate) use world::{Found, Seen, World};
