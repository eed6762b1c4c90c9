use std::collections::BTreeMap;

use kvpaxos::agreement::StateDigest;
use kvpaxos::codec::{self, PeerFrame};
use kvpaxos::message::Promise;
use kvpaxos::wal::Owner;
use kvpaxos::{Ballot, Config, Record, Slot};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::*;
use crate::links::faults::LinkFaults;
use crate::storage::directory::{Directory, OpenDirectory};
use crate::storage::disk::Disk;
use crate::wire::outbox::Outbox;
use crate::{
    Bounds, Client, ClientOptions, Cluster, MemoryLocation, Node, NodeOptions, PeerAddresses, Sockets,
};

const ID: ReplicaId = ReplicaId(1);
const PEER: ReplicaId = ReplicaId(0);

/// One replica of three. The test hands it the answers of its disk.
struct Scene {
    event_loop: EventLoop,
    answers: mpsc::UnboundedReceiver<DiskEvent>,
    /// What is sent to the peer.
    outbox: Arc<Outbox>,
    _directory: (Directory, TempDir),
}

impl Scene {
    fn new() -> Scene {
        let owner = Owner {
            cluster: 7,
            replica: ID,
        };
        let path = tempfile::tempdir().unwrap();
        Directory::format(path.path(), owner).unwrap();
        let OpenDirectory {
            directory,
            memory,
            log,
        } = Directory::open(path.path(), owner).unwrap();
        let (sender, answers) = mpsc::unbounded_channel();
        let disk = Storage::Disk(Disk::start(log, sender).unwrap());
        let outbox = Arc::new(Outbox::new(1024));
        outbox.open();
        let clock = Clock::start();
        let replica = Replica::new(Config::new(ID, 3), memory, entropy().unwrap(), clock.now()).unwrap();
        let (_, inbox) = Inbox::new(mpsc::unbounded_channel().1);
        let outboxes = BTreeMap::from([(PEER, Arc::clone(&outbox))]);
        let metrics = Arc::new(Metrics::new(ID));
        let faults = Arc::new(LinkFaults::new(metrics.chaos()));
        Scene {
            event_loop: EventLoop::new(
                replica,
                clock,
                disk,
                inbox,
                PeerOutboxes::new(&outboxes, faults),
                Repeats::new(ID),
                metrics,
            ),
            answers,
            outbox,
            _directory: (directory, path),
        }
    }

    /// A candidate asks for a promise, which is then written to the disk.
    fn is_asked(&mut self) -> Ballot {
        let ballot = Ballot {
            round: 5,
            replica: PEER,
            ..Ballot::ZERO
        };
        let from = Slot::ZERO;
        let message = Message::Prepare {
            ballot,
            from,
            state: StateDigest::NOTHING,
        };
        self.event_loop.step(Event::Peer {
            from: PEER,
            founding: None,
            message,
        });
        self.event_loop.hand_on();
        ballot
    }

    /// The promise becomes durable, and the event loop learns it.
    async fn settles(&mut self) {
        let answer = self.answers.recv().await.unwrap();
        assert!(matches!(answer, DiskEvent::Settled(_)), "{answer:?}");
        self.event_loop.on_disk(answer).unwrap();
    }

    /// The message that was sent to the peer.
    async fn sent(&self) -> Option<Message> {
        let mut bytes = Vec::new();
        tokio::select! {
            biased;
            _ = self.outbox.take(&mut bytes) => {}
            () = std::future::ready(()) => return None,
        }
        match codec::decode_frame(&bytes).unwrap() {
            Some((PeerFrame::Message(message), _)) => Some(message),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_promise_leaves_when_it_is_durable() {
    let mut scene = Scene::new();
    let asked = scene.is_asked();
    assert_eq!(scene.sent().await, None);
    scene.settles().await;
    let sent = scene.sent().await;
    assert!(
        matches!(sent, Some(Message::Promise(Promise { ballot, .. })) if ballot == asked),
        "{sent:?}"
    );
}

/// The next life of the role may not know of the write: it may begin without memory.
#[tokio::test]
async fn what_waits_for_the_write_of_a_role_that_fails_never_leaves() {
    let mut scene = Scene::new();
    scene.is_asked();
    scene.event_loop.on_control(Control::Fail(Role::Acceptor));
    scene.settles().await;
    assert_eq!(scene.sent().await, None);
}

/// The failure of another role changes nothing.
#[tokio::test]
async fn what_waits_leaves_when_another_role_fails() {
    let mut scene = Scene::new();
    scene.is_asked();
    scene.event_loop.on_control(Control::Fail(Role::Learner));
    scene.settles().await;
    let sent = scene.sent().await;
    assert!(matches!(sent, Some(Message::Promise(_))), "{sent:?}");
}

/// A log that was closed in order tells that all its slots are chosen, however soon after the last answer its
/// replica was stopped.
#[tokio::test]
async fn a_replica_that_is_stopped_writes_down_what_is_chosen() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = Cluster::new("stopped", PeerAddresses::in_order(["127.0.0.1:1"]).unwrap());
    let owner = Owner {
        cluster: cluster.identity(),
        replica: ReplicaId(0),
    };
    let options = || NodeOptions {
        id: ReplicaId(0),
        cluster: cluster.clone(),
        memory: MemoryLocation::Directory(directory.path().to_owned()),
        bounds: Bounds::default(),
        redis: crate::RedisOptions::default(),
        security: crate::node::security::Security::default(),
        record: None,
    };
    options().format().unwrap();
    for life in 0..4 {
        let sockets = Sockets::bind("127.0.0.1:0", "127.0.0.1:0", None).await.unwrap();
        let address = sockets.clients.local_addr().unwrap();
        let client = Client::new(ClientOptions::new([address.to_string()])).unwrap();
        let node = Node::start(options(), sockets).unwrap();
        client.put("key", vec![life]).await.unwrap();
        node.stop().await.unwrap();
        let opened = Directory::open(directory.path(), owner).unwrap();
        let Memory::Kept(records) = opened.memory else {
            panic!("the memory is lost");
        };
        let accepted = records.iter().filter_map(|record| match record {
            Record::Accepted { slot, .. } => Some(slot.next()),
            _ => None,
        });
        let chosen = records.iter().filter_map(|record| match record {
            Record::Chosen { up_to, .. } => Some(*up_to),
            _ => None,
        });
        assert_eq!(chosen.max(), accepted.max(), "life {life}");
    }
}
