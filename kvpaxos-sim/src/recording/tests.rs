//! Recordings that a small driver makes, as the event loop of `kvpaxos-net` does; and what is wrong with them is named.

mod late;
mod segments;
mod shell;
mod shrinking;

use std::fs;
use std::path::{Path, PathBuf};

use kvpaxos::recording::FileName;
use kvpaxos::{Record, ReplicaId, Slot};
use tempfile::TempDir;

use super::*;
use crate::invariants::{Property, Sometimes};
use shell::Cluster;

/// A directory with the recordings of a cluster.
struct Directory(TempDir);

impl Directory {
    /// A cluster of three that does some writes; then replica 1 is killed and started again, and more is written.
    fn of_a_cluster() -> Directory {
        let mut cluster = Cluster::start();
        cluster.write(5);
        cluster.restart(1, |log| log);
        cluster.write(5);
        Directory::with(cluster)
    }

    fn with(cluster: Cluster) -> Directory {
        let directory = Directory(tempfile::tempdir().unwrap());
        for (name, bytes) in cluster.files() {
            fs::write(directory.0.path().join(name), bytes).unwrap();
        }
        directory
    }

    fn file(&self, replica: u8, life: u64) -> PathBuf {
        let replica = ReplicaId(replica);
        self.0.path().join(FileName::first(replica, life).to_string())
    }

    /// Changes the bytes of a file.
    fn change(&self, replica: u8, life: u64, change: impl FnOnce(&mut Vec<u8>)) {
        let file = self.file(replica, life);
        let mut bytes = fs::read(&file).unwrap();
        change(&mut bytes);
        fs::write(file, bytes).unwrap();
    }

    fn replay(&self) -> Result<Report, RecordingError> {
        replay(&[self.0.path()], Trace::Off)
    }

    /// What is wrong with it, without the path of the directory.
    fn error(&self) -> String {
        let error = self.replay().unwrap_err().to_string();
        error.replace(&format!("{}/", self.0.path().display()), "")
    }
}

/// The blocks of a file, without the header: offset and length of each payload.
fn blocks(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut offset = 10;
    let mut blocks = Vec::new();
    while offset < bytes.len() {
        let length = u32::from_le_bytes(bytes[offset..offset + 4].try_into().unwrap());
        blocks.push((offset + 8, usize::try_from(length).unwrap()));
        offset += 8 + usize::try_from(length).unwrap();
    }
    blocks.remove(0);
    blocks
}

/// Puts the right checksum before a payload.
fn seal(bytes: &mut [u8], (payload, length): (usize, usize)) {
    let mut crc = u32::MAX;
    let covered = [
        &bytes[payload - 8..payload - 4],
        &bytes[payload..payload + length],
    ]
    .concat();
    for byte in covered {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (0_u32.wrapping_sub(crc & 1)));
        }
    }
    bytes[payload - 4..payload].copy_from_slice(&(!crc).to_le_bytes());
}

#[test]
fn a_cluster_is_executed_again_and_is_good() {
    let report = Directory::of_a_cluster().replay().unwrap();
    assert!(report.violation.is_none(), "{report}");
    assert!(report.protocol.chosen >= 10, "{report}");
    assert!(report.coverage.count(Sometimes::Crashed) == 1, "{report}");
    assert_eq!(report.unknown, 0);
    assert!(report.judged.contains(&Property::P4), "{report}");
    let lives: Vec<usize> = report.replicas.iter().map(|(_, lives)| lives.len()).collect();
    assert_eq!(lives, [1, 2, 1]);
}

#[test]
fn a_cluster_is_drawn() {
    let directory = Directory::of_a_cluster();
    let (report, timeline) = picture(&[directory.0.path()]).unwrap();
    assert!(report.violation.is_none(), "{report}");
    let arrived = timeline
        .messages
        .iter()
        .filter(|message| !message.arrived.is_empty());
    assert!(arrived.count() > 50, "messages are arrows");
    assert!(
        timeline.title.starts_with("recordings of cluster"),
        "{}",
        timeline.title
    );
}

#[test]
fn without_the_recording_of_a_replica_less_is_judged() {
    let directory = Directory::of_a_cluster();
    fs::remove_file(directory.file(2, 1)).unwrap();
    let report = directory.replay().unwrap();
    assert!(report.violation.is_none(), "{report}");
    assert!(!report.judged.contains(&Property::P4));
    assert!(report.judged.contains(&Property::L3));
    let why = &report
        .unjudged
        .iter()
        .find(|(property, _)| *property == Property::P4)
        .unwrap()
        .1;
    assert_eq!(why, "there is no recording of r2");
}

#[test]
fn without_the_first_life_of_a_replica_less_is_judged() {
    let directory = Directory::of_a_cluster();
    fs::remove_file(directory.file(1, 1)).unwrap();
    let report = directory.replay().unwrap();
    assert!(report.violation.is_none(), "{report}");
    assert!(!report.judged.contains(&Property::P1), "{report}");
}

#[test]
fn a_flipped_bit_is_named_with_its_place() {
    let directory = Directory::of_a_cluster();
    directory.change(0, 1, |bytes| bytes[2000] ^= 1);
    let error = directory.error();
    assert!(
        error.starts_with("r0-000001.recording: offset ") && error.contains("the checksum of the block"),
        "{error}"
    );
}

