//! Judges of operations on several keys, whose state is the whole store.
//!
//! [`linearizability`](crate::linearizability) judges each key by itself, which is enough as long as every
//! operation concerns one key. Here two judges look at the store as a whole:
//!
//! - the replay takes the log for the order of all writes, executes it on a model that shares no code
//!   with the core's store, and compares every answer. Every run of a world is judged so.
//! - the search finds an order by itself, and believes nothing but the history. It tries all orders, so it is
//!   for histories of some tens of operations. [`judge_file`] applies it to histories of any origin.

mod file;
mod model;
mod replay;
mod search;
#[cfg(test)]
mod tests;

pub use file::{StoreFileError, judge_file};
pub(crate) use model::Model;
pub(crate) use replay::{GivenAnswer, Question, Replay, ScanWalk, Wrong};
pub use search::StoreVerdict;
pub(crate) use search::{End, StoreOperation, search};
