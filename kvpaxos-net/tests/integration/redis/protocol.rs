//! What clients meet: order, limits, passwords, the keys of all replicas.

use std::collections::BTreeSet;
use std::io::Write as _;

use kvpaxos::Password;
use kvpaxos_net::Security;

use super::RedisCluster;
use super::wire::request;

#[test]
fn a_write_at_one_replica_is_read_at_all_others() {
    let cluster = RedisCluster::start();
    let mut wires = cluster.wires();
    for round in 0..30 {
        let value = round.to_string();
        assert_eq!(wires[round % 3].ask(&["SET", "k", &value]), b"+OK\r\n");
        for wire in &mut wires {
            let expected = format!("${}\r\n{value}\r\n", value.len());
            assert_eq!(wire.ask(&["GET", "k"]), expected.as_bytes());
        }
    }
}

/// Each command of a pipeline sees those before it, whether they are of the same kind or not, and the replies
/// come in order.
#[test]
fn a_pipeline_takes_effect_in_order() {
    let cluster = RedisCluster::start();
    for (replica, mut wire) in cluster.wires().into_iter().enumerate() {
        let key = format!("k{replica}");
        let mut bytes = Vec::new();
        for number in 0..500 {
            let (length, last) = (number.to_string(), format!("{number}!"));
            bytes.extend(request(&["SET", &key, &length]));
            bytes.extend(request(&["INCR", &key]));
            bytes.extend(request(&["GET", &key]));
            bytes.extend(request(&["STRLEN", &key]));
            if number % 50 == 0 {
                bytes.extend(request(&["PING", &last]));
                bytes.extend(request(&["MSETNX", &key, "x", "other", "y"]));
            }
        }
        wire.send(&bytes);
        for number in 0..500 {
            let next = (number + 1).to_string();
            assert_eq!(wire.reply(), b"+OK\r\n");
            assert_eq!(wire.reply(), format!(":{next}\r\n").as_bytes());
            assert_eq!(wire.reply(), format!("${}\r\n{next}\r\n", next.len()).as_bytes());
            assert_eq!(wire.reply(), format!(":{}\r\n", next.len()).as_bytes());
            if number % 50 == 0 {
                let last = format!("{number}!");
                assert_eq!(wire.reply(), format!("${}\r\n{last}\r\n", last.len()).as_bytes());
                assert_eq!(wire.reply(), b":0\r\n");
            }
        }
    }
}

/// A client that sends far more than fits into the buffers before it reads anything.
#[test]
fn a_client_may_send_all_before_it_reads() {
    let cluster = RedisCluster::start();
    let mut wire = cluster.wire(0);
    let value = "v".repeat(10_000);
    wire.ask(&["SET", "k", &value]);
    let commands = 2000;
    let bytes: Vec<u8> = (0..commands).flat_map(|_| request(&["GET", "k"])).collect();
    wire.send(&bytes);
    let expected = format!("$10000\r\n{value}\r\n");
    for _ in 0..commands {
        assert_eq!(wire.reply(), expected.as_bytes());
    }
}

/// More values than fit into one answer of the core are asked for in parts, unless one command asks for them.
#[test]
fn large_values_are_read_in_parts() {
    let cluster = RedisCluster::start();
    let mut wire = cluster.wire(1);
    let value = "v".repeat(900_000);
    for key in 0..8 {
        assert_eq!(wire.ask(&["SET", &key.to_string(), &value]), b"+OK\r\n");
    }
    let bytes: Vec<u8> = (0..8)
        .flat_map(|key| request(&["GET", &key.to_string()]))
        .collect();
    wire.send(&bytes);
    for _ in 0..8 {
        assert_eq!(wire.reply().len(), "$900000\r\n\r\n".len() + value.len());
    }
    let keys = ["MGET", "0", "1", "2", "3", "4", "5", "6", "7"];
    assert!(
        wire.ask(&keys).starts_with(b"-ERR "),
        "more than one answer holds"
    );
    let bytes: Vec<u8> = (0..8)
        .flat_map(|key| request(&["GETSET", &key.to_string(), "x"]))
        .collect();
    wire.send(&bytes);
    for _ in 0..8 {
        assert_eq!(wire.reply().len(), "$900000\r\n\r\n".len() + value.len());
    }
}

