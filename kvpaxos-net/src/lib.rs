//! The tokio shell around [`kvpaxos`]: replicas on real sockets and disks, and a client.
//!
//! ```text
//!   peers (TCP in)      clients (TCP, UDP)        operator, failures on purpose
//!        |  frames            |  frames                  |
//!   [inbound tasks]     [client tasks]                   |
//!        +------ batches -----+--------------------------+
//!                             v
//!                 [event loop: owns the Replica] --- records ---> [disk thread: append, one sync]
//!                   |                       ^                              |
//!                   | frames                +-------- settled -------------+
//!        [outgoing links: one write]     [client writers: one write]
//! ```
//!
//! - One task owns one [`kvpaxos::Replica`]; it is never locked. The shell decides nothing about consensus.
//! - Everything moves in batches: all that has arrived is stepped, then the disk gets one job and each socket one write.
//! - One thread owns the disk and syncs once for everyone who waits; the loop goes on stepping meanwhile.
//! - Every queue is bounded: peers' messages are dropped (the protocol sends them again), clients are held back or
//!   disconnected.
//!
//! [`Node`] is a running replica, [`Client`] asks a cluster, [`failures`] lets roles fail on purpose.

mod client;
mod cluster;
mod inspection;
mod links;
mod listen;
mod node;
#[cfg(test)]
mod power;
mod replica;
mod storage;
mod system;
mod wire;

pub use client::{
    CasResult, Client, ClientError, ClientOptions, ClientOptionsError, DeleteResult, GetResult, Transport,
};
pub use cluster::{Cluster, PeerAddresses, PeerAddressesError};
pub use listen::bounds::Bounds;
pub use node::error::StartError;
pub use node::handle::NodeHandle;
pub use node::options::{MemoryLocation, NodeOptions};
pub use node::running::Node;
pub use node::sockets::Sockets;
pub use replica::error::NodeError;
pub use replica::inbox::RestartMemory;
pub use storage::error::DirectoryError;
pub use storage::error::LogError;
pub use system::random::entropy;

/// Roles of running replicas that fail on purpose, and come back.
pub mod failures {
    pub use crate::node::failures::{FailureEvent, Failures, run};
}

/// What a data directory holds, and where its log is damaged.
pub mod inspect {
    pub use crate::inspection::inspect::{
        CheckpointPlace, Inspection, LogSummary, LogVerdict, LossPlace, Segment, TornEnd, inspect,
    };
}

/// What the logs of several directories tell of the history of slots, and from which slot on they differ.
pub mod compare {
    pub use crate::inspection::compare::{
        CompareError, Comparison, Difference, Divergence, DivergenceKind, Verdict, compare,
    };
    pub use crate::inspection::history::{History, HistoryError, SlotContents, read};
}

/// Pages for those who run a cluster.
#[cfg(doc)]
pub mod manual {
    #[doc = include_str!("../docs/cluster.md")]
    pub mod cluster {}
    #[doc = include_str!("../docs/durability.md")]
    pub mod durability {}
    #[doc = include_str!("../docs/replicas-that-differ.md")]
    pub mod replicas_that_differ {}
}
