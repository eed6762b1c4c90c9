//! What comes in: connections of peers and of clients, and datagrams of clients.

pub(crate) mod accept;
pub(crate) mod admission;
pub(crate) mod bounds;
pub(crate) mod door;
pub(crate) mod gate;
pub(crate) mod http;
pub(crate) mod peers;
pub(crate) mod probe;
pub(crate) mod question;
pub(crate) mod states;
pub(crate) mod tcp;
pub(crate) mod udp;
