//! Arguments of the commands that are clients of a running cluster.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use kvpaxos_net::{Client, ClientOptions, Transport};

use crate::args::address::ServerList;
use crate::args::count::count;
use crate::args::duration::duration;

#[derive(Args, Clone, Debug)]
pub(crate) struct ServerArguments {
    /// Where replicas listen for clients: 127.0.0.1:8000,127.0.0.1:8001,..., or @DIR for the cluster that
    /// `kvpaxos cluster up DIR` has started. Any of them will do; one that fails is skipped.
    #[arg(long, value_name = "LIST", env = "KVPAXOS_SERVERS")]
    pub(crate) servers: ServerList,
    /// How requests travel. With udp, the list must have the UDP addresses of the replicas.
    #[arg(long, value_name = "HOW", env = "KVPAXOS_TRANSPORT", default_value = "tcp")]
    pub(crate) transport: TransportName,
    /// The same as --transport udp.
    #[arg(long)]
    pub(crate) udp: bool,
    /// How long a request may take in all.
    #[arg(long, value_name = "TIME", env = "KVPAXOS_TIMEOUT", default_value = "10s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// How long to wait for one replica before asking the next [default: 2500ms, with --udp 500ms].
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) attempt: Option<Duration>,
}

/// The names of [`Transport`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum TransportName {
    /// Over a connection to each replica that is asked.
    Tcp,
    /// In a datagram for each request and each answer.
    Udp,
}

impl ServerArguments {
    /// These servers over TCP, with the default times.
    pub(crate) fn new(servers: Vec<String>) -> ServerArguments {
        ServerArguments {
            servers: ServerList(servers),
            transport: TransportName::Tcp,
            udp: false,
            timeout: Duration::from_secs(10),
            attempt: None,
        }
    }

    /// How requests travel.
    pub(crate) fn transport(&self) -> Transport {
        match self.transport {
            TransportName::Tcp if !self.udp => Transport::Tcp,
            _ => Transport::Udp,
        }
    }

    /// The addresses of the servers.
    pub(crate) fn list(&self) -> &[String] {
        &self.servers.0
    }

    /// The options of a client of these servers.
    pub(crate) fn options(&self) -> ClientOptions {
        ClientOptions {
            transport: self.transport(),
            attempt: self.attempt,
            deadline: self.timeout,
            ..ClientOptions::new(self.list())
        }
    }

    /// A client of these servers.
    pub(crate) fn client(&self) -> Result<Client, String> {
        Client::new(self.options()).map_err(|error| error.to_string())
    }
}

#[derive(Args, Debug)]
pub(crate) struct ClientArguments {
    /// A name for this client, which its prompt and its log lines carry.
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) servers: ServerArguments,
    /// First store some keys, and carry out five PUTs, five GETs and five DELETEs, each printed with its
    /// outcome.
    #[arg(long)]
    pub(crate) walkthrough: bool,
}

#[derive(Args, Debug)]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    pub(crate) servers: ServerArguments,
    /// Print a JSON object, with digests in full.
    #[arg(long)]
    pub(crate) json: bool,
    /// Ask again and again, every second or TIME, until Ctrl-C.
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "1s", value_parser = duration)]
    pub(crate) watch: Option<Duration>,
}

#[derive(Args, Debug)]
pub(crate) struct BenchArguments {
    #[command(flatten)]
    pub(crate) servers: ServerArguments,
    /// How many clients there are, each with its own session and connection, spread over the servers.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = count)]
    pub(crate) clients: usize,
    /// How many requests each client keeps in flight.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = count)]
    pub(crate) pipeline: usize,
    /// How many seconds to measure, after half a second that is not measured.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) seconds: u64,
    /// How many of 100 requests are reads.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) reads: u8,
    /// How many different keys there are.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) keys: u64,
    /// How many bytes a value has.
    #[arg(long, value_name = "BYTES", default_value_t = 100)]
    pub(crate) value_size: usize,
    /// Write a history of all requests and answers here, for `kvpaxos-sim check`. Then the keys are new ones,
    /// and all values differ.
    #[arg(long, value_name = "FILE")]
    pub(crate) history: Option<PathBuf>,
}
