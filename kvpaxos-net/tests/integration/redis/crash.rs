//! Replicas are killed while they serve Redis clients: nothing that was answered is lost, nothing is done
//! twice, and what cannot be known is answered so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::wire::{Wire, request};
use crate::common::{ProcessCluster, runtime, wait_for};

/// What the counters saw.
#[derive(Default)]
struct Seen {
    /// Increments that were answered.
    done: AtomicU64,
    /// Increments whose outcome is unknown: the error says so, or the connection ended.
    unknown: AtomicU64,
}

/// Counts until it is told to stop, at whichever replica answers.
fn count(ports: &[u16], first: usize, stop: &AtomicBool, seen: &Seen) {
    let mut at = first;
    while !stop.load(Ordering::Relaxed) {
        let port = ports[at % ports.len()];
        at += 1;
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(10));
            continue;
        }
        let mut wire = Wire::connect(port);
        while !stop.load(Ordering::Relaxed) {
            if !wire.try_send(&request(&["INCR", "count"])) {
                seen.unknown.fetch_add(1, Ordering::Relaxed);
                break;
            }
            match wire.try_reply() {
                Some(reply) if reply[0] == b':' => seen.done.fetch_add(1, Ordering::Relaxed),
                Some(reply) if reply.starts_with(b"-TRYAGAIN ") => 0,
                Some(reply) if reply.starts_with(b"-UNKNOWN ") => {
                    seen.unknown.fetch_add(1, Ordering::Relaxed)
                }
                Some(reply) => panic!("{}", reply.escape_ascii()),
                None => {
                    seen.unknown.fetch_add(1, Ordering::Relaxed);
                    break;
                }
            };
        }
    }
}

#[test]
fn increments_are_done_once_while_replicas_die() {
    let mut cluster = ProcessCluster::start(3, &[]);
    let ports: Vec<u16> = (0..3).map(|replica| cluster.redis_port(replica)).collect();
    let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Seen::default()));
    let counters: Vec<_> = (0..6)
        .map(|first| {
            let (ports, stop, seen) = (ports.clone(), Arc::clone(&stop), Arc::clone(&seen));
            std::thread::spawn(move || count(&ports, first, &stop, &seen))
        })
        .collect();
    for _ in 0..3 {
        let before = seen.done.load(Ordering::Relaxed);
        wait_for("increments", || {
            (seen.done.load(Ordering::Relaxed) > before + 100).then_some(())
        });
        let leader = runtime().block_on(cluster.leader());
        cluster.kill(leader);
        let before = seen.done.load(Ordering::Relaxed);
        wait_for("increments without it", || {
            (seen.done.load(Ordering::Relaxed) > before + 100).then_some(())
        });
        cluster.restart(leader);
    }
    stop.store(true, Ordering::Relaxed);
    for counter in counters {
        counter.join().unwrap();
    }
    let reply = String::from_utf8(Wire::connect(ports[0]).ask(&["GET", "count"])).unwrap();
    let count: u64 = reply.split("\r\n").nth(1).unwrap().parse().unwrap();
    let (done, unknown) = (
        seen.done.load(Ordering::Relaxed),
        seen.unknown.load(Ordering::Relaxed),
    );
    assert!(
        (done..=done + unknown).contains(&count),
        "{done} increments were answered and {unknown} are unknown, but the counter is at {count}"
    );
}

/// Without a quorum, reads are certainly not done, and the outcome of a write is unknown.
#[test]
fn without_a_quorum_the_errors_say_what_is_known() {
    let mut cluster = ProcessCluster::start(3, &[]);
    let ports: Vec<u16> = (0..3).map(|replica| cluster.redis_port(replica)).collect();
    let leader = runtime().block_on(cluster.leader());
    let mut wire = Wire::connect(ports[leader]);
    assert_eq!(wire.ask(&["SET", "k", "1"]), b"+OK\r\n");
    for replica in (0..3).filter(|replica| *replica != leader) {
        cluster.kill(replica);
    }
    // The leader does not know yet that it is alone.
    let reply = wire.ask(&["INCR", "k"]);
    assert!(reply.starts_with(b"-UNKNOWN "), "{}", reply.escape_ascii());
    let reply = wire.ask(&["GET", "k"]);
    assert!(reply.starts_with(b"-TRYAGAIN "), "{}", reply.escape_ascii());
    for replica in (0..3).filter(|replica| *replica != leader) {
        cluster.restart(replica);
    }
    let reply = wait_for("an answer", || {
        Some(wire.ask(&["GET", "k"])).filter(|reply| reply[0] == b'$')
    });
    assert!([&b"$1\r\n1\r\n"[..], b"$1\r\n2\r\n"].contains(&reply.as_slice()));
}
