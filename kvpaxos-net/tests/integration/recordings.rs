//! Replicas record what they take in; `kvpaxos-sim` executes the recordings again and judges them.

use std::fs;
use std::path::{Path, PathBuf};

use kvpaxos_sim::invariants::Sometimes;
use kvpaxos_sim::recording::{Ending, RecordingError, Report, replay};
use kvpaxos_sim::{Property, Trace};

use crate::common::load::{Load, Recorder};
use crate::common::{ProcessCluster, runtime};

/// Three replicas record under load. One is killed and started again, and all stop.
fn record(directory: &Path) {
    let place = directory.display().to_string();
    runtime().block_on(async {
        let mut cluster = ProcessCluster::start(3, &["--record", &place]);
        let leader = cluster.leader().await;
        let recorder = Recorder::new();
        let clients = (0..4).map(|_| cluster.client()).collect();
        let load = Load::start(clients, 0, 3, &recorder);
        recorder.progress(60).await;
        cluster.kill(leader);
        recorder.progress(60).await;
        cluster.restart(leader);
        recorder.progress(60).await;
        load.stop().await;
        for replica in 0..3 {
            assert_eq!(cluster.terminate(replica), Some(0));
        }
        recorder.judge();
    });
}

fn judge(directory: &Path) -> Result<Report, RecordingError> {
    replay(&[directory], Trace::Off)
}

/// All recordings of a directory, in the order of their names.
fn files(directory: &Path) -> Vec<PathBuf> {
    let listed = directory.read_dir().expect("it was made");
    let mut files: Vec<PathBuf> = listed.map(|file| file.expect("a file").path()).collect();
    files.sort();
    files
}

#[test]
fn real_replicas_are_executed_again() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path();
    record(path);

    let report = judge(path).expect("the recordings are whole");
    assert!(report.violation.is_none(), "{report}");
    assert!(report.judged.contains(&Property::P4), "{report}");
    assert!(report.protocol.chosen > 20, "{report}");
    assert_eq!(report.coverage.count(Sometimes::Crashed), 1, "{report}");
    assert_eq!(report.unknown, 0, "{report}");
    let endings: Vec<Ending> = report
        .replicas
        .iter()
        .flat_map(|(_, lives)| lives)
        .map(|life| life.ending)
        .collect();
    assert_eq!(endings.len(), 4, "{report}");
    assert_eq!(
        endings
            .iter()
            .filter(|ending| **ending == Ending::Stopped)
            .count(),
        3,
        "{report}"
    );

    // One bit of one file.
    let files = files(path);
    let whole = fs::read(&files[2]).expect("it can be read");
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    fs::write(&files[2], &flipped).expect("it can be written");
    let error = judge(path).expect_err("it is damaged").to_string();
    assert!(
        error.contains("the checksum of the block") || error.contains("over the limit"),
        "{error}"
    );
    assert!(error.starts_with(&files[2].display().to_string()), "{error}");

    // The last quarter of one.
    fs::write(&files[2], &whole[..whole.len() * 3 / 4]).expect("it can be written");
    let error = judge(path).expect_err("it is cut off");
    assert!(
        matches!(
            error,
            RecordingError::NeverSent { .. } | RecordingError::Unrecorded { .. }
        ),
        "{error}"
    );
    fs::write(&files[2], &whole).expect("it can be written");
    judge(path).expect("it is whole again");
}
