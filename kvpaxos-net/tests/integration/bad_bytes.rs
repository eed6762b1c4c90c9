//! Bytes that no replica and no client of this release sends.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use crate::common::{ProcessCluster, ask, runtime};
use kvpaxos::agreement::StateDigest;
use kvpaxos::codec::{self, PeerFrame};
use kvpaxos::{
    Ballot, Batch, Command, Life, Message, ReplicaId, Request, RequestBody, Slot, Tag, Value, Watermark,
};
use kvpaxos_net::PeerAddresses;

#[test]
fn bad_bytes_close_their_connection_and_nothing_else() {
    let mut cluster = ProcessCluster::start(3, &[]);
    runtime().block_on(cluster.leader());
    let mut request = Vec::new();
    let status = Request {
        id: 1,
        body: RequestBody::Status,
    };
    codec::encode_into(&status, &mut request).unwrap();
    let mut huge = request.clone();
    huge[4..8].fill(0xff);
    let mut flipped = request.clone();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    let garbage: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\n\r\n",
        &[0; 4096],
        &[0xff; 100_000],
        &huge,
        &flipped,
        &codec::wrap::<PeerFrame>(&[9, 9, 9]),
    ];
    for bytes in garbage {
        for address in [cluster.address(0), cluster.peer_address(0)] {
            let mut stream = TcpStream::connect(&address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            // It may be closed before all is written.
            let _ = stream.write_all(bytes);
            let mut answer = Vec::new();
            // Closed, or reset because not all was read.
            let _ = stream.read_to_end(&mut answer);
            assert!(answer.is_empty(), "{bytes:?} is not answered");
        }
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let datagram = &bytes[..bytes.len().min(60_000)];
        socket.send_to(datagram, cluster.address(0)).unwrap();
    }
    // A hello of another cluster.
    let own = runtime().block_on(cluster.status(0)).expect("it serves still");
    let hello = codec::Hello {
        cluster: 1,
        from: ReplicaId(1),
        to: own.id,
        members: own.members,
        founding: None,
    };
    let mut bytes = Vec::new();
    codec::encode_into(&PeerFrame::Hello(hello), &mut bytes).unwrap();
    let mut stream = TcpStream::connect(cluster.peer_address(0)).unwrap();
    stream.write_all(&bytes).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let told = codec::decode_datagram::<PeerFrame>(&answer);
    assert!(
        matches!(&told, Ok(PeerFrame::Settings(settings)) if settings.name == "kvpaxos"),
        "a stranger is told what differs: {told:?}"
    );

    let first = cluster.address(0);
    assert_eq!(ask(&first, &["put", "k", "v"], "").0, 0);
    assert!((0..3).all(|replica| cluster.runs(replica)));
    let log = std::fs::read_to_string(cluster.log(0)).unwrap();
    for named in [
        "a frame begins with",
        "over the limit",
        "checksum",
        "belongs to cluster",
    ] {
        assert!(log.contains(named), "{named:?} is not in the log:\n{log}");
    }
}

/// A peer that sends two values for one ballot and slot breaks the first rule of the protocol. A replica that
/// notices this stops and says why, and the others go on.
#[test]
fn a_lying_peer_is_answered_by_a_halt() {
    let mut cluster = ProcessCluster::start(3, &[]);
    runtime().block_on(cluster.leader());
    let accept = |value| {
        PeerFrame::Message(Message::Accept {
            ballot: Ballot {
                round: 1_000,
                replica: ReplicaId(2),
                life: Life::default(),
            },
            slot: Slot(1_000),
            value,
            chosen: Watermark::default(),
            state: StateDigest::NOTHING,
        })
    };
    let peers: PeerAddresses = cluster.serve(0)[4].parse().unwrap();
    let hello = codec::Hello {
        cluster: kvpaxos_net::Cluster::new("kvpaxos", peers.clone()).fingerprint(),
        from: ReplicaId(2),
        to: ReplicaId(0),
        members: peers.members(),
        founding: None,
    };
    let open = Command::Open {
        tag: Tag { nonce: 1, number: 1 },
    };
    let mut bytes = Vec::new();
    for frame in [
        PeerFrame::Hello(hello),
        accept(Value::Noop),
        accept(Value::Batch(Batch::new(vec![open]))),
    ] {
        codec::encode_into(&frame, &mut bytes).unwrap();
    }
    let mut stream = TcpStream::connect(cluster.peer_address(0)).unwrap();
    stream.write_all(&bytes).unwrap();
    assert_eq!(cluster.ended(0), Some(6));
    let log = std::fs::read_to_string(cluster.log(0)).unwrap();
    assert!(log.contains("two different values"), "{log}");
    // The others go on.
    let (done, _, why) = ask(&cluster.address(1), &["put", "k", "v"], "");
    assert_eq!(done, 0, "{why}");
}
