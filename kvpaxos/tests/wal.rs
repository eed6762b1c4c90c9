//! The format of the log from outside: golden bytes, and a test for each row of the table of damage in
//! `kvpaxos::wal`.

#![allow(clippy::unwrap_used, reason = "an assertion like any other")]

#[path = "wal/sample.rs"]
mod sample;
mod samples;

use std::collections::BTreeMap;
use std::fmt::Write;

use expect_test::expect_file;
use kvpaxos::wal::{
    Batch as Pieces, Damage, DamagedLog, GROUP_HEADER, HEADER, LogState, Owner, ReadError, SECTOR, TornTail,
    Writer,
};
use kvpaxos::{Batch, Command, Record, ReplicaId, Slot, Tag, Value};
use proptest::prelude::*;

use sample::*;

/// If these bytes change, the version of the format must change. `UPDATE_EXPECT=1` writes them anew.
#[test]
fn the_bytes_of_every_record_are_golden() {
    let mut bytes = Vec::new();
    let mut writer = found(&mut bytes);
    let mut text = String::new();
    let mut write = |what: &dyn std::fmt::Debug, bytes: &mut Vec<u8>| {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(text, "{what:?}\n    {hex}\n").unwrap();
        bytes.clear();
    };
    write(&header(), &mut bytes);
    for record in samples::records() {
        append(&mut writer, [&record], &mut bytes);
        write(&record, &mut bytes);
    }
    writer.on_synced(writer.position());
    mark(&mut writer, &mut bytes);
    write(&"a mark", &mut bytes);
    expect_file!["golden/log.txt"].assert_eq(&text);
}

