//! Certificates and keys as they stand in files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::tls::error::TlsError;

/// A certificate and its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The certificate, and after it those that lead to the authority, if there are any. In PEM.
    pub certificate: PathBuf,
    /// The private key of the certificate. In PEM.
    pub key: PathBuf,
}

/// The bytes of some files, as they were read.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Contents {
    authority: Vec<u8>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
}

/// What they mean.
pub(crate) struct Material {
    pub(crate) roots: Arc<RootCertStore>,
    pub(crate) identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
}

impl Contents {
    /// Reads the files.
    pub(crate) fn read(authority: &Path, identity: Option<&Identity>) -> Result<Contents, TlsError> {
        let identity = match identity {
            None => None,
            Some(identity) => Some((read(&identity.certificate)?, read(&identity.key)?)),
        };
        Ok(Contents {
            authority: read(authority)?,
            identity,
        })
    }

    /// Parses them. The paths are those that were read.
    pub(crate) fn parse(&self, authority: &Path, identity: Option<&Identity>) -> Result<Material, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&self.authority, authority)? {
            let added = roots.add(certificate);
            added.map_err(|error| wrong(authority, "the certificate of an authority", error))?;
        }
        let identity = match (&self.identity, identity) {
            (Some((certificate, key)), Some(paths)) => {
                let chain = certificates(certificate, &paths.certificate)?;
                let key = PrivateKeyDer::from_pem_slice(key)
                    .map_err(|error| wrong(&paths.key, "a private key", error))?;
                Some((chain, key))
            }
            _ => None,
        };
        Ok(Material {
            roots: Arc::new(roots),
            identity,
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| TlsError::Read {
        path: path.to_owned(),
        error,
    })
}

fn certificates(pem: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if all.is_empty() => Err(wrong(path, "a certificate", "there is none in it")),
        Ok(all) => Ok(all),
        Err(error) => Err(wrong(path, "a certificate", error)),
    }
}

fn wrong(path: &Path, what: &'static str, why: impl ToString) -> TlsError {
    TlsError::Pem {
        path: path.to_owned(),
        what,
        why: why.to_string(),
    }
}

/// The code that encrypts.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
