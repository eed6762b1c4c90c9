//! Frames on one socket: how they are read, queued and written. Knows nothing of replicas.

pub(crate) mod budget;
pub(crate) mod frames;
pub(crate) mod outbox;
pub(crate) mod unfinished;
pub(crate) mod write;
