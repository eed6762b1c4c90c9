//! Arguments about TLS and passwords.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use kvpaxos::{Password, ReplicaId};
use kvpaxos_net::{ClientOptions, ClientPorts, ClientTls, Identity, ReplicaTls, Security, TlsOptions};

use crate::args::ServerList;

/// How a client protects what it sends and receives.
#[derive(Args, Clone, Default, Debug)]
#[command(next_help_heading = "Security")]
pub(crate) struct AccessArguments {
    /// Speak TLS, and trust replicas whose certificate is of the authority in this file and names the host that
    /// is connected to. With @DIR of a cluster that speaks TLS, it is that of the cluster.
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// Show replicas the certificate in this file.
    #[arg(long, value_name = "FILE", requires_all = ["tls_ca", "tls_key"])]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of the certificate.
    #[arg(long, value_name = "FILE", requires_all = ["tls_ca", "tls_cert"])]
    pub(crate) tls_key: Option<PathBuf>,
    /// Show replicas the password in the first line of this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
}

impl AccessArguments {
    /// Adds TLS and the password to the options of a client of these servers.
    pub(crate) fn protect(
        &self,
        servers: &ServerList,
        options: ClientOptions,
    ) -> Result<ClientOptions, String> {
        let identity = identity(self.tls_cert.as_ref(), self.tls_key.as_ref());
        let tls = match (&self.tls_ca, servers.tls()) {
            (Some(authority), _) => Some(ClientTls::load(authority, identity.as_ref())),
            (None, Some((authority, identity))) => Some(ClientTls::load(authority, Some(identity))),
            (None, None) => None,
        };
        let password = match &self.password_file {
            None => None,
            Some(path) => passwords(path)?.into_iter().next(),
        };
        Ok(ClientOptions {
            tls: tls.transpose().map_err(|error| error.to_string())?,
            password,
            ..options
        })
    }
}

/// How a replica protects what it sends and receives.
#[derive(Args, Debug)]
#[command(next_help_heading = "Security")]
pub(crate) struct SecurityArguments {
    /// Speak TLS, and trust certificates of the authority in this file. Other replicas must show one that names
    /// them: r0.kvpaxos.internal and so on. `kvpaxos cert` makes certificates.
    #[arg(long, value_name = "FILE", requires_all = ["tls_cert", "tls_key"])]
    pub(crate) tls_ca: Option<PathBuf>,
    /// The certificate of this replica. It is read again when it changes, and after SIGHUP.
    #[arg(long, value_name = "FILE", requires_all = ["tls_ca", "tls_key"])]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of the certificate.
    #[arg(long, value_name = "FILE", requires_all = ["tls_ca", "tls_cert"])]
    pub(crate) tls_key: Option<PathBuf>,
    /// Whether clients speak TLS, Redis clients too.
    #[arg(long, value_enum, value_name = "HOW", default_value_t = TlsClients::Required, requires = "tls_ca")]
    pub(crate) tls_clients: TlsClients,
    /// Let in only clients that show a certificate of the authority.
    #[arg(long, requires = "tls_ca")]
    pub(crate) tls_verify_clients: bool,
    /// Let in only clients that show a password that is a line of this file, Redis clients too. Without TLS,
    /// whoever is on the way can read it.
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Let ports that speak no TLS listen beyond loopback, where whoever is on the way can read and change what
    /// is sent. Only for networks that nobody else reaches.
    #[arg(long)]
    pub(crate) plaintext_beyond_loopback: bool,
}

/// The names of [`ClientPorts`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum TlsClients {
    /// They do not.
    Off,
    /// They may: what they send first tells.
    Optional,
    /// They must.
    Required,
}

impl SecurityArguments {
    /// How this replica protects what it sends and receives.
    pub(crate) fn security(&self, id: u8) -> Result<Security, String> {
        let identity = identity(self.tls_cert.as_ref(), self.tls_key.as_ref());
        let tls = match (&self.tls_ca, identity) {
            (Some(authority), Some(identity)) => {
                let options = TlsOptions {
                    authority: authority.clone(),
                    identity,
                    clients: match self.tls_clients {
                        TlsClients::Off => ClientPorts::Plain,
                        TlsClients::Optional => ClientPorts::Optional,
                        TlsClients::Required => ClientPorts::Required,
                    },
                    verify_clients: self.tls_verify_clients,
                };
                Some(ReplicaTls::load(ReplicaId(id), options).map_err(|error| error.to_string())?)
            }
            _ => None,
        };
        let passwords = match &self.password_file {
            None => Vec::new(),
            Some(path) => passwords(path)?,
        };
        Ok(Security {
            tls,
            passwords,
            plaintext_beyond_loopback: self.plaintext_beyond_loopback,
        })
    }
}

fn identity(certificate: Option<&PathBuf>, key: Option<&PathBuf>) -> Option<Identity> {
    Some(Identity {
        certificate: certificate?.clone(),
        key: key?.clone(),
    })
}

/// The lines of a file with passwords. Clients show the first; replicas let in whoever shows any of them.
fn passwords(path: &Path) -> Result<Vec<Password>, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read the password file {}: {error}", path.display()))?;
    let wrong = |why: &str| format!("the password file {} {why}", path.display());
    let password = |line: &str| {
        let length = line.len();
        Password::new(line.to_owned()).ok_or_else(|| {
            if length == 0 {
                wrong("has an empty line; write one password into each line")
            } else {
                wrong(&format!(
                    "has a password of {length} bytes; a password has at most {}",
                    kvpaxos::MAX_PASSWORD
                ))
            }
        })
    };
    let passwords: Vec<Password> = text.lines().map(password).collect::<Result<_, _>>()?;
    if passwords.is_empty() {
        return Err(wrong("is empty; write one password into each line"));
    }
    Ok(passwords)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_stands_in_each_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("passwords");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            passwords(&path)
        };
        let two = ["new", "old"].map(|text| Password::new(text).unwrap());
        assert_eq!(read("new\nold\n"), Ok(two.to_vec()));
        let long = "x".repeat(kvpaxos::MAX_PASSWORD + 1);
        for (text, part) in [
            ("", "is empty"),
            ("\n", "empty line"),
            ("new\n\nold", "empty line"),
            (&long, "at most"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
