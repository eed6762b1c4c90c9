//! The ports of a replica.

use tokio::net::{TcpListener, UdpSocket};

use crate::node::error::StartError;

/// Sockets that are bound and not served yet, so that a port can be chosen by the system and told to others first.
#[derive(Debug)]
pub struct Sockets {
    /// For the other replicas.
    pub peers: TcpListener,
    /// For clients.
    pub clients: TcpListener,
    /// For clients that prefer datagrams.
    pub udp: Option<UdpSocket>,
}

impl Sockets {
    /// Binds the addresses given; port 0 lets the system choose.
    ///
    /// # Errors
    /// Names the address that cannot be had.
    pub async fn bind(peers: &str, clients: &str, udp: Option<&str>) -> Result<Sockets, StartError> {
        let failed = |what, address: &str| {
            let address = address.to_owned();
            move |error| StartError::Bind { what, address, error }
        };
        Ok(Sockets {
            peers: TcpListener::bind(peers).await.map_err(failed("peers", peers))?,
            clients: TcpListener::bind(clients)
                .await
                .map_err(failed("clients", clients))?,
            udp: match udp {
                None => None,
                Some(udp) => Some(UdpSocket::bind(udp).await.map_err(failed("datagrams", udp))?),
            },
        })
    }
}
