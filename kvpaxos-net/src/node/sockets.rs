//! The ports of a replica.

use tokio::net::{TcpListener, UdpSocket};

use crate::node::error::StartError;

/// Sockets that are bound and not served yet. So the system can choose a port, and others can learn it,
/// before the replica starts.
#[derive(Debug)]
pub struct Sockets {
    /// Listens for the other replicas.
    pub peers: TcpListener,
    /// Listens for clients.
    pub clients: TcpListener,
    /// Receives the datagrams of clients.
    pub udp: Option<UdpSocket>,
    /// Serves `/metrics`, `/health` and `/ready` over HTTP.
    pub http: Option<TcpListener>,
    /// Listens for Redis clients.
    pub redis: Option<TcpListener>,
}

impl Sockets {
    /// Binds these addresses (`host:port`); port 0 lets the system choose one.
    ///
    /// # Errors
    /// [`StartError::Bind`], with the first address that cannot be bound.
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
            http: None,
            redis: None,
        })
    }

    /// Binds this address as well, for HTTP.
    ///
    /// # Errors
    /// [`StartError::Bind`], if it cannot be bound.
    pub async fn with_http(self, address: &str) -> Result<Sockets, StartError> {
        let http = TcpListener::bind(address)
            .await
            .map_err(|error| StartError::Bind {
                what: "HTTP",
                address: address.to_owned(),
                error,
            })?;
        Ok(Sockets {
            http: Some(http),
            ..self
        })
    }

    /// Binds an address for Redis clients too.
    ///
    /// # Errors
    /// [`StartError::Bind`], if it cannot be bound.
    pub async fn with_redis(self, address: &str) -> Result<Sockets, StartError> {
        match TcpListener::bind(address).await {
            Ok(redis) => Ok(Sockets {
                redis: Some(redis),
                ..self
            }),
            Err(error) => Err(StartError::Bind {
                what: "redis clients",
                address: address.to_owned(),
                error,
            }),
        }
    }
}
