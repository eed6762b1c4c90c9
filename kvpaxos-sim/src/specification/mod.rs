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
