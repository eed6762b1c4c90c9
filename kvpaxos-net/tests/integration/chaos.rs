//! Replicas that are disturbed on purpose: never too many at once, by what they log, and the history of the
//! clients stays linearizable.

use std::collections::BTreeMap;
use std::time::Duration;

use kvpaxos_net::failures::{self, Chaos, ChaosRules, KEY};
use kvpaxos_net::{Bounds, Client, ClientOptions};

use crate::common::load::{Load, Recorder};
use crate::common::local::LocalCluster;
use crate::common::{PATIENCE, ProcessCluster, free_ports, run, runtime, text, wait_for};

/// What the logs of all replicas say of disturbances: the time of each line, the replica, and the line.
fn lines(cluster: &ProcessCluster) -> Vec<(String, usize, String)> {
    let mut lines = Vec::new();
    for replica in 0..5 {
        let log = std::fs::read_to_string(cluster.log(replica)).unwrap_or_default();
        for line in log.lines() {
            let (time, text) = line.split_once(' ').expect("a line begins with its time");
            lines.push((time.to_owned(), replica, text.to_owned()));
        }
    }
    // Times are text of one length, in UTC and to the microsecond, and all processes have one clock.
    lines.sort();
    lines
}

const BEGINS: &str = "a disturbance on purpose begins";
const RECOVERED: &str = "has recovered from a disturbance on purpose";
const RECOVERED_LATER: &str = "it was disturbed on purpose when its process ended";

/// How many disturbances of each kind began, and the most replicas that were disturbed at once. One that was
/// killed meanwhile is so until its next life has recovered.
fn disturbances(cluster: &ProcessCluster) -> (BTreeMap<String, usize>, usize) {
    let (mut kinds, mut most) = (BTreeMap::new(), 0);
    let mut now = std::collections::BTreeSet::new();
    for (_, replica, line) in lines(cluster) {
        if line.contains(BEGINS) {
            let what = line.split("disturbance=").nth(1).expect("it says what");
            let kind = what.split(' ').next().expect("a word");
            *kinds.entry(kind.to_owned()).or_default() += 1;
            now.insert(replica);
            most = most.max(now.len());
        } else if line.contains(RECOVERED) || line.contains(RECOVERED_LATER) {
            now.remove(&replica);
        }
    }
    (kinds, most)
}

fn count(cluster: &ProcessCluster, text: &str) -> usize {
    let found = lines(cluster)
        .into_iter()
        .filter(|(_, _, line)| line.contains(text));
    found.count()
}

#[test]
fn all_roles_and_links_fail_and_no_majority_is_disturbed_at_once() {
    runtime().block_on(async {
        let rules = "all:every=100ms..600ms,down=50ms..250ms;link:every=200ms..800ms,for=50ms..250ms;\
                     link:every=300ms..900ms,for=100ms..300ms,drop=30%";
        let mut cluster = ProcessCluster::start(5, &["--chaos", rules, "--chaos-seed", "5"]);
        cluster.leader().await;
        let recorder = Recorder::new();
        let clients = (0..6).map(|_| cluster.client()).collect();
        let load = Load::start(clients, 0, 3, &recorder);
        // Both go on: the clients, and what disturbs the replicas.
        recorder.progress(500).await;
        wait_for("15 disturbances", || {
            (count(&cluster, BEGINS) >= 15).then_some(())
        });
        // A real failure among them, perhaps the third at once: it ends with the restart.
        cluster.kill(2);
        cluster.restart(2);
        let kinds = ["acceptor", "proposer", "learner", "replica", "link"];
        wait_for("disturbances of each kind", || {
            let (found, _) = disturbances(&cluster);
            let enough = found.values().sum::<usize>() >= 25;
            (enough && kinds.iter().all(|kind| found.contains_key(*kind))).then_some(())
        });
        recorder.progress(100).await;
        load.stop().await;
        recorder.judge();
        let (kinds, most) = disturbances(&cluster);
        println!("{kinds:?}, at most {most} at once");
        assert_eq!(most, 2, "the bound is used, and kept");
    });
}

#[test]
fn a_replica_that_is_killed_while_it_is_disturbed_takes_itself_off_the_roster() {
    runtime().block_on(async {
        let mut cluster = ProcessCluster::start(5, &[]);
        cluster.leader().await;
        let client = cluster.patient_client();
        let roster = async || {
            let value = client.get(KEY).await.expect("the cluster serves").value;
            String::from_utf8(value.unwrap_or_default().to_vec()).expect("text")
        };
        // Replica 2 alone is disturbed, for longer than this test takes.
        cluster.kill(2);
        let mut disturbed = crate::common::program();
        disturbed.args(cluster.serve(2));
        disturbed.args(["--chaos", "replica:every=10ms,down=10m,memory=lost"]);
        let mut child = disturbed
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("it starts");
        wait_for("a disturbance", || (count(&cluster, BEGINS) > 0).then_some(()));
        let line = roster().await;
        assert!(line.starts_with("r2 replica memory=lost token="), "{line}");
        let status = run(&["status", "--servers", &cluster.servers()], "");
        let (code, shown) = (status.status.code(), text(&status.stdout));
        assert_eq!(code, Some(13), "{shown}");
        assert!(shown.contains("r2 disturbed on purpose"), "{shown}");
        assert!(shown.contains("on purpose: replica memory=lost, for "), "{shown}");
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        assert_eq!(
            roster().await,
            line,
            "it counts as disturbed as long as it is away"
        );
        // Also without --chaos it is put right.
        cluster.restart(2);
        let began = std::time::Instant::now();
        while !roster().await.is_empty() {
            assert!(began.elapsed() < PATIENCE, "r2 stays on the roster");
        }
        cluster.converge().await;
    });
}

