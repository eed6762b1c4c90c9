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
//! # Ok::<(), kvpaxos_sim::world::SetupError>(())
//! ```
//!
//! Or a seed draws it all, plays safety under faults, then liveness, then convergence:
//!
//! ```
//! let report = kvpaxos_sim::run_seed(42, kvpaxos_sim::Trace::Off);
//! assert!(report.violation.is_none(), "{report}");
//! ```
//!
//! # The wings
//!
//! ```text
//!   mutants           replicas that are wrong on purpose
//!      |
//!   world             clients, nemesis, setups, whole runs, sweeps        linearizability   judges histories: stream, search, witness
//!      |         \                                                           |
//!   invariants   subject   what is checked after every event              history           operations, their format, generators
//!      |
//!   engine            queue, hosts, disks, clocks, network                model             every order of a small bound, on the same core
//! ```
//!
//! An arrow down is an import; there are none up. `world` also uses `history` and `linearizability` to judge what clients saw, and
//! `model` uses no other wing.
//!
//! - [`engine`] drives any [`Machine`] and knows no Paxos. Every random or undecided thing is a question to its
//!   [`Decider`](engine::Decider); the seeded one gives each component a stream of its own. [`engine::Log`] says what a crash, a
//!   lost or a misdirected write leaves of a log.
//! - [`subject`] puts a [`kvpaxos::Replica`], or a mutant of it, behind that seam.
//! - [`invariants`] watches from outside, after every event, and believes only what is durable.
//! - [`world`] puts clients and a nemesis around an engine, draws all from a seed, and plays it in three phases.
//! - [`history`] holds what clients asked and were told: the format, its readers and writers, and generators for the checker's own tests.
//! - [`linearizability`] judges a history, knowing nothing of replicas; [`linearizability::witness`] judges it by the order that the
//!   replicas say it has.
//! - [`model`] explores the core exhaustively at small bounds.
//! - [`mutants`] holds replicas that are wrong on purpose, in the ways in which real systems were. The checks above must find each.

pub mod engine;
mod hashing;
pub mod history;
pub mod invariants;
pub mod linearizability;
pub mod model;
pub mod mutants;
pub mod parallel;
pub mod subject;
pub mod world;

pub use engine::{Engine, Machine};
pub use invariants::{Property, Trace, Violation};
pub use subject::Subject;
pub use world::{Report, Setup, World, run, run_seed};

/// Pages for those who use the programs.
#[cfg(doc)]
pub mod manual {
    #[doc = include_str!("../docs/histories.md")]
    pub mod histories {}
}
