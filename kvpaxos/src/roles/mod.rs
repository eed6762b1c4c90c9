//! The three roles that Paxos gives a replica, and what they are made of. Roles do not know the replica, and none owns another: the
//! replica owns all of them and routes between them.
//!
//! - `acceptor`: promises and votes; `recovery`: how one that lost its memory comes back;
//! - `proposer`: uses each ballot once; as a candidate it is a `candidacy` (phase 1), as a leader a `leadership` (phase 2);
//! - `under_way`: the commands that a leader has taken in and that are not chosen yet;
//! - `learner`: finds out what is chosen, and applies it; `chosen_log`: the chosen values that it keeps;
//! - `read`: linearizable reads, the leader's side and that of the replica which serves them.

pub mod acceptor;
pub mod candidacy;
pub(crate) mod chosen_log;
pub mod leadership;
pub(crate) mod learner;
pub(crate) mod proposer;
pub(crate) mod read;
pub mod recovery;
pub(crate) mod under_way;
