//! How much of a replica's memory clients may take.

/// Bounds on what clients may take of a replica's memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// TCP connections of clients at once.
    pub connections: usize,
    /// Bytes of replies that may wait for one connection; a client that lets more pile up is disconnected.
    pub client_outbox: usize,
    /// Datagrams whose reply is out, and replies that wait to be sent.
    pub datagrams: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            connections: 4096,
            client_outbox: 64 * 1024 * 1024,
            datagrams: 16 * 1024,
        }
    }
}
