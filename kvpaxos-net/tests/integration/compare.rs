//! `kvpaxos log compare` on directories whose histories differ.
#![cfg(unix)]
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::{ProcessCluster, program, run, runtime, text};
use kvpaxos_net::inspect::inspect;
use serde_json::Value;

/// Exit code, standard output and standard error of `kvpaxos log compare`.
fn compare(directories: &[&Path], flags: &[&str]) -> (i32, String, String) {
    let directories = directories.iter().map(|path| path.to_str().unwrap());
    let arguments: Vec<&str> = ["log", "compare"]
        .into_iter()
        .chain(directories)
        .chain(flags.iter().copied())
        .collect();
    let output = run(&arguments, "");
    let code = output.status.code().expect("it was not killed");
    (code, text(&output.stdout), text(&output.stderr))
}

fn put(cluster: &ProcessCluster, replicas: &[usize], key: &str, value: &str) {
    runtime().block_on(async {
        let client = cluster.patient_client_of(replicas);
        client.put(key.to_owned(), value.to_owned()).await.unwrap();
        client.close().await;
    });
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(copied.success());
}

/// Stops these replicas once their logs hold what they applied.
fn stop(cluster: &mut ProcessCluster, replicas: &[usize]) {
    cluster.wait_for_logs(replicas);
    for replica in replicas {
        assert_eq!(cluster.terminate(*replica), Some(0));
    }
}

/// The lines of the output about a slot.
fn about(printed: &str, slot: u64) -> String {
    let heading = format!("slot {slot}");
    let lines = printed.lines().skip_while(|line| *line != heading).skip(1);
    let lines: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    lines.join("\n")
}

/// Makes two histories: r0, r1 and r2 acknowledge a write; then r0 gets an older copy of its directory, and
/// acknowledges another write with r3 and r4. Returns the five directories.
fn two_histories(cluster: &mut ProcessCluster) -> Vec<PathBuf> {
    runtime().block_on(cluster.leader());
    put(cluster, &[0, 1, 2, 3, 4], "balance", "old");
    stop(cluster, &[0, 1, 2, 3, 4]);
    let (data, backup) = (cluster.data(0), cluster.data(0).with_extension("backup"));
    copy(&data, &backup);
    [0, 1, 2].into_iter().for_each(|id| cluster.restart(id));
    put(cluster, &[0, 1, 2], "balance", "NEW");
    stop(cluster, &[0, 1, 2]);
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::rename(&backup, &data).unwrap();
    [0, 3, 4].into_iter().for_each(|id| cluster.restart(id));
    put(cluster, &[0, 3, 4], "balance", "other");
    put(cluster, &[0, 3, 4], "two\nlines", &"long ".repeat(100));
    stop(cluster, &[0, 3, 4]);
    (0..5).map(|id| cluster.data(id)).collect()
}

