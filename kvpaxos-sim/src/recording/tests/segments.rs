//! Recordings whose lives have several segments, of which the oldest are gone.

use super::*;

/// Replica 1 is killed and started again; segments are short.
fn recorded() -> Directory {
    let mut cluster = Cluster::in_segments(7);
    cluster.write(8);
    cluster.restart(1, |log| log);
    cluster.write(8);
    Directory::with(cluster)
}

impl Directory {
    fn segments(&self, replica: u8, life: u64) -> Vec<PathBuf> {
        let of = |path: &PathBuf| {
            let name = FileName::parse(path.file_name()?.to_str()?)?;
            ((name.replica.0, name.life) == (replica, life)).then_some(name.segment)
        };
        let paths = fs::read_dir(self.0.path())
            .unwrap()
            .map(|file| file.unwrap().path());
        let mut found: Vec<PathBuf> = paths.filter(|path| of(path).is_some()).collect();
        found.sort_by_key(of);
        found
    }

    /// Deletes so many of the oldest segments of each replica.
    fn forget(&self, count: usize) {
        for replica in 0..3 {
            for path in &self.segments(replica, 1)[..count] {
                fs::remove_file(path).unwrap();
            }
        }
    }
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

#[test]
fn every_checkpoint_is_the_state_that_the_execution_has_come_to() {
    let directory = recorded();
    assert!(directory.segments(0, 1).len() > 5);
    let report = directory.replay().unwrap();
    assert!(report.violation.is_none(), "{report}");
    assert!(report.judged.contains(&Property::P4), "it is complete: {report}");
    assert_eq!(report.unknown, 0);
}

#[test]
fn without_its_oldest_segments_a_recording_is_executed_and_judged() {
    let count = recorded().segments(1, 1).len();
    for oldest in 1..count {
        let directory = recorded();
        directory.forget(oldest);
        let report = directory.replay().unwrap();
        assert!(report.violation.is_none(), "{oldest} are gone: {report}");
        assert!(!report.judged.contains(&Property::P4), "{report}");
        assert!(report.judged.contains(&Property::L3), "{report}");
    }
}

#[test]
fn a_life_whose_first_segment_is_gone_is_followed_by_another() {
    let directory = recorded();
    for path in directory.segments(1, 1) {
        fs::remove_file(path).unwrap();
    }
    fs::remove_file(&directory.segments(1, 2)[0]).unwrap();
    let report = directory.replay().unwrap();
    assert!(report.violation.is_none(), "{report}");
}

#[test]
fn a_disk_that_loses_records_is_found_after_a_checkpoint() {
    let mut cluster = Cluster::in_segments(7);
    cluster.write(8);
    cluster.restart(1, |mut log| {
        log.truncate(log.len() - 1);
        log
    });
    cluster.write(5);
    let directory = Directory::with(cluster);
    directory.forget(1);
    let report = directory.replay().unwrap();
    let violation = report.violation.clone().unwrap();
    assert_eq!(violation.property, Property::Contract, "{report}");
    let read = FailingRecording::read(&[directory.0.path()]);
    assert!(matches!(read, Err(RecordingError::BeginsLate { .. })));
}

/// A checkpoint that was changed is found: as bytes that are no state, or as another state than the execution has.
#[test]
fn a_checkpoint_that_was_changed_is_found() {
    let tamper = |bytes: &mut Vec<u8>, place: usize| {
        let (from, length) = blocks(bytes)[0];
        bytes[from + length * place / 100] ^= 4;
        seal(bytes, (from, length));
    };
    for place in [20, 50, 80] {
        let directory = recorded();
        change(&directory.segments(0, 1)[2], |bytes| tamper(bytes, place));
        let error = directory.error();
        assert!(
            error.starts_with("r0-000001-000003.recording, block at offset ")
                && error.contains("another state than the checkpoint"),
            "{error}"
        );
        directory.forget(2);
        let error = directory.error();
        assert!(
            error.contains("is not the state of a replica")
                || error.contains("the recording has a hole or was changed")
                || error.contains("something else than it did")
                || error.contains("another state than the checkpoint"),
            "{error}"
        );
    }
    let directory = recorded();
    change(&directory.segments(0, 1)[2], |bytes| bytes[600] ^= 1);
    assert!(directory.error().contains("the checksum of the block"));
}

#[test]
fn a_segment_that_is_missing_is_named() {
    let directory = recorded();
    fs::remove_file(&directory.segments(0, 1)[2]).unwrap();
    assert_eq!(
        directory.error(),
        "r0 has a recording of segment 4 of life 1, and none of segment 3: a file is missing"
    );
}
