//! What is written is read again, and what is not as it was written is refused with its place.

use std::ops::ControlFlow;

use super::*;
use crate::command::{Request, RequestBody};
use crate::io::{Effect, Envelope, Event, Memory, Record};
use crate::message::Message;
use crate::password::Password;
use crate::types::{Ballot, ClientId, Entropy, Founding, ReplicaId, Role, Time};
use crate::{Config, Replica};

const OWN: ReplicaId = ReplicaId(1);

fn sample_header() -> Header {
    Header {
        release: "0.1.0".to_owned(),
        cluster: 7,
        life: 1,
        segment: 1,
        began: 1_700_000_000_000_000,
        durable: true,
        config: Config::new(OWN, 3),
    }
}

fn events() -> Vec<Event> {
    vec![
        Event::Clock,
        Event::Peer {
            from: ReplicaId(2),
            founding: Some(Founding(9)),
            message: Message::Stand { ballot: Ballot::ZERO },
        },
        Event::Client {
            from: ClientId(300),
            request: Request {
                id: 5,
                body: RequestBody::Status,
            },
        },
        Event::ClientGone {
            client: ClientId(300),
        },
        Event::Fail(Role::Learner),
        Event::HandOver,
    ]
}

/// A file with one entry of every kind, in two blocks; and the entries that are expected of it.
fn sample() -> (Vec<u8>, Vec<Entry>) {
    let founded = Record::Founded {
        founding: Founding(3),
    };
    let entropy = Entropy([4; 32]);
    let (mut writer, mut bytes) = Writer::begin(&sample_header());
    writer.remember(&founded);
    writer.start(Time(10), true, entropy);
    let mut expected = vec![
        Entry::Remember(founded.clone()),
        Entry::Start {
            at: Time(10),
            kept: true,
            entropy,
        },
    ];
    for (at, event) in (10_u64..).step_by(1000).map(Time).zip(events()) {
        writer.input(at, &event);
        expected.push(Entry::Input { at, event });
    }
    writer.effects(&[Effect::Send(Envelope {
        to: ReplicaId(0),
        message: Message::Stand { ballot: Ballot::ZERO },
    })]);
    writer.flush();
    bytes.extend_from_slice(writer.seal());
    let at = Time(20_000);
    writer.durable(1);
    writer.own(at);
    let (role, memory) = (Role::Acceptor, Memory::Lost);
    writer.input(
        at,
        &Event::Restart {
            role,
            memory,
            entropy,
        },
    );
    writer.stopped();
    writer.full();
    bytes.extend_from_slice(writer.seal());
    expected.extend([
        Entry::Flush,
        Entry::Durable { batch: 1 },
        Entry::Own { at },
        Entry::Restart {
            at,
            role,
            kept: false,
            entropy,
        },
        Entry::Stopped,
        Entry::Full,
    ]);
    (bytes, expected)
}

fn read(bytes: &[u8]) -> Result<(Header, Vec<Block>), ReadError> {
    let (mut reader, header) = Reader::new(bytes)?;
    let mut blocks = Vec::new();
    while let Some(block) = reader.next_block()? {
        blocks.push(block);
    }
    Ok((header, blocks))
}

#[test]
fn what_is_written_is_read() {
    let (bytes, expected) = sample();
    let (header, blocks) = read(&bytes).unwrap();
    assert_eq!(header, sample_header());
    let digests: Vec<u64> = blocks.iter().map(|block| block.digest).collect();
    assert_eq!(digests[0], digests[1], "no effect came after the first block");
    assert_ne!(digests[0], EffectDigest::default().value());
    let entries: Vec<Entry> = blocks.into_iter().flat_map(|block| block.entries).collect();
    assert_eq!(entries, expected);
}

#[test]
fn a_checkpoint_is_written_piece_by_piece() {
    let state: Vec<u8> = (0..=250).cycle().take(MAX_PIECE * 5 / 2).collect();
    let at = Time(5);
    let writes = Writes::default();
    let (mut file, mut bytes) = CheckpointFile::begin(&sample_header(), 7, at, &writes);
    let mut written = 0;
    for part in state.chunks(300_000) {
        let taken = file.add(part, |block| {
            written += 1;
            bytes.extend_from_slice(block);
            ControlFlow::Continue(())
        });
        assert!(taken.is_continue());
    }
    assert_eq!(written, 2, "they leave as soon as they are full");
    bytes.extend_from_slice(file.end());

    let (header, blocks) = read(&bytes).unwrap();
    assert_eq!(header, sample_header());
    assert!(blocks.iter().all(|block| block.digest == 7));
    let mut pieces = Vec::new();
    let mut ends = Vec::new();
    for entry in blocks.into_iter().flat_map(|block| block.entries) {
        let Entry::Checkpoint { piece, is_last } = entry else {
            panic!("{entry:?}");
        };
        pieces.extend_from_slice(&piece);
        ends.push(is_last);
    }
    assert_eq!(ends, [false, false, true]);
    let checkpoint = Checkpoint { at, writes, state };
    assert!(pieces == checkpoint.encode());
    assert_eq!(Checkpoint::decode(&pieces), Ok(checkpoint));
}

