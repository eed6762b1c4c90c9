//! A replica that runs: its options, its sockets, its tasks, and the handle to talk to it.

pub(crate) mod error;
pub(crate) mod failures;
pub(crate) mod handle;
pub(crate) mod options;
pub(crate) mod running;
pub(crate) mod sockets;
