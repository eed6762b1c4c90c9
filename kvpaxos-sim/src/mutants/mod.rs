//! Mutants: replicas that are wrong on purpose, in the ways in which real systems were wrong.
//!
//! A simulator is worth the bugs that it finds. Each mutant has one known bug, and a check must find it. No
//! check knows of any mutant. There are two kinds, in one table that `kvpaxos-sim/mutants/run` prints:
//!
//! - *Mutants made at a replica's boundary* are in this module. Each wraps a correct
//!   [`Replica`](kvpaxos::Replica) and changes what goes in or comes out of it. `kvpaxos-sim mutants` hunts
//!   them: it plays seeds until a check finds the mutant. [`MUTANTS`] lists them.
//! - *Patches* are the bugs that cannot be made at the boundary. `kvpaxos-sim/mutants/run` applies each to a
//!   copy of the sources:
//!
//! | files in `kvpaxos-sim/mutants` | what must find them |
//! | --- | --- |
//! | `*.patch` | `kvpaxos-sim sweep` |
//! | `forks/*.patch` | `kvpaxos-sim forks`, which simulates disks that lose synced data unnoticed |
//! | `recovery/*.patch` | the test in `kvpaxos/tests/recovery` that the patch names, and `kvpaxos-sim model` within the bounds that it names |
//! | `rules/` | one patch that breaks each rule of `rules/table` in turn; the table names the test and the bounds for each rule |
//!
//! # Bugs that real systems had
//!
//! All but the last two were found in implementations of consensus that people relied on; a review of the
//! design of recovery brought up the last two. Where both a boundary mutant and a patch stand for a bug, the
//! patch makes the same mistake inside the core. *Found by* says which command finds it, and which property
//! of [`invariants`](crate::invariants) or [`model::Invariant`](crate::model::Invariant) it usually breaks
//! first: a property that is checked after every event breaks before clients notice.
//!
//! | bug | what went wrong | where | mutant | found by |
//! | --- | --- | --- | --- | --- |
//! | 1 | A promise or a vote is sent before it is durable. | openraft ee460f37, tikv#994 | `hasty-sender` | sweep: A3 |
//! | 2 | An acceptor that lost its memory votes as if it were new. | openraft FAQ (wiped node), TigerBeetle#2996 | `amnesiac-voter` | sweep: A4 |
//! | 3 | Recovery without stable storage forgets votes that are on their way, when several members recover in turn. | Michael et al., *Recovering Shared Objects Without Stable Storage* (2017) | `vectorless-voter`, `recovery/no-vector-in-votes.patch` | sweep: P4; model: Agreement |
//! | 4 | A promise for an old ballot counts in a new one. | MyPaxos#18 | `careless-candidate` | sweep: A3 |
//! | 5 | A promise leaves out slots that were already chosen, and the new leader overwrites them. | paxi, `HandleP1a` | `partial-promise`, `05-accepted-values-ignored.patch` | sweep: P2 |
//! | 6 | The promise is lost when the log is cut or replaced by a snapshot. | Summerset, snapshots | `cut-promise` | sweep: A1 |
//! | 7 | The promised and the accepted ballot are one variable. | EPaxos, arXiv 1906.10917 | `one-ballot` | sweep: P2 |
//! | 8 | A value counts as chosen with one vote too few. | openraft d60f1e85, openraft#1802 | `one-vote-for-two`, `08-quorum-one-too-small.patch` | sweep: P4 |
//! | 9 | A log that catches up keeps stale entries in the same slots. | OmniPaxos#101 | `stale-entries` | sweep: L1 |
//! | 10 | A crash between cutting the log and writing what replaces it loses a chosen entry. | openraft 9540c904 | `10-cut-before-the-end.patch` | sweep: A1 |
//! | 11 | A deposed leader answers a read. | d-engine#381, etcd#20418 | `unconfirmed-read`, `11-read-by-deposed-leader.patch` | sweep: S2 |
//! | 12 | A new leader answers reads before the values that it carried over are chosen. | etcd#7331, openraft a9f696a9 | `12-reads-before-what-was-carried-over.patch` | sweep: S2 |
//! | 13 | The session table lives in the leader's memory only. | curvine#676, atomix#341 | `13-session-table-forgets.patch` | sweep: S2 |
//! | 14 | The applied position and the state do not become durable together. | etcd 3.5 postmortem, rqlite#2759 | `14-state-ahead-of-position.patch` | sweep: Assertion |
//! | 15 | Installing a snapshot races with applying the log. | openraft eed681d5, 674e78aa | `15-install-over-what-was-applied.patch` | sweep: L2 |
//! | 16 | A session table that keeps only the largest sequence number skips requests that arrive out of order. | FrankenPaxos, `ClientTable` | `16-largest-sequence-only.patch` | sweep: S1 |
//! | 17 | The old snapshot is deleted before the new one is durable. | verdi-raft#51 | `17-deleted-before-the-new-one-is-safe.patch` | sweep: Contract |
//! | 18 | Torn, misdirected and unsynced writes are taken for whole ones. | etcd#6378, TigerBeetle#2711 | `18-checksums-ignored.patch` | sweep |
//! | 19 | A lease or an election trusts a clock that jumps or pauses. | tikv#964, d-engine#390 | `clock-lease` | sweep: S2 |
//! | 20 | A leader that has cut its whole log cannot help a replica that lags behind. | openraft#1828 | `unhelpful-learner` | sweep: S4 |
//! | 21 | The answers to an acceptor that recovers are not crash-consistent with each other. Five replicas, two losses and 28 steps are needed. | review | `recovery/answers-not-consistent.patch` | model: Agreement |
//! | 22 | Answers to an earlier life of a recovering acceptor count in the present one, so that two lives share an incarnation. | review | `recovery/stale-answers.patch` | model: Agreement |

mod acceptors;
mod catalog;
mod disks;
#[cfg(test)]
mod exported;
mod learners;
mod proposers;
#[cfg(test)]
mod tests;

pub use catalog::{
    Hunt, MUTANTS, Mutant, ReplayError, assert_scenario, explain, hunt, lines_of_events, player, record,
    record_decided, record_pictured, replay, replay_pictured,
};
