//! Arguments of the commands that are clients of a running cluster.

use std::time::Duration;

use clap::{Args, ValueEnum};
use kvpaxos_net::{Client, ClientOptions, Transport};

use crate::args::address::ServerList;
use crate::args::duration::duration;
use crate::args::security::AccessArguments;

#[derive(Args, Clone, Debug)]
pub(crate) struct ServerArguments {
    /// Where replicas listen for clients: 127.0.0.1:8000,127.0.0.1:8001,..., or @DIR for the cluster that
    /// `kvpaxos cluster up DIR` has started. Any of them will do; one that fails is skipped.
    #[arg(long, value_name = "LIST")]
    pub(crate) servers: ServerList,
    /// How requests travel. With udp, the list must have the UDP addresses of the replicas.
    #[arg(long, value_name = "HOW", default_value = "tcp")]
    pub(crate) transport: TransportName,
    /// The same as --transport udp.
    #[arg(long)]
    pub(crate) udp: bool,
    /// How long a request may take in all.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// How long to wait for one replica before asking the next [default: 2500ms, with --udp 500ms].
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) attempt: Option<Duration>,
    #[command(flatten)]
    pub(crate) access: AccessArguments,
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
    pub(crate) fn new(servers: ServerList) -> ServerArguments {
        ServerArguments {
            servers,
            transport: TransportName::Tcp,
            udp: false,
            timeout: Duration::from_secs(10),
            attempt: None,
            access: AccessArguments::default(),
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
        self.servers.list()
    }

    /// The options of a client of these servers.
    pub(crate) fn options(&self) -> Result<ClientOptions, String> {
        let options = ClientOptions {
            transport: self.transport(),
            attempt: self.attempt,
            deadline: self.timeout,
            ..ClientOptions::new(self.list())
        };
        self.access.protect(&self.servers, options)
    }

    /// A client of these servers.
    pub(crate) fn client(&self) -> Result<Client, String> {
        Client::new(self.options()?).map_err(|error| error.to_string())
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
