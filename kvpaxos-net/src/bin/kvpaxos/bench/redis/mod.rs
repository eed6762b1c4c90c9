//! A client of the Redis protocol (RESP2), small and for load only: one connection, on which many requests
//! may be in flight.
//!
//! The crate `redis` would do as well, but it brings three times the code that this needs, and its own
//! reconnections and retries would be measured with the store.

mod client;
mod command;
mod decode;

pub(crate) use client::{RedisClient, RedisError, RedisOptions};
