//! Handshakes between two ends in this process, with certificates of any time.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use kvpaxos::ReplicaId;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::tls::accept;
use crate::tls::authority::{Authority, Pair};
use crate::tls::client::ClientTls;
use crate::tls::connect::{connect, host_name};
use crate::tls::fault::{TlsFault, explained};
use crate::tls::files::Identity;
use crate::tls::names::server_name;
use crate::tls::replica::{ClientPorts, ReplicaTls, TlsOptions};
use crate::tls::stream::Stream;

const DAY: Duration = Duration::from_secs(24 * 3600);

struct Stage {
    dir: TempDir,
    authority: Authority,
    replica: ReplicaTls,
    socket: TcpListener,
}

impl Stage {
    /// A replica that asks clients for certificates.
    async fn new() -> Stage {
        let dir = tempfile::tempdir().unwrap();
        let (authority, pair) = Authority::generate(10).unwrap();
        write(&dir, "ca", &pair);
        let hosts = ["127.0.0.1".to_owned()];
        write(&dir, "r0", &authority.replica(ReplicaId(0), &hosts, 10).unwrap());
        let options = TlsOptions {
            authority: dir.path().join("ca.pem"),
            identity: identity(&dir, "r0"),
            clients: ClientPorts::Required,
            verify_clients: true,
        };
        Stage {
            authority,
            replica: ReplicaTls::load(ReplicaId(0), options).unwrap(),
            socket: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            dir,
        }
    }

    /// What becomes of a client with this certificate: at the replica, and when it reads.
    async fn meet(&self, pair: &Pair) -> (Result<Stream, TlsFault>, String) {
        write(&self.dir, "client", pair);
        let identity = identity(&self.dir, "client");
        let ca = self.dir.path().join("ca.pem");
        let ClientTls(config) = ClientTls::load(&ca, Some(&identity)).unwrap();
        let address = self.socket.local_addr().unwrap();
        let near = async {
            let stream = TcpStream::connect(address).await.unwrap();
            let name = host_name(&address.to_string()).unwrap();
            let mut stream = match connect(config, name, stream).await {
                Ok(stream) => stream,
                Err(fault) => return fault.to_string(),
            };
            match stream.read(&mut [0; 10]).await {
                Ok(length) => format!("{length} bytes"),
                Err(error) => explained(&error),
            }
        };
        let far = async {
            let (stream, _) = self.socket.accept().await.unwrap();
            let mut stream = accept::client(Some(&self.replica), stream, b"").await?;
            stream.write_all(b"hello").await.unwrap();
            stream.flush().await.unwrap();
            Ok(stream)
        };
        let (far, near) = tokio::join!(far, near);
        (far, near)
    }
}

fn identity(dir: &TempDir, name: &str) -> Identity {
    let path = |ending: &str| -> PathBuf { dir.path().join(format!("{name}.{ending}")) };
    Identity {
        certificate: path("pem"),
        key: path("key"),
    }
}

fn write(dir: &TempDir, name: &str, pair: &Pair) {
    let identity = identity(dir, name);
    std::fs::write(identity.certificate, &pair.certificate).unwrap();
    std::fs::write(identity.key, &pair.key).unwrap();
}

#[tokio::test]
async fn certificates_of_other_times_are_refused_by_name() {
    let stage = Stage::new().await;
    let now = SystemTime::now();
    let between = |begin, end| stage.authority.client_between("alice", begin, end).unwrap();
    let (far, near) = stage.meet(&between(now - DAY, now + DAY)).await;
    assert!(far.is_ok(), "{far:?}");
    assert_eq!(near, "5 bytes");
    let (far, near) = stage.meet(&between(now - 2 * DAY, now - DAY)).await;
    assert!(matches!(far, Err(TlsFault::Expired)), "{far:?}");
    assert_eq!(near, "it refuses this side's certificate: it has expired");
    let (far, near) = stage.meet(&between(now + DAY, now + 2 * DAY)).await;
    assert!(matches!(far, Err(TlsFault::NotYetValid)), "{far:?}");
    assert!(near.starts_with("it refuses this side's certificate"), "{near}");
}

/// A certificate for clients names no replica, and one for a replica names one only.
#[tokio::test]
async fn an_id_is_proven_by_the_certificate_of_that_replica_only() {
    let stage = Stage::new().await;
    let of = |id| stage.authority.replica(ReplicaId(id), &[], 10).unwrap();
    let (accepted, _) = stage.meet(&of(3)).await;
    let accepted = accepted.unwrap();
    assert!(accept::is_proven(&accepted, ReplicaId(3)).is_ok());
    let other = accept::is_proven(&accepted, ReplicaId(2)).unwrap_err();
    assert_eq!(
        other.to_string(),
        "its certificate is for r3.kvpaxos.internal, and not for r2.kvpaxos.internal"
    );
    let (accepted, _) = stage.meet(&stage.authority.client("alice", 10).unwrap()).await;
    let other = accept::is_proven(&accepted.unwrap(), ReplicaId(0)).unwrap_err();
    assert_eq!(
        other.to_string(),
        "its certificate is for no name, and not for r0.kvpaxos.internal"
    );
    assert_eq!(server_name(ReplicaId(15)).to_str(), "r15.kvpaxos.internal");
}

/// An expired certificate of its own keeps a replica from starting, and says so.
#[tokio::test]
async fn a_replica_does_not_begin_with_a_certificate_that_nobody_accepts() {
    let stage = Stage::new().await;
    let now = SystemTime::now();
    for (begin, end, part) in [
        (now - 2 * DAY, now - DAY, "cannot be used: it has expired"),
        (now + DAY, now + 2 * DAY, "cannot be used: it is not valid yet"),
    ] {
        let pair = stage.authority.replica_between(ReplicaId(0), begin, end).unwrap();
        write(&stage.dir, "r0", &pair);
        let error = stage.replica.reload().unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}
