//! Arguments of `kvpaxos bench`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::args::address::ServerList;
use crate::args::count::{count, rate};
use crate::args::duration::duration;
use crate::args::security::AccessArguments;
use crate::bench::{KeyDistribution, LoadTransport, Mix, Target, ValueSizes};

#[derive(Args, Debug)]
pub(crate) struct BenchArguments {
    /// Where replicas listen for clients: 127.0.0.1:8000,127.0.0.1:8001,..., or @DIR for the cluster that
    /// `kvpaxos cluster up DIR` has started. Clients are spread over them.
    #[arg(long, value_name = "LIST", required_unless_present = "targets")]
    pub(crate) servers: Option<ServerList>,
    /// Several stores, instead of --servers: NAME=tcp://HOST:PORT,HOST:PORT..., with tcp, udp, redis, or rediss
    /// for the Redis protocol within TLS. In each round they are measured in turn, and compared with the first.
    #[arg(long, value_name = "NAME=URL", num_args = 1..)]
    pub(crate) targets: Vec<Target>,
    /// How requests travel. The list must have the addresses for it.
    #[arg(long, value_name = "HOW", default_value = "tcp")]
    pub(crate) transport: LoadTransport,
    /// The same as --transport udp.
    #[arg(long)]
    pub(crate) udp: bool,
    /// How long a request may take in all.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// How long to wait for one replica before asking the next [default: 2500ms, over UDP 500ms].
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) attempt: Option<Duration>,
    #[command(flatten)]
    pub(crate) access: AccessArguments,
    /// How many clients there are, each with its own session and connection.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = count)]
    pub(crate) clients: usize,
    /// How many requests each client keeps in flight; with --rate, how many at most [default: 1, with --rate
    /// 64].
    #[arg(long, value_name = "N", value_parser = count)]
    pub(crate) pipeline: Option<usize>,
    /// Send this many requests a second, whether earlier ones have ended or not, and count latencies from the
    /// moment at which each was due: an open loop. Without it, a client sends its next request when one has
    /// ended: a closed loop.
    #[arg(long, value_name = "N/s", value_parser = rate)]
    pub(crate) rate: Option<u64>,
    /// How many seconds to measure.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) seconds: u64,
    /// How long the load runs before anything is measured.
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = duration)]
    pub(crate) warm_up: Duration,
    /// How often to measure. The throughput of a store is the median of its rounds.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub(crate) rounds: u64,
    /// The kinds of requests with their weights: get, put, delete, cas, incr, append [default: put=100].
    #[arg(long, value_name = "get=50,put=50")]
    pub(crate) mix: Option<Mix>,
    /// How many of 100 requests are reads; the others are puts.
    #[arg(long, value_name = "N", conflicts_with = "mix", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) reads: Option<u8>,
    /// How many different keys there are.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) keys: u64,
    /// How requests are spread over the keys: uniform; zipf:EXPONENT, Zipf's law; or hot:PERCENT, so many of
    /// 100 requests for one key.
    #[arg(long, value_name = "HOW", default_value = "uniform")]
    pub(crate) distribution: KeyDistribution,
    /// How many bytes a value has: one length, or two, as in 10..1000, for lengths between them, of which each
    /// key keeps its own.
    #[arg(long, value_name = "BYTES", default_value = "100")]
    pub(crate) value_size: ValueSizes,
    /// Put every key before the first round, so that reads find values.
    #[arg(long, conflicts_with = "history")]
    pub(crate) preload: bool,
    /// The seed of what is asked. The same seed asks the same requests, for every target.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    /// Write a history of all requests and answers here, for `kvpaxos-sim check`. Then the keys are new ones,
    /// and all values differ.
    #[arg(long, value_name = "FILE")]
    pub(crate) history: Option<PathBuf>,
}
