//! Arguments of the commands that are clients of a running cluster.

use std::time::Duration;

use clap::Args;
use kvpaxos_net::{ClientOptions, Transport};

use crate::args::duration::duration;

#[derive(Args, Clone, Debug)]
pub(crate) struct ServerArguments {
    /// Where replicas listen for clients: 127.0.0.1:8000,127.0.0.1:8001,... Any of them will do; one that
    /// fails is skipped.
    #[arg(long, value_name = "LIST", value_delimiter = ',', required = true)]
    pub(crate) servers: Vec<String>,
    /// Use UDP; the list must then have the UDP addresses of the replicas.
    #[arg(long)]
    pub(crate) udp: bool,
    /// How long a request may take in all.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// How long to wait for one replica before asking the next [default: 2500ms, with --udp 500ms].
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) attempt: Option<Duration>,
}

impl ServerArguments {
    /// The options of a client of these servers.
    pub(crate) fn options(&self) -> ClientOptions {
        ClientOptions {
            transport: if self.udp { Transport::Udp } else { Transport::Tcp },
            attempt: self.attempt,
            deadline: self.timeout,
            ..ClientOptions::new(self.servers.iter().map(|server| server.trim()))
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct BenchArguments {
    #[command(flatten)]
    pub(crate) servers: ServerArguments,
    /// How many clients there are, each with its own session and connection, spread over the servers.
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub(crate) clients: usize,
    /// How many requests each client keeps in flight.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) pipeline: usize,
    /// How many seconds to measure, after half a second that is not measured.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) seconds: u64,
    /// How many of 100 requests are reads.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) reads: u8,
    /// How many different keys there are.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub(crate) keys: u64,
    /// How many bytes a value has.
    #[arg(long, value_name = "BYTES", default_value_t = 100)]
    pub(crate) value_size: usize,
}
