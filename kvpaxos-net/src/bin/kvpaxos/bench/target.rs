//! The stores under load, as they are named on the command line.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use kvpaxos_net::{Client, ClientOptions, Transport};

use crate::args::{AccessArguments, ServerList};
use crate::bench::connection::Connection;
use crate::bench::redis::{RedisClient, RedisOptions};

/// How requests travel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum LoadTransport {
    /// The protocol of kvpaxos, over a connection to a replica.
    Tcp,
    /// The protocol of kvpaxos, in a datagram for each request and each answer.
    Udp,
    /// The Redis protocol, of a Redis or of a replica's port for Redis clients.
    Redis,
}

impl fmt::Display for LoadTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LoadTransport::Tcp => "tcp",
            LoadTransport::Udp => "udp",
            LoadTransport::Redis => "redis",
        })
    }
}

impl LoadTransport {
    /// How many bytes of keys and values a request may have; `None` if only the server limits that.
    pub(crate) fn capacity(self) -> Option<usize> {
        match self {
            LoadTransport::Tcp => Some(Transport::Tcp.capacity()),
            LoadTransport::Udp => Some(Transport::Udp.capacity()),
            LoadTransport::Redis => None,
        }
    }
}

/// A store under load: `NAME=tcp://HOST:PORT,HOST:PORT`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) transport: LoadTransport,
    pub(crate) tls: TargetTls,
    pub(crate) servers: ServerList,
}

/// Whether a target speaks TLS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TargetTls {
    /// If there is an authority to trust.
    IfGiven,
    /// Never, even if others do.
    Never,
    Always,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Target, String> {
        let wrong = |why: &str| {
            format!(
                "{text:?}: {why}; write a target as NAME=tcp://127.0.0.1:8000,127.0.0.1:8001, with tcp, udp or redis"
            )
        };
        let (name, rest) = text.split_once('=').ok_or_else(|| wrong("it has no name"))?;
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(wrong("its name is empty or has spaces"));
        }
        let (scheme, servers) = rest
            .split_once("://")
            .ok_or_else(|| wrong("it has no protocol"))?;
        let (transport, tls) = match scheme {
            "tcp" => (LoadTransport::Tcp, TargetTls::IfGiven),
            "udp" => (LoadTransport::Udp, TargetTls::IfGiven),
            "redis" => (LoadTransport::Redis, TargetTls::Never),
            "rediss" => (LoadTransport::Redis, TargetTls::Always),
            _ => return Err(wrong("its protocol is none of these")),
        };
        Ok(Target {
            name: name.to_owned(),
            transport,
            tls,
            servers: servers.parse()?,
        })
    }
}

/// What clients of all targets have in common.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    /// How long a request may take in all.
    pub(crate) timeout: Duration,
    /// How long to wait for one replica before the next is asked.
    pub(crate) attempt: Option<Duration>,
    /// TLS, and the password that all targets are shown.
    pub(crate) security: AccessArguments,
}

impl Target {
    /// The place in the list of the server that a client asks first: clients are spread over the servers.
    fn first(&self, client: usize) -> usize {
        client % self.servers.list().len()
    }

    /// A client, by its number. It connects with its first request.
    pub(crate) fn connect(&self, access: &Access, client: usize) -> Result<Connection, String> {
        let first = self.first(client);
        let options = self.protection(access)?;
        let transport = match self.transport {
            LoadTransport::Redis => {
                return Ok(Connection::Redis(RedisClient::new(RedisOptions {
                    servers: options.servers,
                    first,
                    timeout: access.timeout,
                    tls: options.tls,
                    password: options.password,
                })));
            }
            LoadTransport::Tcp => Transport::Tcp,
            LoadTransport::Udp => Transport::Udp,
        };
        let options = ClientOptions {
            transport,
            first: Some(first),
            attempt: access.attempt,
            deadline: access.timeout,
            ..options
        };
        let client = Client::new(options).map_err(|error| error.to_string())?;
        Ok(Connection::Kvpaxos(client))
    }

    /// The options of a client, with TLS and the password.
    pub(crate) fn protection(&self, access: &Access) -> Result<ClientOptions, String> {
        let options = ClientOptions::new(self.servers.list());
        let mut options = access.security.protect(&self.servers, options)?;
        match self.tls {
            TargetTls::IfGiven => {}
            TargetTls::Never => options.tls = None,
            TargetTls::Always if options.tls.is_some() => {}
            TargetTls::Always => {
                return Err(format!(
                    "{} speaks TLS: --tls-ca says whose certificates to trust",
                    self.name
                ));
            }
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_have_a_name_a_protocol_and_servers() {
        let target: Target = "ours=tcp://a:1,b:2".parse().unwrap();
        assert_eq!(
            (target.name.as_str(), target.transport),
            ("ours", LoadTransport::Tcp)
        );
        assert_eq!(target.servers.list(), ["a:1", "b:2"]);
        assert_eq!([0, 1, 2, 3].map(|client| target.first(client)), [0, 1, 0, 1]);
        let target: Target = "r=redis://[::1]:6379".parse().unwrap();
        assert_eq!(target.transport, LoadTransport::Redis);
        for (text, part) in [
            ("tcp://a:1", "no name"),
            ("=tcp://a:1", "name is empty"),
            ("a b=tcp://a:1", "has spaces"),
            ("ours=a:1", "no protocol"),
            ("ours=http://a:1", "none of these"),
            ("ours=tcp://", "host:port"),
            ("ours=tcp://a:1,b", "no port"),
            ("ours=redis://a:99999", "65535"),
        ] {
            let error = text.parse::<Target>().expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
