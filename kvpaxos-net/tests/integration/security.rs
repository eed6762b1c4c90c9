//! TLS and passwords: a cluster that speaks TLS serves; who has no certificate, another one, or no password, is kept
//! out and told why.

mod files;
mod forged;
mod program;
mod slow;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kvpaxos::status::ProposerStatus;
use kvpaxos::{Password, Refusal, ReplicaId};
use kvpaxos_net::authority::{Authority, Pair};
use kvpaxos_net::{
    Bounds, Client, ClientError, ClientOptions, ClientPorts, ClientTls, Identity, RedisOptions, ReplicaTls,
    Security, TlsOptions,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::common::local::LocalCluster;
use crate::common::{PATIENCE, runtime};

/// An authority, and the files of certificates that it has made.
pub(crate) struct Files {
    dir: TempDir,
    pub(super) authority: Authority,
}

impl Files {
    pub(crate) fn new() -> Files {
        let dir = tempfile::tempdir().unwrap();
        let (authority, pair) = Authority::generate(10).unwrap();
        let files = Files { dir, authority };
        files.write("ca", &pair);
        files
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn write(&self, name: &str, pair: &Pair) {
        std::fs::write(self.path(&format!("{name}.pem")), &pair.certificate).unwrap();
        std::fs::write(self.path(&format!("{name}.key")), &pair.key).unwrap();
    }

    pub(crate) fn identity(&self, name: &str) -> Identity {
        Identity {
            certificate: self.path(&format!("{name}.pem")),
            key: self.path(&format!("{name}.key")),
        }
    }

    /// Makes the certificate of a replica at these hosts.
    pub(crate) fn issue(&self, id: u8, hosts: &[&str]) {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let pair = self.authority.replica(ReplicaId(id), &hosts, 10).unwrap();
        self.write(&format!("r{id}"), &pair);
    }

    pub(super) fn options(&self, id: u8, clients: ClientPorts) -> TlsOptions {
        TlsOptions {
            authority: self.path("ca.pem"),
            identity: self.identity(&format!("r{id}")),
            clients,
            verify_clients: false,
        }
    }

    /// The security of a replica on loopback.
    pub(super) fn security(&self, id: ReplicaId, clients: ClientPorts) -> Security {
        self.issue(id.0, &["127.0.0.1"]);
        let tls = ReplicaTls::load(id, self.options(id.0, clients)).unwrap();
        Security {
            tls: Some(tls),
            ..Security::default()
        }
    }

    pub(super) fn client(&self) -> ClientTls {
        ClientTls::load(&self.path("ca.pem"), None).unwrap()
    }
}

/// Replicas in this process, without datagrams.
pub(super) async fn cluster(replicas: u8, security: impl Fn(ReplicaId) -> Security) -> LocalCluster {
    LocalCluster::start_secured(
        replicas,
        Bounds::default(),
        &RedisOptions::default(),
        None,
        security,
    )
    .await
}

pub(super) fn client(addresses: &[String], tls: Option<ClientTls>, deadline: Duration) -> Client {
    let options = ClientOptions {
        tls,
        deadline,
        ..ClientOptions::new(addresses.iter().cloned())
    };
    Client::new(options).unwrap()
}

/// Why a client is not served.
pub(super) async fn why_not(address: &str, tls: Option<ClientTls>) -> String {
    let mut deadline = Duration::from_millis(300);
    loop {
        let asked = client(&[address.to_owned()], tls.clone(), deadline)
            .get("k")
            .await;
        let why = asked.unwrap_err().to_string();
        // A machine that is busy may not come so far in time.
        if !why.contains("no answer") || deadline > PATIENCE {
            return why;
        }
        deadline *= 2;
    }
}

/// A connection within TLS that is not one of our client.
pub(super) async fn raw(
    address: std::net::SocketAddr,
    authority: &Path,
    identity: Option<&Identity>,
    name: &str,
) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    let pem = std::fs::read(authority).unwrap();
    roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
    let builder = ClientConfig::builder().with_root_certificates(roots);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let certificate = CertificateDer::from_pem_file(&identity.certificate).unwrap();
            let key = PrivateKeyDer::from_pem_file(&identity.key).unwrap();
            builder.with_client_auth_cert(vec![certificate], key).unwrap()
        }
    };
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    connector.connect(name, stream).await.unwrap()
}

