//! How much of a replica's memory its clients may take.

/// Limits on what the clients of one replica may take of its memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// TCP connections at once; a further one is closed as soon as it is accepted. Default: 4096.
    pub connections: usize,
    /// Bytes of replies that may wait for one connection; a client that lets more pile up is disconnected.
    /// Default: 64 MiB.
    pub client_outbox: usize,
    /// Datagrams whose replies are due, and replies that wait to be sent; further datagrams are dropped.
    /// Default: 16384.
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
