//! The answers of a cluster are those of a real Redis, byte for byte.

use std::io::{Write, stderr};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use super::RedisCluster;
use super::generate::{Dice, KEYS, command};
use super::wire::{Wire, request};
use crate::common::{free_ports, wait_for};

/// The release whose answers ours are. Texts differ between releases.
const RELEASE: &str = "v=7.0.";

/// A Redis that keeps nothing.
struct Redis {
    child: Child,
    port: u16,
}

impl Redis {
    /// `None`, with the reason on standard error, if there is none of the release here.
    fn start() -> Option<Redis> {
        let version = Command::new("redis-server").arg("--version").output();
        let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        let reason = match version {
            Err(error) => format!("redis-server does not run here: {error}"),
            Ok(version) if !version.contains(RELEASE) => {
                format!("another release than {RELEASE}*: {version}")
            }
            Ok(_) => String::new(),
        };
        if !reason.is_empty() {
            // Not by a macro, whose output the test harness keeps to itself.
            let _ = writeln!(stderr(), "skipped: the comparison with a real Redis ({reason})");
            return None;
        }
        let port = free_ports(1)[0];
        let child = Command::new("redis-server")
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--databases",
                "1",
            ])
            .args(["--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        wait_for("a Redis that listens", || {
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Some(Redis { child, port })
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a connection is within, as far as the comparison must know.
#[derive(Clone, Copy, Default)]
struct State {
    multi: bool,
}

impl State {
    /// Whether the command is one that differs on purpose: see the manual's page.
    fn differs(self, command: &[Vec<u8>]) -> bool {
        let name = command[0].to_ascii_uppercase();
        self.multi
            && match name.as_slice() {
                b"KEYS" | b"SCAN" | b"DBSIZE" | b"HELLO" => true,
                b"MSETNX" => command.len() != 3,
                // They are compared as sets, which the reply to EXEC cannot be.
                b"COMMAND" => true,
                _ => false,
            }
    }

    fn after(&mut self, command: &[Vec<u8>], reply: &[u8]) {
        match command[0].to_ascii_uppercase().as_slice() {
            b"MULTI" if reply[0] == b'+' => self.multi = true,
            b"EXEC" | b"DISCARD" | b"RESET" if command.len() == 1 => self.multi = false,
            _ => {}
        }
    }
}

/// The part of a reply that must be the same: keys and commands come in any order, and each connection has an
/// id.
fn comparable(command: &[Vec<u8>], reply: &[u8]) -> String {
    let text = reply.escape_ascii().to_string();
    let mut lines: Vec<&str> = text.split("\\r\\n").collect();
    match command[0].to_ascii_uppercase().as_slice() {
        b"KEYS" | b"SCAN" | b"COMMAND" => lines.sort_unstable(),
        b"HELLO" => {
            if let Some(id) = lines.iter().position(|line| *line == "id") {
                lines[id + 1] = ":..";
            }
        }
        _ => {}
    }
    lines.join("\n")
}

/// A command that sets the keys of this one.
fn give_values(command: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut set = vec![b"MSET".to_vec()];
    for key in &command[1..] {
        set.extend([key.clone(), b"7".to_vec()]);
    }
    set
}

/// Plays a sequence at both, over a connection to each replica and as many to the Redis. Commands come one by
/// one, or many in one piece.
fn play(cluster: &RedisCluster, redis: &Redis, seed: u64, bursts: usize) {
    let mut dice = Dice::new(seed);
    assert_eq!(Wire::connect(redis.port).ask(&["FLUSHALL"]), b"+OK\r\n");
    let mut clean = vec!["DEL"];
    clean.extend(KEYS);
    cluster.wire(0).ask(&clean);
    let mut ours = cluster.wires();
    let mut theirs: Vec<Wire> = ours.iter().map(|_| Wire::connect(redis.port)).collect();
    let mut states = vec![State::default(); ours.len()];
    let mut played = Vec::new();
    for _ in 0..bursts {
        let at = dice.below(ours.len());
        let length = if dice.below(3) == 0 { 1 + dice.below(40) } else { 1 };
        let mut state = states[at];
        let mut burst = Vec::new();
        while burst.len() < length {
            let command = command(&mut dice);
            if command[0].eq_ignore_ascii_case(b"watch") && !state.multi {
                // A watched key that has no value is told from one that had one meanwhile only by Redis.
                burst.push(give_values(&command));
            }
            if !state.differs(&command) {
                // Whether MULTI succeeds is known before its reply.
                state.after(&command, if command.len() == 1 { b"+" } else { b"-" });
                burst.push(command);
            }
        }
        let bytes: Vec<u8> = burst.iter().flat_map(|command| request(command)).collect();
        ours[at].send(&bytes);
        theirs[at].send(&bytes);
        states[at] = state;
        for command in burst {
            let replies = [ours[at].reply(), theirs[at].reply()];
            let shown: Vec<String> = command
                .iter()
                .map(|word| word.escape_ascii().to_string())
                .collect();
            played.push(format!("r{at}: {shown:?}"));
            let [our, their] = replies.map(|reply| comparable(&command, &reply));
            let last = &played[played.len().saturating_sub(30)..];
            assert_eq!(our, their, "seed {seed}, ours left, after\n{}", last.join("\n"));
        }
    }
}

#[test]
fn answers_are_those_of_a_real_redis() {
    let Some(redis) = Redis::start() else { return };
    let cluster = RedisCluster::start();
    for seed in 1..=4 {
        play(&cluster, &redis, seed, 300);
    }
}

/// Bytes that are no requests: the same error, and the end of the connection.
#[test]
fn broken_bytes_are_answered_as_by_a_real_redis() {
    let Some(redis) = Redis::start() else { return };
    let cluster = RedisCluster::start();
    let long_line = b"x".repeat(70_000);
    let long_count = [b"*".to_vec(), b"1".repeat(70_000)].concat();
    let broken: [&[u8]; 9] = [
        b"*x\r\n",
        b"*-x\r\n",
        b"*99999999999\r\n",
        b"*1\r\n:4\r\n",
        b"*2\r\n$3\r\nGET\r\n$-1\r\n",
        b"*1\r\n$999999999999\r\n",
        b"set \"a\r\n",
        &long_line,
        &long_count,
    ];
    for bytes in broken {
        let bytes = [b"\r\n*0\r\n*-1\r\nPING\r\n", bytes].concat();
        let [mut ours, mut theirs] = [cluster.wire(1), Wire::connect(redis.port)];
        let replies = [&mut ours, &mut theirs].map(|wire| {
            wire.send(&bytes);
            let pong = wire.reply();
            (pong, wire.reply(), wire.is_closed())
        });
        let shown = bytes[..bytes.len().min(60)].escape_ascii().to_string();
        assert_eq!(replies[0], replies[1], "{shown}");
        assert!(replies[0].2, "{shown}");
    }
}
