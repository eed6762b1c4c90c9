//! The tokio shell around [`kvpaxos`]: replicas on real sockets and disks, and a client.
//!
//! [`Node`] is a running replica, [`Client`] asks a cluster, [`failures`] makes roles fail on purpose,
//! [`inspect`] and [`compare`] read data directories. The program `kvpaxos` is built from these
//! (`src/bin/kvpaxos`).
//!
//! ```text
//!   peers (TCP)         clients (TCP, UDP)        operator, failures on purpose
//!        |  frames            |  frames                  |  controls
//!   [listen::peers]     [listen::tcp, udp]          [node::handle]
//!        +------ batches -----+--------------------------+
//!                             v
//!         [replica::event_loop: owns the Replica] --- records ---> [storage::disk: append, one sync]
//!                   |                       ^                              |
//!                   | frames                +-------- settled -------------+
//!        [links: one write each]     [listen::tcp: one write per client]
//! ```
//!
//! - One task owns one [`kvpaxos::Replica`], so there is no lock. The shell decides nothing about consensus.
//! - Everything moves in batches: the event loop steps all that has arrived; then the disk gets one job, and
//!   each socket one write.
//! - One thread owns the disk and syncs once for everyone who waits, while the event loop goes on stepping.
//! - Every queue is bounded. Messages of peers are dropped (the protocol sends them again); clients are
//!   slowed down or disconnected.
//!
//! # The folders
//!
//! Imports run one way, from the last row to the first.
//!
//! | folder | what it holds |
//! | --- | --- |
//! | `system` | the clock, random bits, waits between attempts, shortages of descriptors and memory |
//! | `address` (a file) | addresses as people write them |
//! | [`configuration`] | the configuration file of a program: its keys, and where each setting stands |
//! | `cluster` (a file) | the configuration of a cluster, and the addresses of its replicas |
//! | `metrics` | what is counted, for Prometheus |
//! | `tls` | certificates and keys, handshakes, streams that are plain or within TLS |
//! | `wire` | frames on one socket: reading, queueing, writing |
//! | `storage` | the data directory: superblock, write-ahead log, segments, and the thread that writes them |
//! | `links` | the outgoing connections to the other replicas |
//! | `replica` | the event loop, what enters it, the gateway of other tasks, the replies to clients, log lines |
//! | `recording` | what a replica takes in, written down so that it can be executed again |
//! | `listen` | accepting connections of peers and clients, datagrams, the HTTP port for metrics and probes |
//! | [`redis`] | the Redis protocol |
//! | `chaos` | failures on purpose: rules, and the roster of those who are disturbed |
//! | `node` | starting and stopping a replica, its handle, failures on purpose |
//! | `client` | the client: calls, the task that drives it, its connections |
//! | [`backup`] | copies of the store in files: saved, read, and restored into a new cluster |
//! | `inspection` | what the logs in data directories hold, and where they differ |
//! | `power` (tests) | what a power failure may leave of a directory, at any operation on its files |
//!
//! # What happens to a PUT
//!
//! 1. `client/calls.rs`, [`Client::put`]: hands the call to the client's task. `client/driver.rs` steps the
//!    state machine [`kvpaxos::Client`], which names a server and gives the write its session and sequence
//!    number; `client/connection.rs` sends the frame.
//! 2. `listen/tcp.rs`: the server reads the frame (`wire/frames.rs`) and puts the request into the inbox of
//!    the event loop (`replica/inbox.rs`).
//! 3. `replica/event_loop.rs`, `on_arrival`: steps the replica with [`kvpaxos::Event::Client`]. A replica
//!    that does not lead sends the request on to the leader.
//! 4. The leader puts the write into a batch. Its step returns [`kvpaxos::Effect::Send`] with `Accept`
//!    messages, which leave through `links/outboxes.rs` and `links/link.rs`, and [`kvpaxos::Effect::Persist`]
//!    with its own vote.
//! 5. Each replica receives the `Accept` (`listen/peers.rs`) and steps it. The effect is `Persist`, with the
//!    vote as a record and the `Accepted` message as what may leave only afterwards: the event loop keeps it
//!    in `deferred`.
//! 6. `storage/disk.rs`: the thread appends the records of the batch (`storage/log.rs`) and syncs once. It
//!    reports the ticket as settled; `on_disk` in the event loop sends what was deferred for it.
//! 7. The leader counts the votes. With a quorum the slot is chosen; the learner applies the write and the
//!    step returns [`kvpaxos::Effect::Reply`], at the replica that the client asked.
//! 8. **The acknowledgement**: `replica/clients.rs`, `reply`, puts the frame into the outbox of the client's
//!    connection; `listen/tcp.rs` writes it, and `client/driver.rs` resolves the call.
#![cfg_attr(not(test), warn(clippy::disallowed_macros))]