#[test]
fn what_is_over_the_limits_is_refused_alone() {
    let cluster = RedisCluster::start();
    let mut wire = cluster.wire(0);
    let (long_key, long_value) = ("k".repeat(5000), "v".repeat(1_100_000));
    let commands: [&[&str]; 5] = [
        &["SET", "a", "1"],
        &["SET", &long_key, "1"],
        &["SET", "b", &long_value],
        &["INCR", "a"],
        &["GET", &long_key],
    ];
    let bytes: Vec<u8> = commands.iter().flat_map(|command| request(command)).collect();
    wire.send(&bytes);
    assert_eq!(wire.reply(), b"+OK\r\n");
    let long = |what: &str, length: usize, limit: usize| {
        format!("-ERR the {what} is {length} bytes long, over the limit of {limit}; nothing was changed\r\n")
    };
    assert_eq!(wire.reply(), long("key", 5000, 4096).as_bytes());
    assert_eq!(wire.reply(), long("value", 1_100_000, 1024 * 1024).as_bytes());
    assert_eq!(wire.reply(), b":2\r\n");
    assert_eq!(wire.reply(), long("key", 5000, 4096).as_bytes());
    let ttl = wire.ask(&["SET", "a", "1", "EX", "10"]);
    assert_eq!(
        String::from_utf8_lossy(&ttl),
        "-ERR EX is not supported: keys have no time to live here; nothing was changed\r\n"
    );
    // A request of more bytes than any may have.
    let mut wire = cluster.wire(0);
    wire.send(b"*2\r\n$3\r\nGET\r\n$17000000\r\n");
    assert_eq!(wire.reply(), b"-ERR Protocol error: invalid bulk length\r\n");
    assert!(wire.is_closed());
}

#[test]
fn nothing_is_told_without_the_password() {
    let cluster = RedisCluster::start_secured(|_| Security {
        passwords: ["secret", "another"]
            .map(|text| Password::new(text).unwrap())
            .to_vec(),
        ..Security::default()
    });
    let mut wire = cluster.wire(0);
    let refused = b"-NOAUTH Authentication required.\r\n";
    for command in [
        &["GET", "k"][..],
        &["PING"],
        &["INFO"],
        &["MULTI"],
        &["CLIENT", "ID"],
        &["COMMAND"],
    ] {
        assert_eq!(wire.ask(command), refused);
    }
    assert!(
        wire.ask(&["HELLO", "3"])
            .starts_with(b"-NOAUTH HELLO must be called")
    );
    let wrong = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n";
    assert_eq!(wire.ask(&["AUTH", "Secret"]), wrong);
    assert_eq!(wire.ask(&["AUTH", "somebody", "secret"]), wrong);
    // Both in one piece, the second longer than anything before the password may be.
    let value = "v".repeat(20_000);
    wire.send(&[request(&["AUTH", "secret"]), request(&["SET", "k", &value])].concat());
    assert_eq!(wire.reply(), b"+OK\r\n");
    assert_eq!(wire.reply(), b"+OK\r\n");
    assert_eq!(wire.ask(&["RESET"]), b"+RESET\r\n");
    assert_eq!(wire.ask(&["GET", "k"]), refused);
    let hello = wire.ask(&["HELLO", "3", "AUTH", "default", "secret"]);
    assert!(hello.starts_with(b"%7\r\n"));
    assert_eq!(wire.ask(&["STRLEN", "k"]), b":20000\r\n");
    // A large request of a stranger is refused at its length.
    let mut wire = cluster.wire(1);
    wire.send(b"*2\r\n$3\r\nGET\r\n$20000\r\n");
    assert!(wire.reply().starts_with(b"-ERR Protocol error"));
}

