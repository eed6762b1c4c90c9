//! The handshake on a connection that was accepted.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use kvpaxos::ReplicaId;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::server::ParsedCertificate;

use crate::tls::fault::TlsFault;
use crate::tls::names::server_name;
use crate::tls::replica::{ClientPorts, ReplicaTls};
use crate::tls::stream::Stream;

/// How long a handshake may take, from its first byte or, where TLS must be spoken, from the connection on.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(5);
/// With this byte TLS begins. No request and no command begins with it.
const FIRST: u8 = 22;
/// What somebody who should speak TLS and does not is sent: the alert "unexpected message" of TLS 1.2.
pub(crate) const ALERT: &[u8] = &[21, 3, 3, 0, 2, 2, 10];

/// Makes a stream of the connection of a client. `farewell` is sent to one that must speak TLS and does not.
pub(crate) async fn client(
    tls: Option<&ReplicaTls>,
    socket: TcpStream,
    farewell: &[u8],
) -> Result<Stream, TlsFault> {
    let Some(tls) = tls else {
        return Ok(Stream::Plain(socket));
    };
    match tls.client_ports() {
        ClientPorts::Plain => Ok(Stream::Plain(socket)),
        ClientPorts::Optional => {
            // It may say nothing for long, as where TLS is not spoken.
            if first(&socket).await? != Some(FIRST) {
                return Ok(Stream::Plain(socket));
            }
            in_time(handshake(socket, Arc::clone(&tls.present().clients), farewell)).await
        }
        ClientPorts::Required => {
            in_time(handshake(socket, Arc::clone(&tls.present().clients), farewell)).await
        }
    }
}

/// Makes a stream of the connection of another replica.
pub(crate) async fn peer(tls: Option<&ReplicaTls>, socket: TcpStream) -> Result<Stream, TlsFault> {
    match tls {
        None => Ok(Stream::Plain(socket)),
        Some(tls) => in_time(handshake(socket, Arc::clone(&tls.present().peers), ALERT)).await,
    }
}

/// Whether the other end has proven that it is this replica. A plain connection proves nothing, and is believed.
pub(crate) fn is_proven(stream: &Stream, id: ReplicaId) -> Result<(), TlsFault> {
    let Stream::Accepted(stream) = stream else {
        return Ok(());
    };
    let shown = stream.get_ref().1.peer_certificates();
    let own = shown.and_then(<[_]>::first).ok_or(TlsFault::NoCertificate)?;
    let own = ParsedCertificate::try_from(own)?;
    Ok(verify_server_name(&own, &server_name(id))?)
}

async fn in_time(handshake: impl Future<Output = Result<Stream, TlsFault>>) -> Result<Stream, TlsFault> {
    timeout(HANDSHAKE, handshake)
        .await
        .unwrap_or(Err(TlsFault::Slow(HANDSHAKE)))
}

async fn handshake(
    mut socket: TcpStream,
    config: Arc<ServerConfig>,
    farewell: &[u8],
) -> Result<Stream, TlsFault> {
    match first(&socket).await? {
        Some(FIRST) => {}
        // It has disconnected.
        None => return Err(TlsFault::Io(io::ErrorKind::UnexpectedEof.into())),
        Some(_) => {
            // What was sent is read, so that the farewell is not lost with it.
            let _ = socket.try_read(&mut [0; 16 * 1024]);
            let _ = socket.write_all(farewell).await;
            let _ = socket.shutdown().await;
            return Err(TlsFault::Plaintext);
        }
    }
    let stream = TlsAcceptor::from(config).accept(socket).await?;
    Ok(Stream::Accepted(Box::new(stream)))
}

/// The first byte that comes, which stays where it is; `None` if the connection ends.
async fn first(socket: &TcpStream) -> Result<Option<u8>, TlsFault> {
    let mut byte = [0];
    let length = socket.peek(&mut byte).await.map_err(TlsFault::Io)?;
    Ok((length > 0).then_some(byte[0]))
}
