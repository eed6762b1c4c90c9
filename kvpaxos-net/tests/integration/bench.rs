//! `kvpaxos bench` against clusters, and against a server that falls silent.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

use kvpaxos::Password;
use kvpaxos_net::{Bounds, ClientPorts, Security};
use kvpaxos_sim::history::History;
use kvpaxos_sim::linearizability::{Budget, check};
use serde_json::Value;

use crate::common::local::LocalCluster;
use crate::common::{ProcessCluster, code, run, runtime, text};
use crate::security::{self, Files};

/// The report of a bench with these arguments, and its exit code.
fn bench(arguments: &str) -> (i32, Value) {
    let words = ["bench", "--json"].into_iter().chain(arguments.split(' '));
    let output = run(&words.collect::<Vec<_>>(), "");
    let report = serde_json::from_slice(&output.stdout);
    let errors = text(&output.stderr);
    (
        code(&output),
        report.unwrap_or_else(|error| panic!("{error}: {errors}")),
    )
}

fn list(addresses: impl IntoIterator<Item = SocketAddr>) -> String {
    let addresses: Vec<String> = addresses.into_iter().map(|address| address.to_string()).collect();
    addresses.join(",")
}

/// The keys of a second run are others, although the cluster still has those of the first.
#[test]
fn a_bench_writes_histories_of_both_protocols() {
    let cluster = ProcessCluster::start(3, &[]);
    runtime().block_on(cluster.leader());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("history.jsonl");
    let name = file.display().to_string();
    let redis: Vec<String> = (0..3)
        .map(|replica| format!("127.0.0.1:{}", cluster.redis_port(replica)))
        .collect();
    for (transport, servers, mix) in [
        ("tcp", cluster.servers(), "get=4,put=3,delete=1,cas=2,append=1"),
        ("tcp", cluster.servers(), "get=1,put=1"),
        ("redis", redis.join(","), "get=4,put=3,delete=1,append=1"),
    ] {
        let (code, report) = bench(&format!(
            "--servers {servers} --transport {transport} --history {name} --mix {mix} --distribution hot:40 \
             --value-size 5..30 --clients 4 --pipeline 2 --keys 3 --seconds 1 --warm-up 0"
        ));
        assert_eq!(code, 0, "{report}");
        let history = History::read(&std::fs::read(&file).unwrap()[..]).unwrap();
        let judged = check(&history, Budget::default());
        assert!(judged.is_good(), "{judged:?}");
        assert!(judged.operations > 100 && judged.unknown == 0, "{judged:?}");
    }
}

#[test]
fn targets_of_three_protocols_are_measured_in_turn() {
    let runtime = runtime();
    let cluster = runtime.block_on(LocalCluster::start(3, Bounds::default()));
    let tcp = list((0..3).map(|replica| cluster.clients(replica)));
    let udp = list((0..3).map(|replica| cluster.udp(replica)));
    let redis = list((0..3).map(|replica| cluster.redis(replica)));
    let (code, report) = bench(&format!(
        "--targets tcp=tcp://{tcp} udp=udp://{udp} redis=redis://{redis} --mix get=4,put=4,delete=1,incr=1,append=1 \
         --preload --keys 20 --distribution zipf:1 --clients 3 --pipeline 4 --seconds 1 --warm-up 0"
    ));
    assert_eq!(code, 0, "{report}");
    let targets = report["targets"].as_array().unwrap();
    for (target, name) in targets.iter().zip(["tcp", "udp", "redis"]) {
        assert_eq!(
            (&target["name"], &target["transport"]),
            (&name.into(), &name.into())
        );
        assert_eq!(target["servers"].as_array().unwrap().len(), 3);
        for kind in ["get", "put", "delete", "incr", "append"] {
            let count = target["by_kind"][kind]["latency_ms"]["count"].as_u64();
            assert!(count.is_some_and(|count| count > 0), "{kind}: {target}");
        }
        assert!(
            target["operations"].as_u64() > Some(0) && target["rounds"][0].is_object(),
            "{target}"
        );
        let errors = target["errors"].as_object().unwrap();
        assert!(errors.values().all(|count| count == 0), "{errors:?}");
    }
    assert_eq!(targets.len(), 3);
    // What was put before the first round is found.
    let (code, report) = bench(&format!(
        "--servers {tcp} --preload --reads 100 --keys 20 --clients 2 --seconds 1"
    ));
    assert_eq!(
        (code, &report["targets"][0]["by_kind"]["get"]["misses"]),
        (0, &0.into())
    );
}

