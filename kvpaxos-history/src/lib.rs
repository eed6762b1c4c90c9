//! Histories of client operations: what clients asked of a key-value store and what it answered, in memory
//! and as text in the format kv-history/1.
//!
//! The simulator, the load of a real cluster (`kvpaxos soak`) and the generators of test histories write this
//! format. The linearizability checker (`kvpaxos-sim check`) reads it. Other stores' clients can write it
//! too.
//!
//! # The format
//!
//! UTF-8 text, one JSON object on each line. The first line is a header, each other line an event:
//!
//! ```text
//! {"type":"header","format":"kv-history","version":1,"initial":null}
//! {"type":"invoke","process":3,"op":"cas","key":"r","expect":1,"value":4,"time":7}
//! {"type":"ok","process":3,"op":"cas","key":"r","applied":false,"time":9,"rev":[12,0]}
//! ```
//!
//! The order of the lines is the order in real time: a line that stands later happened later, or at the same
//! time. `initial` is the value that every key has at first.
//!
//! | field | on which lines | what it holds |
//! | --- | --- | --- |
//! | `type` | all | `header`, `invoke`, `ok`, `fail` or `info` |
//! | `process` | all events | an integer from 0 on: who asks. A process has one operation open at a time. |
//! | `op` | all events | `get`, `put`, `append`, `delete` or `cas`; also `read` for `get` and `write` for `put` |
//! | `key` | all events | a string: the one key that the operation is about |
//! | `value` | `invoke` of put, append and cas; `ok` of get | the value that is written, or was read |
//! | `expect` | `invoke` of cas | the value that the key must have for the swap to be applied |
//! | `applied` | `ok` of cas | `true` or `false` |
//! | `time` | events, optional | an integer of 64 bits |
//! | `rev` | `ok`, optional | the operation's position in one order of all operations |
//!
//! **Values** are null (the key is absent), integers of 64 bits with or without a sign, and strings. Two
//! values are equal if they have the same type and the same content. `-0` is 0. So is `-0.0`, which a JSON
//! reader cannot tell from it; no other number with a fraction or an exponent is an integer.
//!
//! **Events.** An `invoke` begins an operation; the next event of the same process completes it, and names
//! the same `op` and `key`:
//!
//! - `ok`: the operation took effect between the two lines, and this is its answer. `applied: false` says
//!   that the key's value differed from `expect` at that moment.
//! - `fail`: the operation had no effect and will have none.
//! - `info`: the outcome is unknown. The operation took effect at any time after its `invoke`, or will, or
//!   never does. The process may go on. An operation that is never completed counts as such.
//!
//! A completion of a put, an append or a cas may repeat `value` and `expect`. It must then say the same as
//! the `invoke`: if it does not, it belongs to another operation, and the line is malformed.
//!
//! **Append** works on text. Null stands for the empty string and an integer for its decimal digits, in the
//! key's value and in the value that is appended. The result is always a string: `append` of null to null
//! leaves `""`, `append` of 2 to 1 leaves `"12"`.
//!
//! **Time** is for people and pictures; verdicts depend on the order of lines alone. It never goes down. Its
//! unit is up to the writer. A line without `time` has the time of the line before it, and 0 if no line
//! before has one. When several logs are merged by their clocks, an `invoke` goes before the completions of
//! the same instant.
//!
//! **Positions.** `rev` is `[slot,index]`, or an integer `n`, which means `[n,0]`. Slots are integers of 64
//! bits and indexes of 32 bits, both from 0 on; positions are compared by slot first. Those of a log with
//! batches are such pairs; a counter of all writes is such an integer.
//!
//! - A put, an append, a delete or a cas, applied or not, took effect at its `rev`.
//! - A get saw the effects of everything up to and including its `rev`, and of nothing after it.
//! - Operations on different keys with the same `rev` took effect together. Two writes of one key cannot have
//!   the same.
//! - `null` is the same as no `rev`: the position is not known.
//! - A write that is sent again and answered from memory has the `rev` of the one time it took effect.
//!
//! A history whose answers have positions can be judged by them, without a search: `kvpaxos-sim check
//! --witness`.
//!
//! **Malformed** is a line that is no such object, lacks a field, holds something else in a field, completes
//! what is not open, or is longer than [`LONGEST_LINE`] bytes. [`ReadError`] says which line and why. Fields
//! that the table does not name for a line are ignored, and of a field that stands twice in a line the last
//! counts. A file that is compressed, is UTF-16 or begins with a byte order mark is malformed at line 1, and
//! the error names the command that converts it.
//!
//! # In memory
//!
//! ```
//! use kvpaxos_history::{Answer, History, Operation};
//!
//! let mut history = History::new();
//! history.invoke(1, Operation::put("k", "a"))?;
//! history.invoke(2, Operation::get("k"))?;
//! history.ok(2, Answer::Value("a".into()))?;
//! history.info(1)?; // nobody knows whether the put was acknowledged
//! assert_eq!(history.events().len(), 4);
//! # Ok::<(), kvpaxos_history::EventError>(())
//! ```
//!
//! [`Reader`] and [`Writer`] work event by event, for histories that are too long to be held.
#![cfg_attr(not(test), warn(clippy::disallowed_macros))]

mod datum;
mod error;
mod event;
mod history;
mod line;
mod open;
mod operation;
mod reader;
mod scan;
#[cfg(test)]
mod tests;
mod writer;

pub use datum::Datum;
pub use error::{EventError, ReadError, Reason};
pub use event::{Event, EventKind};
pub use history::History;
pub use operation::{Action, Answer, Operation, rev_of};
pub use reader::{LONGEST_LINE, Reader};
pub use writer::Writer;

/// The name of the format in the header.
const FORMAT: &str = "kv-history";
/// The version of the format in the header.
const VERSION: u64 = 1;
