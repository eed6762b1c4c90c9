//! The name by which a certificate says that it is a replica's.

use kvpaxos::ReplicaId;
use tokio_rustls::rustls::pki_types::{DnsName, ServerName};

/// The name that the certificate of a replica must have among its DNS names, such as `r0.kvpaxos.internal`. It
/// proves the id of the replica, wherever the replica runs.
#[must_use]
pub fn replica_name(id: ReplicaId) -> String {
    format!("r{}.kvpaxos.internal", id.0)
}

/// The same, as TLS takes it.
pub(crate) fn server_name(id: ReplicaId) -> ServerName<'static> {
    let name = DnsName::try_from(replica_name(id)).expect("letters, digits and dots");
    ServerName::DnsName(name)
}
