//! Copies of a store: taken while it serves, and restored into a new cluster.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use kvpaxos::snapshot::Cursor;
use kvpaxos::status::LearnerStatus;
use kvpaxos::{
    Condition, Holds, Limits, Outcome, Password, Refusal, Reply, Request, RequestBody, Step, Transaction,
    When, codec,
};
use kvpaxos_net::backup::{self, RESTORING, RestoreError, SaveError, SavedState};
use kvpaxos_net::{Client, ClientOptions, Security};
use tokio::io::{AsyncReadExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::common::{ProcessCluster, ask, code, free_ports, run, runtime, text, wait_for};

fn put(key: String, value: String) -> Step {
    Step::Put {
        key: Bytes::from(key),
        value: Bytes::from(value),
        when: When::Always,
        previous: false,
    }
}

async fn write(client: &Client, steps: Vec<Step>) {
    let conditions: Vec<Condition> = Vec::new();
    let executed = client.transaction(Transaction { conditions, steps }).await;
    assert!(executed.expect("it is done").results.is_some());
}

fn contents(saved: &SavedState) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let pairs = saved.entries();
    pairs.map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

/// Each write sets two keys, the next in a row and the last of all: a state that the store had holds a row
/// without a gap, and its end.
#[test]
fn a_copy_under_load_is_a_state_that_the_store_had() {
    let mut cluster = ProcessCluster::start(3, &[]);
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("copy");
    let runtime = runtime();
    runtime.block_on(cluster.leader());
    let (done, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let load = {
        let client = runtime.block_on(async { cluster.patient_client() });
        let (done, stop) = (Arc::clone(&done), Arc::clone(&stop));
        runtime.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let next = done.load(Ordering::Relaxed);
                let value = "v".repeat(8000);
                write(
                    &client,
                    vec![
                        put(format!("row {next}"), value),
                        put("last".to_owned(), next.to_string()),
                    ],
                )
                .await;
                done.store(next + 1, Ordering::Relaxed);
            }
        })
    };
    let mut earlier = 0;
    for round in 0..4 {
        wait_for("some more writes", || {
            (done.load(Ordering::Relaxed) > earlier + 50).then_some(())
        });
        // Each replica in turn, and one that is gone.
        let gone = format!("127.0.0.1:{}", free_ports(1)[0]);
        let options = ClientOptions::new([gone, cluster.address(round % 3)]);
        let before = done.load(Ordering::Relaxed);
        let saved = runtime.block_on(backup::save(&options, &path)).expect("a copy");
        let after = done.load(Ordering::Relaxed);
        let rows = saved.keys() - 1;
        assert!((before..=after + 1).contains(&rows), "{before} {rows} {after}");
        assert_eq!(saved.get(b"last"), Some(Bytes::from((rows - 1).to_string())));
        for row in 0..rows {
            assert!(
                saved.get(format!("row {row}").as_bytes()).is_some(),
                "row {row} of {rows}"
            );
        }
        assert_eq!(
            contents(&backup::read(&path, Limits::default()).expect("whole")),
            contents(&saved)
        );
        earlier = before;
    }
    stop.store(true, Ordering::Relaxed);
    runtime.block_on(load).expect("no write failed");
    // Nothing is written any more: the copy has the digest that the replicas have.
    runtime.block_on(cluster.converge());
    let saved = runtime.block_on(backup::save(&ClientOptions::new(cluster.addresses()), &path));
    let saved = saved.expect("a copy");
    wait_for("the state of the copy", || {
        let status = runtime.block_on(cluster.status(0))?;
        matches!(status.learner, LearnerStatus::Learning { digest, .. } if digest == saved.digest())
            .then_some(())
    });
    // The row alone is some megabytes, so there were several parts.
    assert!(saved.bytes() > 1_500_000, "{}", saved.bytes());
    runtime.block_on(a_replica_that_fails_on_the_way(&cluster, &saved, &path));
    what_goes_wrong(&mut cluster, &path);
}

