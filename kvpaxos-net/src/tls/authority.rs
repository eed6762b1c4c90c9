//! A certificate authority for tests and for clusters of one's own.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use kvpaxos::ReplicaId;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};
use time::OffsetDateTime;

use crate::tls::names::replica_name;

/// A certificate is valid since a little earlier than it was made, as clocks differ.
const EARLIER: Duration = Duration::from_secs(3600);

/// A certificate and its private key, in PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// The private key. Whoever has it can pretend to be what the certificate names.
    pub key: String,
}

/// Without the key.
impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pair")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

/// Why a certificate cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The key of the authority is none.
    #[error("this is no private key in PEM: {0}")]
    Key(String),
    /// A name cannot stand in a certificate.
    #[error("{name:?} is neither a name of a host nor an address")]
    Name {
        /// The name.
        name: String,
    },
    /// The time is out of range.
    #[error("a certificate cannot be valid for {days} days")]
    Days {
        /// So long.
        days: u32,
    },
    /// Signing failed.
    #[error("cannot sign: {0}")]
    Sign(String),
}

/// An authority that issues the certificates of one cluster: whoever has its key can make replicas.
pub struct Authority {
    key: KeyPair,
}

impl Authority {
    /// A new authority, and its certificate and key, which is valid for so many days.
    ///
    /// # Errors
    /// If the system gives no random bits, or the time is out of range.
    pub fn generate(days: u32) -> Result<(Authority, Pair), IssueError> {
        let authority = Authority {
            key: KeyPair::generate().map_err(sign)?,
        };
        let mut params = authority.params();
        (params.not_before, params.not_after) = validity(days)?;
        let certificate = params.self_signed(&authority.key).map_err(sign)?;
        let pair = Pair {
            certificate: certificate.pem(),
            key: authority.key.serialize_pem(),
        };
        Ok((authority, pair))
    }

    /// The authority with this key, which an earlier one has made.
    ///
    /// # Errors
    /// If the text is not a key.
    pub fn with_key(pem: &str) -> Result<Authority, IssueError> {
        let key = KeyPair::from_pem(pem).map_err(|error| IssueError::Key(error.to_string()))?;
        Ok(Authority { key })
    }

    /// A certificate for a replica, at hosts of these names or addresses: those by which clients connect to it.
    ///
    /// # Errors
    /// If a name cannot stand in a certificate, or the time is out of range.
    pub fn replica(&self, id: ReplicaId, hosts: &[String], days: u32) -> Result<Pair, IssueError> {
        self.issue(of_replica(id, hosts)?, validity(days)?)
    }

    /// A certificate for a client of this name.
    ///
    /// # Errors
    /// If the time is out of range.
    pub fn client(&self, name: &str, days: u32) -> Result<Pair, IssueError> {
        self.issue(of_client(name), validity(days)?)
    }

    /// A certificate for a replica, of any time.
    #[cfg(test)]
    pub(crate) fn replica_between(
        &self,
        id: ReplicaId,
        begin: SystemTime,
        end: SystemTime,
    ) -> Result<Pair, IssueError> {
        self.issue(of_replica(id, &[])?, (begin.into(), end.into()))
    }

    /// A certificate for a client, of any time.
    #[cfg(test)]
    pub(crate) fn client_between(
        &self,
        name: &str,
        begin: SystemTime,
        end: SystemTime,
    ) -> Result<Pair, IssueError> {
        self.issue(of_client(name), (begin.into(), end.into()))
    }

    /// What is the same in all that this authority signs. It is told apart from others by its key.
    fn params(&self) -> CertificateParams {
        let bytes = self.key.public_key_raw();
        let tail = &bytes[bytes.len().saturating_sub(8)..];
        let tail: String = tail.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut params = leaf(&format!("kvpaxos authority {tail}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
    }

    fn issue(
        &self,
        mut params: CertificateParams,
        (begin, end): (OffsetDateTime, OffsetDateTime),
    ) -> Result<Pair, IssueError> {
        (params.not_before, params.not_after) = (begin, end);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(sign)?;
        let issuer = Issuer::new(self.params(), &self.key);
        let certificate = params.signed_by(&key, &issuer).map_err(sign)?;
        Ok(Pair {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

fn of_replica(id: ReplicaId, hosts: &[String]) -> Result<CertificateParams, IssueError> {
    let mut params = leaf(&format!("kvpaxos replica {}", id.0));
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let own = replica_name(id);
    for name in std::iter::once(&own).chain(hosts) {
        params.subject_alt_names.push(host(name)?);
    }
    Ok(params)
}

fn of_client(name: &str) -> CertificateParams {
    let mut params = leaf(name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn leaf(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn host(name: &str) -> Result<SanType, IssueError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let wrong = || IssueError::Name {
        name: name.to_owned(),
    };
    let is_name = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-._*".contains(c));
    if !is_name {
        return Err(wrong());
    }
    name.to_owned()
        .try_into()
        .map(SanType::DnsName)
        .map_err(|_| wrong())
}

fn validity(days: u32) -> Result<(OffsetDateTime, OffsetDateTime), IssueError> {
    let now = SystemTime::now();
    let begin = now.checked_sub(EARLIER);
    let end = now.checked_add(Duration::from_secs(u64::from(days) * 24 * 3600));
    match (begin, end) {
        // Later years have five digits, which a certificate has no room for.
        (Some(begin), Some(end)) if days <= 365 * 1000 => Ok((begin.into(), end.into())),
        _ => Err(IssueError::Days { days }),
    }
}

fn sign(error: rcgen::Error) -> IssueError {
    IssueError::Sign(error.to_string())
}
