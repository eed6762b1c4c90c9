//! Worlds with faults that a test chooses, the mutants, and the program. One binary, so that it is linked once.

#![allow(clippy::unwrap_used)] // helpers of tests are tests too

mod check_command;
mod common;
mod compaction;
mod exhaust;
mod explain;
mod forks;
mod founded;
mod generate_command;
mod kept_scenarios;
mod lock_service;
mod mutants;
mod planned;
mod properties;
mod protocol;
mod recording_commands;
mod recovery;
mod scenarios;
mod shrink_command;
mod stalls;
mod sweep_command;
mod toy;