/// Its connections break in the second part.
async fn a_replica_that_fails_on_the_way(cluster: &ProcessCluster, saved: &SavedState, path: &Path) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let failing = listener.local_addr().expect("an address").to_string();
    let replica = cluster.address(0);
    let proxy = tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&replica).await.expect("it listens");
            let ((from_client, mut to_client), (from_server, mut to_server)) =
                (client.into_split(), server.into_split());
            let mut first = from_server.take(600_000);
            tokio::spawn(
                async move { tokio::io::copy(&mut BufReader::new(from_client), &mut to_server).await },
            );
            let _ = tokio::io::copy(&mut first, &mut to_client).await;
        }
    });
    std::fs::remove_file(path).expect("an earlier copy");
    let options = ClientOptions::new([failing.clone()]);
    let error = backup::save(&options, path)
        .await
        .expect_err("it fails each time");
    assert!(
        matches!(&error, SaveError::Unavailable { failures } if failures.len() == 1),
        "{error}"
    );
    assert_eq!(
        std::fs::read_dir(path.parent().expect("a directory"))
            .expect("it is there")
            .count(),
        0
    );
    let options = ClientOptions::new([failing, cluster.address(1)]);
    let again = backup::save(&options, path)
        .await
        .expect("the other one sends all of it");
    assert_eq!(
        (again.digest(), contents(&again)),
        (saved.digest(), contents(saved))
    );
    proxy.abort();
}

fn what_goes_wrong(cluster: &mut ProcessCluster, path: &Path) {
    let name = path.to_str().expect("text");
    let servers = cluster.servers();
    let earlier = std::fs::read(path).expect("a copy");
    let inspected = run(&["snapshot", "inspect", name], "");
    assert_eq!(code(&inspected), 0);
    assert!(
        text(&inspected.stdout).contains(": whole, "),
        "{}",
        text(&inspected.stdout)
    );
    // A disk that is full: no file may be longer than 1 KiB. What was there stays.
    #[cfg(unix)]
    {
        let line = format!(
            "trap '' XFSZ; ulimit -f 1; exec '{}' snapshot save '{name}' --servers {servers}",
            env!("CARGO_BIN_EXE_kvpaxos")
        );
        let output = Command::new("sh").args(["-c", &line]).output().expect("sh runs");
        assert_eq!(code(&output), 7, "{}", text(&output.stderr));
        assert_eq!(std::fs::read(path).expect("a copy"), earlier);
        assert!(!Path::new(&format!("{name}.new")).exists());
    }
    // A bit of the file flips.
    let mut changed = earlier;
    let middle = changed.len() / 2;
    changed[middle] ^= 4;
    std::fs::write(path, &changed).expect("it is written");
    let inspected = run(&["snapshot", "inspect", name], "");
    assert_eq!(code(&inspected), 8, "{}", text(&inspected.stderr));
    assert_eq!(ask(&servers, &["snapshot", "restore", name], "").0, 8);
    assert_eq!(ask(&servers, &["snapshot", "save", name, "--udp"], "").0, 2);
    for replica in 0..3 {
        cluster.kill(replica);
    }
    let (gone, _, why) = ask(&servers, &["snapshot", "save", name], "");
    assert!(
        gone == 4 && why.contains("no replica has sent a whole copy"),
        "{gone} {why}"
    );
}

#[test]
fn a_large_copy_is_restored_into_a_new_cluster_and_nowhere_else() {
    let old = ProcessCluster::start(3, &[]);
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("copy");
    let path_name = path.to_str().expect("text");
    let new = ProcessCluster::start(3, &[]);
    let runtime = runtime();
    let saved = runtime.block_on(async {
        old.leader().await;
        let client = old.patient_client();
        for chunk in 0..20 {
            let keys = chunk * 1000..(chunk + 1) * 1000;
            let steps = keys.map(|key: u64| put(format!("key {key}"), format!("value {}", key * 7)));
            write(&client, steps.collect()).await;
        }
        client
            .put("long", "x".repeat(1_000_000))
            .await
            .expect("it is done");
        backup::save(&ClientOptions::new(old.addresses()), &path)
            .await
            .expect("a copy")
    });
    assert_eq!(saved.keys(), 20_001);
    let refused = ask(&old.servers(), &["snapshot", "restore", path_name], "");
    assert!(
        refused.0 == 3 && refused.2.contains("it holds 20001 keys"),
        "{refused:?}"
    );

    let new_servers = new.servers();
    let ask_new = |arguments: &[&str]| ask(&new_servers, arguments, "");
    let other = dir.path().join("other");
    let other_name = other.to_str().expect("text");
    // Another restore was begun there; then one of this copy, which had come this far.
    assert_eq!(ask_new(&["put", RESTORING, "slot 5 digest 6"]).0, 0);
    let (refused, _, why) = ask_new(&["snapshot", "restore", path_name]);
    assert!(refused == 3 && why.contains("slot 5 digest 6"), "{refused} {why}");
    let mark = format!("slot {} digest {:032x}", saved.slot(), saved.digest());
    assert_eq!(ask_new(&["put", RESTORING, &mark]).0, 0);
    assert_eq!(ask_new(&["put", "key 5", "value 35"]).0, 0);
    let (done, printed, why) = ask_new(&["snapshot", "restore", path_name]);
    assert_eq!(done, 0, "{why}");
    assert!(
        printed.contains("20001 keys are restored, after an earlier restore"),
        "{printed}"
    );

    assert_eq!(ask_new(&["snapshot", "save", other_name]).0, 0);
    let restored = backup::read(&other, Limits::default()).expect("whole");
    assert_eq!(contents(&restored), contents(&saved));
    // No session of the old cluster is known, and that of the restore is closed.
    let (_, object, _) = ask_new(&["status", "--json"]);
    let object: serde_json::Value = serde_json::from_str(&object).expect("JSON");
    let sessions = object["replicas"]
        .as_array()
        .expect("replicas")
        .iter()
        .map(|row| row["learner"]["sessions"].clone());
    assert!(sessions.into_iter().any(|sessions| sessions == 0), "{object:#}");
    assert_eq!(ask_new(&["snapshot", "restore", path_name]).0, 3);
}

