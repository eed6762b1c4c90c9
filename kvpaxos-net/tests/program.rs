//! The program as a person or a script meets it: exit codes, prompts, refusals.

mod common;

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::process::Output;
use std::time::Duration;

use common::{Cluster, free_ports, run, runtime, text, wait_for};
use kvpaxos::agreement::StateDigest;
use kvpaxos::codec::{self, PeerFrame};
use kvpaxos::{
    Ballot, Batch, Command, Life, Message, ReplicaId, Request, RequestBody, Slot, Tag, Value, Watermark,
};
use kvpaxos_net::{Client, ClientError, ClientOptions, Peers};

fn code(output: &Output) -> i32 {
    output.status.code().expect("it was not killed")
}

/// Runs a one-shot command against these servers.
fn ask(cluster: &str, arguments: &[&str], input: &str) -> (i32, String, String) {
    let output = run(
        &[&["--log-level", "error"], arguments, &["--servers", cluster]].concat(),
        input,
    );
    (code(&output), text(&output.stdout), text(&output.stderr))
}

#[test]
fn exit_codes_tell_fates_apart() {
    let mut cluster = Cluster::start(3, &[]);
    runtime().block_on(cluster.leader());
    let servers = cluster.servers();
    let ask = |arguments: &[&str], input: &str| ask(&servers, arguments, input);

    let (done, revision, _) = ask(&["put", "k", "a value"], "");
    assert_eq!(done, 0);
    assert!(
        revision.trim().split_once('.').is_some(),
        "a revision: {revision:?}"
    );
    assert_eq!(ask(&["get", "k"], ""), (0, "a value\n".to_owned(), String::new()));
    let (missing, nothing, why) = ask(&["get", "other"], "");
    assert_eq!((missing, nothing.as_str()), (1, ""));
    assert!(why.contains("has no value"), "{why}");
    assert_eq!(ask(&["cas", "k", "a value", "next"], "").0, 0);
    assert_eq!(
        ask(&["cas", "k", "a value", "next"], "").0,
        1,
        "it holds another value"
    );
    assert_eq!(ask(&["cas", "k", "--absent", "x"], "").0, 1);
    assert_eq!(ask(&["cas", "k", "--remove", "next"], "").0, 0);
    assert_eq!(ask(&["delete", "k"], "").0, 1, "it is gone already");
    assert_eq!(ask(&["put", "k", "-"], "two\nlines\n").0, 0);
    assert_eq!(ask(&["get", "k", "--raw"], "").1, "two\nlines\n");
    assert_eq!(ask(&["delete", "k"], "").0, 0);

    let (refused, _, why) = ask(&["put", "k", "-"], &"x".repeat(1024 * 1024 + 1));
    assert_eq!(refused, 3);
    assert!(why.contains("1048577") && why.contains("1048576"), "{why}");
    assert_eq!(ask(&["put", &"k".repeat(4097), "v"], "").0, 3);
    assert_eq!(ask(&["get"], "").0, 2, "a key is missing");
    assert_eq!(ask(&["cas", "k", "old"], "").0, 2, "a value is missing");

    // Nobody listens there.
    let nobody = format!("127.0.0.1:{}", free_ports(1)[0]);
    let gone = ["--timeout", "300ms", "--servers", &nobody];
    let output = run(&[&["put", "k", "v"], &gone[..]].concat(), "");
    assert_eq!(code(&output), 4, "{}", text(&output.stderr));
    // One of three is no majority. Nobody leads, or nobody answers the one who did.
    cluster.kill(0);
    cluster.kill(1);
    let alone = ["--timeout", "6s", "--servers", &servers];
    let output = run(&[&["put", "k", "v"], &alone[..]].concat(), "");
    assert!([4, 5].contains(&code(&output)), "{}", text(&output.stderr));
    let (status, lines, _) = ask(&["status"], "");
    assert_eq!((status, lines.lines().count()), (0, 3), "{lines}");
    assert!(lines.contains("unreachable") && lines.contains("r2"), "{lines}");
}