#[test]
fn two_histories_are_shown_side_by_side() {
    let mut cluster = ProcessCluster::start(5, &[]);
    let data = two_histories(&mut cluster);
    let data: Vec<&Path> = data.iter().map(PathBuf::as_path).collect();
    let before: Vec<String> = data.iter().map(|path| listing(path)).collect();

    let (code, printed, _) = compare(&data, &["--json"]);
    assert_eq!(code, 9, "{printed}");
    let found: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(found["verdict"], "differ");
    let names = |ids: &[usize]| -> Vec<&str> { ids.iter().map(|id| data[*id].to_str().unwrap()).collect() };
    assert_eq!(
        found["sides"],
        serde_json::json!([names(&[0, 3, 4]), names(&[1, 2])])
    );
    assert_eq!(found["differences"][0]["how"], "chosen");
    // Before their first writes both sides elected leaders and opened and closed sessions, so the first slot
    // that differs is looked up here.
    let first = first_difference(data[0], data[1]);
    assert_eq!(found["differences"][0]["slot"], first);
    let digests: Vec<&Value> = found["directories"]
        .as_array()
        .unwrap()
        .iter()
        .map(|directory| &directory["common_digest"])
        .collect();
    assert!(digests[0].is_string() && digests[0] != digests[1]);
    assert_eq!((digests[0], digests[1]), (digests[3], digests[2]));

    let (code, printed, _) = compare(&data, &[]);
    assert_eq!(code, 9, "{printed}");
    assert!(
        printed.contains(&format!("differ from slot {first} on")),
        "{printed}"
    );
    let side = format!(
        "side 1      {} (r0), {} (r3), {} (r4)\n",
        names(&[0])[0],
        names(&[3])[0],
        names(&[4])[0]
    );
    assert!(printed.contains(&side), "{side} is not in\n{printed}");
    assert!(printed.contains("--rest prints all"), "{printed}");
    let put = (first..first + 4)
        .map(|slot| about(&printed, slot))
        .find(|lines| lines.contains("PUT"));
    let put = put.expect("the first writes that differ are shown");
    for part in [
        "PUT \"balance\" = \"NEW\"",
        "PUT \"balance\" = \"other\"",
        "chosen",
        "in ballot b",
    ] {
        assert!(put.contains(part), "{part:?} is not in\n{put}");
    }

    let (code, printed, _) = compare(&[data[3], data[1]], &["--rest"]);
    assert_eq!(code, 9);
    let whole = format!("PUT \"two\\nlines\" = \"{}\"", "long ".repeat(100));
    assert!(printed.contains(&whole), "{printed}");
    assert!(!printed.contains("--rest"), "nothing is left out: {printed}");

    for side in [[0, 3], [3, 4], [1, 2]] {
        let (code, printed, _) = compare(&[data[side[0]], data[side[1]]], &[]);
        assert_eq!(code, 0, "{printed}");
        assert!(
            printed.contains("no difference: they agree in every slot"),
            "{printed}"
        );
        assert!(!printed.contains("PUT"), "{printed}");
    }
    let after: Vec<String> = data.iter().map(|path| listing(path)).collect();
    assert_eq!(before, after, "nothing is changed");
}

/// The names, lengths and times of the files in a directory.
fn listing(path: &Path) -> String {
    let output = Command::new("ls")
        .args(["-la", "--time-style=full-iso"])
        .arg(path)
        .output()
        .unwrap();
    assert!(output.status.success());
    text(&output.stdout)
}

/// The first slot that differs, found in another way: in the records of two logs that were never cut.
fn first_difference(one: &Path, other: &Path) -> u64 {
    let values = |path: &Path| {
        let inspection = inspect(path).unwrap();
        let mut values = std::collections::BTreeMap::new();
        for (_, group) in inspection.groups() {
            for record in &group.records {
                match record {
                    kvpaxos::Record::Accepted { slot, value, .. }
                    | kvpaxos::Record::Learned { slot, value } => {
                        values.insert(slot.0, value.clone());
                    }
                    _ => {}
                }
            }
        }
        values
    };
    let (one, other) = (values(one), values(other));
    let differs = |slot: &u64| one.get(slot) != other.get(slot);
    (0..).find(differs).unwrap()
}

