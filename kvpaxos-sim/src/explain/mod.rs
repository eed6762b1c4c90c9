//! When did a failure become likely, and when unavoidable? The future of a failing run is drawn again and again
//! from points of it, chosen adaptively: what share of the futures fail tells.
//!
//! It knows nothing of Paxos: [`explain`] gets a function that plays one future of a run, which it makes with
//! [`Fork::decider`](crate::engine::Fork::decider), and says whether that future fails.
//!
//! ```
//! use kvpaxos_sim::explain::{Future, Plan, explain};
//!
//! // A run of 1,000 events fails because of what happens in event 400; from event 700 on nothing helps.
//! let play = |fork: kvpaxos_sim::engine::Fork| match fork.after {
//!     0..400 => Future::Holds,
//!     400..700 if fork.seed % 10 == 0 => Future::Holds,
//!     _ => Future::Fails,
//! };
//! let explanation = explain(1_000, &Plan::new(7, 40, 1), play, |_| ());
//! assert_eq!(explanation.likely.unwrap().event, 400);
//! assert_eq!(explanation.certain.unwrap().event, 700);
//! ```
//!
//! | file | what it holds |
//! | --- | --- |
//! | `share` | a share that was estimated from samples, with an interval |
//! | `search` | the search for the two events |

mod search;
mod share;

pub use search::{Explanation, Future, Plan, Point, Turn, explain};
pub use share::Share;
