//! What the directory of a cluster holds: `cluster.json` with the ports, and for each replica its data, its
//! log, what it wrote to standard error, and the number of its process.

use std::fs;
use std::path::{Path, PathBuf};

use kvpaxos::ReplicaId;
use kvpaxos_net::{
    Bounds, Cluster, Identity, MemoryLocation, NodeOptions, PeerAddresses, RedisOptions, Security,
};
use serde_json::{Value, json};

use crate::args::{CLUSTER, ServerList};
use crate::cert;

const FILE: &str = "cluster.json";
/// The name of the certificate that clients show.
const CLIENT: &str = "client";

/// A cluster in a directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Layout {
    /// An absolute path.
    dir: PathBuf,
    /// Where each replica listens for the others.
    peers: Vec<u16>,
    /// Where each replica listens for clients.
    clients: Vec<u16>,
    /// Where each replica listens for Redis clients; none in a cluster made by an earlier build.
    redis: Vec<u16>,
    /// Where each replica serves metrics and probes; none in a cluster made by an earlier build.
    http: Vec<u16>,
    choices: Choices,
}

/// What is chosen when a cluster is made, and cannot be changed.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Choices {
    /// Whether it runs two-phase update instead of Paxos.
    pub(super) two_phase: bool,
    /// Whether it speaks TLS.
    pub(super) tls: bool,
    /// Whether its replicas record what they take in.
    pub(super) record: bool,
}

/// How many ports a replica has.
pub(super) const PORTS: usize = 4;

impl Layout {
    /// A new cluster: the first quarter of the ports is for peers, the second for clients, the third for Redis
    /// clients, the last for metrics and probes.
    pub(super) fn new(dir: PathBuf, ports: &[u16], choices: Choices) -> Layout {
        let (peers, rest) = ports.split_at(ports.len() / PORTS);
        let (clients, rest) = rest.split_at(peers.len());
        let (redis, http) = rest.split_at(peers.len());
        Layout {
            dir,
            peers: peers.to_vec(),
            clients: clients.to_vec(),
            redis: redis.to_vec(),
            http: http.to_vec(),
            choices,
        }
    }

