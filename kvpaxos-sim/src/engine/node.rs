//! The ends of links: replicas and clients.

use std::fmt;

use kvpaxos::ReplicaId;

/// The place of the first client; the replicas come before it.
const FIRST_CLIENT: u8 = 16;

/// A replica or a client, as an end of links.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
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
        Node(FIRST_CLIENT + u8::try_from(number).expect("the number of a client is below 48"))
    }

    /// The replica, if it is one.
    #[must_use]
    pub fn as_replica(self) -> Option<ReplicaId> {
        (self.0 < FIRST_CLIENT).then_some(ReplicaId(self.0))
    }

    /// The number of the client, if it is one.
    #[must_use]
    pub fn as_client(self) -> Option<u32> {
        self.0.checked_sub(FIRST_CLIENT).map(u32::from)
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

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_client() {
            Some(client) => write!(f, "c{client}"),
            None => write!(f, "r{}", self.0),
        }
    }
}