async fn leader(client: &[Client]) -> usize {
    loop {
        for (replica, client) in client.iter().enumerate() {
            let status = client.status().await.unwrap();
            if matches!(status.proposer, ProposerStatus::Leading { .. }) {
                return replica;
            }
        }
    }
}

#[test]
fn five_replicas_within_tls_serve_and_survive_their_leader() {
    let files = Files::new();
    runtime().block_on(async {
        let mut local = cluster(5, |id| files.security(id, ClientPorts::Required)).await;
        let mut addresses: Vec<String> = (0..5).map(|id| local.clients(id).to_string()).collect();
        let all = client(&addresses, Some(files.client()), PATIENCE);
        let large = "x".repeat(1_000_000);
        all.put("large", large.clone()).await.unwrap();
        for number in 0..50 {
            all.put(format!("k{number}"), number.to_string()).await.unwrap();
        }
        let each: Vec<Client> = addresses
            .iter()
            .map(|address| client(std::slice::from_ref(address), Some(files.client()), PATIENCE))
            .collect();
        let leader = leader(&each).await;
        // As a crash would.
        drop(local.nodes.remove(leader));
        addresses.remove(leader);
        let rest = client(&addresses, Some(files.client()), PATIENCE);
        rest.put("k0", "after the leader").await.unwrap();
        for (number, value) in [(0, "after the leader"), (1, "1"), (49, "49")] {
            let found = rest.get(format!("k{number}")).await.unwrap().value.unwrap();
            assert_eq!(found, value);
        }
        assert_eq!(rest.get("large").await.unwrap().value.unwrap(), large);
        // A Redis client at another replica.
        let mut redis = raw(local.redis(1), &files.path("ca.pem"), None, "127.0.0.1").await;
        redis.write_all(b"GET k0\r\nQUIT\r\n").await.unwrap();
        let mut answer = String::new();
        redis.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "$16\r\nafter the leader\r\n+OK\r\n");
    });
}

#[test]
fn where_tls_is_required_plaintext_is_told_so_and_the_other_way_round() {
    let files = Files::new();
    runtime().block_on(async {
        let local = cluster(1, |id| files.security(id, ClientPorts::Required)).await;
        let plain = cluster(1, |_| Security::default()).await;
        let why = why_not(&local.clients(0).to_string(), None).await;
        assert!(
            why.contains("the replica speaks TLS only; say which authority to trust"),
            "{why}"
        );
        let answer = crate::common::local::send(local.redis(0), b"PING\r\n").await;
        assert_eq!(answer, "-ERR this port speaks TLS only: connect with --tls\r\n");
        let why = why_not(&plain.clients(0).to_string(), Some(files.client())).await;
        assert!(
            why.contains("closed the connection during the TLS handshake; does it speak TLS?"),
            "{why}"
        );
        let why = why_not(&plain.redis(0).to_string(), Some(files.client())).await;
        assert!(
            why.contains("closed the connection during the TLS handshake"),
            "{why}"
        );
    });
}

#[test]
fn where_tls_is_optional_both_are_served() {
    let files = Files::new();
    runtime().block_on(async {
        let local = cluster(1, |id| files.security(id, ClientPorts::Optional)).await;
        let address = [local.clients(0).to_string()];
        client(&address, None, PATIENCE).put("k", "v").await.unwrap();
        let found = client(&address, Some(files.client()), PATIENCE)
            .get("k")
            .await
            .unwrap();
        assert_eq!(found.value.unwrap(), "v");
        assert_eq!(
            crate::common::local::send(local.redis(0), b"QUIT\r\n").await,
            "+OK\r\n"
        );
        let mut redis = raw(local.redis(0), &files.path("ca.pem"), None, "127.0.0.1").await;
        redis.write_all(b"QUIT\r\n").await.unwrap();
        let mut answer = String::new();
        redis.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "+OK\r\n");
    });
}

