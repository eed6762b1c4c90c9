//! Deterministic simulation of kvpaxos, and the checkers that judge it.
//!
//! A [`World`] is a set of replicas, clients, a network, disks, clocks and a nemesis under one event queue. One seed
//! decides everything in it: the same seed gives the same run, bit for bit, on every machine. A test is a few lines:
//!
//! ```
//! use kvpaxos::{Micros, ReplicaId, Role};
//! use kvpaxos_sim::{Setup, World};
//!
//! let mut world = World::new(Setup::quiet(7))?;
//! assert!(world.put("k", "before").is_done());
//! let leader = world.leader().expect("the put had a leader");
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
//! Or a seed draws the whole setup. The run checks safety under faults, then liveness, then convergence:
//!
//! ```
//! let report = kvpaxos_sim::run_seed(42, kvpaxos_sim::Trace::Off);
//! assert!(report.violation.is_none(), "{report}");
//! ```
//!
//! # The wings
//!
//! Each folder is a wing with a facade. Imports go down only:
//!
//! ```text
//!   receipts                   what was swept, by which build, with which outcome
//!      |
//!   mutants, protocol -.      replicas that are wrong on purpose; worlds for protocols of one's own
//!      |             |
//!    world ----------+-----.     setups, clients, nemesis, whole runs, sweeps
//!      |             |      \
//!  invariants        |   linearizability     is there an order of the operations that explains the answers?
//!      |             |        |
//!   subject <--------'     history           operations: format, readers, writers, generators
//!      |
//!   timeline                a run as a picture
//!      |
//!    engine <--- decisions  model             every order of events within small bounds
//!      |
//!   explain, exhaust                        when a failure became likely; every run of a small world
//!                       specification          what each step of replicas may be: used by invariants, stands on model
//!
//!     shrinking, parallel                    the search for smaller runs; work on several threads, for all wings
//! ```
//!
//! - [`engine`] drives any deterministic [`Machine`]: event queue, hosts, disks, clocks, network. It knows
//!   nothing of Paxos.
//! - [`decisions`] calls what a run decides by what it is, and writes down what differs from the default.
//! - [`explain`] looks for the event after which the failure of a run was likely, and the one after which it
//!   was certain, by drawing its future again.
//! - [`exhaust`] plays every run of a small world within bounds; the page `manual::exhaust`.
//! - [`shrinking`] looks for a smaller run that fails in the same way, for any kind of scenario.
//! - [`subject`] puts a [`kvpaxos::Replica`] behind the engine's seam, with its log on a simulated disk.
//! - [`invariants`] observes every event from outside, and checks the invariants of the protocol. It believes
//!   only what is durable.
//! - [`timeline`] is what happened in a run, as data and as a page for a browser, for any protocol.
//! - [`world`] puts clients and a nemesis around an engine, and plays whole runs.
//! - [`history`] holds what clients asked and what they were answered.
//! - [`linearizability`] judges a history, knowing nothing of replicas. [`linearizability::witness`] judges it by
//!   the order that the revisions in the answers claim.
//! - [`whole_store`] judges operations on several keys: by executing the log, and by a search whose state is
//!   the whole store.
//! - [`model`] explores the core exhaustively within small bounds. It uses no other wing but `parallel`, and the
//!   engine's seam for observers, to which it tells its paths; `invariants` watches them.
//! - [`protocol`] puts clients, faults and a verdict around any [`Machine`], and has the tools for its runs.
//! - [`receipts`] keeps the outcome of sweeps in shards, and adds them up.
//! - [`specification`] is abstract Multi-Paxos with loss of memory, to be read next to the papers. It knows nothing of
//!   the core but its numbers.
//! - [`recording`] executes what real replicas took in, and audits it. It watches as `world` does.
//! - [`mutants`] holds replicas with the bugs that real systems had. The checks above must find each.
//!
//! # Where is ...?
//!
//! | question | file in `kvpaxos-sim/src` |
//! | --- | --- |
//! | What does a crash leave of a disk? | `engine/disk/group_commit.rs` for a list of records, `subject/log/files.rs` for files |
//! | What does a misdirected write, a flipped bit or a lost block do to a disk? | `subject/log/damage.rs`: `misdirect`, `flip_bit`, `lose_sector` |
//! | How is a world set up? | `world/setup.rs` ([`Setup`]); `world/swarm/` draws one from a seed ([`Setup::drawn`]) |
//! | Where is a fault drawn, and begun? | `world/nemesis/state.rs` (`on_next_fault`) draws it, `world/nemesis/begin.rs` begins it |
//! | Where does a fault end? | `world/nemesis/end.rs`; `world/nemesis/healing.rs` at the end of the phase with faults |
//! | Where does randomness come from? | `engine/decider.rs` ([`Decider`](engine::Decider)) |
//! | Where is the digest of a run made? | `engine/digest.rs`; `engine/advance.rs` adds each event |
//! | Where is a message lost, delayed or duplicated? | `engine/network.rs` |
//! | What do clients do? | `world/clients/` |
//! | Which steps does Paxos allow? | `specification/actions.rs`, with the condition of each and its source |
//! | What must hold after every event? | `invariants/`, with a table of all properties in [`invariants`] |
//! | How long may a request take? | `world/liveness.rs` |
//! | Which rule decides that a history is not linearizable? | `linearizability/`, with an index in [`linearizability`] |
//! | Which order of operations on several keys is looked for? | `whole_store/search.rs`; `whole_store/replay.rs` takes that of the log |
//! | How does a failure become a test? | `world/scenario/` ([`world::scenario`]); the page `manual::scenarios` has the format |
//! | How is a failure made smaller? | `world/scenario/shrink/` says what is left out; `shrinking/` keeps the best and the limits |
//! | How is a run drawn? | `timeline/` ([`timeline`]); `timeline/page/` is the page; the page `manual::report` says what it shows |
//! | How is a sweep split among machines, and added up? | `receipts/`; `world/summary.rs` has the sums, `world/swept.rs` the digest of digests |
//! | How are real replicas executed again, and judged? | `recording/` ([`recording`]); the page `manual::recordings` has the format |
//! | After which event was a failure unavoidable? | `explain/search.rs` looks for it; `world/futures.rs` plays the futures; the page `manual::explain` |
//! | Which deciders are there? | `engine/decider.rs` (a seed), `engine/from_bytes.rs`, `engine/forking.rs`, `decisions/decider.rs` (a scenario), `exhaust/decider.rs` |
//! | How is a mutant made? | `mutants/`, with a table of all in [`mutants`] |
//! | How is another protocol simulated? | `protocol/` ([`protocol`]), and `examples/paxos.rs`; `tests/integration/toy.rs` is an engine without that |
#![cfg_attr(not(test), warn(clippy::disallowed_macros))]

