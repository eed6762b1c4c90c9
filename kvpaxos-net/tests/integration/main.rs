//! Tests of the program and of the shell on real sockets and disks. One binary, so that it is linked once, and so that tests that wait
//! run beside tests that compute.

#![allow(clippy::unwrap_used)] // helpers of tests are tests too

mod attacks;
mod backup;
mod bad_bytes;
mod bench;
mod chaos;
mod common;
mod compare;
mod configuration;
mod crashes;
mod directories;
mod founded_anew;
mod lost_tails;
mod operations;
mod processes;
mod program;
mod python_client;
mod recordings;
mod redis;
mod rolling;
mod security;
mod shortage;
mod soak;
mod stalls;
mod stopping;
mod watching;
mod wire_page;
