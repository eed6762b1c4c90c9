use kvpaxos::machine::StateMachine;
use kvpaxos::snapshot::Cursor;
use kvpaxos::{Command, Op, Sequence, SessionId, Tag};

use super::*;

fn bytes(text: impl Into<String>) -> Bytes {
    Bytes::from(text.into())
}

/// A state of this many keys, and an open session.
fn snapshot(keys: u32) -> Snapshot {
    let mut machine = StateMachine::new(Limits::default());
    let tag = Tag { nonce: 7, number: 0 };
    let session = SessionId(Revision {
        slot: Slot(1),
        index: 0,
    });
    let mut apply = |slot: u64, command: &Command| {
        let (slot, index) = (Slot(slot), 0);
        machine.apply(Revision { slot, index }, command)
    };
    let _ = apply(1, &Command::Open { tag });
    for key in 0..keys {
        let _ = apply(
            u64::from(key) + 2,
            &Command::Apply {
                session,
                sequence: Sequence(u64::from(key)),
                lowest_unanswered: Sequence(u64::from(key)),
                op: Op::Put {
                    key: bytes(format!("key {key}")),
                    value: bytes(format!("value {key}")),
                },
            },
        );
    }
    Snapshot::new(Slot(u64::from(keys) + 2), &machine)
}

/// The file of a state, in parts of at most this many bytes.
fn file(snapshot: &Snapshot, bytes: usize) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("copy");
    let mut draft = Draft::begin(&path).unwrap();
    let mut at = Some(Cursor::START);
    while let Some(begin) = at {
        let (part, next) = snapshot.part(begin, bytes);
        draft
            .add(&SnapshotPart {
                slot: snapshot.slot(),
                digest: snapshot.digest(),
                at: begin,
                next,
                bytes: part,
            })
            .unwrap();
        at = next;
    }
    assert!(!path.exists(), "it has its name only once it is complete");
    let length = draft.finish().unwrap();
    let contents = fs::read(&path).unwrap();
    assert_eq!(
        (length, fs::read_dir(dir.path()).unwrap().count()),
        (contents.len() as u64, 1)
    );
    contents
}

fn parse(bytes: &[u8]) -> Result<SavedState, BackupError> {
    read_from(bytes, Limits::default())
}

#[test]
fn what_is_written_is_read() {
    for keys in [0, 1, 300] {
        let snapshot = snapshot(keys);
        for part in [1, 1000, 1 << 20] {
            let file = file(&snapshot, part);
            let saved = parse(&file).unwrap();
            assert_eq!(
                (saved.slot(), saved.digest(), saved.keys(), saved.bytes()),
                (
                    snapshot.slot(),
                    snapshot.digest(),
                    u64::from(keys),
                    file.len() as u64
                )
            );
            assert_eq!(saved.entries().count(), keys as usize);
            for key in 0..keys {
                let value = saved.get(format!("key {key}").as_bytes());
                assert_eq!(value, Some(bytes(format!("value {key}"))));
            }
        }
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let file = file(&snapshot(3), 100);
    assert!(parse(&file).is_ok());
    for at in 0..file.len() {
        for bit in 0..8 {
            let mut changed = file.clone();
            changed[at] ^= 1 << bit;
            assert!(
                parse(&changed).is_err(),
                "bit {bit} of byte {at} of {}",
                file.len()
            );
        }
    }
}

#[test]
fn every_cut_is_noticed_and_so_is_what_follows() {
    let file = file(&snapshot(3), 100);
    for length in 0..file.len() {
        let error = parse(&file[..length]).expect_err("it is cut");
        let known = matches!(error, BackupError::Cut { .. } | BackupError::Foreign);
        assert!(known, "{length} of {}: {error}", file.len());
    }
    let longer = [&file[..], &[0]].concat();
    assert!(matches!(parse(&longer), Err(BackupError::Trailing { .. })));
}

/// The checksum is right, and what it is of is wrong.
#[test]
fn files_that_were_put_together_wrongly_are_refused() {
    let parts = |snapshot: &Snapshot| {
        let file = file(snapshot, 1000);
        file[12..file.len() - 20].to_vec()
    };
    let sealed = |parts: &[u8], version: u32| {
        let mut file = [MAGIC, &version.to_le_bytes()[..], parts, END].concat();
        let mut checksum = Xxh3::new();
        checksum.update(&file);
        file.extend(checksum.digest128().to_le_bytes());
        file
    };
    let (small, large) = (parts(&snapshot(3)), parts(&snapshot(60)));
    let whole = parse(&sealed(&large, VERSION)).unwrap();
    assert_eq!(whole.keys(), 60);
    let error = |parts: &[u8]| {
        parse(&sealed(parts, VERSION))
            .expect_err("it is wrong")
            .to_string()
    };
    assert!(error(&[]).contains("no part"));
    assert!(error(&[&small[..], &small].concat()).contains("does not fit"));
    assert!(error(&[&large[..], &small].concat()).contains("another state"));
    let first = 12 + u32::from_le_bytes(large[4..8].try_into().unwrap()) as usize;
    assert!(first < large.len(), "there are several parts");
    assert!(
        error(&large[..first]).contains("is not complete"),
        "{}",
        error(&large[..first])
    );
    assert!(error(&large[first..]).contains("does not fit"));
    let mut reply = Vec::new();
    let outcome = Outcome::Closed;
    codec::encode_into(&Reply { id: 0, outcome }, &mut reply).unwrap();
    assert!(error(&reply).contains("holds no part"));
    let newer = parse(&sealed(&large, 2)).expect_err("version 2").to_string();
    assert!(newer.contains("version 2"), "{newer}");
    // A length that nothing follows takes no memory.
    let long = [0x4b, 0x50, codec::VERSION, 3, 255, 255, 255, 255, 0, 0, 0, 0];
    assert!(error(&long).contains("damaged"), "{}", error(&long));
}

#[test]
fn a_draft_that_is_given_up_is_removed_and_an_earlier_copy_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("copy");
    fs::write(&path, "earlier").unwrap();
    drop(Draft::begin(&path).unwrap());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(fs::read(&path).unwrap(), b"earlier");
}
