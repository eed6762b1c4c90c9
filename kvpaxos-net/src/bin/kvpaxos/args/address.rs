//! Addresses on the command line.

use std::path::PathBuf;
use std::str::FromStr;

use kvpaxos::types::MAX_REPLICAS;
use kvpaxos_net::{Identity, check_address, check_listen_address};

/// A list of servers, in the order in which it was given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ServerList {
    servers: Vec<String>,
    /// What clients of a cluster that speaks TLS trust and show.
    tls: Option<(PathBuf, Identity)>,
}

impl ServerList {
    /// These servers.
    pub(crate) fn new(servers: Vec<String>) -> ServerList {
        ServerList { servers, tls: None }
    }

    /// The addresses.
    pub(crate) fn list(&self) -> &[String] {
        &self.servers
    }

    /// What clients trust and show, if it is known that they need to.
    pub(crate) fn tls(&self) -> Option<&(PathBuf, Identity)> {
        self.tls.as_ref()
    }

    /// The same, with this authority and this certificate.
    #[cfg(unix)]
    pub(crate) fn with_tls(self, authority: PathBuf, identity: Identity) -> ServerList {
        ServerList {
            tls: Some((authority, identity)),
            ..self
        }
    }

    /// One of them only.
    pub(crate) fn only(&self, server: &str) -> ServerList {
        ServerList {
            servers: vec![server.to_owned()],
            tls: self.tls.clone(),
        }
    }
}

impl FromStr for ServerList {
    type Err = String;

    fn from_str(text: &str) -> Result<ServerList, String> {
        #[cfg(unix)]
        if let Some(dir) = text.strip_prefix('@') {
            return crate::cluster::Layout::existing(dir.as_ref()).map(|layout| layout.server_list());
        }
        let servers: Vec<String> = text.split(',').map(|server| server.trim().to_owned()).collect();
        for server in &servers {
            check_address(server).map_err(|error| error.to_string())?;
        }
        let count = servers.len();
        if count > MAX_REPLICAS {
            return Err(format!(
                "these are {count} addresses; a cluster has at most {MAX_REPLICAS} replicas"
            ));
        }
        Ok(ServerList::new(servers))
    }
}

/// Checks an address to listen at.
pub(crate) fn listen_address(text: &str) -> Result<String, String> {
    match check_listen_address(text) {
        Ok(()) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_servers_are_checked_before_anything_is_tried() {
        let list = |text: &str| text.parse::<ServerList>();
        let two = ["a:1", "b:2"].map(str::to_owned).to_vec();
        assert_eq!(list("a:1, b:2"), Ok(ServerList::new(two)));
        for text in [
            "",
            ",",
            "a:1,",
            "127.0.0.1",
            "127.0.0.1:99999",
            "http://a:1",
            "0=a:1",
        ] {
            let error = list(text).expect_err(text);
            assert!(error.contains("host:port"), "{text}: {error}");
        }
        let error = list(&["a:1"; MAX_REPLICAS + 1].join(",")).expect_err("too many");
        assert!(error.contains("at most"), "{error}");
        let error = list("@/nowhere/at/all").expect_err("no directory");
        assert!(
            error.contains("there is no cluster in /nowhere/at/all"),
            "{error}"
        );
        assert!(listen_address("0.0.0.0:0").is_ok());
        assert!(listen_address("8000").is_err());
    }
}