#[test]
fn a_restore_that_is_disturbed_says_so() {
    let cluster = ProcessCluster::start(3, &[]);
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("copy");
    let options = ClientOptions::new(cluster.addresses());
    runtime().block_on(async {
        cluster.leader().await;
        no_datagram_holds_a_part(&cluster.address(0));
        // A store in which nothing was written yet.
        let empty = backup::save(&options, &path).await.expect("a copy");
        assert_eq!(empty.keys(), 0);
        let client = cluster.patient_client();
        assert!(!backup::restore(&client, &empty).await.expect("it is empty"));
        // Somebody writes between the mark and the end.
        let mark = format!("slot {} digest {:032x}", empty.slot(), empty.digest());
        write(
            &client,
            vec![
                put(RESTORING.to_owned(), mark),
                put("k".to_owned(), "v".to_owned()),
            ],
        )
        .await;
        let error = backup::restore(&client, &empty)
            .await
            .expect_err("k is not of the copy");
        assert!(
            matches!(
                error,
                RestoreError::Disturbed {
                    expected: 1,
                    found: 2
                }
            ),
            "{error}"
        );
        // A copy of such a store is none to restore.
        let unfinished = backup::save(&options, &path).await.expect("a copy");
        let error = backup::restore(&client, &unfinished)
            .await
            .expect_err("it has the mark");
        assert!(matches!(error, RestoreError::Unfinished), "{error}");
        let mark = client
            .get(RESTORING)
            .await
            .expect("a mark")
            .value
            .expect("a mark");
        let gone = Transaction {
            conditions: vec![Condition {
                key: Bytes::from_static(RESTORING.as_bytes()),
                holds: Holds::Equals(mark),
            }],
            steps: vec![Step::Delete {
                key: Bytes::from_static(RESTORING.as_bytes()),
                previous: false,
            }],
        };
        client.transaction(gone).await.expect("it is done");
        let error = backup::restore(&client, &empty).await.expect_err("it holds k");
        assert!(matches!(error, RestoreError::NotEmpty { keys: 1 }), "{error}");
    });
}

fn no_datagram_holds_a_part(address: &str) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.connect(address).expect("an address");
    let mut frame = Vec::new();
    let body = RequestBody::SnapshotPart { at: Cursor::START };
    codec::encode_into(&Request { id: 5, body }, &mut frame).expect("it is short");
    socket.send(&frame).expect("it is sent");
    let mut datagram = [0; 1000];
    let length = socket.recv(&mut datagram).expect("an answer");
    let reply: Reply = codec::decode_datagram(&datagram[..length]).expect("a reply");
    let refused = matches!(reply.outcome, Outcome::Refused(Refusal::AnswerTooLong { .. }));
    assert!(refused && reply.id == 5, "{reply:?}");
}

#[test]
fn who_copies_shows_the_password() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("copy");
    let password = |text: &'static str| Some(Password::new(text).expect("short enough"));
    runtime().block_on(async {
        let security = |_| Security {
            passwords: vec![password("open sesame").expect("one")],
            ..Security::default()
        };
        let local = crate::security::cluster(1, security).await;
        let options = |password| ClientOptions {
            password,
            ..ClientOptions::new([local.clients(0).to_string()])
        };
        let client = Client::new(options(password("open sesame"))).expect("a client");
        client.put("k", "v").await.expect("it is done");
        for wrong in [None, password("open")] {
            let error = backup::save(&options(wrong), &path)
                .await
                .expect_err("no password");
            assert!(matches!(error, SaveError::Refused(_)), "{error}");
            assert!(!path.exists());
        }
        let saved = backup::save(&options(password("open sesame")), &path)
            .await
            .expect("a copy");
        assert_eq!(saved.get(b"k"), Some(Bytes::from_static(b"v")));
    });
}
