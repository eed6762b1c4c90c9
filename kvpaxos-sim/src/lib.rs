//! Deterministic simulation of kvpaxos.
//!
//! A [`World`] is replicas, clients, a network, disks, clocks and a nemesis under one event queue. One seed decides
//! everything in it, bit for bit. What a test wants to see is a few lines:
//!
//! ```
//! use kvpaxos::{Micros, ReplicaId, Role};
//! use kvpaxos_sim::{Setup, World};
//!
//! let mut world = World::new(Setup::quiet(7))?;
//! assert!(world.put("k", "before").is_done());
//! let leader = world.leader().expect("somebody has led the put");
//! world.partition([leader]); // cut the leader off from the other four
//! assert!(world.put("k", "after").is_done());
//! world.mend();
//! world.fail(ReplicaId(1), Role::Acceptor);
//! world.run_for(Micros(2_000_000));
//! assert_eq!(world.get("k").value(), Some("after".into()));
//! world.verdict().expect("every invariant held, and the history is linearizable");
//! # Ok::<(), kvpaxos_sim::world::setup::SetupError>(())
//! ```
//!
//! Or a seed draws it all, plays safety under faults, then liveness, then convergence:
//!
//! ```
//! let report = kvpaxos_sim::run_seed(42, kvpaxos_sim::Trace::Off);
//! assert!(report.violation.is_none(), "{report}");
//! ```
//!
//! # How it is built
//!
//! ```text
//!   world      clients, nemesis, checks, history        knows kvpaxos
//!     |
//!   engine     queue, hosts, disks, clocks, network     knows any Machine
//!     |
//!   decider    every random or undecided thing          a typed Choice, answered by one Decider
//! ```
//!
//! - [`Machine`] is the seam to what is driven: one `step`, one `deadline`. [`kvpaxos::Replica`] is the first; known-wrong
//!   variants wrap it and are a [`Subject`] like it.
//! - [`engine::decider::Decider`] is the seam to what is undecided. The seeded one gives each component a stream of its own.
//! - [`invariants::Audit`] watches from outside, after every event, and believes only what is durable.
//! - [`linearizability`] judges the history that clients saw, knowing nothing of replicas. [`history::generate`] makes histories for it,
//!   [`linearizability::report`] tells in JSON what it found, and [`linearizability::page`] draws it.
//! - [`linearizability::witness`] judges the same history by the order that the replicas say it has.

pub mod engine;
mod hashing;
pub mod history;
pub mod invariants;
pub mod linearizability;
pub mod model;
pub mod mutants;
pub mod subject;
pub mod world;

pub use engine::Engine;
pub use engine::host::RoleState;
pub use engine::machine::Machine;
pub use invariants::trace::Trace;
pub use invariants::violation::{Property, Violation};
pub use subject::Subject;
pub use world::World;
pub use world::report::{Report, run, run_seed};
pub use world::setup::Setup;
