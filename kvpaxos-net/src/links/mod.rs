//! What leaves for the other replicas: one link to each, and the queue before it.

pub(crate) mod faults;
pub(crate) mod link;
pub(crate) mod outboxes;
pub(crate) mod spawn;
