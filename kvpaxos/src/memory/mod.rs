//! What a replica keeps beyond single records of its log, and what it gets back from the log when it starts.
//!
//! - `archive`: the last durable snapshot and the values chosen since, from which learners are rebuilt;
//! - `checkpoint`: how a log is cut, in pieces that are written one after the other;
//! - `restore`: the sum of a log's records.

pub(crate) mod archive;
pub(crate) mod checkpoint;
pub(crate) mod restore;
