//! What a replica keeps on its disk beyond single records, and what it gets back from there when it starts.
//!
//! - `archive`: the last durable snapshot and the values chosen since, from which learners are rebuilt;
//! - `checkpoint`: how a log is cut, in pieces that are written one after the other;
//! - `restore`: what the records of a log add up to.

pub(crate) mod archive;
pub(crate) mod checkpoint;
pub(crate) mod restore;
