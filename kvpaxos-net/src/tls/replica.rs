//! What a replica trusts and shows, and how it changes while the replica runs.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use kvpaxos::ReplicaId;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::pki_types::UnixTime;
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::{ClientConfig, Error, ServerConfig, version};

use crate::tls::client::{dialling, unfit};
use crate::tls::error::TlsError;
use crate::tls::files::{Contents, Identity, Material, provider};
use crate::tls::names::server_name;

/// Whether clients speak TLS. The same holds for the port of Redis clients; other replicas always must.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ClientPorts {
    /// They do not.
    Plain,
    /// They may: what they send first tells.
    Optional,
    /// They must.
    #[default]
    Required,
}

/// What a replica trusts and shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsOptions {
    /// The certificates of the authorities that are trusted. In PEM.
    pub authority: PathBuf,
    /// The certificate of the replica, which must [name](crate::replica_name) it, and its key.
    pub identity: Identity,
    /// Whether clients speak TLS.
    pub clients: ClientPorts,
    /// Whether clients that speak TLS must show a certificate of the authority.
    pub verify_clients: bool,
}

/// The certificates and keys of a replica, as they were read last. Clones share them.
#[derive(Clone)]
pub struct ReplicaTls(Arc<Loaded>);

struct Loaded {
    id: ReplicaId,
    options: TlsOptions,
    present: RwLock<Arc<Present>>,
}

/// What holds for new connections.
pub(crate) struct Present {
    contents: Contents,
    /// For the connections of other replicas.
    pub(crate) peers: Arc<ServerConfig>,
    /// For those of clients.
    pub(crate) clients: Arc<ServerConfig>,
    /// For connections to other replicas.
    pub(crate) links: Arc<ClientConfig>,
    valid_until: SystemTime,
}

impl fmt::Debug for ReplicaTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReplicaTls").field(&self.0.options).finish()
    }
}

impl ReplicaTls {
    /// Reads the certificates and the key of a replica.
    ///
    /// # Errors
    /// If a file cannot be read or does not hold what it should, or the certificate is not one with which the
    /// others would take it for this replica now.
    pub fn load(id: ReplicaId, options: TlsOptions) -> Result<ReplicaTls, TlsError> {
        let contents = read(&options)?;
        let present = build(id, &options, contents)?;
        Ok(ReplicaTls(Arc::new(Loaded {
            id,
            options,
            present: RwLock::new(Arc::new(present)),
        })))
    }

    /// Reads the files again. If they are good, new connections use them; those that exist go on as they are.
    /// Returns whether anything has changed.
    ///
    /// # Errors
    /// Those of [`load`](ReplicaTls::load). Then what was read before stays in use.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let contents = read(&self.0.options)?;
        if self.present().contents == contents {
            return Ok(false);
        }
        let present = build(self.0.id, &self.0.options, contents)?;
        *self.0.present.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(present);
        Ok(true)
    }

    /// The first moment at which others will refuse the certificate.
    #[must_use]
    pub fn valid_until(&self) -> SystemTime {
        self.present().valid_until
    }

    /// Whether clients speak TLS.
    #[must_use]
    pub fn client_ports(&self) -> ClientPorts {
        self.0.options.clients
    }

    /// The replica.
    pub(crate) fn id(&self) -> ReplicaId {
        self.0.id
    }

    /// What holds for new connections.
    pub(crate) fn present(&self) -> Arc<Present> {
        let present = self.0.present.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&present)
    }
}

fn read(options: &TlsOptions) -> Result<Contents, TlsError> {
    Contents::read(&options.authority, Some(&options.identity))
}

fn build(id: ReplicaId, options: &TlsOptions, contents: Contents) -> Result<Present, TlsError> {
    let material = contents.parse(&options.authority, Some(&options.identity))?;
    let failed = |why| TlsError::Certificate {
        path: options.identity.certificate.clone(),
        why,
    };
    let valid_until = valid_until(&material, id).map_err(failed)?;
    Ok(Present {
        contents,
        peers: accepting(&material, true).map_err(failed)?,
        clients: accepting(&material, options.verify_clients).map_err(failed)?,
        links: dialling(&material).map_err(failed)?,
        valid_until,
    })
}

/// How connections are accepted.
fn accepting(material: &Material, verify: bool) -> Result<Arc<ServerConfig>, String> {
    let provider = provider();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&version::TLS13])
        .map_err(|error| error.to_string())?;
    let builder = if verify {
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&material.roots), provider)
            .build()
            .map_err(|error| error.to_string())?;
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    let Some((chain, key)) = &material.identity else {
        return Err("there is none".to_owned());
    };
    let mut config = builder
        .with_single_cert(chain.clone(), key.clone_key())
        .map_err(unfit)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// For how long the search for the end of a certificate looks ahead.
const AHEAD: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

/// Checks that others take the certificate for that of this replica, and finds the first second at which they
/// will not any more. The times that a certificate is valid are one span, so the search may halve it.
fn valid_until(material: &Material, id: ReplicaId) -> Result<SystemTime, String> {
    let Some((chain, _)) = &material.identity else {
        return Err("there is none".to_owned());
    };
    let (own, between) = chain.split_first().ok_or("there is none")?;
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::clone(&material.roots), provider())
        .build()
        .map_err(|error| error.to_string())?;
    let name = server_name(id);
    let check = |at: Duration| -> Result<(), Error> {
        let at = UnixTime::since_unix_epoch(at);
        verifier
            .verify_server_cert(own, between, &name, &[], at)
            .map(drop)
    };
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_err(|_| "the clock of this machine stands before 1970")?;
    check(now).map_err(unfit)?;
    let (mut good, mut bad) = (now.as_secs(), (now + AHEAD).as_secs());
    while bad - good > 1 {
        let middle = good + (bad - good) / 2;
        match check(Duration::from_secs(middle)) {
            Ok(()) => good = middle,
            Err(_) => bad = middle,
        }
    }
    Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(bad))
}