#[test]
fn two_phase_update_stalls_and_names_the_silent_replica() {
    let mut cluster = Cluster::start(5, &["--two-phase"]);
    runtime().block_on(async {
        let leader = cluster.leader().await;
        let silent = (leader + 2) % 5;
        let servers = cluster.address(leader);
        let (done, _, why) = ask(&servers, &["put", "k", "before"], "");
        assert_eq!(done, 0, "{why}");
        let mut options = ClientOptions::new([servers.as_str()]);
        options.deadline = Duration::from_secs(8);
        let client = Client::new(options).unwrap();
        client.put("k", "before, too").await.unwrap();
        cluster.kill(silent);
        let named = format!("r{silent}");
        // A new session cannot be opened, so that nothing was changed; in one that is open, who knows.
        let (stalled, _, why) = ask(&servers, &["put", "k", "after", "--timeout", "8s"], "");
        assert_eq!(stalled, 4, "{why}");
        assert!(why.contains(&named), "{why}");
        let error = client.put("k", "after").await.expect_err("one replica is silent");
        assert!(matches!(error, ClientError::Unknown { .. }), "{error}");
        assert!(error.to_string().contains(&named), "{error}");
        cluster.restart(silent);
        let (again, _, why) = ask(&servers, &["put", "k", "at last"], "");
        assert_eq!(again, 0, "{why}");
    });
}

#[test]
fn datagrams_serve_as_well() {
    let cluster = Cluster::start(3, &[]);
    runtime().block_on(cluster.leader());
    let servers = cluster.servers();
    let ask = |arguments: &[&str], input: &str| ask(&servers, &[arguments, &["--udp"]].concat(), input);
    assert_eq!(ask(&["put", "k", "by datagram"], "").0, 0);
    assert_eq!(ask(&["get", "k"], "").1, "by datagram\n");
    assert_eq!(ask(&["cas", "k", "by datagram", "swapped"], "").0, 0);
    assert_eq!(ask(&["delete", "k"], "").0, 0);
    assert_eq!(ask(&["get", "k"], "").0, 1);
    let (refused, _, why) = ask(&["put", "k", "-"], &"x".repeat(70_000));
    assert_eq!(refused, 3, "it does not fit in a datagram");
    assert!(why.contains("70001"), "{why}");
    // What was stored over TCP can be too long to be read by datagram.
    let long = "x".repeat(70_000);
    assert_eq!(common_put(&servers, &long), 0);
    let (refused, _, why) = ask(&["get", "k"], "");
    assert_eq!(refused, 3, "{why}");
}

fn common_put(servers: &str, value: &str) -> i32 {
    ask(servers, &["put", "k", "-"], value).0
}

#[test]
fn bad_bytes_close_their_connection_and_nothing_else() {
    let mut cluster = Cluster::start(3, &[]);
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
            assert!(answer.is_empty(), "nothing is said to {bytes:?}");
        }
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let datagram = &bytes[..bytes.len().min(60_000)];
        socket.send_to(datagram, cluster.address(0)).unwrap();
    }
    // A peer of another cluster.
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
    assert!(answer.is_empty(), "no hello for a stranger");

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

#[test]
fn a_data_directory_has_one_owner() {
    let mut cluster = Cluster::start(3, &[]);
    runtime().block_on(cluster.leader());
    let again = |arguments: Vec<String>| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = run(&arguments, "");
        (code(&output), text(&output.stderr))
    };
    // The ports are taken, so the second process gets others.
    let elsewhere = |mut arguments: Vec<String>| {
        let ports = free_ports(2).into_iter().map(|port| format!("127.0.0.1:{port}"));
        for (flag, address) in ["--client", "--udp"].into_iter().zip(ports) {
            let place = arguments.iter().position(|argument| argument == flag).unwrap();
            arguments[place + 1] = address;
        }
        let port = free_ports(1)[0];
        arguments.extend(["--listen".to_owned(), format!("127.0.0.1:{port}")]);
        arguments
    };
    let (failed, why) = again(elsewhere(cluster.serve(1)));
    assert_eq!(failed, 1);
    assert!(why.contains("in use by another process"), "{why}");

    assert_eq!(cluster.terminate(1), Some(0), "SIGTERM is a clean end");
    let mut other = elsewhere(cluster.serve(1));
    other[2] = "0".to_owned();
    let (failed, why) = again(other);
    assert_eq!(failed, 1);
    assert!(why.contains("belongs to replica 1"), "{why}");
    let mut nobody = cluster.serve(1);
    nobody[2] = "7".to_owned();
    let (usage, why) = again(nobody);
    assert_eq!(usage, 2, "{why}");
    cluster.restart(1);
    let servers = cluster.address(1);
    assert_eq!(ask(&servers, &["put", "k", "v"], "").0, 0);
}