    /// Reads the cluster in a directory; `None` if there is none.
    ///
    /// # Errors
    /// If the directory or the file cannot be read, or the file is of something else.
    pub(crate) fn read(dir: &Path) -> Result<Option<Layout>, String> {
        let path = dir.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
        };
        let dir = absolute(dir)?;
        let parsed = serde_json::from_str(&text).ok().and_then(|value| parse(&value));
        let ([peers, clients, redis, http], choices) = parsed.ok_or_else(|| {
            format!(
                "{} does not describe a cluster that `kvpaxos cluster up` has made",
                path.display()
            )
        })?;
        Ok(Some(Layout {
            dir,
            peers,
            clients,
            redis,
            http,
            choices,
        }))
    }

    /// Reads the cluster in a directory.
    ///
    /// # Errors
    /// If there is none, too.
    pub(crate) fn existing(dir: &Path) -> Result<Layout, String> {
        Layout::read(dir)?.ok_or_else(|| {
            format!(
                "there is no cluster in {}; kvpaxos cluster up {} starts one",
                dir.display(),
                dir.display()
            )
        })
    }

    /// Writes the file that [`read`](Layout::read) reads.
    pub(super) fn write(&self) -> Result<(), String> {
        let path = self.dir.join(FILE);
        let value = json!({
            "peers": self.peers,
            "clients": self.clients,
            "redis": self.redis,
            "http": self.http,
            "two_phase": self.choices.two_phase,
            "tls": self.choices.tls,
            "record": self.choices.record,
        });
        fs::write(&path, format!("{value}\n"))
            .map_err(|error| format!("cannot write {}: {error}", path.display()))
    }

    pub(super) fn replicas(&self) -> impl Iterator<Item = u8> {
        (0..).take(self.peers.len())
    }

    /// Where replicas listen for clients, over TCP and UDP.
    pub(crate) fn servers(&self) -> Vec<String> {
        self.clients.iter().map(|port| loopback(*port)).collect()
    }

    /// The same, and what clients trust and show if it speaks TLS.
    pub(crate) fn server_list(&self) -> ServerList {
        let servers = ServerList::new(self.servers());
        if !self.choices.tls {
            return servers;
        }
        let [certificate, key] = cert::paths(&self.tls_dir(), CLIENT);
        servers.with_tls(cert::authority(&self.tls_dir()), Identity { certificate, key })
    }

    /// Where its certificates are.
    pub(super) fn tls_dir(&self) -> PathBuf {
        self.dir.join("tls")
    }

    /// Makes an authority, and certificates for all replicas and for clients.
    pub(super) fn issue(&self) -> Result<(), String> {
        let dir = self.tls_dir();
        let (authority, _) = cert::found(&dir, cert::DAYS)?;
        let hosts = ["127.0.0.1", "localhost"].map(str::to_owned);
        for id in self.replicas() {
            cert::replica(&authority, &dir, id, &hosts, cert::DAYS)?;
        }
        cert::client(&authority, &dir, CLIENT, cert::DAYS)?;
        Ok(())
    }

    /// What was chosen when it was made.
    pub(super) fn choices(&self) -> Choices {
        self.choices
    }

    /// Where its replicas record what they take in, if they do.
    pub(super) fn recordings(&self) -> PathBuf {
        self.dir.join("recordings")
    }

    /// Where replicas listen for Redis clients.
    pub(super) fn redis(&self) -> &[u16] {
        &self.redis
    }

    /// Where replicas serve metrics and probes.
    pub(super) fn http(&self) -> &[u16] {
        &self.http
    }

    pub(super) fn data(&self, id: u8) -> PathBuf {
        self.dir.join(format!("r{id}"))
    }

    pub(super) fn log(&self, id: u8) -> PathBuf {
        self.dir.join(format!("r{id}.log"))
    }

    pub(super) fn errors(&self, id: u8) -> PathBuf {
        self.dir.join(format!("r{id}.err"))
    }

    pub(super) fn pid(&self, id: u8) -> PathBuf {
        self.dir.join(format!("r{id}.pid"))
    }

    /// Prepares the directories of all replicas that have none yet. Only for a new cluster: the directory of a
    /// replica that has lost it must not be formatted.
    pub(super) fn format(&self) -> Result<(), String> {
        let peers = PeerAddresses::in_order(self.peers.iter().map(|port| loopback(*port)));
        let peers = peers.map_err(|error| error.to_string())?;
        let mut cluster = Cluster::new(CLUSTER, peers);
        if self.choices.two_phase {
            cluster = cluster.two_phase();
        }
        for id in self.replicas() {
            let options = NodeOptions {
                id: ReplicaId(id),
                cluster: cluster.clone(),
                memory: MemoryLocation::Directory(self.data(id)),
                bounds: Bounds::default(),
                redis: RedisOptions::default(),
                security: Security::default(),
                record: None,
            };
            let formatted = options
                .is_formatted()
                .and_then(|is| if is { Ok(()) } else { options.format() });
            formatted.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// The arguments with which a replica is started.
    pub(super) fn serve(&self, id: u8) -> Result<Vec<String>, String> {
        let place = usize::from(id);
        let port = self.clients.get(place).ok_or_else(|| {
            format!(
                "there is no replica {id} in {}: it has {}",
                self.dir.display(),
                self.peers.len()
            )
        })?;
        let peers: Vec<String> = self
            .replicas()
            .zip(&self.peers)
            .map(|(id, port)| format!("{id}={}", loopback(*port)))
            .collect();
        let path = |path: PathBuf| {
            let text = path.to_str().map(str::to_owned);
            text.ok_or_else(|| format!("{} is no text; choose another directory", path.display()))
        };
        let client = loopback(*port);
        let arguments = [
            "serve",
            "--id",
            &id.to_string(),
            "--peers",
            &peers.join(","),
            "--client",
            &client,
            "--data",
            &path(self.data(id))?,
            "--log-file",
            &path(self.log(id))?,
        ];
        let mut arguments = arguments.map(str::to_owned).to_vec();
        for (flag, ports) in [("--redis", &self.redis), ("--http", &self.http)] {
            let port = ports.get(place).map(|port| [flag.to_owned(), loopback(*port)]);
            arguments.extend(port.into_iter().flatten());
        }
        if self.choices.tls {
            let [certificate, key] = cert::paths(&self.tls_dir(), &format!("r{id}"));
            let files = [cert::authority(&self.tls_dir()), certificate, key];
            for (flag, file) in ["--tls-ca", "--tls-cert", "--tls-key"].into_iter().zip(files) {
                arguments.extend([flag.to_owned(), path(file)?]);
            }
        } else {
            arguments.extend(["--udp".to_owned(), client]);
        }
        if self.choices.two_phase {
            arguments.push("--two-phase".to_owned());
        }
        if self.choices.record {
            arguments.extend(["--record".to_owned(), path(self.recordings())?]);
        }
        Ok(arguments)
    }
}

/// The ports for peers, for clients, for Redis clients and for metrics, and what was chosen.
fn parse(value: &Value) -> Option<([Vec<u16>; PORTS], Choices)> {
    let ports = |name: &str| -> Option<Vec<u16>> {
        let ports = value.get(name)?.as_array()?.iter();
        ports.map(|port| u16::try_from(port.as_u64()?).ok()).collect()
    };
    let (peers, clients) = (ports("peers")?, ports("clients")?);
    // Clusters of earlier builds lack these.
    let later = |name: &str| match value.get(name) {
        Some(_) => ports(name),
        None => Some(Vec::new()),
    };
    let (redis, http) = (later("redis")?, later("http")?);
    let fits_later = |ports: &[u16]| ports.is_empty() || ports.len() == peers.len();
    let fits = peers.len() == clients.len()
        && fits_later(&redis)
        && fits_later(&http)
        && (1..=kvpaxos::types::MAX_REPLICAS).contains(&peers.len());
    let flag = |name: &str| value.get(name).map_or(Some(false), Value::as_bool);
    let choices = Choices {
        two_phase: flag("two_phase")?,
        tls: flag("tls")?,
        record: flag("record")?,
    };
    fits.then_some(([peers, clients, redis, http], choices))
}

fn loopback(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// The absolute path of a directory that exists.
pub(super) fn absolute(dir: &Path) -> Result<PathBuf, String> {
    fs::canonicalize(dir).map_err(|error| format!("cannot use {}: {error}", dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Layout::read(dir.path()), Ok(None));
        assert!(Layout::existing(dir.path()).unwrap_err().contains("cluster up"));
        let layout = Layout::new(
            absolute(dir.path()).unwrap(),
            &[
                7100, 7101, 7102, 7103, 7104, 7105, 7106, 7107, 7108, 7109, 7110, 7111,
            ],
            Choices {
                two_phase: true,
                tls: false,
                record: true,
            },
        );
        layout.write().unwrap();
        assert_eq!(Layout::existing(dir.path()), Ok(layout.clone()));
        assert_eq!(
            layout.servers(),
            ["127.0.0.1:7103", "127.0.0.1:7104", "127.0.0.1:7105"]
        );
        assert!(layout.serve(2).unwrap().contains(&"127.0.0.1:7105".to_owned()));
        assert_eq!(
            layout.serve(1).unwrap()[11..],
            [
                "--redis",
                "127.0.0.1:7107",
                "--http",
                "127.0.0.1:7110",
                "--udp",
                "127.0.0.1:7104",
                "--two-phase",
                "--record",
                layout.recordings().to_str().unwrap(),
            ]
        );
        assert!(layout.serve(3).unwrap_err().contains("no replica 3"));
    }

    #[test]
    fn other_files_are_no_cluster() {
        for text in [
            "",
            "{}",
            r#"{"peers":[1],"clients":[]}"#,
            r#"{"peers":[1],"clients":[2],"redis":[3,4]}"#,
            r#"{"peers":[1],"clients":[2],"redis":[3],"http":[]}x"#,
            r#"{"peers":[1],"clients":[2],"http":"no"}"#,
            r#"{"peers":[70000],"clients":[1]}"#,
            "[1]",
        ] {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join(FILE), text).unwrap();
            assert!(Layout::read(dir.path()).is_err(), "{text}");
        }
    }
}
