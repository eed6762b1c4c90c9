//! The replicated state: what every replica holds alike after the same prefix of the log.
//!
//! - `machine`: applies commands, in log order, to the two tables below ([`machine::StateMachine`]);
//! - `session`: the session table, which makes a client's write take effect exactly once;
//! - `kv`: the key-value store;
//! - `buckets`: the hash map whose clone shares everything, in which both tables are kept;
//! - `snapshot`: the state in parts, as it travels and goes to disk ([`snapshot::Snapshot`]).

pub(crate) mod buckets;
pub(crate) mod kv;
pub mod machine;
pub(crate) mod session;
pub mod snapshot;
