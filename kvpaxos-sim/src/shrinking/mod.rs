//! The search for a smaller run that fails in the same way, for any kind of scenario.
//!
//! A [`Player`] says how a candidate is played and what is smaller; [`Search`] plays candidates, keeps the best, and
//! counts what it has played, because its limits are runs and events and not seconds: the same scenario shrinks
//! to the same scenario on every machine. What is left out, and in which order, is up to the passes of the
//! owner: those of kvpaxos are in `world/scenario/shrink`.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `search` | the best run so far, the limits, and leaving out items in chunks |

mod search;

pub use search::{Cost, Goal, Limits, Player, Progress, Search};
