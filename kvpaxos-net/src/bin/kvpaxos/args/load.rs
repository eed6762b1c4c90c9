//! What clusters of processes under load are started with.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::args::duration::duration;

#[derive(Args, Debug)]
pub(crate) struct SoakArguments {
    /// How many rounds [default: 20, or as many as the minutes hold].
    #[arg(long, value_name = "N")]
    pub(crate) rounds: Option<u64>,
    /// How many minutes; a round that is under way ends.
    #[arg(long, value_name = "N", conflicts_with = "rounds")]
    pub(crate) minutes: Option<u64>,
    /// Draws who is killed when, what is damaged, and what clients do.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Write what the clients did and saw here, for `kvpaxos-sim check`.
    #[arg(long, value_name = "FILE")]
    pub(crate) history: Option<PathBuf>,
    /// Keep data and logs here; it must be new or empty. Otherwise they go to a directory that is removed at the end.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Replicas keep nothing on disks: whoever is killed loses its memory. Never more than two at once.
    #[arg(long)]
    pub(crate) memory_only: bool,
    /// Clients, each with one operation in flight.
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..1000))]
    pub(crate) clients: u64,
    /// Different keys.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) keys: u64,
    /// The mean time a client waits between two operations.
    #[arg(long, value_name = "TIME", default_value = "10ms", value_parser = duration)]
    pub(crate) pace: Duration,
    /// The longest that the cluster may take to come back.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub(crate) patience: Duration,
    /// Replicas cut their logs after so many bytes of values: small, so that it happens often.
    #[arg(long, value_name = "BYTES", default_value_t = 16 * 1024)]
    pub(crate) log_bytes: usize,
}

#[cfg(unix)]
#[derive(Args, Debug)]
pub(crate) struct GrowthArguments {
    /// How many writes in all.
    #[arg(long, value_name = "N", default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(10..))]
    pub(crate) operations: u64,
    /// Over how many keys.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) keys: u64,
    /// Bytes of a value.
    #[arg(long, value_name = "BYTES", default_value_t = 100)]
    pub(crate) value_size: usize,
    /// Clients, each with a session and a connection of its own.
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub(crate) clients: usize,
    /// Requests that each client keeps in flight.
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub(crate) pipeline: usize,
    /// Replicas cut their logs after so many bytes of values [default: what serve does].
    #[arg(long, value_name = "BYTES")]
    pub(crate) log_bytes: Option<usize>,
}
