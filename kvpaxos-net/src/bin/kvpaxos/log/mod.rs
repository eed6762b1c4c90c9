//! `kvpaxos log`: looks into data directories.

pub(crate) mod compare;
pub(crate) mod inspect;
