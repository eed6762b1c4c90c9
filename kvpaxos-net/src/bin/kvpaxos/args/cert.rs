//! Arguments of `kvpaxos cert`.

use std::path::PathBuf;

use clap::Subcommand;

#[derive(Subcommand, Debug)]
pub(crate) enum CertCommand {
    /// Make an authority: ca.pem, which replicas and clients trust, and ca.key, which makes certificates.
    Authority {
        /// The directory for its files. Files that exist are not overwritten.
        dir: PathBuf,
        /// For how many days it is valid.
        #[arg(long, value_name = "N", default_value_t = 3650, value_parser = clap::value_parser!(u32).range(1..=365_000))]
        days: u32,
    },
    /// Make the certificate of a replica: rN.pem and rN.key.
    Replica {
        /// The directory of the authority.
        dir: PathBuf,
        /// The id of the replica, which the certificate proves to the other replicas.
        #[arg(long, value_name = "N", value_parser = id)]
        id: u8,
        /// The names and addresses by which clients connect to it: node-a,10.0.0.10,localhost
        #[arg(long = "host", value_name = "LIST", value_delimiter = ',', required = true)]
        hosts: Vec<String>,
        /// For how many days it is valid.
        #[arg(long, value_name = "N", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=365_000))]
        days: u32,
    },
    /// Make the certificate of a client: NAME.pem and NAME.key. It is needed only where clients are verified.
    Client {
        /// The directory of the authority.
        dir: PathBuf,
        /// The name of the client.
        #[arg(value_parser = name)]
        name: String,
        /// For how many days it is valid.
        #[arg(long, value_name = "N", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=365_000))]
        days: u32,
    },
}

/// Reads the id of a replica.
fn id(text: &str) -> Result<u8, String> {
    let most = kvpaxos::types::MAX_REPLICAS - 1;
    match text.parse::<u8>() {
        Ok(id) if usize::from(id) <= most => Ok(id),
        _ => Err(format!("{text:?} is no replica; write a number from 0 to {most}")),
    }
}

/// Reads a name that its files can have, and that is not a name of the authority's or of a replica's files.
fn name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    let taken = text == "ca"
        || text
            .strip_prefix('r')
            .is_some_and(|rest| rest.parse::<u8>().is_ok());
    if text.is_empty() || text.len() > 64 || text.starts_with('.') || !text.chars().all(plain) {
        return Err(format!(
            "{text:?} is no name; write up to 64 letters, digits and - _ . @"
        ));
    }
    if taken {
        return Err(format!("{text:?} is a name of other files; choose another"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ids_are_checked() {
        assert_eq!(
            (id("4"), name("alice@host-1")),
            (Ok(4), Ok("alice@host-1".to_owned()))
        );
        for text in ["", "16", "x", "-1", "256"] {
            assert!(id(text).is_err(), "{text}");
        }
        for text in ["", "a/b", "..", "ca", "r0", "two words", &"x".repeat(65)] {
            assert!(name(text).is_err(), "{text}");
        }
    }
}
