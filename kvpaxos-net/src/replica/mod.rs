//! The event loop that owns a replica: what enters it, what it sends to clients, and what it logs. The gateway is the
//! way in for other parts of the process.

pub(crate) mod alarm;
pub(crate) mod clients;
pub(crate) mod driver_status;
pub(crate) mod error;
pub(crate) mod event_loop;
pub(crate) mod gateway;
pub(crate) mod inbox;
pub(crate) mod leaving;
pub(crate) mod observe;
