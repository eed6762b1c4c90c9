//! How a replica serves Redis clients.

use std::time::Duration;

use crate::redis::decode::RequestBounds;

/// How a replica serves Redis clients. What they may take of its memory is bounded together with the other
/// clients: see [`Bounds`](crate::Bounds). What they must show is in [`Security`](crate::Security), too.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RedisOptions {
    /// The bytes of one request, where each argument counts 64 more. A connection that sends more is told so
    /// and closed. Default: 16 MiB.
    pub request: usize,
    /// The time after which a command is answered with an error: that it was not done, or that its outcome is
    /// unknown. Default: 5 seconds.
    pub deadline: Duration,
}

impl Default for RedisOptions {
    fn default() -> RedisOptions {
        RedisOptions {
            request: 16 * 1024 * 1024,
            deadline: Duration::from_secs(5),
        }
    }
}

impl RedisOptions {
    /// The bounds on a request, before and after the client has shown the password. Those before are Redis'.
    pub(crate) fn request_bounds(&self, authenticated: bool) -> RequestBounds {
        if authenticated {
            RequestBounds {
                arguments: 1024 * 1024,
                argument: self.request,
                bytes: self.request,
            }
        } else {
            RequestBounds {
                arguments: 10,
                argument: 16 * 1024,
                bytes: 64 * 1024,
            }
        }
    }
}
