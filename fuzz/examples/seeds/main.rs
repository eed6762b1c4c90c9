//! Writes the files in `seeds/<target>/`, or checks with `--check` that they are up to date.
//!
//! Frames come from the golden files of the codec, so that every variant has a seed. Histories come from the
//! simulator's generator. A list adds one malformed history for each way that the format names.

mod backups;
mod http;
mod receipts;
mod recordings;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use kvpaxos_sim::history::generate::{Flaw, Fraction, Settings, Values};

type Seeds = BTreeMap<PathBuf, Vec<u8>>;

fn main() -> std::io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let seeds = seeds(root)?;
    let check = std::env::args().any(|argument| argument == "--check");
    let stale: Vec<_> = seeds
        .iter()
        .map(|(path, bytes)| (root.join("seeds").join(path), bytes))
        .filter(|(path, bytes)| fs::read(path).ok().as_ref() != Some(*bytes))
        .collect();
    if check && !stale.is_empty() {
        let paths: Vec<_> = stale.iter().map(|(path, _)| path.display().to_string()).collect();
        let what = format!("stale, run `cargo run --example seeds`: {}", paths.join(" "));
        return Err(std::io::Error::other(what));
    }
    for (path, bytes) in stale {
        fs::create_dir_all(path.parent().unwrap_or(root))?;
        fs::write(path, bytes)?;
    }
    writeln!(std::io::stdout(), "{} seeds", seeds.len())
}

fn seeds(root: &Path) -> std::io::Result<Seeds> {
    let golden = root.join("../kvpaxos/tests/golden");
    let peer_frames = payloads(&fs::read_to_string(golden.join("peer_frames.txt"))?);
    let requests = payloads(&fs::read_to_string(golden.join("requests.txt"))?);
    let replies = payloads(&fs::read_to_string(golden.join("replies.txt"))?);
    let mut seeds = Seeds::new();
    for (number, (name, _, payload)) in peer_frames.iter().enumerate() {
        seeds.insert(format!("peer_message/{number:02}-{name}").into(), payload.clone());
        seeds.insert(
            format!("replica_step/lie-{number:02}-{name}").into(),
            lie(payload),
        );
    }
    for (kind, what, frames) in [(0, "request", &requests), (1, "reply", &replies)] {
        for (number, (_, _, payload)) in frames.iter().enumerate() {
            let bytes = [&[kind], payload.as_slice()].concat();
            seeds.insert(format!("client_message/{what}-{number:02}").into(), bytes);
        }
    }
    for (kind, what, frames) in [
        (0, "peer", &peer_frames),
        (1, "request", &requests),
        (2, "reply", &replies),
    ] {
        let pieces = [4, 0, 200, 11, 7, 30, 90, 1, 1, 1, 60, 13, 255, 2, 5, 40];
        let stream: Vec<u8> = frames
            .iter()
            .flat_map(|(_, header, payload)| [&header[..], payload].concat())
            .collect();
        // Checksums are corrected if the first byte is 128 or more. Adding 129, a multiple of 3, keeps the
        // kind.
        for first in [kind, kind + 129] {
            let bytes = [&[first], &pieces[..], &stream].concat();
            seeds.insert(format!("frame/{what}-{first:03}").into(), bytes);
        }
    }
    seeds.extend(logs());
    seeds.extend(snapshots());
    seeds.extend(scripts());
    seeds.extend(histories()?);
    seeds.extend(malformed_histories());
    seeds.extend(redis_requests());
    seeds.extend(configurations());
    seeds.extend(backups::backups());
    seeds.extend(recordings::recordings());
    seeds.extend(scenarios());
    seeds.extend(receipts::receipts());
    seeds.extend(worlds());
    seeds.extend(http::requests());
    Ok(seeds)
}

/// The name, header and payload of each frame in a golden file: a line of description, one of hex.
fn payloads(golden: &str) -> Vec<(String, Vec<u8>, Vec<u8>)> {
    let lines: Vec<&str> = golden.lines().filter(|line| !line.is_empty()).collect();
    let frames = lines.chunks_exact(2).map(|pair| {
        let inner = pair[0].strip_prefix("Message(").unwrap_or(pair[0]);
        let name: String = inner.chars().take_while(char::is_ascii_alphabetic).collect();
        let parts = pair[1].trim().split_once(' ');
        let (header, payload) = parts.expect("a golden frame is a header and a payload");
        (name.to_lowercase(), bytes_of(header), bytes_of(payload))
    });
    frames.collect()
}

