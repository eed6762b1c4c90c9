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

mod backoff;
mod broadcast;
pub mod client;
mod clock;
mod cluster;
pub mod compare;
mod directory;
mod disk;
mod event_loop;
pub mod failures;
mod files;
mod frames;
mod inbound;
pub mod inspect;
mod link;
mod listener;
mod log;
mod node;
mod observe;
mod outbox;
#[cfg(test)]
mod power;
#[cfg(test)]
mod samples;
mod segments;
mod shortage;
mod storage;
mod tcp;
mod udp;

pub use client::{Client, ClientError, ClientOptions, Transport};
pub use clock::entropy;
pub use cluster::{Cluster, Peers, PeersError};
pub use directory::DirectoryError;
pub use event_loop::Remembers;
pub use log::LogError;
pub use node::{Bounds, KeptIn, Node, NodeError, NodeHandle, NodeOptions, Sockets, StartError};
