//! A few rounds of `kvpaxos soak`: all replicas recover, the history that it writes is linearizable, and what the replicas recorded is good.

use std::io::{BufRead, BufReader};

use crate::common::{run, text};
use kvpaxos_sim::history::History;
use kvpaxos_sim::invariants::Sometimes;
use kvpaxos_sim::linearizability::witness::{self, WitnessVerdict};
use kvpaxos_sim::linearizability::{Budget, check};
use kvpaxos_sim::recording::replay;
use kvpaxos_sim::{Property, Trace};

/// Whether an event is of the second or a further operation of those that took place together.
fn is_together(line: &str) -> bool {
    let process = line
        .split("\"process\":")
        .nth(1)
        .and_then(|rest| rest.split([',', '}']).next());
    process.is_some_and(|process| process.parse::<u64>().expect("a number") >= 10_000)
}

fn soak(more: &[&str]) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("history.jsonl");
    let name = file.display().to_string();
    let data = dir.path().join("data").display().to_string();
    let output = run(
        &[
            &[
                "soak",
                "--rounds",
                "4",
                "--seed",
                "7",
                "--history",
                &name,
                "--dir",
                &data,
            ],
            more,
        ]
        .concat(),
        "",
    );
    let (printed, why) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{printed}{why}");
    assert!(printed.contains("4 rounds"), "{printed}");
    let written = std::fs::read_to_string(&file).expect("it was written");
    let together = written
        .lines()
        .filter(|line| line.contains("\"type\":\"ok\"") && is_together(line));
    assert!(
        together.count() > 50,
        "reads and transactions of several keys are drawn"
    );
    let history = std::fs::File::open(&file).expect("it was written");
    let history = History::read(BufReader::new(history)).expect("it is a history");
    let report = check(&history, Budget::default());
    assert!(report.is_good(), "{report}");
    assert!(report.operations > 200, "{report}");
    let found = witness::judge(&history);
    assert!(!matches!(found, WitnessVerdict::Contradicted(_)), "{found:?}");
    // Whatever was killed, damaged and lost: all replicas are executed again, and the audit finds nothing.
    let report = replay(&[dir.path().join("data/recordings")], Trace::Off);
    let report = report.expect("the replicas recorded all that they took in");
    assert!(report.violation.is_none(), "{report}");
    assert!(report.judged.contains(&Property::A3), "{report}");
    assert!(report.coverage.count(Sometimes::Crashed) > 2, "{report}");
}

#[test]
fn with_disks_that_are_damaged() {
    soak(&[]);
}

#[test]
fn without_disks() {
    soak(&["--memory-only"]);
}

#[test]
fn a_replica_without_disk_and_without_peers_says_what_to_do() {
    let ports = crate::common::free_ports(4);
    let peers = format!(
        "0=127.0.0.1:{},1=127.0.0.1:{},2=127.0.0.1:{}",
        ports[0], ports[1], ports[2]
    );
    let client = format!("127.0.0.1:{}", ports[3]);
    let flags = [
        "serve",
        "--memory-only",
        "--id",
        "0",
        "--peers",
        &peers,
        "--client",
        &client,
    ];
    let mut child = crate::common::program()
        .args(flags)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let line = lines.find(|line| line.as_ref().is_ok_and(|line| line.starts_with("kvpaxos: ")));
    let _ = child.kill();
    let _ = child.wait();
    let line = line.expect("it says something").expect("text");
    for word in [
        "r0 has lost its memory",
        "2 others must have theirs",
        "--new-cluster",
    ] {
        assert!(line.contains(word), "{line}");
    }
}
