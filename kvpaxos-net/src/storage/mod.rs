//! The data directory of a replica: its log, and the thread that writes it.

pub(crate) mod directory;
pub(crate) mod disk;
pub(crate) mod error;
pub(crate) mod files;
pub(crate) mod log;
#[cfg(test)]
pub(crate) mod samples;
pub(crate) mod segments;
pub(crate) mod store;
