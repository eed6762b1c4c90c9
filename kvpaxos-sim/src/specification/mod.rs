//! The specification: abstract Multi-Paxos with loss of memory, as a state machine to be read next to the
//! papers.
//!
//! It is written in the style of TLA+. A [`State`] holds what each acceptor remembers, and every message that
//! was ever sent: messages are facts, which stay true, so that loss, repetition and reordering need no words.
//! Each action is enabled under [`Condition`]s, each with the paper and the section that asks for it. There is
//! no time in it, no disk, no leader, no client and no learner's log: whatever elects leaders, whenever
//! messages are resent and however values are learned, every step must be one of these, or change nothing
//! here.
//!
//! | action | what it stands for | source |
//! | --- | --- | --- |
//! | [`prepare`](State::prepare) | 1a | *Paxos Made Simple*, 2.2, phase 1 (a) |
//! | [`promise`](State::promise) | 1b, with everything that the acceptor voted for | 2.2, phase 1 (b) |
//! | [`propose`](State::propose) | 2a | 2.2, P2c; *Flexible Paxos* |
//! | [`accept`](State::accept) | 2b | 2.2, phase 2 (b) |
//! | [`learn`](State::learn) | a value is chosen | 2.1 |
//! | [`cut`](State::cut) | a snapshot takes the place of votes | *Paxos Made Moderately Complex*, 4.2 |
//! | [`lose_memory`](State::lose_memory) | an acceptor forgets everything | Michael et al., *Recovering Shared Objects Without Stable Storage* |
//! | [`announce`](State::announce) | it begins a life | section 4 there; [`kvpaxos::recovery`] |
//! | [`answer`](State::answer) | another hears of that life, and says what it remembers | the same |
//! | [`recover`](State::recover) | it returns | the same |
//!
//! What must hold is [agreement](State::disagreement): at most one value is chosen for a slot. Two-phase
//! updates are the setting with a phase-2 quorum of all acceptors; that clients wait for more there is a
//! matter of answers, and not of this machine.
//!
//! # How it is used
//!
//! Every step of every simulated run must be one of these (R1 in [`invariants`](crate::invariants); the mapping
//! is in `invariants/refinement.rs`). That costs a tenth of a sweep's time. `kvpaxos-sim model --specification` explores every state within bounds:
//!
//! | acceptors | ballots | losses | slots | cuts | states | depth |
//! | --- | --- | --- | --- | --- | --- | --- |
//! | 3 | 2 | 0 | 1 | no | 267 | 14 |
//! | 3 | 2 | 0 | 1 | yes | 1,272 | 17 |
//! | 3 | 3 | 0 | 1 | no | 7,732 | 21 |
//! | 3 | 2 | 1 | 1 | no | 36,565 | 22 |
//! | 3 | 2 | 1 | 1 | yes | 276,128 | 26 |
//!
//! # What each condition is for
//!
//! Agreement breaks if one is left out (`--without NAME`), so the check can fail. Three acceptors, two ballots
//! and one slot are enough; the steps are those of a shortest way there.
//!
//! | left out | losses | steps |
//! | --- | --- | --- |
//! | `Proposed` | 0 | 6 |
//! | `OneValue`, `VoteQuorum` | 0 | 8 |
//! | `PromiseQuorum`, `HighestVote`, `VoteAtPromise` | 0 | 10 |
//! | `PromiseNotLower` | 0 | 11 |
//! | `ReportedSlot` | 0, with cuts | 12 |
//! | `PromiseFromMemory`, `VoteFromMemory` | 1 | 11 |
//! | `AnswerQuorum` | 1 | 13 |
//! | `ConsistentVotes`, `NewLife`, `HeardBefore`, `VotesRecovered` | 1 | 15 |
//! | `ConsistentPromises`, `PromiseRecovered` | 1 | 16 |
//! | `CutRecovered` | 1, with cuts | 16 |
//! | `AnswerFromMemory` | 2 | 14 |
//!
//! `ConsistentAnswers` needs five acceptors and two losses, more than is explored here; the
//! [model checker](crate::model) finds it in the core. `LivesRecovered` is needed by no run of three acceptors
//! that lose one memory. The others are not there for agreement: `Prepared`, `Announced` and `MemoryIsLost` say
//! what answers what, and a vote below the cut (`VoteAboveCut`) or a cut of what is not chosen (`CutChosen`)
//! costs progress.
//!
//! # Which mutants it notices
//!
//! Of the [mutants](crate::mutants) made at a replica's boundary, judged by R1 alone in seeds 0..120:
//!
//! | mutant | first seed | by |
//! | --- | --- | --- |
//! | `hasty-sender` | 0 | `PromiseQuorum`, or a message that the specification has not sent |
//! | `amnesiac-voter` | 0 | `PromiseFromMemory` |
//! | `vectorless-voter` | 0 | a vote or a promise that says more than the one that was given |
//! | `careless-candidate` | 65 | `PromiseQuorum` |
//! | `partial-promise` | 0 | a promise that leaves out a vote |
//! | `cut-promise` | 5 | an answer, or a start, with a lower promise than on the disk |
//! | `one-ballot` | 0 | a promise with a vote that its ballot did not propose |
//! | `one-vote-for-two` | 0 | `VoteQuorum` |
//! | `stale-entries` | 5 | `VoteQuorum`: a replica applies what is not chosen |
//! | `forgetful-acceptor` | within 20 | `PromiseNotLower`, at a start |
//! | `unconfirmed-read`, `clock-lease` | never | it knows no reads |
//! | `unhelpful-learner` | never | it knows no progress |
//! | `misplaced-answer` | never | it knows no clients |
//!
//! # Files
//!
//! | file | what it holds |
//! | --- | --- |
//! | `state` | what acceptors remember, and the messages |
//! | `lives` | which messages count together |
//! | `condition` | the conditions, with their sources, and the quorum sizes |
//! | `actions` | the machine |
//! | `exploration` | every state that it reaches within small bounds; `renamed` says which count as one |

mod actions;
mod condition;
mod exploration;
mod lives;
mod renamed;
mod state;
#[cfg(test)]
mod tests;

pub use actions::Enabled;
pub use condition::{Condition, Rules};
pub use exploration::{Exploration, Explored};
pub use lives::Lives;
pub use state::{Acceptor, Instance, LifeOf, Memory, Proposal, State, Votes};