#[test]
fn certificates_that_do_not_fit_are_told_apart() {
    let (files, others) = (Files::new(), Files::new());
    runtime().block_on(async {
        let verifying = |id: ReplicaId| {
            files.issue(id.0, &["127.0.0.1"]);
            let options = TlsOptions {
                verify_clients: true,
                ..files.options(id.0, ClientPorts::Required)
            };
            Security {
                tls: Some(ReplicaTls::load(id, options).unwrap()),
                ..Security::default()
            }
        };
        let local = cluster(1, verifying).await;
        let address = local.clients(0).to_string();
        for (name, from) in [("alice", &files), ("mallory", &others)] {
            files.write(name, &from.authority.client(name, 10).unwrap());
        }
        let with = |ca: &Files, name: &str| {
            let identity = files.identity(name);
            Some(ClientTls::load(&ca.path("ca.pem"), Some(&identity)).unwrap())
        };
        let alice = client(std::slice::from_ref(&address), with(&files, "alice"), PATIENCE);
        alice.put("k", "v").await.unwrap();
        let port = local.clients(0).port();
        for (tls, host, part) in [
            (
                Some(files.client()),
                "127.0.0.1",
                "refuses this side's certificate: none was shown",
            ),
            (
                with(&files, "mallory"),
                "127.0.0.1",
                "refuses this side's certificate: it trusts another authority",
            ),
            (
                with(&others, "alice"),
                "127.0.0.1",
                "its certificate is not of the authority that is trusted here",
            ),
            (with(&files, "alice"), "localhost", "and not for localhost"),
        ] {
            let why = why_not(&format!("{host}:{port}"), tls).await;
            assert!(why.contains(part), "{part}: {why}");
        }
    });
}

#[test]
fn a_client_without_the_password_is_refused_at_once() {
    let files = Files::new();
    runtime().block_on(async {
        let local = cluster(3, |id| Security {
            passwords: ["new", "old"].map(|text| Password::new(text).unwrap()).to_vec(),
            ..files.security(id, ClientPorts::Required)
        })
        .await;
        let with = |password: Option<&'static str>| {
            let options = ClientOptions {
                tls: Some(files.client()),
                password: password.and_then(Password::new),
                // Who asks again until then is not done in time.
                deadline: Duration::from_secs(3600),
                ..ClientOptions::new((0..3).map(|id| local.clients(id).to_string()))
            };
            Client::new(options).unwrap()
        };
        for password in ["new", "old"] {
            with(Some(password)).put("k", password).await.unwrap();
        }
        for (password, refusal) in [
            (None, Refusal::PasswordRequired),
            (Some("ne"), Refusal::WrongPassword),
        ] {
            let stranger = with(password);
            let put = tokio::time::timeout(PATIENCE, stranger.put("k", "stolen"))
                .await
                .unwrap();
            let get = tokio::time::timeout(PATIENCE, stranger.get("k")).await.unwrap();
            let status = tokio::time::timeout(PATIENCE, stranger.status()).await.unwrap();
            for error in [put.unwrap_err(), get.unwrap_err(), status.unwrap_err()] {
                assert!(
                    matches!(&error, ClientError::Refused(why) if *why == refusal),
                    "{error}"
                );
            }
        }
        assert_eq!(with(Some("new")).get("k").await.unwrap().value.unwrap(), "old");
        // A large request of a stranger is not waited for.
        let mut stream = raw(local.clients(0), &files.path("ca.pem"), None, "127.0.0.1").await;
        let mut frame = kvpaxos::codec::wrap::<kvpaxos::Request>(&[0; 100_000]);
        frame.truncate(50_000);
        // It may be closed before all is written.
        let _ = stream.write_all(&frame).await;
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut [0]))
            .await
            .unwrap();
        assert!(!matches!(read, Ok(1..)), "{read:?}");
    });
}
