//! The Redis protocol, for `redis-cli` and the clients of every language: bytes into requests, replies into
//! bytes. The manual's page [`redis`](crate::manual::redis) says what is served.
//!
//! ```text
//!   socket ── decode ── parse ── conversation ──┐ MULTI, WATCH, HELLO, ...
//!      ▲                                        ▼
//!      └─── outbox ── reply ◀── steps ◀── run: what arrived together, as one transaction or one read
//!                                               │
//!                       replica::gateway: one session for all connections ── the replica's event loop
//! ```
//!
//! Why one session and not one for each connection: the cluster remembers a bounded number of sessions
//! (`limits.sessions`), and ten thousand connections to each of five replicas would push out each other's, and
//! those of other clients. Redis clients often connect, write once and leave; with a session each, that would
//! be three commands of the log instead of one. The window of the session costs no order, as each connection
//! has one request in flight (see `run`).
//!
//! | file | what it holds |
//! | --- | --- |
//! | `decode`, `inline`, `reply` | the wire format |
//! | `commands.txt`, `table`, `describe` | the table of commands, and what COMMAND tells of it |
//! | `command`, `parse`, `connection_commands` | the commands, and their arguments |
//! | `conversation`, `transaction` | the state of a connection; MULTI, EXEC, WATCH |
//! | `steps`, `run`, `question` | what the replica is asked, and what its answers are to a client |
//! | `keyspace`, `glob`, `info` | SCAN and KEYS, patterns, INFO |
//! | `offline` | a connection without a replica, for fuzzers |
//! | `reader`, `connection`, `service`, `spawn`, `options` | the tasks |

mod command;
mod connection;
mod connection_commands;
mod conversation;
mod decode;
mod describe;
mod glob;
mod info;
mod inline;
mod keyspace;
mod offline;
pub(crate) mod options;
mod parse;
mod question;
mod reader;
mod reply;
mod run;
pub(crate) mod service;
mod spawn;
mod steps;
mod table;
mod transaction;

pub use decode::{ProtocolError, Request, RequestBounds, RequestDecoder};
#[doc(hidden)]
pub use offline::converse;
pub(crate) use spawn::{RedisPorts, spawn};
