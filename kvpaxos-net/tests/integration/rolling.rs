//! All replicas are stopped in order and started again, one after the other, under load: no request fails.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kvpaxos::status::LearnerStatus;
use kvpaxos_net::{Client, ClientOptions, Transport};

use crate::common::{PATIENCE, ProcessCluster, runtime};

const REPLICAS: usize = 5;
/// Requests that each client has in flight.
const LANES: usize = 4;

/// Over TCP a client waits for an answer as long as its call may take, so that a request which a replica took to its
/// grave would fail: it never asks the next replica because time has passed.
fn client(cluster: &ProcessCluster, transport: Transport, first: usize) -> Arc<Client> {
    let deadline = 2 * PATIENCE;
    let options = ClientOptions {
        first: Some(first),
        transport,
        attempt: (transport == Transport::Tcp).then_some(deadline),
        deadline,
        ..ClientOptions::new(cluster.addresses())
    };
    Arc::new(Client::new(options).expect("a client"))
}

/// Writes and reads until it is told to stop. Returns how often.
async fn lane(client: Arc<Client>, name: String, ends: Arc<AtomicBool>) -> u64 {
    let mut done = 0;
    while !ends.load(Ordering::Relaxed) {
        let value = done.to_string();
        client
            .put(name.clone(), value.clone())
            .await
            .expect("no write fails");
        let found = client.get(name.clone()).await.expect("no read fails");
        assert_eq!(
            found.value.as_deref(),
            Some(value.as_bytes()),
            "{name} is written by this lane only"
        );
        done += 1;
    }
    done
}

/// Restarts every replica in turn, and waits each time until it has caught up.
async fn roll(cluster: &mut ProcessCluster) {
    for replica in 0..REPLICAS {
        assert_eq!(cluster.terminate(replica), Some(0), "r{replica} stops in order");
        cluster.restart(replica);
        let there = cluster.status((replica + 1) % REPLICAS).await;
        let Some(LearnerStatus::Learning { applied: target, .. }) = there.map(|status| status.learner) else {
            panic!("the next replica answers");
        };
        loop {
            let status = cluster.status(replica).await;
            let learner = status
                .filter(|status| status.leader.is_some())
                .map(|status| status.learner);
            if matches!(learner, Some(LearnerStatus::Learning { applied, .. }) if applied >= target) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[test]
fn a_rolling_restart_fails_no_request() {
    let mut cluster = ProcessCluster::start(REPLICAS, &[]);
    runtime().block_on(async {
        cluster.leader().await;
        let ends = Arc::new(AtomicBool::new(false));
        let mut lanes = Vec::new();
        for first in 0..REPLICAS {
            for transport in [Transport::Tcp, Transport::Udp] {
                let client = client(&cluster, transport, first);
                for lane_of in 0..LANES {
                    let name = format!("{transport} {first} {lane_of}");
                    lanes.push(tokio::spawn(lane(Arc::clone(&client), name, Arc::clone(&ends))));
                }
            }
        }
        roll(&mut cluster).await;
        ends.store(true, Ordering::Relaxed);
        for lane in lanes {
            assert!(lane.await.expect("no request fails") > 0);
        }
        cluster.converge().await;
    });
}

/// What a client without any knowledge of replicas sees, which counts one up.
#[derive(Default)]
struct Seen {
    counted: u64,
    /// Connections that ended while an answer was due.
    cut: u64,
}

/// Counts up at a replica until it is told to stop. If the connection ends, it goes on at the next replica.
fn count(ports: &[u16], first: usize, ends: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    for port in ports.iter().cycle().skip(first) {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", *port)) else {
            continue;
        };
        let mut answers = BufReader::new(stream.try_clone().expect("a second handle"));
        loop {
            if ends.load(Ordering::Relaxed) {
                return seen;
            }
            if stream.write_all(b"INCR counter\r\n").is_err() {
                break;
            }
            let mut answer = String::new();
            match answers.read_line(&mut answer) {
                Ok(read) if read > 0 => {}
                _ => {
                    seen.cut += 1;
                    break;
                }
            }
            assert!(answer.starts_with(':'), "not a number: {answer}");
            seen.counted += 1;
        }
    }
    seen
}

/// A Redis client sees connections that end, and no error. What it has sent when one ends may have been done or not,
/// as with any server; everything that was answered counts once.
#[test]
fn redis_clients_see_connections_end_and_no_errors() {
    let mut cluster = ProcessCluster::start(REPLICAS, &[]);
    let ports: Vec<u16> = (0..REPLICAS).map(|replica| cluster.redis_port(replica)).collect();
    runtime().block_on(cluster.leader());
    let ends = AtomicBool::new(false);
    let seen: Vec<Seen> = std::thread::scope(|scope| {
        let counters: Vec<_> = (0..2 * REPLICAS)
            .map(|first| {
                let (ports, ends) = (&ports, &ends);
                scope.spawn(move || count(ports, first, ends))
            })
            .collect();
        runtime().block_on(roll(&mut cluster));
        ends.store(true, Ordering::Relaxed);
        counters
            .into_iter()
            .map(|counter| counter.join().expect("no error"))
            .collect()
    });
    let (counted, cut) = seen.iter().fold((0, 0), |(counted, cut), seen| {
        (counted + seen.counted, cut + seen.cut)
    });
    let value = runtime().block_on(async {
        let client = cluster.patient_client();
        client.get("counter").await.expect("it is answered").value
    });
    let value = String::from_utf8_lossy(&value.expect("it is there")).into_owned();
    let value: u64 = value.parse().expect("a number");
    assert!(
        (counted..=counted + cut).contains(&value),
        "{counted} were answered and {cut} cut off, and the counter is at {value}"
    );
}