fn inspect(dir: &std::path::Path, flags: &[&str]) -> (i32, String, String) {
    let mut arguments = vec!["log", "inspect", dir.to_str().expect("a path in UTF-8")];
    arguments.extend(flags);
    let output = run(&arguments, "");
    (code(&output), text(&output.stdout), text(&output.stderr))
}

/// An empty disk is never taken for a new replica: somebody must say which of the two it is.
#[test]
fn only_a_formatted_directory_is_served() {
    let mut cluster = Cluster::start(3, &[]);
    runtime().block_on(cluster.leader());
    let (done, _, why) = ask(&cluster.servers(), &["put", "k", "v"], "");
    assert_eq!(done, 0, "{why}");
    cluster.kill(1);
    let attempt = |arguments: &[String]| {
        let output = run(arguments, "");
        (code(&output), text(&output.stdout), text(&output.stderr))
    };
    // Formatted once is formatted, recovered is what has lost something.
    let (refused, _, why) = attempt(&cluster.member("format", 1));
    assert_eq!(refused, 1);
    assert!(
        why.contains("holds replica 1 of cluster") && why.contains("already"),
        "{why}"
    );
    let (refused, _, why) = attempt(&cluster.member("recover", 1));
    assert_eq!(refused, 1);
    assert!(
        why.contains("is whole") && why.contains("recover --discard --id 1"),
        "{why}"
    );
    let (whole, printed, _) = inspect(&cluster.data(1), &["--records"]);
    assert_eq!(whole, 0);
    for word in [
        "segment     0",
        "promised    b",
        "accepted    up to slot",
        "verdict     whole",
        "Accepted {",
    ] {
        assert!(printed.contains(word), "{word:?} is not in\n{printed}");
    }

    std::fs::remove_dir_all(cluster.data(1)).unwrap();
    let (refused, _, why) = attempt(&cluster.serve(1));
    assert_eq!(refused, 1);
    for command in [
        "kvpaxos format --id 1 --peers 0=",
        "kvpaxos recover --id 1 --peers 0=",
    ] {
        assert!(why.contains(command), "{command:?} is not in {why}");
    }
    assert!(!cluster.data(1).exists(), "nothing was changed");
    std::fs::create_dir(cluster.data(1)).unwrap();
    let (refused, _, why) = attempt(&cluster.serve(1));
    assert_eq!(refused, 1, "{why}");
    let (nothing, _, why) = inspect(&cluster.data(1), &[]);
    assert_eq!(nothing, 1);
    assert!(why.contains("holds no log"), "{why}");
    // What was printed is what is run.
    let (done, printed, why) = attempt(&cluster.member("recover", 1));
    assert_eq!(done, 0, "{why}");
    assert!(printed.contains("ready for replica 1 to recover"), "{printed}");
    let (whole, printed, _) = inspect(&cluster.data(1), &[]);
    assert_eq!(whole, 0);
    assert!(printed.contains("mark        disk lost"), "{printed}");
    cluster.restart(1);
    assert_eq!(ask(&cluster.address(1), &["get", "k"], "").1, "v\n");
}

