//! Handshakes that are never finished.

use std::net::SocketAddr;

use kvpaxos_net::{Bounds, ClientPorts, RedisOptions};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::forged::{answer, hello};
use super::{Files, client, cluster};
use crate::common::local::{LocalCluster, send};
use crate::common::{PATIENCE, runtime};

/// Begins handshakes, and goes no further.
async fn begin(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for number in 0..count {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The head of a record, and the first byte of a greeting of 512.
        let bytes = &[22, 3, 1, 2, 0, 1][..=number % 6];
        stream.write_all(bytes).await.unwrap();
        streams.push(stream);
    }
    streams
}

/// A greeting of TLS that holds anything is answered by an alert, and the connection is closed.
async fn garbage(address: SocketAddr) {
    let mut random = kvpaxos::Random::from_seed(7);
    for length in [1, 40, 300, 5000] {
        let be = |length: usize| u16::try_from(length).unwrap().to_be_bytes();
        let ([r0, r1], [h0, h1]) = (be(length + 4), be(length));
        let mut bytes = vec![22, 3, 1, r0, r1, 1, 0, h0, h1];
        bytes.extend((0..length).map(|_| random.next_u64().to_le_bytes()[0]));
        assert!(send(address, &bytes).await.len() <= 7);
    }
}

#[test]
fn what_begins_like_a_handshake_and_is_none_is_closed() {
    let files = Files::new();
    runtime().block_on(async {
        let local = cluster(1, |id| files.security(id, ClientPorts::Optional)).await;
        for address in [local.clients(0), local.redis(0), local.peers(0)] {
            garbage(address).await;
        }
        let address = [local.clients(0).to_string()];
        client(&address, Some(files.client()), PATIENCE)
            .put("k", "v")
            .await
            .unwrap();
    });
}

#[test]
fn handshakes_that_are_not_finished_keep_nobody_out() {
    let files = Files::new();
    let bounds = Bounds {
        connections: 20,
        ..Bounds::default()
    };
    runtime().block_on(async {
        let secure = |id| files.security(id, ClientPorts::Required);
        let local = LocalCluster::start_secured(3, bounds, &RedisOptions::default(), None, secure).await;
        let address = [local.clients(0).to_string()];
        let all = [0, 1, 2].map(|id| local.clients(id).to_string());
        client(&all, Some(files.client()), PATIENCE)
            .put("k", "v")
            .await
            .unwrap();
        // More than there is room for, at each port.
        let clients = begin(local.clients(0), 15).await;
        let redis = begin(local.redis(0), 15).await;
        let peers = begin(local.peers(0), 80).await;
        let honest = client(&address, Some(files.client()), PATIENCE);
        assert_eq!(
            honest.get("k").await.unwrap().value.unwrap(),
            "v",
            "those who say nothing make room"
        );
        let own = files.identity("r1");
        let hello = hello(local.cluster.fingerprint(), 1);
        let answered = answer(local.peers(0), &files, Some(&own), &hello).await;
        assert!(answered.is_some(), "a replica need not wait for them");
        honest.put("k", "w").await.unwrap();
        drop((clients, redis, peers));
    });
}