/// A cursor of one replica is good at every other, and a key that stays is found once.
#[test]
fn scan_goes_on_at_another_replica() {
    let cluster = RedisCluster::start();
    let mut wires = cluster.wires();
    let keys: BTreeSet<String> = (0..500).map(|key| format!("key:{key}")).collect();
    let bytes: Vec<u8> = keys.iter().flat_map(|key| request(&["SET", key, "x"])).collect();
    wires[0].send(&bytes);
    for _ in &keys {
        assert_eq!(wires[0].reply(), b"+OK\r\n");
    }
    let mut found = Vec::new();
    let mut cursor = "0".to_owned();
    for turn in 0.. {
        let wire = &mut wires[turn % 3];
        // Keys that come and go meanwhile.
        wire.ask(&["SET", &format!("other:{turn}"), "x"]);
        wire.ask(&["DEL", &format!("other:{}", turn / 2)]);
        let page = wire.ask(&["SCAN", &cursor, "MATCH", "key:*", "COUNT", "20"]);
        let page = String::from_utf8(page).unwrap();
        let lines: Vec<&str> = page.split("\r\n").collect();
        cursor = lines[2].to_owned();
        found.extend(
            lines
                .iter()
                .filter(|line| line.starts_with("key:"))
                .map(|key| (*key).to_owned()),
        );
        if cursor == "0" {
            break;
        }
        assert!(turn < 500, "it ends");
    }
    assert_eq!(found.len(), keys.len(), "each is found once");
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), keys);
    assert_eq!(
        wires[1].ask(&["KEYS", "key:49?"]).len(),
        "*10\r\n".len() + 10 * "$7\r\nkey:490\r\n".len()
    );
}

#[test]
fn replies_can_be_switched_off() {
    let cluster = RedisCluster::start();
    let mut wire = cluster.wire(2);
    for command in [
        "CLIENT REPLY OFF",
        "SET a 1",
        "INCR a",
        "CLIENT REPLY ON",
        "CLIENT REPLY SKIP",
        "INCR a",
        "GET a",
    ] {
        wire.send(format!("{command}\r\n").as_bytes());
    }
    assert_eq!(wire.reply(), b"+OK\r\n");
    assert_eq!(wire.reply(), b"$1\r\n3\r\n");
    assert_eq!(wire.ask(&["QUIT"]), b"+OK\r\n");
    assert!(wire.is_closed());
}

/// Many connections write at once; their writes share one session, and none is lost or done twice.
#[test]
fn many_connections_count_together() {
    let cluster = RedisCluster::start();
    let (connections, rounds) = (60, 20);
    let counters: Vec<_> = (0..connections)
        .map(|number| {
            let mut wire = cluster.wire(number % 3);
            std::thread::spawn(move || {
                for _ in 0..rounds {
                    let reply = wire.ask(&["INCR", "count"]);
                    assert!(reply.starts_with(b":"), "{}", reply.escape_ascii());
                }
            })
        })
        .collect();
    for counter in counters {
        counter.join().unwrap();
    }
    let total = (connections * rounds).to_string();
    let mut expected = Vec::new();
    write!(expected, "${}\r\n{total}\r\n", total.len()).unwrap();
    assert_eq!(cluster.wire(0).ask(&["GET", "count"]), expected);
    let info = String::from_utf8(cluster.wire(0).ask(&["INFO"])).unwrap();
    assert!(
        info.contains("redis_version:7.0.15\r\n") && info.contains("db0:keys=1,"),
        "{info}"
    );
}

/// What a stranger sends closes its connection, and disturbs nobody else.
#[test]
fn broken_requests_close_their_connection_only() {
    let cluster = RedisCluster::start();
    let mut witness = cluster.wire(0);
    let nested = b"*1\r\n".repeat(100_000);
    let garbage: [&[u8]; 4] = [
        &nested,
        &[0xff; 100_000],
        b"*1000000\r\n$-7\r\n",
        b"*1\r\n$4\r\nPINGxx",
    ];
    for bytes in garbage {
        let mut wire = cluster.wire(0);
        wire.send(bytes);
        assert!(wire.reply().starts_with(b"-ERR Protocol error: "));
        assert_eq!(witness.ask(&["PING"]), b"+PONG\r\n");
    }
}
