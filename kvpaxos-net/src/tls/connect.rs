//! The handshake on a connection that was made.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::tls::fault::TlsFault;
use crate::tls::stream::Stream;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(2);

/// Makes a stream of a connection. The certificate of the other side must be for this name.
pub(crate) async fn connect(
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    socket: TcpStream,
) -> Result<Stream, TlsFault> {
    let handshake = TlsConnector::from(config).connect(name, socket);
    match timeout(HANDSHAKE, handshake).await {
        Ok(Ok(stream)) => Ok(Stream::Made(Box::new(stream))),
        Ok(Err(error)) => Err(TlsFault::from(error)),
        Err(_) => Err(TlsFault::Slow(HANDSHAKE)),
    }
}

/// The name that the certificate of a server must have: the host of its address, which may be a number.
pub(crate) fn host_name(address: &str) -> Option<ServerName<'static>> {
    let (host, _) = address.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host = host.split('%').next().unwrap_or_default();
    ServerName::try_from(host.to_owned()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_host() {
        for (address, name) in [
            ("127.0.0.1:80", "127.0.0.1"),
            ("[::1]:80", "::1"),
            ("node-b.example:1", "node-b.example"),
            ("localhost:1", "localhost"),
        ] {
            assert_eq!(host_name(address).unwrap().to_str(), name, "{address}");
        }
    }
}