#[test]
fn a_damaged_log_is_set_aside_and_the_others_go_on() {
    let mut cluster = Cluster::start(3, &[]);
    runtime().block_on(async {
        cluster.leader().await;
        for number in 0..20 {
            cluster
                .client()
                .put("k", format!("value {number}"))
                .await
                .unwrap();
        }
    });
    cluster.kill(2);
    let log = cluster.data(2).join("log.00000000");
    let mut bytes = std::fs::read(&log).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[end / 2] ^= 0x10;
    std::fs::write(&log, &bytes).unwrap();
    cluster.restart(2);
    let servers = cluster.servers();
    let line = wait_for("the replica that lost its memory to say so", || {
        let (_, lines, _) = ask(&servers, &["status"], "");
        lines
            .lines()
            .find(|line| line.starts_with("r2") && line.contains("lost its memory"))
            .map(str::to_owned)
    });
    println!("{line}");
    assert!(cluster.data(2).join("damaged.1").join("log.00000000").exists());
    let (code, printed, why) = inspect(&cluster.data(2).join("damaged.1"), &[]);
    assert_eq!(code, 8, "{printed}{why}");
    assert!(printed.contains("damaged in segment 0 at offset"), "{printed}");
    let (code, printed, _) = inspect(&cluster.data(2), &["--json"]);
    assert_eq!(code, 0);
    let found: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(found["verdict"]["log"], "whole", "the new one");
    // It says that the disk was lost, or has got back what counts already and forgotten that, too.
    let lost = found["losses"][0]["mark"] == "disk lost";
    assert!(lost || found["checkpoints"][0]["complete"] == true, "{found}");
    let third = cluster.address(2);
    assert_eq!(
        ask(&third, &["get", "k"], "").1,
        "value 19\n",
        "it learns from the others"
    );
}

#[test]
fn the_prompt_obeys_a_pipe() {
    let cluster = Cluster::start(3, &[]);
    runtime().block_on(cluster.leader());
    let commands = "PUT k \"two words\"\nGET k\nNONSENSE\nGET\nCAS k \"two words\" one\nGET k\nDELETE k\nGET k\nSTATUS\nHELP\nEXIT\nPUT never done\n";
    let output = run(&["client", "--servers", &cluster.servers()], commands);
    let printed = text(&output.stdout);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    for line in [
        "ok, revision",
        "\"two words\"",
        "\"NONSENSE\" is no command",
        "GET key",
        "swapped",
        "\"one\"",
        "deleted",
        "no value",
        "leader r",
    ] {
        assert!(printed.contains(line), "{line:?} is not in\n{printed}");
    }
    let never = ask(&cluster.servers(), &["get", "never"], "");
    assert_eq!(never.0, 1, "nothing is done after EXIT");
}

#[test]
fn the_demo_shows_and_ends() {
    let output = run(&["demo", "--no-prompt"], "");
    let printed = text(&output.stdout);
    assert_eq!(code(&output), 0, "{printed}{}", text(&output.stderr));
    for word in ["PUT", "GET", "DELETE", "the acceptor of", "fails", "comes back"] {
        assert!(printed.contains(word), "{word:?} is not in\n{printed}");
    }
    assert!(!printed.contains("error"), "{printed}");
    let output = run(&["demo"], "PUT k v\nGET k\n");
    assert_eq!(code(&output), 0, "the end of the input is the end");
    assert!(text(&output.stdout).contains("\"v\""));
}

/// A peer that sends two values for one ballot and slot breaks the protocol's first rule. Whoever notices stops, says why,
/// and harms nobody.
#[test]
fn a_lying_peer_is_answered_by_a_halt() {
    let mut cluster = Cluster::start(3, &[]);
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
    let peers: Peers = cluster.serve(0)[4].parse().unwrap();
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

/// A disk that takes no more bytes is fatal for its replica, and for nothing else: what it could not write down it has not
/// promised.
#[test]
#[cfg(unix)]
fn a_full_disk_stops_the_replica_and_nobody_else() {
    let mut cluster = Cluster::start(3, &["--log-level", "warn"]);
    let leader = runtime().block_on(cluster.leader());
    let other = (leader + 1) % 3;
    cluster.kill(other);
    // Files of this process may not grow beyond 64 KiB (or 128, as the shell counts).
    let mut limited = std::process::Command::new("sh");
    let script = r#"trap "" XFSZ; ulimit -f 128; exec "$0" "$@""#;
    limited.args(["-c", script, env!("CARGO_BIN_EXE_kvpaxos")]);
    cluster.restart_as(other, limited);
    let client = runtime();
    client.block_on(async {
        let client = cluster.client_of(&[leader]);
        for number in 0..100 {
            let value = format!("{number}").repeat(3000);
            client.put("k", value).await.unwrap();
        }
    });
    assert_eq!(cluster.ended(other), Some(7));
    let log = std::fs::read_to_string(cluster.log(other)).unwrap();
    assert!(log.contains("cannot append to the log"), "{log}");
    // With room again it comes back, with what it had promised.
    cluster.restart(other);
    runtime().block_on(cluster.converge());
}
