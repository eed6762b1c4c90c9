//! What the operating system gives: time, random bits, and descriptors, memory and threads, for which a log
//! may wait.

pub(crate) mod backoff;
pub(crate) mod clock;
pub(crate) mod random;
pub(crate) mod shortage;
