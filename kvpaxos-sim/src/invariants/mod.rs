//! The invariants, checked from outside after every event.
//!
//! An *audit* watches what replicas write, send and report, and believes nothing else. A vote counts when its
//! record is durable. A value is chosen when a phase-2 quorum has durably accepted it in one ballot. Every
//! claim that a replica makes about itself or about the log is compared with that. A check costs no more than
//! the event that triggers it.
//!
//! # Properties
//!
//! The core asserts most of these as well, where it keeps them (see the front page of [`kvpaxos`]). The
//! sources are: *PMS*, Lamport, *Paxos Made Simple* (2001); *FPaxos*, Howard et al., *Flexible Paxos* (2016);
//! *Recovery*, Michael et al., *Recovering Shared Objects Without Stable Storage* (2017); *Raft*, Ongaro's
//! thesis (2014); *Commit*, Gray and Lamport, *Consensus on Transaction Commit* (2006); *HW*, Herlihy and
//! Wing, *Linearizability* (1990); *Omni*, Ng et al., *Omni-Paxos* (2023).
//!
//! | property | what must hold | source | checked in |
//! | --- | --- | --- | --- |
//! | A1 | An acceptor's promise never goes down within an incarnation, and it confirms no ballot below its promise. | PMS 2.2, phase 1 | `acceptors`, `messages`, `observations` |
//! | A2 | An acceptor accepts only at its promise or above. | PMS 2.2, P1a | `acceptors` |
//! | A3 | No message reveals state that is not durable. | PMS 2.5 | `messages` |
//! | A4 | An acceptor that lost its memory promises nothing, votes for nothing and answers no recovery until it has recovered. | Recovery, crash-consistent quorums | `messages`, `observations` |
//! | P1 | A ballot has one value per slot, and only proposed values are accepted. | PMS 2.2 | `slots`, `records`, `messages` |
//! | P2 | A promise contains every value that its acceptor accepted, and no ballot proposes another value where a lower one chose. | PMS 2.2, P2b and P2c | `acceptors`, `messages` |
//! | P3 | A ballot belongs to one replica and to one life of its proposer. | PMS 2.2 | `ballots` |
//! | P4 | Nothing counts as chosen, and no ballot as elected, without a quorum of votes from different acceptors that are crash-consistent with each other. | PMS 2.1; FPaxos; Recovery, crash-consistent quorums | `votes`, `slots`, `ballots`, `messages`, `observations` |
//! | L1 | Once a value is chosen for a slot, every replica has that value there for ever. | PMS 2.2, P2 | `slots`, `messages` |
//! | L2 | A learner applies each slot once, in order, without a gap. | PMS 3 | `learners` |
//! | L3 | The state after a slot has the same digest at every replica. | PMS 3 | `slots`, `observations` |
//! | L4 | A snapshot is the state that the slots below it lead to. | Raft 5.1 | `messages`, `observations` |
//! | S1 | A request takes effect at most once. | Raft 6.3 | `operations`; [`whole_store`](crate::whole_store) at the end, by executing the log |
//! | S2 | The history of all clients is linearizable. | HW | `operations` at once, by the places in the log that answers name; [`linearizability`](crate::linearizability) for the history of each key, without trusting these; [`whole_store`](crate::whole_store) for operations on several keys |
//! | S3 | The log holds every acknowledged write at the place that its answer named. | Raft 6.3 | `operations` |
//! | S4 | Once faults end and a quorum is connected, every pending request is answered within a bounded time. Once everything has healed, all replicas agree. | PMS 2.4; Omni, partial connectivity | `world::phases` |
//! | S5 | In the two-phase setting a write is acknowledged only after every replica has acknowledged that it applied it. | Commit 3 | `two_phase` |
//! | D1 | A replica that knows of a history that differs from its own serves only while a quorum shares its history. Judged only in worlds in which disks lose synced data unnoticed; nothing else is judged there. | [`kvpaxos::agreement`] | `divergence` |
//! | R1 | Each step of the replicas is a step of the specification, or changes nothing there. | [`specification`](crate::specification) | `refinement`; [`specification::State`](crate::specification::State) |
//! | Contract | A machine keeps the contract of `step`: its deadline lies in the future, it does not halt without a cause, and it tells a damaged log from a whole one. | [`kvpaxos::Replica::step`] | `observer`, `observations` |
//! | Assertion | No assertion of the machine fails. | | `world::report` |
//! | Determinism | The same seed gives the same run. | | `world::sweep` |

mod acceptors;
mod answers;
mod audit;
mod ballots;
mod coverage;
mod divergence;
mod excerpt;
mod learners;
mod messages;
mod observations;
mod observer;
mod operations;
mod paths;
mod records;
mod refinement;
mod slots;
#[cfg(test)]
mod tests;
mod trace;
mod turns;
mod two_phase;
mod violation;
mod votes;

pub(crate) use answers::Floor;
pub(crate) use audit::Audit;
pub use audit::ProtocolCounts;
pub use coverage::{Coverage, Sometimes};
pub use excerpt::{excerpt, excerpt_of};
pub use paths::{Accusation, audit_replicas, audit_roles};
pub(crate) use trace::seconds;
pub use trace::{EventLines, Trace};
pub use turns::Turn;
pub use violation::{Finding, Property, Violation};
