//! A recorded life of a real replica under load: it serves clients over sockets, cuts its log, a role of it
//! fails and comes back, it is stopped and started, its disk becomes full, and it starts again. The recording
//! differs from run to run.

use kvpaxos::wal::Owner;
use kvpaxos::{ReplicaId, Role};

use super::check::{Check, DATA, Recording, scratch};
use super::tape::{Note, Tape};
use super::world::Tree;
use crate::{
    Bounds, Client, ClientOptions, Cluster, MemoryLocation, Node, NodeError, NodeOptions, PeerAddresses,
    RestartMemory, Sockets,
};

/// After how many slots the replica cuts its log.
const SLOTS: u64 = 5;
/// The size at which a segment is full. Some slots need more.
const FULL: u64 = 1000;

/// Starts the only replica of a cluster, and a client of it.
async fn started(options: NodeOptions) -> (Node, Client) {
    let sockets = Sockets::bind("127.0.0.1:0", "127.0.0.1:0", None).await.unwrap();
    let address = sockets.clients.local_addr().unwrap();
    let client = Client::new(ClientOptions::new([address.to_string()])).unwrap();
    (Node::start(options, sockets).unwrap(), client)
}

/// Writes this many values, two at a time.
async fn load(client: &Client, writes: usize) {
    for number in 0..writes {
        let put = |key: &'static str| client.put(key, vec![b'v'; 50 + number % 3 * 500]);
        let (one, other) = tokio::join!(put("one"), put("other"));
        one.and(other).unwrap();
    }
}

async fn recorded() -> Recording {
    let root = scratch();
    let tape = Tape::start(root.path());
    let mut cluster = Cluster::new("power", PeerAddresses::in_order(["127.0.0.1:1"]).unwrap());
    cluster.limits.log_slots = SLOTS;
    let path = root.path().join(DATA);
    let options = || NodeOptions {
        id: ReplicaId(0),
        cluster: cluster.clone(),
        memory: MemoryLocation::Directory(path.clone()),
        bounds: Bounds::default(),
        redis: crate::RedisOptions::default(),
        security: crate::node::security::Security::default(),
        record: None,
    };
    options().format().unwrap();
    tape.note(Note::Founded);

    let (node, client) = started(options()).await;
    load(&client, 8).await;
    let handle = node.handle();
    handle.fail(Role::Acceptor).await;
    handle.restart(Role::Acceptor, RestartMemory::Kept).await;
    load(&client, 4).await;
    node.stop().await.unwrap();

    tape.set_segment(Some(FULL));
    let (mut node, client) = started(options()).await;
    load(&client, 4).await;
    tape.set_room(Some(3000));
    tokio::select! {
        () = load(&client, 100) => panic!("the disk never became full"),
        ended = node.wait() => assert!(matches!(ended, Err(NodeError::Disk(_))), "{ended:?}"),
    }
    drop((node, client));
    tape.set_room(None);

    let (node, client) = started(options()).await;
    load(&client, 3).await;
    node.stop().await.unwrap();
    Recording {
        owner: Owner {
            cluster: cluster.identity(),
            replica: ReplicaId(0),
        },
        before: Tree::new(),
        entries: tape.stop(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_failure_takes_nothing_that_a_replica_under_load_has_answered() {
    let recording = recorded().await;
    let mut check = Check::new();
    let survived = check.survives(&recording, None);
    println!("{} operations, {} states", recording.entries.len(), check.good());
    survived.unwrap_or_else(|what| panic!("{what}"));
    assert!(recording.checkpoints() > 2, "the log was not cut");
    assert!(recording.full_segments() > 0, "no segment was full");
}