/// What a link does is counted, told by the replica, and over in the end. Writes go on meanwhile.
#[test]
fn links_are_cut_lossy_and_slow() {
    runtime().block_on(async {
        let local = LocalCluster::start(3, Bounds::default()).await;
        let asked = local.client(0);
        // One of the two may be cut off from the leader; then the other serves.
        let writer = ClientOptions {
            attempt: Some(Duration::from_millis(200)),
            deadline: PATIENCE,
            ..ClientOptions::new([1, 2].map(|replica| local.clients(replica).to_string()))
        };
        let writer = Client::new(writer).expect("a client");
        for (fault, kind, counter) in [
            ("cut", "link_cut", "kvpaxos_chaos_dropped_messages_total"),
            ("drop=50%", "link_drop", "kvpaxos_chaos_dropped_messages_total"),
            (
                "delay=5ms..20ms",
                "link_delay",
                "kvpaxos_chaos_delayed_batches_total",
            ),
        ] {
            let before = local.metric(0, counter).await;
            let rules: ChaosRules = format!("link:every=10ms,for=10m,{fault}")
                .parse()
                .expect("a rule");
            let chaos = Chaos {
                rules: rules.0,
                seed: 3,
                may_lose_data: false,
            };
            let (stop, stopped) = tokio::sync::oneshot::channel();
            let stopped = async { stopped.await.expect("it is told") };
            let task = tokio::spawn(failures::run(chaos, local.nodes[0].handle(), stopped, |_| {}));
            let active = format!(r#"kvpaxos_chaos_active{{kind="{kind}"}}"#);
            let began = std::time::Instant::now();
            while local.metric(0, &active).await < 1.0 || local.metric(0, counter).await <= before {
                writer.put("k", fault).await.expect("a majority is connected");
                assert!(began.elapsed() < PATIENCE, "{fault} is not to be seen");
            }
            let told = asked
                .driver_status()
                .await
                .expect("it answers")
                .disturbance
                .expect("one");
            assert!(
                told.what.starts_with("link to r") && told.what.contains(fault),
                "{told:?}"
            );
            assert!(!told.left.is_zero(), "{told:?}");
            stop.send(()).expect("it waits");
            task.await.expect("it ends");
            assert_eq!(local.metric(0, &active).await, 0.0);
            let begun = format!(r#"kvpaxos_chaos_disturbances_total{{kind="{kind}"}}"#);
            assert_eq!(local.metric(0, &begun).await, 1.0);
            let status = asked.driver_status().await.expect("it answers");
            assert_eq!(status.disturbance, None);
            let roster = asked.get(KEY).await.expect("it answers").value;
            assert_eq!(roster, None, "nobody is on it");
        }
    });
}

#[test]
fn rules_that_make_no_sense_are_refused_with_what_is_wrong() {
    let serve = |replicas: usize, more: &[&str]| {
        let ports = free_ports(4);
        let peers: Vec<String> = (0..replicas)
            .map(|id| format!("{id}=127.0.0.1:{}", ports[id]))
            .collect();
        let (peers, client) = (peers.join(","), format!("127.0.0.1:{}", ports[3]));
        let own = ["serve", "--id", "0", "--peers", &peers, "--client", &client];
        let output = run(&[&own, more].concat(), "");
        (output.status.code(), text(&output.stderr))
    };
    let disk = ["--data", "/nowhere"];
    let no_disk = ["--memory-only"];
    for (replicas, kept, more, why) in [
        (
            3,
            &disk[..],
            &["--chaos", "acceptors"][..],
            "\"acceptors\" is nothing that can be disturbed",
        ),
        (
            3,
            &disk,
            &["--chaos", "link:drop=120%"],
            "a whole number from drop=1% to drop=100%",
        ),
        (3, &disk, &["--chaos-seed", "7"], "--chaos <RULES>"),
        (3, &disk, &["--two-phase", "--chaos", "all"], "write memory=kept"),
        (
            3,
            &no_disk,
            &["--chaos", "learner:memory=kept"],
            "keeps nothing on disk",
        ),
        (
            2,
            &disk,
            &["--chaos", "link"],
            "of 2 replicas none can be disturbed",
        ),
    ] {
        let (code, text) = serve(replicas, &[kept, more].concat());
        assert_eq!(code, Some(2), "{text}");
        assert!(text.contains(why), "{text}");
    }
}
