//! Arguments of the commands that run a cluster of processes under load.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

#[cfg(unix)]
use crate::args::count::count;
use crate::args::duration::duration;

#[derive(Args, Debug)]
pub(crate) struct SoakArguments {
    /// How many rounds to run [default: 20, or as many as fit into --minutes].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) rounds: Option<u64>,
    /// How many minutes to run; the last round is completed.
    #[arg(long, value_name = "N", conflicts_with = "rounds", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) minutes: Option<u64>,
    /// The seed of the random choice who is killed when, what is damaged, and what clients do.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Write a history of what the clients did and saw here, for `kvpaxos-sim check`.
    #[arg(long, value_name = "FILE")]
    pub(crate) history: Option<PathBuf>,
    /// Keep data and logs here, in a directory that is new or empty, instead of in one that is removed at the
    /// end.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Let replicas keep nothing on disk: one that is killed loses its memory. At most two are killed at
    /// once.
    #[arg(long)]
    pub(crate) memory_only: bool,
    /// How many clients there are, each with one operation in flight.
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..1000))]
    pub(crate) clients: u64,
    /// How many different keys there are.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) keys: u64,
    /// The mean time that a client waits between two operations.
    #[arg(long, value_name = "TIME", default_value = "10ms", value_parser = duration)]
    pub(crate) pace: Duration,
    /// The longest time that the cluster may take to serve again.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub(crate) patience: Duration,
    /// Replicas cut their logs after this many bytes of values. Small, so that it happens often.
    #[arg(long, value_name = "BYTES", default_value_t = 16 * 1024)]
    pub(crate) log_bytes: usize,
}

#[cfg(unix)]
#[derive(Args, Debug)]
pub(crate) struct GrowthArguments {
    /// How many writes there are in all.
    #[arg(long, value_name = "N", default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(10..))]
    pub(crate) operations: u64,
    /// How many different keys there are.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) keys: u64,
    /// How many bytes a value has.
    #[arg(long, value_name = "BYTES", default_value_t = 100)]
    pub(crate) value_size: usize,
    /// How many clients there are, each with its own session and connection.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = count)]
    pub(crate) clients: usize,
    /// How many requests each client keeps in flight.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = count)]
    pub(crate) pipeline: usize,
    /// Replicas cut their logs after this many bytes of values [default: as for serve].
    #[arg(long, value_name = "BYTES")]
    pub(crate) log_bytes: Option<usize>,
}