proptest! {
    #[test]
    fn any_records_come_back(
        groups in proptest::collection::vec(proptest::collection::vec(samples::any_record(), 0..4), 0..5),
    ) {
        let (mut pieces, mut segments) = (Pieces::default(), BTreeMap::<u64, Vec<u8>>::new());
        let mut writer = Writer::found(&header(), &mut pieces);
        for group in &groups {
            writer.append(group, &mut pieces);
        }
        for piece in pieces.pieces() {
            segments.entry(piece.segment).or_default().extend(&piece.bytes);
        }
        prop_assert_eq!(writer.position(), segments.values().map(|bytes| bytes.len() as u64).sum::<u64>());
        match kvpaxos::wal::read(&segments, OWNER, None) {
            Ok(LogState::Kept { records, writer: mut found, torn: None, .. }) => {
                // If they contain a complete checkpoint, the records before it are not read.
                prop_assert!(groups.concat().ends_with(&records));
                writer.on_synced(writer.position());
                found.on_synced(found.position());
                prop_assert_eq!(found, writer);
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }

    /// After any change of the bytes, the reader returns only records that were written, in their order.
    #[test]
    fn damage_never_makes_records_up(
        count in 1..6_u64,
        changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..4),
        cut in any::<usize>(),
        moved in any::<Option<(usize, usize, usize)>>(),
    ) {
        let mut sample = Sample::new(count);
        let length = sample.bytes.len();
        for (at, byte) in changes {
            sample.bytes[at % length] = byte;
        }
        if let Some((from, to, length)) = moved {
            let (from, to) = (from % sample.bytes.len(), to % sample.bytes.len());
            let end = (from + length % 3000).min(sample.bytes.len() - to.saturating_sub(from));
            sample.bytes.copy_within(from..end.max(from), to);
        }
        if cut % 2 == 0 {
            sample.bytes.truncate(cut / 2 % length);
        }
        match read(&sample.bytes, OWNER, 0) {
            Ok(LogState::Kept { records, .. }) => {
                prop_assert!(records == (0..records.len() as u64).map(record).collect::<Vec<_>>());
            }
            Ok(LogState::Damaged(DamagedLog { salvaged, .. })) => {
                let written: Vec<_> = (0..count).map(record).collect();
                let mut written = written.iter();
                prop_assert!(salvaged.iter().all(|record| written.any(|other| other == record)));
            }
            Err(error) => prop_assert!(false, "{}", error),
        }
    }
}

#[test]
fn a_log_goes_on_where_it_was_read_to() {
    let Sample { mut bytes, .. } = Sample::new(3);
    let LogState::Kept { mut writer, .. } = read(&bytes, OWNER, 0).unwrap() else {
        panic!("the log is damaged");
    };
    writer.on_synced(writer.position());
    append(&mut writer, [&record(3), &record(4)], &mut bytes);
    let whole = Sample {
        bytes,
        groups: Vec::new(),
    };
    assert_eq!(whole.kept(), (5, None));
}

/// Row: torn tail. Synced records are kept, wherever the file ends and whichever sectors of the last write
/// are missing.
#[test]
fn a_torn_tail_is_cut() {
    let whole = Sample::new(3);
    let last = whole.groups[2];
    for end in last + 1..whole.bytes.len() {
        let mut sample = Sample::new(3);
        sample.bytes.truncate(end);
        assert_eq!(sample.kept(), (2, Some(last)), "cut to {end}");
        // The size of the file may be durable without its blocks.
        sample.bytes.resize(whole.bytes.len(), 0);
        assert_eq!(sample.kept(), (2, Some(last)), "zeros from {end}");
    }
    let sectors = last / SECTOR..whole.bytes.len().div_ceil(SECTOR);
    for missing in 1..1_u32 << sectors.len() {
        let mut sample = Sample::new(3);
        for (bit, sector) in sectors.clone().enumerate() {
            if missing & (1 << bit) != 0 {
                let end = ((sector + 1) * SECTOR).min(sample.bytes.len());
                sample.bytes[(sector * SECTOR).max(last)..end].fill(0);
            }
        }
        assert_eq!(sample.kept(), (2, Some(last)), "sectors {missing:b} missing");
    }
}

/// Row: torn tail of several writes that wait for the same sync. A later write may be whole although an
/// earlier one is torn.
#[test]
fn a_tail_of_many_writes_is_cut_at_the_first_that_is_torn() {
    let mut bytes = Vec::new();
    let mut writer = found(&mut bytes);
    append(&mut writer, [&record(0)], &mut bytes);
    writer.on_synced(writer.position());
    let synced = bytes.len();
    for number in 1..4 {
        append(&mut writer, [&record(number)], &mut bytes);
    }
    let whole = Sample {
        bytes,
        groups: vec![HEADER, synced],
    };
    for start in (synced..synced + 3 * SECTOR).filter(|at| at % SECTOR == 0) {
        let mut bytes = whole.bytes.clone();
        bytes[start..start + SECTOR].fill(0);
        let sample = Sample {
            bytes,
            groups: Vec::new(),
        };
        assert_eq!(sample.kept(), (1, Some(synced)));
    }
}

/// After the cut, records are appended as to a log that was never torn.
#[test]
fn a_cut_log_is_appended_to() {
    let Sample { mut bytes, groups } = Sample::new(2);
    bytes.truncate(groups[2] - 1);
    let LogState::Kept {
        mut writer,
        torn: Some(TornTail { at, dropped, .. }),
        ..
    } = read(&bytes, OWNER, 0).unwrap()
    else {
        panic!("no torn tail was found");
    };
    assert_eq!(at + dropped, bytes.len() as u64);
    bytes.truncate(usize::try_from(at).unwrap());
    writer.on_synced(at);
    append(&mut writer, [&record(1)], &mut bytes);
    assert_eq!(
        Sample {
            bytes,
            groups: Vec::new()
        }
        .kept(),
        (2, None)
    );
}

/// Rows: lost tail. The file does not show whether its lost tail was synced. A mark kept elsewhere does.
#[test]
fn a_lost_tail_is_seen_only_by_a_mark_kept_elsewhere() {
    let Sample { mut bytes, groups } = Sample::new(3);
    let known_synced = bytes.len() as u64;
    bytes.truncate(groups[2]);
    let log = read(&bytes, OWNER, known_synced).unwrap();
    let end = groups[2] as u64;
    assert!(matches!(
        log,
        LogState::Damaged(DamagedLog { why: Damage::LostTail { end: found, .. }, .. }) if found == end
    ));
    let sample = Sample { bytes, groups };
    assert_eq!(sample.kept(), (2, None));
}

/// Row: bit flip in the last batch.
#[test]
fn a_bit_flip_in_the_last_batch_is_lost_memory() {
    let whole = Sample::new(2);
    for at in whole.groups[1]..whole.bytes.len() {
        let mut sample = Sample::new(2);
        sample.bytes[at] ^= 1 << (at % 8);
        let damaged = sample.damage();
        assert_eq!(
            (damaged.at, damaged.why),
            (whole.groups[1] as u64, Damage::NotTorn)
        );
        assert_eq!(damaged.salvaged, vec![record(0)]);
    }
}

/// Row: bit flip in the middle. The records after the flaw are salvaged, too.
#[test]
fn a_bit_flip_in_the_middle_is_lost_memory() {
    let whole = Sample::new(4);
    for at in whole.groups[1]..whole.groups[2] {
        let mut sample = Sample::new(4);
        sample.bytes[at] ^= 1 << (at % 8);
        let damaged = sample.damage();
        let mark = whole.groups[3] as u64;
        assert_eq!(
            (damaged.at, damaged.why),
            (whole.groups[1] as u64, Damage::Synced { mark })
        );
        assert_eq!(damaged.salvaged, vec![record(0), record(2), record(3)]);
    }
}

/// Rows: bit flip in a segment's header, or an empty file.
#[test]
fn a_log_without_its_header_is_lost_memory() {
    for at in 0..HEADER {
        let mut sample = Sample::new(2);
        sample.bytes[at] ^= 1;
        assert_eq!(sample.damage().why, Damage::Header, "byte {at}");
        sample.bytes.truncate(at);
        assert_eq!(sample.damage().why, Damage::Header, "cut to {at}");
    }
}

/// Rows: block missing. The loss is noticed if a mark covers the block: in a later group, in an appended
/// mark, or kept elsewhere.
#[test]
fn a_missing_block_is_lost_memory_where_a_mark_covers_it() {
    let whole = Sample::new(3);
    for group in 0..2 {
        for sector in whole.sectors(group) {
            let mut sample = Sample::new(3);
            sample.bytes[sector].fill(0);
            let damaged = sample.damage();
            let mark = whole.groups[2] as u64;
            assert_eq!(
                (damaged.at, damaged.why),
                (whole.groups[group] as u64, Damage::Synced { mark })
            );
        }
    }
    for sector in whole.sectors(2) {
        let mut sample = Sample::new(3);
        sample.bytes[sector].fill(0);
        assert_eq!(sample.kept(), (2, Some(whole.groups[2])));
        let known_synced = sample.bytes.len() as u64;
        assert!(matches!(
            read(&sample.bytes, OWNER, known_synced),
            Ok(LogState::Damaged(DamagedLog {
                why: Damage::Synced { .. },
                ..
            }))
        ));
        let Ok(LogState::Kept { mut writer, .. }) = read(&whole.bytes, OWNER, 0) else {
            panic!("the log is damaged");
        };
        writer.on_synced(known_synced);
        mark(&mut writer, &mut sample.bytes);
        assert_eq!(sample.damage().why, Damage::Synced { mark: known_synced });
    }
}

/// Row: blocks swapped, or written to the wrong place. This covers single sectors, and whole groups of equal
/// length.
#[test]
fn swapped_and_misdirected_blocks_are_lost_memory() {
    let whole = Sample::new(4);
    let sectors: Vec<_> = (0..3).flat_map(|group| whole.sectors(group)).collect();
    for a in &sectors {
        for b in &sectors {
            let mut sample = Sample::new(4);
            sample.bytes.copy_within(a.clone(), b.start);
            if sample.bytes == whole.bytes {
                continue;
            }
            sample.damage();
            sample.bytes[a.clone()].copy_from_slice(&whole.bytes[b.clone()]);
            if sample.bytes != whole.bytes {
                sample.damage();
            }
        }
    }
    let mut sample = Sample::new(4);
    let length = whole.groups[2] - whole.groups[1];
    assert_eq!(length, whole.groups[3] - whole.groups[2]);
    sample
        .bytes
        .copy_within(whole.groups[1]..whole.groups[2], whole.groups[2]);
    sample.damage();
    sample.bytes[whole.groups[1]..whole.groups[2]]
        .copy_from_slice(&whole.bytes[whole.groups[2]..whole.groups[3]]);
    sample.damage();
}

/// Row: block of an older version in the middle. The block holds the end of the file as it was at an earlier
/// sync, and zeros after it.
#[test]
fn an_older_block_in_the_middle_is_lost_memory() {
    let whole = Sample::new(3);
    let mut sample = Sample::new(3);
    let end = whole.groups[1].next_multiple_of(SECTOR);
    sample.bytes[whole.groups[1]..end].fill(0);
    assert!(matches!(sample.damage().why, Damage::Synced { .. }));
}

/// Row: whole group of another history. Two writers have continued from the same position.
#[test]
fn a_group_of_another_history_is_lost_memory() {
    let ours = Sample::new(3);
    let theirs = Sample::from_records([0, 7, 2].into_iter().map(record));
    let mut sample = Sample::new(3);
    let group = ours.groups[1]..ours.groups[2];
    sample.bytes[group.clone()].copy_from_slice(&theirs.bytes[group]);
    assert_eq!(sample.damage().why, Damage::Chain);
}

/// Rows: last blocks, or the whole directory, of an older version. The log looks as if nothing had been
/// written since, unless a mark kept elsewhere is newer.
#[test]
fn an_older_copy_is_not_seen_but_by_a_mark_kept_elsewhere() {
    let (old, new) = (Sample::new(2), Sample::new(3));
    assert_eq!(old.bytes, new.bytes[..old.bytes.len()]);
    assert_eq!(old.kept(), (2, None));
    let log = read(&old.bytes, OWNER, new.groups[2] as u64 + 1).unwrap();
    assert!(matches!(
        log,
        LogState::Damaged(DamagedLog {
            why: Damage::LostTail { .. },
            ..
        })
    ));
}

/// Row: another replica's log, or a newer format's. The operator's mistake is refused.
#[test]
fn somebody_elses_log_is_refused() {
    let sample = Sample::new(1);
    let expected = Owner {
        replica: ReplicaId(4),
        ..OWNER
    };
    assert_eq!(
        read(&sample.bytes, expected, 0),
        Err(ReadError::Owner {
            found: OWNER,
            expected
        })
    );
    let mut newer = Sample::new(1).bytes;
    newer[8] = 9;
    let checksum = crc32fast::hash(&newer[..48]);
    newer[48..52].copy_from_slice(&checksum.to_le_bytes());
    assert_eq!(read(&newer, OWNER, 0), Err(ReadError::Version { found: 9 }));
}

/// A large write is split into several groups, so that a torn group loses little.
#[test]
fn a_large_write_is_cut_into_groups() {
    let payload = vec![1; 1024 * 1024];
    let large = |number| Record::Learned {
        slot: Slot(number),
        value: Value::Batch(Batch::new(vec![Command::Opaque {
            tag: Tag { nonce: 1, number },
            payload: payload.clone().into(),
        }])),
    };
    let records: Vec<_> = (0..20).map(large).collect();
    let mut bytes = Vec::new();
    let mut writer = found(&mut bytes);
    append(&mut writer, &records, &mut bytes);
    let groups = bytes.windows(4).filter(|window| window == b"KPGR").count();
    assert_eq!(groups, 2);
    assert_eq!(
        read(&bytes, OWNER, 0),
        Ok(LogState::Kept {
            records,
            writer,
            torn: None,
            obsolete: vec![]
        })
    );
    assert_eq!(bytes[HEADER + GROUP_HEADER], 4, "a Learned comes first");
}
