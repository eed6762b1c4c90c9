//! Histories of client operations, and generators of histories for the checker's own tests.
//!
//! The histories themselves, their reader and their writer are the crate [`kvpaxos_history`], which real clients use as well;
//! [its front page](kvpaxos_history) specifies the format. [`generate`] makes histories from a seed.

pub use kvpaxos_history::*;

pub mod generate;
#[cfg(test)]
pub(crate) mod script;
