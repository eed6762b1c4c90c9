//! Data directories of real processes: whose they are, which logs are set aside, and what happens when the
//! disk is full.

use crate::common::{ProcessCluster, ask, code, free_ports, run, runtime, text, wait_for};

#[test]
fn a_data_directory_has_one_owner() {
    let mut cluster = ProcessCluster::start(3, &[]);
    runtime().block_on(cluster.leader());
    let again = |arguments: Vec<String>| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = run(&arguments, "");
        (code(&output), text(&output.stderr))
    };
    // The ports are in use, so the second process gets others.
    let elsewhere = |mut arguments: Vec<String>| {
        let ports = free_ports(3).into_iter().map(|port| format!("127.0.0.1:{port}"));
        for (flag, address) in ["--client", "--udp", "--redis"].into_iter().zip(ports) {
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

/// The superblock says whose the directory is, so nobody guesses when it is damaged: the operator recovers the
/// replica.
#[test]
fn a_damaged_superblock_is_damage_and_is_not_mended_in_silence() {
    let mut cluster = ProcessCluster::start(3, &[]);
    runtime().block_on(cluster.leader());
    assert_eq!(ask(&cluster.servers(), &["put", "k", "v"], "").0, 0);
    assert_eq!(cluster.terminate(1), Some(0));
    assert_eq!(inspect(&cluster.data(1), &[]).0, 0);
    let superblock = cluster.data(1).join("superblock");
    let mut bytes = std::fs::read(&superblock).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x01;
    std::fs::write(&superblock, bytes).unwrap();
    for flags in [&[][..], &["--json"]] {
        let (damaged, printed, why) = inspect(&cluster.data(1), flags);
        assert_eq!(damaged, 8, "{printed}{why}");
        assert!(printed.contains("the superblock is damaged"), "{printed}");
    }
    let output = run(&cluster.serve(1), "");
    let why = text(&output.stderr);
    assert_eq!(code(&output), 8, "{why}");
    assert!(why.contains("recover --discard"), "{why}");
    let mut recover = cluster.member("recover", 1);
    recover.push("--discard".to_owned());
    assert_eq!(code(&run(&recover, "")), 0);
    cluster.restart(1);
    runtime().block_on(cluster.converge());
}

/// An empty disk is never taken for that of a new replica: the operator must format or recover it.
#[test]
fn only_a_formatted_directory_is_served() {
    let mut cluster = ProcessCluster::start(3, &[]);
    runtime().block_on(cluster.leader());
    let (done, _, why) = ask(&cluster.servers(), &["put", "k", "v"], "");
    assert_eq!(done, 0, "{why}");
    cluster.kill(1);
    let attempt = |arguments: &[String]| {
        let output = run(arguments, "");
        (code(&output), text(&output.stdout), text(&output.stderr))
    };
    // A directory is formatted once, and recovered only if something was lost.
    let (refused, _, why) = attempt(&cluster.member("format", 1));
    assert_eq!(refused, 1);
    assert!(
        why.contains("holds replica 1 of cluster") && why.contains("already"),
        "{why}"
    );
    let (done, said, _) = attempt(&[cluster.member("format", 1), vec!["--if-missing".to_owned()]].concat());
    assert_eq!(done, 0);
    assert!(said.contains("formatted already"), "{said}");
    let (refused, _, why) = attempt(&cluster.member("recover", 1));
    assert_eq!(refused, 1);
    assert!(
        why.contains("is intact") && why.contains("recover --discard --id 1"),
        "{why}"
    );
    let (whole, printed, _) = inspect(&cluster.data(1), &["--records"]);
    assert_eq!(whole, 0);
    for word in [
        "segment     0",
        "promised    b",
        "accepted    up to slot",
        "verdict     whole",
        "Accepted b",
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
    // The command that was printed works.
    let (done, printed, why) = attempt(&cluster.member("recover", 1));
    assert_eq!(done, 0, "{why}");
    assert!(printed.contains("ready for replica 1 to recover"), "{printed}");
    let (whole, printed, _) = inspect(&cluster.data(1), &[]);
    assert_eq!(whole, 0);
    assert!(printed.contains("mark        disk lost"), "{printed}");
    cluster.restart(1);
    assert_eq!(ask(&cluster.address(1), &["get", "k"], "").1, "v");
}

#[test]
fn a_damaged_log_is_set_aside_and_the_others_go_on() {
    let mut cluster = ProcessCluster::start(3, &[]);
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
    // The log says that the disk was lost, or the replica has recovered already and a checkpoint has replaced
    // that record.
    let lost = found["losses"][0]["mark"] == "disk lost";
    assert!(lost || found["checkpoints"][0]["complete"] == true, "{found}");
    let third = cluster.address(2);
    assert_eq!(
        ask(&third, &["get", "k"], "").1,
        "value 19",
        "it learns from the others"
    );
}

/// A full disk stops its replica and no other one. What the replica could not write it has not promised.
#[test]
#[cfg(unix)]
fn a_full_disk_stops_the_replica_and_nobody_else() {
    let mut cluster = ProcessCluster::start(3, &["--log-level", "warn"]);
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
    // With room again it restarts with its memory.
    cluster.restart(other);
    runtime().block_on(cluster.converge());
}
