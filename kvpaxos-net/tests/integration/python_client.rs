//! The client in Python, `examples/python/kvpaxos.py`, against a real cluster. It was written from the page `docs/wire.md`, and
//! shows that the page suffices.

use std::io::{BufRead, BufReader, Write, stderr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::{ProcessCluster, code, free_ports, program, runtime, text};
use crate::security::Files;

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

/// Within TLS and with a password, on a cluster of one replica.
const PROTECTED: &str = r#"
import ssl, sys
from contextlib import closing
from kvpaxos import Client, Refused

server, authority = sys.argv[1:]
tls = ssl.create_default_context(cafile=authority)
with closing(Client([server], tls=tls, password=b"secret")) as client:
    client.put(b"apple", b"red")
    assert client.get(b"apple") == b"red"
for password, why in ((None, "password required"), (b"secre", "wrong password")):
    with closing(Client([server], timeout=3600, tls=tls, password=password)) as client:
        for ask in (lambda: client.get(b"apple"), lambda: client.put(b"apple", b"green")):
            try:
                ask()
            except Refused as error:
                assert why in str(error), error
            else:
                raise AssertionError("it is let in")
"#;

#[test]
fn it_speaks_tls_and_shows_a_password() {
    let Some(mut python) = python() else { return };
    let files = Files::new();
    files.issue(0, &["127.0.0.1"]);
    let password = files.path("password");
    std::fs::write(&password, "secret\n").expect("a file");
    let [peers, clients] = free_ports(2)[..] else {
        unreachable!("two")
    };
    let (peers, address) = (format!("0=127.0.0.1:{peers}"), format!("127.0.0.1:{clients}"));
    let mut serve = program();
    serve
        .args([
            "serve",
            "--memory-only",
            "--new-cluster",
            "--id",
            "0",
            "--peers",
            &peers,
            "--client",
            &address,
        ])
        .args(["--log-level", "error", "--tls-ca"])
        .arg(files.path("ca.pem"))
        .arg("--tls-cert")
        .arg(files.identity("r0").certificate)
        .arg("--tls-key")
        .arg(files.identity("r0").key)
        .arg("--password-file")
        .arg(password)
        .stdout(Stdio::piped());
    let mut replica = serve.spawn().expect("it starts");
    let mut ready = String::new();
    let output = replica.stdout.take().expect("a pipe");
    BufReader::new(output).read_line(&mut ready).expect("text");
    let authority = files.path("ca.pem").display().to_string();
    let asked = python.args(["-c", PROTECTED, &address, &authority]).output();
    replica.kill().expect("it runs");
    replica.wait().expect("it ends");
    let asked = asked.expect("python runs");
    assert_eq!((code(&asked), text(&asked.stderr)), (0, String::new()), "{ready}");
}

#[test]
fn the_client_is_as_short_as_it_says() {
    let source = std::fs::read_to_string(folder().join("kvpaxos.py")).expect("the client");
    let lines = source.lines().count();
    assert!(lines < 200, "{lines} lines");
}
