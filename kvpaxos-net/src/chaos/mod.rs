//! Failures on purpose: what is disturbed at a replica, and how the replicas of a cluster see to it that a
//! majority is not.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `rule`, `parse` | what is disturbed, how often and for how long; how people write it |
//! | `disturbance` | one disturbance, drawn by a rule |
//! | `roster` | the replicas that are disturbed now, as a value of the store |
//! | `room` | whether one more may be |
//! | `admission` | getting on the roster and off it, and **why no majority is disturbed at once** |
//! | `ports` | what it takes of the replica |
//!
//! What is done by these stands in `node/chaos.rs`; faults of links in `links/faults.rs`.

pub(crate) mod admission;
pub(crate) mod disturbance;
mod parse;
pub(crate) mod ports;
pub(crate) mod room;
pub(crate) mod roster;
mod rule;

pub use parse::{ChaosRuleError, ChaosRules};
pub use rule::{ChaosRule, RoleChoice, Target};
