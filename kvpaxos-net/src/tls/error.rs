//! Why certificates and keys cannot be used.

use std::io;
use std::path::PathBuf;

/// Why certificates and keys cannot be used. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{} does not hold {what} in PEM: {why}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A certificate and a key do not fit each other or the authority.
    #[error("the certificate {} cannot be used: {why}", path.display())]
    Certificate {
        /// The file with the certificate.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}
