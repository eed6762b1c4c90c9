//! The ends of links: replicas and clients.

use kvpaxos::ReplicaId;

/// A replica or a client, as an end of links.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Node(u8);

impl Node {
    /// The highest number of nodes.
    pub const LIMIT: usize = 64;
    /// The highest number of clients.
    pub const CLIENTS: u32 = 48;

    /// The node of a replica.
    #[must_use]
    pub fn replica(id: ReplicaId) -> Node {
        Node(id.0)
    }

    /// The node of a client.
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
        Node(16 + u8::try_from(number).expect("the number of a client is below 48"))
    }

    /// Its place in tables of nodes.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl From<ReplicaId> for Node {
    fn from(id: ReplicaId) -> Node {
        Node::replica(id)
    }
}