#[test]
fn a_value_that_is_swapped_is_found_in_its_block() {
    let directory = Directory::of_a_cluster();
    directory.change(2, 1, |bytes| {
        let value = b"value-3";
        let place = bytes.windows(value.len()).position(|part| part == value).unwrap();
        bytes[place + 6] = b'4';
        let changed = blocks(bytes)
            .into_iter()
            .find(|(from, length)| (*from..from + length).contains(&place));
        seal(bytes, changed.unwrap());
    });
    let error = directory.error();
    assert!(
        error.starts_with("r2-000001.recording, block at offset ")
            && error.contains("the replica does something else than it did"),
        "{error}"
    );
}

#[test]
fn a_recording_that_is_cut_off_lacks_messages() {
    let directory = Directory::of_a_cluster();
    directory.change(0, 1, |bytes| {
        let blocks = blocks(bytes);
        bytes.truncate(blocks[blocks.len() / 2].0 - 8);
    });
    let error = directory.error();
    assert!(
        error.contains("received from r0") && error.contains("it was cut off"),
        "{error}"
    );
}

#[test]
fn a_block_that_is_missing_is_noticed() {
    let directory = Directory::of_a_cluster();
    directory.change(0, 1, |bytes| {
        let blocks = blocks(bytes);
        let (from, length) = blocks[blocks.len() / 2];
        bytes.drain(from - 8..from + length);
    });
    let error = directory.error();
    assert!(
        error.starts_with("r0-000001.recording, block at offset "),
        "{error}"
    );
}

/// The process was killed while it wrote: none of the effects of the block has left it.
#[test]
fn a_torn_end_is_no_fault() {
    let directory = Directory::of_a_cluster();
    directory.change(1, 2, |bytes| bytes.extend_from_slice(b"\x50\0\0\0torn"));
    let report = directory.replay().unwrap();
    assert!(report.violation.is_none(), "{report}");
    assert_eq!(report.replicas[1].1[1].ending, Ending::Torn);
}

#[test]
fn recordings_that_do_not_belong_together_are_refused() {
    let directory = Directory::of_a_cluster();
    let copy = |to: &Path| fs::copy(directory.file(0, 1), to).unwrap();
    copy(&directory.file(4, 1));
    assert_eq!(
        directory.error(),
        "r4-000001.recording: the file holds life 1 of r0, and its name says otherwise: it was renamed or swapped"
    );
    fs::remove_file(directory.file(4, 1)).unwrap();
    copy(&directory.file(0, 3));
    assert!(directory.error().contains("its name says otherwise"));
    fs::remove_file(directory.file(0, 3)).unwrap();

    let other = Directory::with(Cluster::named(8));
    fs::rename(other.file(0, 1), directory.file(0, 1)).unwrap();
    assert!(
        directory
            .error()
            .starts_with("r1-000001.recording: another cluster than in")
    );

    let empty = tempfile::tempdir().unwrap();
    let error = replay(&[empty.path()], Trace::Off).unwrap_err();
    assert!(matches!(error, RecordingError::Nothing { .. }));
    let twice = replay(&[other.0.path(), other.0.path()], Trace::Off).unwrap_err();
    assert!(matches!(twice, RecordingError::Twice { .. }), "{twice}");
}

#[test]
fn a_life_that_is_missing_is_named() {
    let mut cluster = Cluster::start();
    for _ in 0..3 {
        cluster.write(2);
        cluster.restart(1, |log| log);
    }
    let directory = Directory::with(cluster);
    assert!(directory.replay().unwrap().violation.is_none());
    fs::remove_file(directory.file(1, 2)).unwrap();
    assert_eq!(
        directory.error(),
        "r1 has a recording of life 1 and of life 3, and none between: a file is missing"
    );
}

#[test]
fn a_life_between_that_was_not_recorded_is_noticed() {
    let mut cluster = Cluster::start();
    cluster.write(2);
    cluster.restart(1, |mut log| {
        let up_to = Slot(1);
        let ballot = kvpaxos::Ballot::ZERO;
        log.push(Record::Chosen { ballot, up_to });
        log
    });
    let error = Directory::with(cluster).error();
    assert!(
        error.starts_with("r1-000002.recording, block at offset ")
            && error.contains("it ran unrecorded in between"),
        "{error}"
    );
}

/// The audit finds what is wrong with real replicas: here a disk that loses what it had synced.
#[test]
fn a_disk_that_loses_synced_records_is_a_violation() {
    let mut cluster = Cluster::start();
    cluster.write(5);
    cluster.restart(1, |mut log| {
        log.truncate(log.len() - 3);
        log
    });
    cluster.write(5);
    let report = Directory::with(cluster).replay().unwrap();
    let violation = report.violation.clone().unwrap();
    assert_eq!(violation.property, Property::Contract, "{report}");
    assert!(
        violation
            .explanation
            .contains("r1 takes a damaged log for a whole one"),
        "{report}"
    );
}

#[test]
fn a_disk_that_is_replaced_is_none() {
    let mut cluster = Cluster::start();
    cluster.write(5);
    cluster.restart(1, |_| vec![Record::DiskLost]);
    cluster.rest(500);
    cluster.write(5);
    let report = Directory::with(cluster).replay().unwrap();
    assert!(report.violation.is_none(), "{report}");
    assert_eq!(report.coverage.count(Sometimes::AcceptorRecovered), 1, "{report}");
}
