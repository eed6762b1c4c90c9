//! How a replica protects what it sends and receives.

use std::net::SocketAddr;

use kvpaxos::Password;

use crate::node::error::StartError;
use crate::node::sockets::Sockets;
use crate::tls::replica::{ClientPorts, ReplicaTls};

/// How a replica protects what it sends and receives. Default: not at all, so it listens on loopback only.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// TLS, with the other replicas always, and with clients as it says.
    pub tls: Option<ReplicaTls>,
    /// One of these must be shown by clients before they may ask anything, over TCP and by Redis clients. None:
    /// whoever reaches a port may ask.
    pub passwords: Vec<Password>,
    /// Whether ports without TLS may listen beyond loopback, where others can read and change what is sent.
    pub plaintext_beyond_loopback: bool,
}

impl Security {
    /// Checks that these sockets keep what was asked for.
    pub(crate) fn check(&self, sockets: &Sockets) -> Result<(), StartError> {
        let clients = self
            .tls
            .as_ref()
            .map_or(ClientPorts::Plain, ReplicaTls::client_ports);
        if sockets.udp.is_some() && clients == ClientPorts::Required {
            return Err(StartError::Datagrams {
                why: "clients must speak TLS",
            });
        }
        if sockets.udp.is_some() && !self.passwords.is_empty() {
            return Err(StartError::Datagrams {
                why: "clients must show a password",
            });
        }
        if self.plaintext_beyond_loopback {
            return Ok(());
        }
        let is_tls = clients == ClientPorts::Required;
        let ports = [
            ("peers", sockets.peers.local_addr().ok(), self.tls.is_some()),
            ("clients", sockets.clients.local_addr().ok(), is_tls),
            (
                "redis clients",
                address(sockets.redis.as_ref().map(|socket| socket.local_addr())),
                is_tls,
            ),
            (
                "datagrams",
                address(sockets.udp.as_ref().map(|socket| socket.local_addr())),
                false,
            ),
            (
                "HTTP",
                address(sockets.http.as_ref().map(|socket| socket.local_addr())),
                false,
            ),
        ];
        for (what, address, is_tls) in ports {
            if let Some(address) = address
                && !is_tls
                && !address.ip().to_canonical().is_loopback()
            {
                return Err(StartError::Plaintext { what, address });
            }
        }
        Ok(())
    }
}

fn address(address: Option<std::io::Result<SocketAddr>>) -> Option<SocketAddr> {
    address?.ok()
}
