//! The event loop that owns a replica: what enters it, what it sends to clients, and what it logs.

pub(crate) mod alarm;
pub(crate) mod clients;
pub(crate) mod error;
pub(crate) mod event_loop;
pub(crate) mod inbox;
pub(crate) mod observe;
