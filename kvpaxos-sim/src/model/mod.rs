//! The model checker: explores every order of delivery, loss, duplication and crash of a few roles, to the
//! end.
//!
//! A simulation tries millions of schedules and still misses a fault that needs 28 steps in one particular
//! order. The model checker tries all of them within bounds: n acceptors, some of which lose their memory and
//! recover, and one proposer for each ballot. It explores the code of the core and not a model of it:
//! [`Acceptor`](kvpaxos::acceptor::Acceptor), [`Recovery`](kvpaxos::recovery::Recovery),
//! [`Candidacy`](kvpaxos::candidacy::Candidacy) and [`Leadership`](kvpaxos::leadership::Leadership).
//!
//! ```
//! use kvpaxos_sim::model::{Bounds, Limits, Roles, Verdict, search};
//!
//! let roles = Roles::new(Bounds::new(3, 1)); // three acceptors, two ballots, one loss of memory
//! let limits = Limits { states: 1_000_000, depth: usize::MAX, threads: 1 };
//! let (verdict, tally) = search(&roles, limits, |_| {});
//! assert_eq!(verdict, Verdict::Holds);
//! assert_eq!(tally.open, 0, "nothing is left to be explored");
//! ```
//!
//! # What can happen
//!
//! - Every packet that was sent may arrive at any later time, any number of times, or never. That covers
//!   loss, duplication and reordering.
//! - An acceptor may lose its memory, also while it recovers. The bounds say how often, all acceptors
//!   together. The number of acceptors that lack their memory at a time is limited to that for which
//!   [`recovery`](kvpaxos::recovery) promises safety. The replica may or may not still know which life its
//!   acceptor was in. The acceptor then recovers as the core does, with fresh nonces. Packets of its earlier
//!   lives may still arrive.
//! - An acceptor may crash and keep its memory. Its changes are durable before anyone hears of them, so such
//!   a crash changes nothing, unless something reveals a change that is not durable. [`Bounds::unsynced`]
//!   lets an acceptor run ahead of its disk and crash.
//! - A proposer may conclude from any packets that reached it, in any order, or stay silent for ever.
//! - With [`Bounds::cuts`], an acceptor may cut its log wherever everything is chosen.
//! - With [`Bounds::chunks`], a recovering acceptor receives what another remembers in chunks of one entry.
//!   Each chunk may be lost, duplicated or reordered.
//!
//! # What must hold
//!
//! [`Invariant`] lists the invariants. A value is *chosen* if a leader counts it as chosen, and also if the
//! definition says so: a crash-consistent quorum voted for it in one ballot. The definition is computed here
//! without the core, and both must agree in every state. No acceptor and no proposer may be stuck: in a state
//! in which nothing but crashes can happen, every acceptor has recovered and the highest ballot has every
//! slot chosen.
//!
//! # How it works
//!
//! ```text
//!   search, walks    breadth-first search with fingerprints of 128 bits, and random walks; know nothing of Paxos
//!     |
//!   roles            states of numbers; actions, checks, symmetry, reduction
//!     |
//!   tables           nodes, packets and leaders by number; core_queries asks the core each question once
//!     |
//!   node, proposer   the roles of the core
//! ```
//!
//! A state consists of a few numbers, and a step is a look into a table. The core is asked only once what an
//! acceptor does with a packet, or what a candidate concludes from a set of packets. The core is
//! deterministic, so asking again would give the same answer. Acceptors are interchangeable, so one state
//! stands for 3! or 5! of them (`symmetry.rs`). Much need not be explored at all: `reduction.rs` says what,
//! and why.
//!
//! [`Replicas`] is a second space: whole replicas, explored as deep as time allows.
//!
//! # What the audit says of its paths
//!
//! The model checker has invariants of its own. [`audit_roles`](crate::invariants::audit_roles) and
//! [`audit_replicas`](crate::invariants::audit_replicas) show its paths to the audit of the simulator as well, from
//! the beginning of each: what is written and durable, what leaves, what is counted as chosen. Every step must also be one
//! of the [specification](crate::specification) (R1). The paths take every step of a small space at least once, and as many
//! as a limit allows of a large one. So each auditor is tested by the other: neither may accuse what the other finds
//! right, and both must find a mutant. The 19,770 states of the first row below take 23,805 paths with 301,182 steps, in
//! 5 seconds of a core; `kvpaxos-sim model` takes 20,000 steps, unless `--audit-steps` says otherwise.
//!
//! # Figures
//!
//! Measured with `kvpaxos-sim model` on two cores of a shared machine. Every invariant holds in every state
//! of these spaces.
//!
//! | acceptors | ballots | losses | slots | cuts | states | depth |
//! | --- | --- | --- | --- | --- | --- | --- |
//! | 3 | 2 | 2 | 1 | no | 19,770 | 19 |
//! | 3 | 2 | 2 | 1 | yes | 165,371 | 23 |
//! | 3 | 2 | 2 | 2 | no | 1,359,640 | 25 |
//! | 3 | 3 | 2 | 1 | no | 1,140,165 | 25 |
//! | 5 | 2 | 1 | 1 | no | 19,401 | 19 |
//! | 5 | 2 | 2 | 1 | no | 4,590,671 | 27 |
//!
//! The last of them takes about two minutes in one thread. Two slots with one loss are 43,792 states, or
//! 61,391 if memories come slot by slot.
//!
//! # How much random runs see
//!
//! Where all states are counted, [`walk`] shows what share of them random walks reach, with as many steps as there
//! are states, 4, 16 and 64 times as many (`kvpaxos-sim model --walks`; 3 acceptors, 2 ballots, 2 losses, 19,770 states):
//!
//! | each step is | 1 | 4 | 16 | 64 |
//! | --- | --- | --- | --- | --- |
//! | drawn uniformly | 13.6 % | 22.9 % | 34.0 % | 45.4 % |
//! | drawn with a preference of each walk (swarm) | 13.6 % | 23.3 % | 35.0 % | 46.6 % |
//! | to a state that was visited least often | 26.9 % | 46.1 % | 65.7 % | 85.5 % |
//! | drawn uniformly, and walks go on from earlier states | 12.0 % | 27.7 % | 61.4 % | 95.9 % |
//! | both | 20.0 % | 51.7 % | 91.7 % | 100.0 % |
//!
//! Walks that always begin at the start see the same states again and again: the rare ones lie behind them.
//!
//! # A mutant
//!
//! If the answers to a recovering acceptor need not be crash-consistent with each other
//! (`mutants/recovery/answers-not-consistent.patch`), five acceptors and two losses lead to two chosen values
//! after 26 steps. The search finds that after 3,920,365 states, in about a minute.

mod actions;
mod bounds;
mod checks;
mod core_queries;
mod counterexample;
mod invariant;
mod node;
mod packet;
mod proposer;
mod reduction;
mod renamed_keys;
mod replica_tables;
mod replicas;
mod roles;
mod search;
mod symmetry;
mod tables;
#[cfg(test)]
pub(crate) mod tests;
mod tour;
mod visited_set;
mod walks;
mod watch;
mod watched_roles;

pub use bounds::{Bounds, BoundsError};
pub use counterexample::Counterexample;
pub use invariant::{Breach, Invariant};
pub use replicas::{ReplicaBounds, Replicas, ReplicasState};
pub use roles::{Roles, State};
pub use search::{Limits, Next, Space, Tally, Verdict, search};
pub use tour::Toured;
pub(crate) use tour::{Objection, tour};
pub use walks::{Draw, Reached, walk};
pub(crate) use watch::{Watched, Watcher};
