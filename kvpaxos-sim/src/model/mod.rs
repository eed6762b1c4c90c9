//! The model checker: every order of delivery, loss, duplication and crash of a few role machines, explored to the end.
//!
//! A simulation tries millions of schedules; what needs 28 steps in one particular order it misses. This module tries them all, within
//! bounds: n acceptors, some of which lose their memory and recover, and one proposer for each ballot. What is explored is the code that
//! ships: [`Acceptor`](kvpaxos::acceptor::Acceptor), [`Recovery`](kvpaxos::recovery::Recovery),
//! [`Candidacy`](kvpaxos::candidacy::Candidacy), [`Leadership`](kvpaxos::leadership::Leadership), and no copy or model of it.
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
//! - Every packet that was sent may arrive at any later time, any number of times, or never: loss, repetition and reordering in one.
//! - An acceptor may lose its memory (as often as the bounds say, all together, and only so many at a time as section 4.9 of the design
//!   allows), also while it recovers. Its replica may still know which life that was, or not. It then recovers as the core says, with
//!   fresh nonces. Its packets of earlier lives are still on their way.
//! - An acceptor may crash and keep its memory. What it did is durable before anybody hears of it, so that such a crash changes nothing,
//!   unless something reveals what is not durable: [`Bounds::unsynced`] lets an acceptor run ahead of its disk, and crash.
//! - A proposer may conclude from any packets that reached it in any order, or stay silent for ever.
//! - With [`Bounds::cuts`], an acceptor may cut its log wherever all is chosen.
//! - With [`Bounds::chunks`], what an acceptor remembers comes to one that recovers in chunks of one entry, each of which may be lost, repeated
//!   or overtaken.
//!
//! # What must hold
//!
//! See [`Invariant`]. *Chosen* is what a leader's count of votes says, and also what the definition says (a crash-consistent quorum voted in one
//! ballot), which is computed here without the core's help; both must be the same in every state. And nobody may be stuck: where nothing is
//! left to happen but crashes, everybody has recovered and the highest ballot has got every slot chosen.
//!
//! # How it goes so far
//!
//! ```text
//!   search     breadth first, 128-bit fingerprints, a shortest way back     knows any Space
//!     |
//!   roles      states of numbers; actions, checks, symmetry, reduction          knows what can happen
//!     |
//!   tables     acceptors, packets, leaders by number; every question        asks the core, once
//!     |        that the core was asked, with its answer
//!   node, proposer                                                          the core's machines
//! ```
//!
//! A state is a handful of numbers, and a step a look into a table: the core is asked only once what an acceptor does with a packet, and what
//! a candidate concludes from a set of them. Asking again would give the same answer, as the core is deterministic. Acceptors are
//! interchangeable ([`symmetry`](self), 3! or 5! states in one), and much need not be explored at all: `reduction.rs` says what, and why.
//!
//! # Figures
//!
//! Measured with `kvpaxos-sim model` on two cores of a shared machine.
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
//! Every invariant holds in every state of these spaces; the last takes about two minutes in one thread.
//! Two slots whose memories are told slot by slot, with one loss, are 61,391 states instead of 43,792.
//!
//! With answers that need not be crash-consistent with each other (`mutants/recovery/answers-not-consistent.patch`), five acceptors and
//! two losses, two values are chosen after 26 steps; the search finds that after 3,920,365 states, in about a minute.
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
mod tests;
mod visited_set;

pub use bounds::{Bounds, BoundsError};
pub use counterexample::Counterexample;
pub use invariant::{Breach, Invariant};
pub use replicas::{ReplicaBounds, Replicas, ReplicasState};
pub use roles::{Roles, State};
pub use search::{Limits, Next, Space, Tally, Verdict, search};