/// The cluster lets in only who speaks TLS and shows the password; Redis clients, too.
#[test]
fn targets_within_tls_are_shown_the_password() {
    let runtime = runtime();
    let files = Files::new();
    let security = |id| Security {
        passwords: vec![Password::new("secret").unwrap()],
        ..files.security(id, ClientPorts::Required)
    };
    let cluster = runtime.block_on(security::cluster(3, security));
    let tcp = list((0..3).map(|replica| cluster.clients(replica)));
    let redis = list((0..3).map(|replica| cluster.redis(replica)));
    let (authority, password) = (files.path("ca.pem"), files.path("password"));
    std::fs::write(&password, "secret\n").unwrap();
    let access = format!(
        "--tls-ca {} --password-file {}",
        authority.display(),
        password.display()
    );
    let (code, report) = bench(&format!(
        "--targets tcp=tcp://{tcp} redis=rediss://{redis} {access} --clients 3 --pipeline 2 --seconds 1 --warm-up 0"
    ));
    assert_eq!(code, 0, "{report}");
    for target in report["targets"].as_array().unwrap() {
        assert!(target["operations"].as_u64() > Some(0), "{target}");
    }
    for (arguments, part) in [
        (
            format!("--targets redis=redis://{redis} {access}"),
            "this port speaks TLS only",
        ),
        (
            format!(
                "--transport redis --servers {redis} --tls-ca {}",
                authority.display()
            ),
            "NOAUTH",
        ),
    ] {
        let words: Vec<&str> = ["bench", "--timeout", "5s"]
            .into_iter()
            .chain(arguments.split(' '))
            .collect();
        let output = run(&words, "");
        let error = text(&output.stderr);
        assert!(
            [3, 4].contains(&crate::common::code(&output)) && error.contains(part),
            "{error}"
        );
    }
}

/// In an open loop, what is due in the time that is measured is counted, all of it.
#[test]
fn an_open_loop_counts_every_request_that_was_due() {
    let runtime = runtime();
    let cluster = runtime.block_on(LocalCluster::start(3, Bounds::default()));
    let tcp = list((0..3).map(|replica| cluster.clients(replica)));
    let (code, report) = bench(&format!(
        "--servers {tcp} --rate 150/s --clients 4 --seconds 2 --warm-up 500ms"
    ));
    assert_eq!(code, 0, "{report}");
    let target = &report["targets"][0];
    assert_eq!(
        (&report["loop"], &target["latency_ms"]["count"]),
        (&"open".into(), &300.into())
    );
}

/// A server that falls silent for the whole time is asked once in each place. The other requests that were due
/// count too, with the time that they waited.
#[test]
fn an_open_loop_counts_the_requests_that_a_silent_server_kept_waiting() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = [0; 1024];
        // The request that shows that it serves.
        assert!(stream.read(&mut bytes).unwrap() > 0);
        stream.write_all(b"+OK\r\n").unwrap();
        while stream.read(&mut bytes).unwrap_or(0) > 0 {}
    });
    let (code, report) = bench(&format!(
        "--servers {address} --transport redis --rate 100 --clients 1 --pipeline 2 --timeout 3s --seconds 1 --warm-up 0"
    ));
    assert_eq!(code, 1, "{report}");
    let target = &report["targets"][0];
    assert_eq!(target["operations"], 0);
    assert_eq!(
        (&target["in_flight_at_end"], &target["unsent_at_end"]),
        (&2.into(), &98.into())
    );
    assert_eq!(target["errors"]["outcome_unknown"], 2);
    assert_eq!(target["latency_ms"]["count"], 98);
    server.join().unwrap();
}

#[test]
fn what_cannot_be_measured_has_an_exit_code() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (arguments, expected, part) in [
        (format!("--servers {nobody} --timeout 1s"), 4, "does not serve"),
        (
            format!("--servers {nobody} --timeout 1s --transport redis"),
            4,
            "cannot connect",
        ),
        ("--servers a:1 --rate 0".to_owned(), 2, "\"0\""),
        (
            "--servers a:1 --transport redis --mix cas=1".to_owned(),
            2,
            "no compare-and-swap",
        ),
        ("--targets x=ftp://a:1".to_owned(), 2, "none of these"),
    ] {
        let words: Vec<&str> = ["bench"].into_iter().chain(arguments.split(' ')).collect();
        let output = run(&words, "");
        let error = text(&output.stderr);
        assert_eq!(code(&output), expected, "{arguments}: {error}");
        assert!(error.contains(part), "{arguments}: {error}");
    }
}