mod address;
pub mod backup;
mod chaos;
mod client;
mod cluster;
pub mod configuration;
mod inspection;
mod links;
mod listen;
mod metrics;
mod node;
#[cfg(test)]
mod power;
mod recording;
pub mod redis;
mod replica;
mod storage;
mod system;
mod tls;
mod wire;

pub use address::{AddressError, check_address, check_listen_address};
pub use client::{
    CasResult, Client, ClientError, ClientOptions, ClientOptionsError, DeleteResult, GetManyResult,
    GetResult, LengthsResult, Page, ServerFailure, TransactionResult, Transport,
};
pub use cluster::{Cluster, PeerAddresses, PeerAddressesError};
pub use listen::bounds::Bounds;
pub use node::error::StartError;
pub use node::handle::NodeHandle;
pub use node::options::{MemoryLocation, NodeOptions};
pub use node::running::Node;
pub use node::security::Security;
pub use node::sockets::Sockets;
pub use recording::RecordOptions;
pub use redis::options::RedisOptions;
pub use replica::driver_status::{DriverStatus, PresentDisturbance};
pub use replica::error::NodeError;
pub use replica::inbox::RestartMemory;
pub use storage::error::{DirectoryError, LogError};
pub use system::descriptors::raise_descriptor_limit;
pub use system::problem::{LastProblem, remember_problem};
pub use system::random::entropy;
pub use tls::client::ClientTls;
pub use tls::error::TlsError;
pub use tls::files::Identity;
pub use tls::names::replica_name;
pub use tls::replica::{ClientPorts, ReplicaTls, TlsOptions};

/// The port for metrics and probes.
pub mod http {
    pub use crate::listen::question::converse;
}

/// Failures on purpose: roles of running replicas fail at random times and come back, and links have faults.
/// The replicas of a cluster see to it that a majority of them is not disturbed.
pub mod failures {
    pub use crate::chaos::disturbance::Disturbance;
    pub use crate::chaos::room::ChaosRefusal;
    pub use crate::chaos::roster::KEY;
    pub use crate::chaos::{ChaosRule, ChaosRuleError, ChaosRules, RoleChoice, Target};
    pub use crate::links::faults::{LinkDirection, LinkFault};
    pub use crate::node::chaos::{Chaos, ChaosError, ChaosEvent, run};
    pub use crate::system::times::TimeRange;
}

/// What the log in a data directory holds, and where it is damaged.
pub mod inspect {
    pub use crate::inspection::inspect::{
        CheckpointPlace, Inspection, LogSummary, LogVerdict, LossPlace, Segment, TornEnd, inspect,
    };
}

/// The histories of slots in several data directories, and the first slot at which they differ.
pub mod compare {
    pub use crate::inspection::compare::{
        CompareError, Comparison, ComparisonVerdict, Difference, Divergence, DivergenceKind, compare,
    };
    pub use crate::inspection::history::{History, HistoryError, SlotContents, read};
}

/// A certificate authority for tests and for clusters of one's own.
pub mod authority {
    pub use crate::tls::authority::{Authority, IssueError, Pair};
}

/// Pages for operators of a cluster.
#[cfg(doc)]
pub mod manual {
    #[doc = include_str!("../docs/backup.md")]
    pub mod backup {}
    #[doc = include_str!("../docs/benchmarks.md")]
    pub mod benchmarks {}
    #[doc = include_str!("../docs/chaos.md")]
    pub mod chaos {}
    #[doc = include_str!("../docs/cluster.md")]
    pub mod cluster {}
    #[doc = include_str!("../docs/configuration.md")]
    pub mod configuration {}
    #[doc = include_str!("../docs/durability.md")]
    pub mod durability {}
    #[doc = include_str!("../docs/hosts.md")]
    pub mod hosts {}
    #[doc = include_str!("../docs/logs.md")]
    pub mod logs {}
    #[doc = include_str!("../docs/recordings.md")]
    pub mod recordings {}
    #[doc = include_str!("../docs/redis.md")]
    pub mod redis {}
    #[doc = include_str!("../docs/replaced-machine.md")]
    pub mod replaced_machine {}
    #[doc = include_str!("../docs/replicas-that-differ.md")]
    pub mod replicas_that_differ {}
    #[doc = include_str!("../docs/security.md")]
    pub mod security {}
    #[doc = include_str!("../docs/two-phase.md")]
    pub mod two_phase {}
    #[doc = include_str!("../docs/wire.md")]
    pub mod wire {}
}
