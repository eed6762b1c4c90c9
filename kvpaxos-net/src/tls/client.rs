//! What a client trusts and shows.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::rustls::client::{Resumption, WebPkiServerVerifier};
use tokio_rustls::rustls::{ClientConfig, version};

use crate::tls::connect::{connect, host_name};
use crate::tls::error::TlsError;
use crate::tls::fault::TlsFault;
use crate::tls::files::{Contents, Identity, Material, provider};

/// What a client needs to talk to replicas within TLS, as the files say when it is loaded. Clones share it.
#[derive(Clone)]
pub struct ClientTls(pub(crate) Arc<ClientConfig>);

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientTls(..)")
    }
}

impl ClientTls {
    /// Trusts replicas whose certificate is of this authority and names the host that is connected to, and
    /// shows them a certificate if there is one.
    ///
    /// # Errors
    /// If a file cannot be read, or does not hold what it should.
    pub fn load(authority: &Path, identity: Option<&Identity>) -> Result<ClientTls, TlsError> {
        let material = Contents::read(authority, identity)?.parse(authority, identity)?;
        let path = identity.map_or(authority, |identity| &identity.certificate);
        dialling(&material)
            .map(ClientTls)
            .map_err(|why| TlsError::Certificate {
                path: path.to_owned(),
                why,
            })
    }

    /// Carries out the handshake on a connection that was made to this address (`host:port`), for protocols
    /// that [`Client`](crate::Client) does not speak, such as that of Redis.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub async fn handshake(
        &self,
        address: &str,
        socket: TcpStream,
    ) -> Result<impl AsyncRead + AsyncWrite + Send + Unpin + use<>, String> {
        let name =
            host_name(address).ok_or_else(|| format!("{address} has no host that a certificate can name"))?;
        let handshake = connect(Arc::clone(&self.0), name, socket).await;
        handshake.map_err(|fault| fault.to_string())
    }
}

/// How to connect with what stands in some files.
pub(crate) fn dialling(material: &Material) -> Result<Arc<ClientConfig>, String> {
    let provider = provider();
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::clone(&material.roots), Arc::clone(&provider))
            .build()
            .map_err(|error| error.to_string())?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])
        .map_err(|error| error.to_string())?
        .with_webpki_verifier(verifier);
    let mut config = match &material.identity {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder
            .with_client_auth_cert(chain.clone(), key.clone_key())
            .map_err(unfit)?,
    };
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// What is wrong with an own certificate and its key.
pub(crate) fn unfit(error: tokio_rustls::rustls::Error) -> String {
    use tokio_rustls::rustls::Error;
    match error {
        Error::InconsistentKeys(_) => "the private key is that of another certificate".to_owned(),
        error => match TlsFault::from(error) {
            TlsFault::WrongAuthority => "it is not of the authority that is trusted here".to_owned(),
            TlsFault::Expired => "it has expired".to_owned(),
            TlsFault::NotYetValid => "it is not valid yet; is the clock right?".to_owned(),
            TlsFault::WrongName { wanted, found } => format!("it is {found}, and not for {wanted}"),
            other => other.to_string(),
        },
    }
}