/// The bytes that hexadecimal digits stand for.
fn bytes_of(hex: &str) -> Vec<u8> {
    let digit =
        |c: char| u8::try_from(c.to_digit(16).expect("golden frames are hexadecimal")).expect("below 16");
    let digits: Vec<u8> = hex.chars().map(digit).collect();
    digits
        .chunks_exact(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

/// What Redis clients send, after the lengths of the pieces.
fn redis_requests() -> Seeds {
    let requests: [(&str, &[u8]); 9] = [
        (
            "arrays",
            b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n1\r\n*2\r\n$4\r\nINCR\r\n$1\r\nk\r\n",
        ),
        ("inline", b"set k 'a b' nx get\r\nmget k \"\\x41\\n\"\r\nscan 0 match a* count 5\r\n"),
        (
            "transaction",
            b"watch k\r\nmulti\r\nset k v\r\nmsetnx k v\r\ngetdel k\r\nping\r\nexec\r\n",
        ),
        ("connection", b"hello 3 auth default x setname me\r\nclient info\r\nconfig get *\r\nreset\r\nauth x\r\n"),
        ("tables", b"command\r\ncommand docs\r\ncommand getkeys mset a b\r\ncommand list filterby pattern [a-c]*\r\n"),
        ("silent", b"client reply skip\r\nping\r\nclient reply off\r\nget k\r\nclient reply on\r\nquit\r\n"),
        ("wrong", b"get\r\nnosuch a\r\nset k v ex 5\r\ndecrby k -9223372036854775808\r\nclient x\r\n"),
        ("nested", b"*1\r\n*1\r\n*1\r\n"),
        ("lengths", b"*2\r\n$3\r\nGET\r\n$99999999999\r\n"),
    ];
    requests
        .into_iter()
        .map(|(name, stream)| {
            (
                format!("redis_requests/{name}").into(),
                [&[3, 200, 0, 1][..], stream].concat(),
            )
        })
        .collect()
}

/// Configuration files, good ones and one for each fault.
fn configurations() -> Seeds {
    let files: [(&str, &[u8]); 15] = [
        ("empty", b""),
        ("tables", b"# all\nclient = 'a:1'\n[serve]\nmemory-only = true\nlog-bytes = 0x1_0\n[cluster.up]\nreplicas = 3\n"),
        ("lists", b"serve.fail = ['acceptor', \"learner\"]\nserve.chaos = [\n 'a,b', # one\n 5]\nserve.rate = 1.5\n"),
        ("inline", b"serve = { client = 'a:1', rate = -2, fail = '' }\ncluster = \"\\u00e4 \\\"x\\\"\"\nudp = false\n"),
        ("signed", b"serve.rate = +1.05\n"),
        ("key", b"[serve]\n  clint = 'a'\n"),
        ("table", b"[sreve]\n"),
        ("command", b"serve = 1\n"),
        ("kind", b"[serve]\nclient = 1979-05-27\n"),
        ("integer", b"[serve]\nlog-bytes = 99999999999999999999999999999999999999999\n"),
        ("separator", b"[serve]\nfail = ['a,b']\n"),
        ("nested", b"serve.chaos = [[[['a']]]]\n"),
        ("twice", b"udp = true\nudp = false\n"),
        ("syntax", b"[serve\nx"),
        ("no-text", b"# \xc3\xa4\xff\n"),
    ];
    files
        .into_iter()
        .map(|(name, file)| (format!("configuration/{name}").into(), file.to_vec()))
        .collect()
}

/// Scenario files, good ones and one for each kind of fault.
fn scenarios() -> Seeds {
    let head = "kvpaxos-scenario 1\nseed 7\nset clients.count 3\n";
    let files = [
        (
            "good-stale-read",
            include_str!("../../../kvpaxos-sim/tests/integration/scenario_files/stale-read.txt").to_owned(),
        ),
        ("good-nothing", format!("{head}stop 1s\n")),
        (
            "good-faults",
            format!(
                "{head}set links.delay \"region\"\nfault 0 0.25s +0.1s crash r2 lost flip-bit\nfault 1 0.3s +1.5s stop r1 0.25s\n\
             fault 2 0.3s +1s fail r0 learner lost\nfault 3 1s +0.000001s cut r0->r1 c2->r0\nfault 4 1s +1s drift r0 250000\n\
             fault 5 1s jump r0 2s\nfault 5 1s hang-up c1 r0\nheal 4.5s\n"
            ),
        ),
        (
            "good-messages",
            format!(
                "{head}call 0.5s c0 cas k%20 none %\ncall 0.5s c2 get-many a b\ncall 0.6s c0 scan 0 10\n\
             delay r0->r1 Heartbeat 0 #2 0.5s\ntwice r0->r2 Accept 7 #3 0.001s 0.002s\nlose c0->r2 Request 5 #1\n\
             sync r1 #12 0.04s\ndraw - r1 visible-writes #2 1\ndraw fault 3 r1 torn-sector #1 2\nstop 4.5s\n"
            ),
        ),
        ("version", "kvpaxos-scenario 2\nstop 1s\n".to_owned()),
        ("cut-off", head.to_owned()),
        ("setting", format!("{head}set cluster.replicas 0\nstop 1s\n")),
        ("path", format!("{head}set cluster.replica 5\nstop 1s\n")),
        ("replica", format!("{head}fault 0 1s +1s crash r9\nstop 2s\n")),
        (
            "order",
            format!("{head}call 2s c0 get k\ncall 1s c0 get k\nstop 3s\n"),
        ),
        ("bytes", format!("{head}call 2s c0 write 0302\nstop 3s\n")),
    ];
    files
        .into_iter()
        .map(|(name, file)| (format!("scenario/{name}").into(), file.into_bytes()))
        .collect()
}

/// Worlds in which nothing goes wrong, with three and five replicas, and one in which much does.
fn worlds() -> Seeds {
    // A fixed sequence in which every byte occurs (Knuth, *The Art of Computer Programming*, 3.2.1).
    let mixed = (0..600u32).scan(1u8, |byte, _| {
        *byte = byte.wrapping_mul(141).wrapping_add(3);
        Some(*byte)
    });
    let worlds: [(&str, Vec<u8>); 4] = [
        ("quiet", vec![1, 0, 0, 0, 0, 0]),
        ("five", vec![2, 2, 1, 1, 7, 1]),
        ("faults", [&[3, 0, 1, 0, 0, 0][..], &[16; 200]].concat()),
        ("mixed", [4, 0, 1, 0, 3, 2].into_iter().chain(mixed).collect()),
    ];
    worlds
        .into_iter()
        .map(|(name, world)| (format!("world/{name}").into(), world))
        .collect()
}

/// Logs that are whole, torn, and damaged in each way.
fn logs() -> Seeds {
    // Three groups of two records each, the first two synced.
    let groups = [3, 2, 4, 65, 0, 0, 0, 2, 7, 66, 1, 0, 0, 2, 5, 67, 2, 1, 1];
    let tails: [(&str, &[u8]); 7] = [
        ("whole", &[0]),
        ("torn", &[1, 100, 1, 0, 1]),
        ("flip", &[0, 0, 60, 0, 3, 0, 0, 0]),
        ("zeros", &[0, 1, 200, 2, 0, 0, 200, 0]),
        ("copy", &[0, 2, 60, 0, 0, 2, 90, 0]),
        ("cut", &[0, 3, 0, 3, 0, 0, 0, 0]),
        ("swap", &[0, 4, 60, 0, 200, 1, 90, 0]),
    ];
    let log = |tail: &[u8]| [&[1], &groups[..], tail].concat();
    tails
        .into_iter()
        .map(|(name, tail)| (format!("log_records/{name}").into(), log(tail)))
        .collect()
}

/// States of two sessions and three keys that are sent in parts, with a made-up part of each kind before the
/// second.
fn snapshots() -> Seeds {
    let state = [
        6, 0, 0, 0, 0, 0, 0, 5, 0, 1, b'v', 30, 0, 0, 0, 5, 0, 2, b'w', 100, 1, 1, 0, 5, 1, 3, b'x', 10, 0,
        0, 0, 4, 1, 1, 2, 0,
    ];
    let lies: [(&str, &[u8]); 7] = [
        ("whole", &[7]),
        ("flip", &[0, 5, 255]),
        ("short", &[1, 3]),
        ("other", &[2, 4, 0, 1, 2, 3, 4]),
        ("long", &[3, 1, 0, 9]),
        ("last", &[4]),
        ("skipped", &[5]),
    ];
    let snapshot = |lie: &[u8]| [&state[..], &[0, 0, 7, 60, 0], lie, &[60, 0, 7, 60, 0, 7]].concat();
    lies.into_iter()
        .map(|(name, lie)| (format!("snapshot_parts/{name}").into(), snapshot(lie)))
        .collect()
}

/// A leader receives a payload from a peer.
fn lie(payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len())
        .expect("golden payloads are short")
        .to_le_bytes();
    let at = |to: u8| [&[9, (to + 1) % 3, to], &length[..], payload].concat();
    [&[0, 0, 31][..], &at(0), &at(1), &at(2), &[0, 7]].concat()
}

/// Scripts for a cluster; see the steps in `src/script.rs`.
fn scripts() -> Seeds {
    let scripts: [(&str, &[u8]); 8] = [
        ("elect", &[0, 0, 31]),
        (
            "open-and-write",
            &[
                0, 0, 31, 7, 4, 0, 0, 0, 3, 6, 1, 0, 1, 0, 5, 0, 0, 1, 1, 0, 3, 7, 0, 1, 2, 1, 0, 3,
            ],
        ),
        (
            "submit-through-a-follower",
            &[0, 0, 31, 7, 1, 9, 2, 0, 7, 1, 8, 1, 1, 0, 5],
        ),
        ("two-phase", &[4, 0, 31, 7, 1, 9, 2, 0, 0, 9, 7, 2, 0, 0]),
        ("alone", &[1, 0, 31, 7, 1, 9, 0, 0, 0, 9]),
        (
            "five",
            &[3, 0, 31, 7, 1, 9, 2, 0, 0, 9, 13, 0, 1, 0, 9, 14, 0, 1, 0, 0, 9],
        ),
        (
            "roles-fail",
            &[
                0, 0, 31, 7, 1, 9, 0, 0, 13, 0, 0, 13, 1, 1, 13, 2, 2, 0, 9, 14, 0, 0, 0, 14, 1, 1, 3, 14, 2,
                2, 0, 0, 31,
            ],
        ),
        (
            "crash",
            &[
                0, 0, 31, 7, 1, 9, 0, 0, 0, 1, 15, 0, 1, 0, 15, 1, 3, 3, 0, 31, 10, 3, 2, 0, 9, 11, 0, 12, 0,
                0, 9,
            ],
        ),
    ];
    scripts
        .into_iter()
        .map(|(name, script)| (format!("replica_step/{name}").into(), script.to_vec()))
        .collect()
}

const HEADER: &str = r#"{"type":"header","format":"kv-history","version":1,"initial":null}"#;

/// Short histories, linearizable and not, and one by hand with synonyms and without times.
fn histories() -> std::io::Result<Seeds> {
    let mut seeds = Seeds::new();
    for (name, values, flaw) in [
        ("unique", Values::Unique, Flaw::None),
        ("unique-impossible", Values::Unique, Flaw::Impossible),
        ("twice", Values::Twice, Flaw::None),
        ("twice-stale", Values::Twice, Flaw::Stale),
        ("few", Values::Few(3), Flaw::None),
        ("few-stale", Values::Few(3), Flaw::Stale),
    ] {
        let settings = Settings {
            seed: 1,
            operations: 30,
            keys: 2,
            clients: 4,
            values,
            flaw,
            unknown: Fraction::percent(15),
            failed: Fraction::percent(5),
            pause: 0,
            ..Settings::default()
        };
        let mut bytes = Vec::new();
        let history = settings.history().map_err(std::io::Error::other)?;
        history.write(&mut bytes)?;
        seeds.insert(format!("history/{name}").into(), bytes);
    }
    let by_hand = r#"{"type":"invoke","process":0,"op":"write","key":"k","value":18446744073709551615}
{"type":"invoke","process":7,"op":"read","key":"k"}
{"type":"ok","process":7,"op":"read","key":"k","value":18446744073709551615}
{"type":"ok","process":0,"op":"put","key":"k"}
{"type":"invoke","process":0,"op":"append","key":"k","value":-1}"#;
    seeds.insert("history/by-hand".into(), format!("{HEADER}\n{by_hand}\n").into());
    seeds.insert("history/empty".into(), format!("{HEADER}\n").into());
    Ok(seeds)
}

/// Malformed lines behind a valid invocation, by the name of what is wrong with each.
const MALFORMED_LINES: [(&str, &str); 25] = [
    (
        "busy",
        r#"{"type":"invoke","process":1,"op":"get","key":"k","time":6}"#,
    ),
    (
        "not-open",
        r#"{"type":"fail","process":2,"op":"get","key":"k","time":6}"#,
    ),
    (
        "other-key",
        r#"{"type":"ok","process":1,"op":"cas","key":"l","applied":true,"time":6}"#,
    ),
    (
        "other-op",
        r#"{"type":"ok","process":1,"op":"get","key":"k","value":null,"time":6}"#,
    ),
    (
        "missing-applied",
        r#"{"type":"ok","process":1,"op":"cas","key":"k","time":6}"#,
    ),
    (
        "missing-process",
        r#"{"type":"info","op":"cas","key":"k","time":6}"#,
    ),
    (
        "missing-key",
        r#"{"type":"invoke","process":2,"op":"get","time":6}"#,
    ),
    ("missing-type", r#"{"process":2,"op":"get","key":"k","time":6}"#),
    (
        "missing-op",
        r#"{"type":"invoke","process":2,"key":"k","time":6}"#,
    ),
    (
        "missing-value",
        r#"{"type":"invoke","process":2,"op":"put","key":"k","time":6}"#,
    ),
    (
        "missing-expect",
        r#"{"type":"invoke","process":2,"op":"cas","key":"k","value":1,"time":6}"#,
    ),
    (
        "unknown-type",
        r#"{"type":"done","process":1,"op":"cas","key":"k","time":6}"#,
    ),
    (
        "unknown-op",
        r#"{"type":"invoke","process":2,"op":"scan","key":"k","time":6}"#,
    ),
    (
        "negative-process",
        r#"{"type":"invoke","process":-2,"op":"get","key":"k","time":6}"#,
    ),
    (
        "key-of-number",
        r#"{"type":"invoke","process":2,"op":"get","key":3,"time":6}"#,
    ),
    (
        "time-of-text",
        r#"{"type":"invoke","process":2,"op":"get","key":"k","time":"6"}"#,
    ),
    (
        "time-back",
        r#"{"type":"invoke","process":2,"op":"get","key":"k","time":4}"#,
    ),
    (
        "value-of-fraction",
        r#"{"type":"invoke","process":2,"op":"put","key":"k","value":1.5,"time":6}"#,
    ),
    (
        "value-of-list",
        r#"{"type":"invoke","process":2,"op":"put","key":"k","value":[1],"time":6}"#,
    ),
    (
        "applied-of-text",
        r#"{"type":"ok","process":1,"op":"cas","key":"k","applied":"yes","time":6}"#,
    ),
    (
        "other-value",
        r#"{"type":"ok","process":1,"op":"cas","key":"k","value":"w","applied":true,"time":6}"#,
    ),
    ("no-object", "[1,2,3]"),
    ("no-json", r#"{"type":"invoke","process":2"#),
    ("blank-line", ""),
    ("second-header", HEADER),
];

/// Histories with one malformed line, by the name of what is wrong with it.
fn malformed_histories() -> Seeds {
    let begun = r#"{"type":"invoke","process":1,"op":"cas","key":"k","expect":null,"value":"v","time":5}"#;
    let mut seeds: Seeds = MALFORMED_LINES
        .into_iter()
        .map(|(name, line)| (name, format!("{HEADER}\n{begun}\n{line}\n")))
        .chain([
            ("no-header", format!("{begun}\n")),
            ("other-version", format!("{}\n", HEADER.replace(":1,", ":2,"))),
            (
                "other-format",
                format!("{}\n", HEADER.replace("kv-history", "history")),
            ),
            (
                "no-initial",
                format!("{}\n", HEADER.replace(",\"initial\":null", "")),
            ),
            ("nothing", String::new()),
        ])
        .map(|(name, text)| (format!("history/malformed-{name}").into(), text.into_bytes()))
        .collect();
    seeds.insert(
        "history/malformed-byte-order-mark".into(),
        format!("\u{feff}{HEADER}\n").into(),
    );
    let no_text = [HEADER.as_bytes(), b"\n\xff\xfe\n"].concat();
    seeds.insert("history/malformed-no-text".into(), no_text);
    seeds
}
