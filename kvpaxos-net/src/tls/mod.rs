//! TLS: what a replica and a client show and trust, the handshakes, and a stream that is plain or within TLS.
//!
//! Only TLS 1.3 is spoken. Sessions are never resumed: each new connection is checked by what the files say then.

pub(crate) mod accept;
pub(crate) mod authority;
pub(crate) mod client;
pub(crate) mod connect;
pub(crate) mod error;
pub(crate) mod fault;
pub(crate) mod files;
pub(crate) mod names;
pub(crate) mod replica;
pub(crate) mod stream;
pub(crate) mod watch;

#[cfg(test)]
mod tests;
