//! MULTI, EXEC and WATCH, at several replicas.

use super::RedisCluster;
use super::wire::request;

#[test]
fn watched_keys_that_change_anywhere_stop_the_transaction() {
    let cluster = RedisCluster::start();
    let [mut ours, mut other] = [cluster.wire(0), cluster.wire(1)];
    // (what there is before, what happens elsewhere meanwhile, whether EXEC is executed)
    let cases: [(&[&str], &[&str], bool); 8] = [
        (&["SET", "k", "1"], &["GET", "k"], true),
        (&["SET", "k", "1"], &["SET", "k", "2"], false),
        (&["SET", "k", "1"], &["SET", "k", "1"], false),
        (&["SET", "k", "1"], &["DEL", "k"], false),
        (&["SET", "k", "1"], &["SET", "elsewhere", "1"], true),
        (&["DEL", "k"], &["DEL", "k"], true),
        (&["DEL", "k"], &["SETNX", "k", "3"], false),
        (&["SET", "k", "1"], &["SETNX", "k", "3"], true),
    ];
    for (before, meanwhile, executed) in cases {
        ours.ask(before);
        assert_eq!(ours.ask(&["WATCH", "k", "unrelated"]), b"+OK\r\n");
        let reply = other.ask(meanwhile);
        assert_ne!(reply[0], b'-');
        assert_eq!(ours.ask(&["MULTI"]), b"+OK\r\n");
        assert_eq!(ours.ask(&["SET", "done", "yes"]), b"+QUEUED\r\n");
        assert_eq!(ours.ask(&["SET", "k", "new"]), b"+QUEUED\r\n");
        let expected: &[u8] = if executed {
            b"*2\r\n+OK\r\n+OK\r\n"
        } else {
            b"*-1\r\n"
        };
        assert_eq!(ours.ask(&["EXEC"]), expected, "{before:?} {meanwhile:?}");
        let done: &[u8] = if executed { b":1\r\n" } else { b":0\r\n" };
        assert_eq!(other.ask(&["DEL", "done"]), done);
    }
}

/// The connection's own write counts as a change too, and UNWATCH, EXEC and DISCARD end the watch.
#[test]
fn a_watch_ends() {
    let cluster = RedisCluster::start();
    let mut wire = cluster.wire(2);
    let script: [(&[&str], &[u8]); 17] = [
        (&["WATCH", "k"], b"+OK\r\n"),
        (&["SET", "k", "1"], b"+OK\r\n"),
        (&["MULTI"], b"+OK\r\n"),
        (&["EXEC"], b"*-1\r\n"),
        (&["MULTI"], b"+OK\r\n"),
        (&["EXEC"], b"*0\r\n"),
        (&["WATCH", "k"], b"+OK\r\n"),
        (&["SET", "k", "2"], b"+OK\r\n"),
        (&["UNWATCH"], b"+OK\r\n"),
        (&["MULTI"], b"+OK\r\n"),
        (&["INCR", "k"], b"+QUEUED\r\n"),
        (&["DISCARD"], b"+OK\r\n"),
        (&["MULTI"], b"+OK\r\n"),
        (&["INCR", "k"], b"+QUEUED\r\n"),
        (&["GET", "k"], b"+QUEUED\r\n"),
        (&["PING"], b"+QUEUED\r\n"),
        (&["EXEC"], b"*3\r\n:3\r\n$1\r\n3\r\n+PONG\r\n"),
    ];
    for (command, reply) in script {
        assert_eq!(wire.ask(command), reply, "{command:?}");
    }
}

/// Transfers between two accounts, optimistically, at all replicas at once: what is there in sum stays.
#[test]
fn transfers_keep_the_sum() {
    let cluster = RedisCluster::start();
    cluster.wire(0).ask(&["MSET", "a", "1000", "b", "1000"]);
    let number = |reply: &[u8]| -> i64 {
        let text = String::from_utf8_lossy(reply).into_owned();
        text.split("\r\n").nth(1).unwrap().parse().unwrap()
    };
    let workers: Vec<_> = (0..6)
        .map(|worker| {
            let mut wire = cluster.wire(worker % 3);
            std::thread::spawn(move || {
                let (from, to) = if worker % 2 == 0 { ("a", "b") } else { ("b", "a") };
                let mut done = 0;
                while done < 10 {
                    wire.ask(&["WATCH", from, to]);
                    let left = number(&wire.ask(&["GET", from])) - 7;
                    let right = number(&wire.ask(&["GET", to])) + 7;
                    let transaction = [
                        request(&["MULTI"]),
                        request(&["SET", from, &left.to_string()]),
                        request(&["SET", to, &right.to_string()]),
                        request(&["EXEC"]),
                    ];
                    wire.send(&transaction.concat());
                    let replies: Vec<Vec<u8>> = (0..4).map(|_| wire.reply()).collect();
                    match replies[3].as_slice() {
                        b"*-1\r\n" => {}
                        b"*2\r\n+OK\r\n+OK\r\n" => done += 1,
                        other => panic!("{}", other.escape_ascii()),
                    }
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
    let both = cluster.wire(1).ask(&["MGET", "a", "b"]);
    assert_eq!(
        both, b"*2\r\n$4\r\n1000\r\n$4\r\n1000\r\n",
        "as many went each way"
    );
}
