//! What the operating system gives: time, random bits, and (for which there may be a wait) descriptors, memory and threads.

pub(crate) mod backoff;
pub(crate) mod clock;
pub(crate) mod random;
pub(crate) mod shortage;
