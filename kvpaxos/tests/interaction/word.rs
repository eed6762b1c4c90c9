//! The words of the scripts: names, numbers and settings.

use bytes::Bytes;
use kvpaxos::{ClientId, Config, Quorums, ReplicaId, Role};

use crate::support::Found;

/// A replica, such as `r0`.
pub(crate) fn replica(word: &str) -> ReplicaId {
    let digits = word.strip_prefix('r').and_then(|digits| digits.parse().ok());
    ReplicaId(digits.unwrap_or_else(|| panic!("not a replica: {word}")))
}

/// A client, such as `c1`.
pub(crate) fn client(word: &str) -> ClientId {
    let digits = word.strip_prefix('c').and_then(|digits| digits.parse().ok());
    ClientId(digits.unwrap_or_else(|| panic!("not a client: {word}")))
}

/// A role: `proposer`, `acceptor` or `learner`.
pub(crate) fn role(word: &str) -> Role {
    match word {
        "proposer" => Role::Proposer,
        "acceptor" => Role::Acceptor,
        "learner" => Role::Learner,
        _ => panic!("not a role: {word}"),
    }
}

/// Memory: `kept` or `lost`.
pub(crate) fn found(word: &str) -> Found {
    match word {
        "kept" => Found::Kept,
        "lost" => Found::Lost,
        _ => panic!("memory is kept or lost, not {word}"),
    }
}

/// The configuration with a setting of the command `cluster` applied, such as `window=3`.
pub(crate) fn option(mut config: Config, word: &str) -> Config {
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    let (limits, timing) = (&mut config.limits, &mut config.timing);
    match name {
        "two-phase" => return config.two_phase(),
        "quorums" => {
            let (phase1, phase2) = value.split_once('/').expect("expected quorums=2/4");
            config.quorums = Quorums {
                phase1: number(phase1),
                phase2: number(phase2),
            };
        }
        "sync" => {}
        "deadline" => timing.deadline = u32::try_from(number(value)).expect("a deadline fits into 32 bits"),
        "window" => limits.window = number(value),
        "batch" => limits.batch_commands = number(value),
        "chunk" => limits.chunk_bytes = number(value),
        "pending" => limits.pending = number(value),
        "sessions" => limits.sessions = number(value),
        "session_window" => limits.session_window = number(value) as u64,
        "key" => limits.key = number(value),
        "value" => limits.value = number(value),
        "log_slots" => limits.log_slots = number(value) as u64,
        _ => panic!("no such setting: {word}"),
    }
    config
}

pub(crate) fn number(word: &str) -> usize {
    word.parse().unwrap_or_else(|_| panic!("not a number: {word}"))
}

/// A key or a value: `abc` means itself, and `x*5000` means 5000 times `x`.
pub(crate) fn bytes(word: &str) -> Bytes {
    match word.split_once('*') {
        Some((letter, times)) => Bytes::from(letter.repeat(number(times))),
        None => Bytes::from(word.to_owned()),
    }
}

/// A value that may be absent: `-` means none.
pub(crate) fn maybe(word: &str) -> Option<Bytes> {
    (word != "-").then(|| bytes(word))
}
