//! What went wrong between two programs that speak TLS, or of which only one does.

use std::io;
use std::time::Duration;

use tokio_rustls::rustls::{AlertDescription, CertificateError, Error};

/// Why a connection within TLS could not be made, or broke.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsFault {
    #[error("the other side does not speak TLS, and must do so here")]
    Plaintext,
    #[error("the other side does not speak TLS; either it is to do so, or this side is not to")]
    NoTls,
    #[error("its certificate is not of the authority that is trusted here")]
    WrongAuthority,
    #[error("its certificate has expired")]
    Expired,
    #[error("its certificate is not valid yet; do the clocks agree?")]
    NotYetValid,
    #[error("its certificate is {found}, and not for {wanted}")]
    WrongName { wanted: String, found: String },
    #[error("it shows no certificate")]
    NoCertificate,
    #[error("it refuses this side's certificate: {0}")]
    Refuses(&'static str),
    #[error("the TLS handshake was not finished in {} s", .0.as_secs())]
    Slow(Duration),
    #[error("the other side closed the connection during the TLS handshake; does it speak TLS?")]
    Ended,
    #[error("TLS fails: {0}")]
    Other(Error),
    /// Nobody knows yet whether it is TLS.
    #[error(transparent)]
    Io(io::Error),
}

impl From<io::Error> for TlsFault {
    fn from(error: io::Error) -> TlsFault {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        match inner(&error) {
            Some(tls) => TlsFault::from(tls.clone()),
            None => match error.kind() {
                UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe => TlsFault::Ended,
                _ => TlsFault::Io(error),
            },
        }
    }
}

impl From<Error> for TlsFault {
    fn from(error: Error) -> TlsFault {
        match error {
            Error::InvalidCertificate(error) => of_certificate(error),
            Error::NoCertificatesPresented => TlsFault::NoCertificate,
            Error::AlertReceived(alert) => of_alert(alert),
            Error::InvalidMessage(_) | Error::PeerIncompatible(_) => TlsFault::NoTls,
            other => TlsFault::Other(other),
        }
    }
}

fn of_certificate(error: CertificateError) -> TlsFault {
    match error {
        // The signature of another authority of the same name fails, and its issuer is known.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsFault::WrongAuthority,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFault::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => TlsFault::NotYetValid,
        CertificateError::NotValidForNameContext { expected, presented } => TlsFault::WrongName {
            wanted: expected.to_str().into_owned(),
            found: if presented.is_empty() {
                "for no name".to_owned()
            } else {
                let names: Vec<&str> = presented.iter().map(|name| plain(name)).collect();
                format!("for {}", names.join(", "))
            },
        },
        other => TlsFault::Other(Error::InvalidCertificate(other)),
    }
}

/// The name in `DnsName("a.example")` and the like.
fn plain(name: &str) -> &str {
    let within = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    within.unwrap_or(name).trim_matches('"')
}

fn of_alert(alert: AlertDescription) -> TlsFault {
    match alert {
        AlertDescription::UnknownCA | AlertDescription::DecryptError => {
            TlsFault::Refuses("it trusts another authority")
        }
        AlertDescription::CertificateExpired => TlsFault::Refuses("it has expired"),
        AlertDescription::CertificateRequired => TlsFault::Refuses("none was shown, and one is required"),
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown => {
            TlsFault::Refuses("it is not for this name or purpose; the log of the other side may say more")
        }
        other => TlsFault::Other(Error::AlertReceived(other)),
    }
}

fn inner(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref::<Error>()
}

/// An error of a connection, in plain words where it is one of TLS.
pub(crate) fn explained(error: &io::Error) -> String {
    match inner(error) {
        Some(tls) => TlsFault::from(tls.clone()).to_string(),
        None => error.to_string(),
    }
}
