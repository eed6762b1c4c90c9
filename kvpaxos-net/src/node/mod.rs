//! A running replica: its options, its sockets, its tasks, the handle to it, and failures on purpose.

pub(crate) mod chaos;
pub(crate) mod error;
pub(crate) mod handle;
pub(crate) mod options;
pub(crate) mod running;
pub(crate) mod security;
pub(crate) mod services;
pub(crate) mod sockets;