/// A replica whose directory is formatted again forgets what was chosen, and helps to choose something else.
#[test]
fn a_directory_that_was_formatted_anew_differs_from_the_first_slot_on() {
    let mut cluster = ProcessCluster::start(3, &[]);
    runtime().block_on(cluster.leader());
    put(&cluster, &[0, 1, 2], "k", "first");
    stop(&mut cluster, &[0, 1, 2]);
    let kept = cluster.data(2);
    for id in [0, 1] {
        std::fs::remove_dir_all(cluster.data(id)).unwrap();
        let formatted = run(&cluster.member("format", id), "");
        assert!(formatted.status.success());
    }
    let (code, printed, _) = compare(&[&cluster.data(0), &kept], &[]);
    assert_eq!(code, 10, "{printed}");
    assert!(printed.contains("(r0): holds no slot\n"), "{printed}");
    assert!(printed.contains("no slot in common"), "{printed}");

    [0, 1].into_iter().for_each(|id| cluster.restart(id));
    put(&cluster, &[0, 1], "k", "second");
    stop(&mut cluster, &[0, 1]);
    let (code, printed, _) = compare(&[&cluster.data(0), &cluster.data(1), &kept], &["--rest"]);
    assert_eq!(code, 9, "{printed}");
    assert!(printed.contains("differ from slot 0 on"), "{printed}");
    for part in ["PUT \"k\" = \"first\"", "PUT \"k\" = \"second\""] {
        assert!(printed.contains(part), "{part:?} is not in\n{printed}");
    }
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let mut cluster = ProcessCluster::start(3, &[]);
    runtime().block_on(cluster.leader());
    put(&cluster, &[0, 1, 2], "k", "v");
    let [zero, one, two] = [0, 1, 2].map(|id| cluster.data(id));
    let (code, printed, why) = compare(&[&zero, &one], &[]);
    assert_eq!((code, printed.as_str()), (1, ""), "their replicas run");
    assert!(why.contains("in use by another process"), "{why}");
    stop(&mut cluster, &[0, 1, 2]);
    assert_eq!(compare(&[&zero, &one, &two], &[]).0, 0);

    assert_eq!(compare(&[&zero], &[]).0, 2, "one is compared with nothing");
    let (code, _, why) = compare(&[&zero, &zero.join("../r0")], &[]);
    assert_eq!(code, 1);
    assert!(why.contains("are one directory"), "{why}");
    let again = zero.with_extension("copy");
    copy(&zero, &again);
    let (code, printed, _) = compare(&[&zero, &again], &[]);
    assert_eq!(code, 0);
    assert!(
        printed.contains("these are all of replica r0, and count as one"),
        "{printed}"
    );

    let other = tempfile::tempdir().unwrap();
    let stranger = other.path().join("r1");
    let peers = cluster.serve(1)[4].clone();
    let data = stranger.to_str().unwrap();
    let formatted = run(
        &[
            "format",
            "--id",
            "1",
            "--peers",
            &peers,
            "--data",
            data,
            "--cluster",
            "another",
        ],
        "",
    );
    assert!(formatted.status.success());
    let (code, _, why) = compare(&[&zero, &stranger], &[]);
    assert_eq!(code, 1);
    assert!(why.contains("two clusters have nothing in common"), "{why}");

    let (code, _, why) = compare(&[&zero, other.path()], &[]);
    assert_eq!(code, 1);
    assert!(why.contains("holds no log"), "{why}");
    std::fs::write(other.path().join("log.00000000"), [0xa5; 5000]).unwrap();
    let (code, _, why) = compare(&[&zero, other.path()], &[]);
    assert_eq!(code, 1);
    assert!(why.contains("holds no log"), "{why}");
    std::fs::write(again.join("superblock"), "garbage\n").unwrap();
    let (code, _, why) = compare(&[&one, &again], &[]);
    assert_eq!(code, 1);
    assert!(why.contains("the superblock is damaged"), "{why}");

    let log = two.join("log.00000000");
    let mut bytes = std::fs::read(&log).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[end / 2] ^= 0x10;
    std::fs::write(&log, &bytes).unwrap();
    let (code, _, why) = compare(&[&one, &two], &[]);
    assert_eq!(code, 8);
    assert!(why.contains("damaged in segment 0 at offset"), "{why}");
}

/// It is no error if the reader of the output closes the pipe early.
#[test]
fn a_pipe_may_be_closed_early() {
    let mut cluster = ProcessCluster::start(3, &[]);
    runtime().block_on(cluster.leader());
    // More output than a pipe holds.
    for number in 0..10 {
        put(&cluster, &[0, 1, 2], &format!("k{number}"), &"x".repeat(50_000));
    }
    stop(&mut cluster, &[0, 1, 2]);
    std::fs::remove_dir_all(cluster.data(1)).unwrap();
    std::fs::remove_dir_all(cluster.data(2)).unwrap();
    for id in [1, 2] {
        assert!(run(&cluster.member("format", id), "").status.success());
        cluster.restart(id);
    }
    put(&cluster, &[1, 2], "k", "v");
    stop(&mut cluster, &[1, 2]);
    for (flag, reads_a_line) in [("--rest", true), ("--json", false)] {
        let mut child = program()
            .args(["log", "compare"])
            .args([cluster.data(0), cluster.data(1)])
            .args(["--rest", flag].iter().skip(usize::from(flag == "--rest")))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::with_capacity(16, child.stdout.take().unwrap());
        if reads_a_line {
            let mut first = String::new();
            out.read_line(&mut first).unwrap();
            assert!(first.contains("(r0): holds slots 0 to"), "{first}");
        }
        drop(out);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(9), "{}", text(&output.stderr));
        assert_eq!(text(&output.stderr), "");
    }
}
