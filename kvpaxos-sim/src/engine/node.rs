//! The ends of links: replicas and clients.

use kvpaxos::ReplicaId;

/// Whoever is connected: a replica or a client.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Node(u8);

impl Node {
    /// How many there can be.
    pub const LIMIT: usize = 64;
    /// How many of them can be clients.
    pub const CLIENTS: u32 = 48;

    /// A replica.
    #[must_use]
    pub fn replica(id: ReplicaId) -> Node {
        Node(id.0)
    }

    /// A client.
    ///
    /// # Panics
    /// If its number is [`CLIENTS`](Node::CLIENTS) or above.
    #[must_use]
    pub fn client(number: u32) -> Node {
        assert!(
            number < Node::CLIENTS,
            "a world has at most {} clients",
            Node::CLIENTS
        );
        Node(16 + u8::try_from(number).expect("clients are numbered below 48"))
    }

    /// Its place among all.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Whether it is a client.
    #[must_use]
    pub fn is_client(self) -> bool {
        self.0 >= 16
    }
}

impl From<ReplicaId> for Node {
    fn from(id: ReplicaId) -> Node {
        Node::replica(id)
    }
}
