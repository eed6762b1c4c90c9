//! Holds the page `docs/wire.md` to the code: its examples, in both directions, and its numbers.

use std::collections::BTreeMap;
use std::fmt::Debug;

use bytes::Bytes;
use kvpaxos::agreement::Doubt;
use kvpaxos::codec::{
    Frame, HEADER, MAX_DATAGRAM, MAX_REPLY_PAYLOAD, MAX_REQUEST_PAYLOAD, VERSION, decode_datagram,
    encode_into,
};
use kvpaxos::message::SnapshotPart;
use kvpaxos::snapshot::Cursor;
use kvpaxos::status::{AcceptorStatus, LearnerStatus, ProposerStatus, SnapshotStatus};
use kvpaxos::transaction::{MAX_PAGE, MAX_STEPS};
use kvpaxos::{
    Ballot, Condition, Holds, Incarnation, Life, Limits, Listed, Op, Outcome, Password, Refusal, ReplicaId,
    ReplicaSet, Reply, Request, RequestBody, Revision, Sequence, SessionId, Slot, Status, Step, StepError,
    StepResult, Tag, Timing, Transaction, When,
};
use kvpaxos_net::{Bounds, Transport};

mod contents;

use contents::{replies, requests};

const PAGE: &str = include_str!("../../docs/wire.md");

/// The lines of the page's fenced blocks that are marked like this.
fn blocks(mark: &str) -> impl Iterator<Item = &'static str> {
    let fence = format!("```{mark}");
    let mut inside = false;
    PAGE.lines().filter(move |line| {
        if line.starts_with("```") {
            inside = *line == fence;
            return false;
        }
        inside
    })
}

fn hex(digits: &str) -> Vec<u8> {
    let byte =
        |pair| u8::from_str_radix(pair, 16).unwrap_or_else(|_| panic!("{pair} is not a byte: {digits}"));
    digits.split_whitespace().map(byte).collect()
}

/// The examples of the page. A line that holds nothing but a comment names what follows.
fn examples() -> BTreeMap<&'static str, Vec<u8>> {
    let mut examples = BTreeMap::new();
    let mut name = "";
    for line in blocks("hex") {
        let (digits, comment) = line.split_once('#').unwrap_or((line, ""));
        if digits.is_empty() && !comment.is_empty() {
            name = comment.trim();
            assert_eq!(examples.insert(name, Vec::new()), None, "{name} is there twice");
        } else if !line.is_empty() {
            let example = examples.get_mut(name).expect("a block begins with a name");
            example.extend(hex(digits));
        }
    }
    examples
}

/// Compares what the codec makes of a value with the page, and what it makes of the page with the value.
fn check<F: Frame + PartialEq + Debug>(name: &str, content: &F, encoded: &[u8], page: &[u8]) {
    assert_eq!(
        format!("{encoded:02x?}"),
        format!("{page:02x?}"),
        "left is what {name} is encoded as, right what the page says"
    );
    assert_eq!(decode_datagram::<F>(page).as_ref(), Ok(content), "{name}");
}

#[test]
fn the_examples_are_what_the_codec_writes_and_reads() {
    let mut examples = examples();
    let mut take = |name: &str| {
        examples
            .remove(name)
            .unwrap_or_else(|| panic!("the page has no example {name}"))
    };
    for (name, request) in requests() {
        let mut encoded = Vec::new();
        encode_into(&request, &mut encoded).unwrap();
        check(name, &request, &encoded, &take(name));
    }
    for (name, reply) in replies() {
        let mut encoded = Vec::new();
        encode_into(&reply, &mut encoded).unwrap();
        check(name, &reply, &encoded, &take(name));
    }
    assert!(
        examples.is_empty(),
        "nothing checks these examples: {examples:02x?}"
    );
}

#[test]
fn the_varints_are_what_the_codec_writes() {
    let mut seen = 0;
    for line in blocks("varints") {
        let (number, digits) = line.split_once(' ').expect("a number and its encoding");
        let request = Request {
            id: number.parse().expect("a number"),
            body: RequestBody::Status,
        };
        let mut encoded = Vec::new();
        encode_into(&request, &mut encoded).unwrap();
        assert_eq!(encoded[HEADER..encoded.len() - 1], hex(digits), "{number}");
        seen += 1;
    }
    assert_eq!(seen, 8);
}

#[test]
fn the_limits_are_those_of_the_code() {
    let (limits, bounds, timing) = (Limits::default(), Bounds::default(), Timing::default());
    let milliseconds = |transport: Transport| u64::try_from(transport.attempt().as_millis()).expect("short");
    let code: BTreeMap<&str, u64> = BTreeMap::from([
        ("version of the format", VERSION.into()),
        ("header of a frame, bytes", HEADER as u64),
        ("payload of a request, bytes", MAX_REQUEST_PAYLOAD as u64),
        ("payload of a reply, bytes", MAX_REPLY_PAYLOAD as u64),
        ("frame in a datagram, bytes", MAX_DATAGRAM as u64),
        ("key, bytes", limits.key as u64),
        ("value, bytes", limits.value as u64),
        ("transaction, bytes", limits.transaction_bytes as u64),
        (
            "values in the results of a transaction, or in the reply to a *get many*, bytes",
            limits.answer_bytes as u64,
        ),
        (
            "steps of a transaction, its conditions, or keys of a request",
            MAX_STEPS as u64,
        ),
        ("keys on a page of a scan", u64::from(MAX_PAGE)),
        (
            "results of transactions that a cluster stores, bytes",
            limits.results_bytes as u64,
        ),
        ("sequence numbers in flight in a session", limits.session_window),
        ("sessions of a cluster", limits.sessions as u64),
        ("pending requests of a replica", limits.pending as u64),
        (
            "TCP connections of clients at a replica",
            bounds.connections as u64,
        ),
        (
            "replies that wait for one connection, bytes",
            bounds.client_outbox as u64,
        ),
        (
            "replies that wait for all connections together, bytes",
            bounds.outboxes as u64,
        ),
        (
            "requests that all connections together hold until they are complete, bytes",
            bounds.requests as u64,
        ),
        (
            "time for a request from its first byte to its last, ms",
            u64::try_from(Bounds::REQUEST_TIME.as_millis()).expect("short"),
        ),
        (
            "datagrams at a replica that wait for a reply",
            bounds.datagrams as u64,
        ),
        (
            "time after which a replica answers *unavailable* or *unknown*, ms",
            timing.tick.0 * u64::from(timing.deadline) / 1000,
        ),
        (
            "time that our client waits for a reply over TCP, ms",
            milliseconds(Transport::Tcp),
        ),
        (
            "time that our client waits for a reply over UDP, ms",
            milliseconds(Transport::Udp),
        ),
    ]);
    let (_, section) = PAGE.split_once("\n## Limits\n").expect("the section");
    let (section, _) = section.split_once("\n## ").expect("it is not the last one");
    let rows = section
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let page: BTreeMap<&str, u64> = rows
        .skip(2)
        .map(|row| {
            let (what, limit) = row.split_once(" | ").expect("two columns");
            (what, limit.parse().expect("a number"))
        })
        .collect();
    assert_eq!(page, code);
}
