//! Who pretends to be a replica. A certificate of the authority alone does not let a client in as one, nor a replica
//! as another one.

use std::net::SocketAddr;

use kvpaxos::codec::{self, Decoder, Hello, PeerFrame};
use kvpaxos::{ReplicaId, ReplicaSet};
use kvpaxos_net::{ClientPorts, Identity};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Files, client, cluster, raw};
use crate::common::{PATIENCE, runtime};

pub(super) fn hello(cluster: u64, from: u8) -> Vec<u8> {
    let hello = Hello {
        cluster,
        from: ReplicaId(from),
        to: ReplicaId(0),
        members: ReplicaSet::first(3),
        founding: None,
    };
    let mut bytes = Vec::new();
    codec::encode_into(&PeerFrame::Hello(hello), &mut bytes).unwrap();
    bytes
}

/// What a replica answers to a hello; `None` if it closes the connection instead.
pub(super) async fn answer(
    address: SocketAddr,
    files: &Files,
    identity: Option<&Identity>,
    hello: &[u8],
) -> Option<Hello> {
    let name = kvpaxos_net::replica_name(ReplicaId(0));
    let mut stream = raw(address, &files.path("ca.pem"), identity, &name).await;
    stream.write_all(hello).await.unwrap();
    let mut decoder = Decoder::<PeerFrame>::new();
    let mut bytes = [0; 1000];
    loop {
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut bytes))
            .await
            .unwrap();
        // Who is refused meets an alert, or the end.
        let Ok(length @ 1..) = read else { return None };
        decoder.extend(&bytes[..length]);
        match decoder.next().unwrap() {
            Some(PeerFrame::Hello(hello)) => return Some(hello),
            Some(other) => panic!("{other:?}"),
            None => {}
        }
    }
}

#[test]
fn a_hello_must_be_proven() {
    let files = Files::new();
    runtime().block_on(async {
        let local = cluster(3, |id| files.security(id, ClientPorts::Required)).await;
        let fingerprint = local.cluster.fingerprint();
        let door = local.peers(0);
        let address = [local.clients(0).to_string()];
        let honest = client(&address, Some(files.client()), PATIENCE);
        honest.put("k", "before").await.unwrap();
        files.write("mallory", &files.authority.client("mallory", 10).unwrap());
        let (first, mallory) = (files.identity("r1"), files.identity("mallory"));
        let ask = |identity: Option<Identity>, from: u8| {
            let (files, hello) = (&files, hello(fingerprint, from));
            async move { answer(door, files, identity.as_ref(), &hello).await }
        };
        let answered = ask(Some(first.clone()), 1).await.expect("replica 1 is let in");
        assert_eq!((answered.from, answered.to), (ReplicaId(0), ReplicaId(1)));
        // More often than a replica has connections.
        for _ in 0..4 {
            assert_eq!(
                ask(Some(first.clone()), 2).await,
                None,
                "replica 1 is not replica 2"
            );
            assert_eq!(
                ask(Some(mallory.clone()), 2).await,
                None,
                "a client is no replica"
            );
            assert_eq!(ask(None, 2).await, None, "nor is anybody without a certificate");
        }
        // And plaintext gets an alert.
        let mut plain = TcpStream::connect(door).await.unwrap();
        plain.write_all(&hello(fingerprint, 2)).await.unwrap();
        let mut alert = Vec::new();
        plain.read_to_end(&mut alert).await.unwrap();
        assert_eq!(alert, [21, 3, 3, 0, 2, 2, 10]);
        honest.put("k", "after").await.unwrap();
        assert_eq!(
            honest.status().await.unwrap().silent,
            ReplicaSet::EMPTY,
            "none lost its connections"
        );
    });
}
