//! The client in Python, `examples/python/kvpaxos.py`, against a real cluster. It was written from the page `docs/wire.md`, and
//! shows that the page suffices.

use std::io::{BufRead, BufReader, Write, stderr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::{ProcessCluster, code, free_ports, runtime, text};

/// Python with the client's folder to import from; it leaves nothing behind in the sources. `None`, with the reason on standard
/// error, if there is no Python here.
fn python() -> Option<Command> {
    let version = Command::new("python3").arg("--version").output();
    if !version.is_ok_and(|output| output.status.success()) {
        // Not by a macro, whose output the test harness keeps to itself.
        let _ = writeln!(
            stderr(),
            "skipped: the client in Python (python3 does not run here)"
        );
        return None;
    }
    let mut python = Command::new("python3");
    python
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONPATH", folder());
    Some(python)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/python")
}

fn cluster() -> ProcessCluster {
    let cluster = ProcessCluster::start(3, &[]);
    runtime().block_on(cluster.leader());
    cluster
}

/// Plays the scenario. The replica whose address it names is killed.
fn play(cluster: &mut ProcessCluster, mut python: Command, transport: &str) {
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/python_client/scenario.py");
    let mut child = python
        .arg(scenario)
        .arg(transport)
        .args(cluster.addresses())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let mut lines = Vec::new();
    for line in BufReader::new(child.stdout.take().expect("a pipe")).lines() {
        let line = line.expect("text");
        if let Some(address) = line.strip_prefix("kill ") {
            let victim = cluster.addresses().iter().position(|of| of == address);
            cluster.kill(victim.expect("an address of the cluster"));
            writeln!(stdin, "killed").expect("the scenario waits");
        }
        lines.push(line);
    }
    assert!(
        child.wait().expect("it ends").success(),
        "{transport}: {lines:#?}"
    );
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert_eq!(lines[1..], ["count is 20", "done"]);
}

#[test]
fn the_scenario_over_tcp() {
    let Some(python) = python() else { return };
    play(&mut cluster(), python, "tcp");
}

#[test]
fn the_scenario_over_udp() {
    let Some(python) = python() else { return };
    play(&mut cluster(), python, "udp");
}

/// The example in Python on the page, for this cluster.
fn example_of_the_page(cluster: &ProcessCluster) -> String {
    let page = include_str!("../../docs/wire.md");
    let (_, example) = page.split_once("```python\n").expect("an example");
    let (example, _) = example.split_once("```").expect("its end");
    assert!(
        example.contains("127.0.0.1:7200") && example.contains("127.0.0.1:7201"),
        "{example}"
    );
    example
        .replace("127.0.0.1:7200", &cluster.address(0))
        .replace("127.0.0.1:7201", &cluster.address(1))
}

#[test]
fn the_example_of_the_page_and_the_command_line() {
    if python().is_none() {
        return;
    }
    let mut cluster = cluster();
    let ask_at = |servers: &str, words: &[&str]| {
        let mut python = python().expect("it was there just now");
        python
            .arg(folder().join("kvpaxos.py"))
            .args(["--servers", servers])
            .args(words);
        let output = python.output().expect("python runs");
        (code(&output), text(&output.stdout), text(&output.stderr))
    };
    let servers = cluster.servers();
    let ask = |words: &[&str]| ask_at(&servers, words);
    let example = example_of_the_page(&cluster);
    let output = python()
        .expect("it was there just now")
        .args(["-c", &example])
        .output();
    let output = output.expect("python runs");
    assert_eq!(
        (code(&output), text(&output.stderr)),
        (0, String::new()),
        "{example}"
    );
    assert_eq!(ask(&["put", "k", "a value"]).0, 0);
    assert_eq!(ask(&["get", "k"]), (0, "a value\n".to_owned(), String::new()));
    assert_eq!(ask(&["--transport", "udp", "get", "k"]).1, "a value\n");
    assert_eq!(ask(&["cas", "k", "a value", "next"]).1, "True\n");
    assert_eq!(
        ask(&["cas", "k", "a value", "next"]).0,
        1,
        "it holds another value"
    );
    assert_eq!(ask(&["delete", "k"]).0, 0);
    assert_eq!(ask(&["delete", "k"]).0, 1, "it is gone already");
    assert_eq!(ask(&["get", "k"]).0, 1);
    assert_eq!(ask(&["get"]).0, 2, "a key is missing");
    assert_eq!(ask(&["put", "k"]).0, 2, "a value is missing");
    let (refused, _, why) = ask(&["put", &"k".repeat(4097), "v"]);
    assert_eq!(refused, 3);
    assert!(why.contains("key too long [4097, 4096]"), "{why}");
    let nobody = format!("127.0.0.1:{}", free_ports(1)[0]);
    let (unavailable, _, why) = ask_at(&nobody, &["--timeout", "0.3", "put", "k", "v"]);
    assert_eq!(unavailable, 4);
    assert!(why.contains(&nobody), "{why}");

    // One of three is no majority. A get is unavailable; a session cannot be opened, so neither was a write sent.
    cluster.kill(0);
    cluster.kill(1);
    let alone = cluster.address(2);
    assert_eq!(ask_at(&alone, &["--timeout", "3", "get", "k"]).0, 4);
    assert_eq!(ask_at(&alone, &["--timeout", "3", "put", "k", "v"]).0, 4);
}

#[test]
fn the_client_is_as_short_as_it_says() {
    let source = std::fs::read_to_string(folder().join("kvpaxos.py")).expect("the client");
    let lines = source.lines().count();
    assert!(lines < 200, "{lines} lines");
}
