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
    pub(super) fn segments(&self, replica: u8, life: u64) -> Vec<PathBuf> {
        self.named(replica, life, FileName::parse)
    }

    fn checkpoints(&self, replica: u8, life: u64) -> Vec<PathBuf> {
        self.named(replica, life, FileName::parse_checkpoint)
    }

    fn named(&self, replica: u8, life: u64, parse: fn(&str) -> Option<FileName>) -> Vec<PathBuf> {
        let of = |path: &PathBuf| {
            let name = parse(path.file_name()?.to_str()?)?;
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
    pub(super) fn forget(&self, count: usize) {
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
}

/// A process may be killed while it writes a checkpoint, or be stopped, or the state may be too long.
#[test]
fn a_segment_without_a_checkpoint_goes_on_from_the_one_before() {
    let recorded = || {
        let mut cluster = Cluster::in_segments_with(7, |segment| segment % 3 == 0);
        cluster.write(24);
        Directory::with(cluster)
    };
    let directory = recorded();
    let (segments, checkpoints) = (directory.segments(0, 1), directory.checkpoints(0, 1));
    assert!(
        segments.len() > 2 * checkpoints.len() && checkpoints.len() >= 2,
        "{segments:?} {checkpoints:?}"
    );
    let whole = directory.replay().unwrap();
    assert!(whole.violation.is_none(), "{whole}");
    assert!(whole.judged.contains(&Property::P4), "{whole}");
    // Segments that have lost their beginning are left out: those up to the third or the sixth.
    for oldest in 1..6 {
        let directory = recorded();
        directory.forget(oldest);
        let report = directory.replay().unwrap();
        assert!(report.violation.is_none(), "{oldest} are gone: {report}");
        assert!(report.judged.contains(&Property::L3), "{report}");
    }
}

#[test]
fn a_recording_without_a_beginning_is_refused() {
    let mut cluster = Cluster::in_segments_with(7, |_| false);
    cluster.write(8);
    let directory = Directory::with(cluster);
    directory.replay().unwrap();
    directory.forget(1);
    let error = directory.error();
    assert!(
        error.starts_with("r0-000001-000002.recording: the recording begins in the middle of a life"),
        "{error}"
    );
}

/// The checkpoint may also stand at the beginning of the segment.
#[test]
fn a_checkpoint_may_be_in_the_file_of_its_segment() {
    let directory = recorded();
    for checkpoint in directory.checkpoints(0, 1) {
        let segment = checkpoint.with_extension("recording");
        let mut bytes = fs::read(&checkpoint).unwrap();
        let inputs = fs::read(&segment).unwrap();
        let (first, _) = blocks(&inputs)[0];
        bytes.extend_from_slice(&inputs[first - 8..]);
        fs::write(segment, bytes).unwrap();
        fs::remove_file(checkpoint).unwrap();
    }
    assert!(directory.replay().unwrap().violation.is_none());
    directory.forget(2);
    assert!(directory.replay().unwrap().violation.is_none());
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
        change(&directory.checkpoints(0, 1)[1], |bytes| tamper(bytes, place));
        let error = directory.error();
        assert!(
            error.starts_with("r0-000001-000003.checkpoint, block at offset ")
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
    change(&directory.checkpoints(0, 1)[1], |bytes| {
        let place = bytes.len() - 20;
        bytes[place] ^= 1;
    });
    assert!(directory.error().contains("the checksum of the block"));
}

#[test]
fn a_checkpoint_that_is_not_whole_is_named() {
    let directory = recorded();
    let checkpoint = &directory.checkpoints(0, 1)[1];
    change(checkpoint, |bytes| bytes.truncate(blocks(bytes)[0].0 - 8));
    let error = directory.error();
    assert!(
        error.starts_with("r0-000001-000003.checkpoint, block at offset ")
            && error.contains("the file ends within the checkpoint"),
        "{error}"
    );
    fs::copy(&directory.checkpoints(1, 1)[1], checkpoint).unwrap();
    let error = directory.error();
    assert!(
        error.starts_with("r0-000001-000003.checkpoint: another header of the same segment than in"),
        "{error}"
    );
    // Without it, nothing is missing.
    fs::remove_file(checkpoint).unwrap();
    assert!(directory.replay().unwrap().violation.is_none());
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