pub mod decisions;
pub mod engine;
pub mod exhaust;
pub mod explain;
mod hashing;
pub mod history;
pub mod invariants;
pub mod linearizability;
mod markup;
pub mod model;
pub mod mutants;
pub mod output;
pub mod parallel;
pub mod protocol;
pub mod receipts;
pub mod recording;
pub mod shrinking;
pub mod specification;
pub mod subject;
pub mod timeline;
pub mod whole_store;
pub mod world;

pub use engine::{Engine, Machine};
pub use invariants::{Property, Trace, Violation};
pub use mutants::assert_scenario;
pub use subject::Subject;
pub use world::{Report, Setup, World, run, run_seed};

/// Pages for those who use the programs.
#[cfg(doc)]
pub mod manual {
    #[doc = include_str!("../docs/benchmarks.md")]
    pub mod benchmarks {}

    #[doc = include_str!("../docs/histories.md")]
    pub mod histories {}

    #[doc = include_str!("../docs/protocols.md")]
    pub mod protocols {}
    #[doc = include_str!("../docs/recordings.md")]
    pub mod recordings {}

    #[doc = include_str!("../docs/scenarios.md")]
    pub mod scenarios {}

    #[doc = include_str!("../docs/report.md")]
    pub mod report {}

    #[doc = include_str!("../docs/explain.md")]
    pub mod explain {}

    #[doc = include_str!("../docs/exhaust.md")]
    pub mod exhaust {}

    #[doc = include_str!("../docs/sweeps.md")]
    pub mod sweeps {}
}
