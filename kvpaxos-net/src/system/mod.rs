//! What the operating system gives: time, random bits, and descriptors, memory and threads, for which a log
//! may wait. And log lines that repeat, the last problem that was
//! logged, and ranges of times.

pub(crate) mod backoff;
pub(crate) mod clock;
pub(crate) mod descriptors;
pub(crate) mod problem;
pub(crate) mod random;
pub(crate) mod repeats;
pub(crate) mod shortage;
pub(crate) mod times;