#[test]
fn a_checkpoint_has_the_name_of_its_segment() {
    let name = |segment| FileName {
        replica: OWN,
        life: 4,
        segment,
    };
    assert_eq!(name(1).to_string(), "r1-000004.recording");
    assert_eq!(name(2).to_string(), "r1-000004-000002.recording");
    assert_eq!(name(2).checkpoint(), "r1-000004-000002.checkpoint");
    assert_eq!(FileName::parse(&name(2).to_string()), Some(name(2)));
    assert_eq!(FileName::parse_checkpoint(&name(2).checkpoint()), Some(name(2)));
    for other in [
        &name(1).checkpoint(),
        &name(2).to_string(),
        "r1-4-2.checkpoint",
        "r1-000004-000002.checkpoint.part",
    ] {
        assert_eq!(FileName::parse_checkpoint(other), None, "{other}");
    }
    assert_eq!(FileName::parse(&name(2).checkpoint()), None);
}

/// The digests are part of the format: those of an earlier build must be the same.
#[test]
fn the_digests_are_pinned() {
    let mut digest = EffectDigest::default();
    let mut replica = Replica::new(
        Config::new(OWN, 3),
        Memory::Kept(Vec::new()),
        Entropy([1; 32]),
        Time(0),
    )
    .unwrap();
    for tick in 1..100 {
        let input = crate::Input {
            at: Time(tick * 20_000),
            event: Event::Clock,
        };
        digest.add(&replica.step(input));
    }
    let message = Message::Stand { ballot: Ballot::ZERO };
    let message = message_digest(OWN, ReplicaId(0), &message);
    expect_test::expect!["c2c0fbe19ce09e5d 65df7a63b2b785a55f098c3ea91043e3"]
        .assert_eq(&format!("{:016x} {message:032x}", digest.value()));
}

#[test]
fn a_password_is_not_recorded() {
    let (mut writer, _) = Writer::begin(&sample_header());
    let secret = "correct horse battery staple";
    let request = |password| Request {
        id: 1,
        body: RequestBody::Authenticate { password },
    };
    let password = Password::new(secret).unwrap();
    writer.start(Time(1), false, Entropy([0; 32]));
    writer.input(
        Time(1),
        &Event::Client {
            from: ClientId(1),
            request: request(password),
        },
    );
    let block = writer.seal().to_vec();
    assert!(!block.windows(secret.len()).any(|part| part == secret.as_bytes()));
}

#[test]
fn a_changed_byte_is_found_wherever_it_is() {
    let (bytes, _) = sample();
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 0x10;
        read(&changed).unwrap_err();
    }
}

#[test]
fn a_file_that_is_cut_off_says_where() {
    let (bytes, _) = sample();
    let (mut reader, _) = Reader::new(bytes.as_slice()).unwrap();
    let mut ends = vec![reader.offset()];
    while reader.next_block().unwrap().is_some() {
        ends.push(reader.offset());
    }
    for length in 0..bytes.len() {
        let result = read(&bytes[..length]);
        if ends.contains(&(length as u64)) {
            result.unwrap();
        } else if length < MAGIC.len() {
            assert!(matches!(result, Err(ReadError::Magic { .. })));
        } else {
            let whole = ends.iter().rev().find(|end| **end <= length as u64);
            let Err(ReadError::Cut { offset }) = result else {
                panic!("cut at {length}: {result:?}");
            };
            assert!(whole.is_none_or(|whole| offset == *whole));
        }
    }
}

#[test]
fn what_is_no_recording_is_named() {
    let error = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
    assert!(error(b"PK\x03\x04 something").contains("a recording begins with \"KPAXREC\\n\""));
    let mut other = MAGIC.to_vec();
    other.extend_from_slice(&9_u16.to_le_bytes());
    assert!(error(&other).contains("version 9"));
    other[8..].copy_from_slice(&VERSION.to_le_bytes());
    other.extend_from_slice(&[0xff; 8]);
    assert!(error(&other).contains("offset 10: a block of 4294967295 bytes is over the limit"));
}
