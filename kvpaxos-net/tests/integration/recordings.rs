//! Replicas record what they take in; `kvpaxos-sim` executes the recordings again and judges them.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use kvpaxos::Micros;
use kvpaxos_sim::explain::{Plan, explain};
use kvpaxos_sim::invariants::Sometimes;
use kvpaxos_sim::recording::{Ending, FailingRecording, RecordedRun, RecordingError, Report, replay, shrink};
use kvpaxos_sim::shrinking::Limits;
use kvpaxos_sim::{Property, Trace};

use crate::common::load::{Load, Recorder};
use crate::common::{ProcessCluster, runtime};

/// Three replicas record under load. One is killed once `is_enough`, and started again, and all stop.
fn record(directory: &Path, flags: &[&str], is_enough: impl Fn() -> bool) {
    let place = directory.display().to_string();
    runtime().block_on(async {
        let mut cluster = ProcessCluster::start(3, &[&["--record", place.as_str()][..], flags].concat());
        let leader = cluster.leader().await;
        let recorder = Recorder::new();
        let clients = (0..4).map(|_| cluster.client()).collect();
        let load = Load::start(clients, 0, 3, &recorder);
        recorder.progress(60).await;
        while !is_enough() {
            recorder.progress(60).await;
        }
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
    record(path, &[], || true);

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

#[test]
fn segments_are_executed_from_the_beginning_and_from_a_checkpoint() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path();
    let have_two = || {
        let second = |replica| path.join(format!("r{replica}-000001-000002.checkpoint"));
        (0..3).all(|replica| second(replica).exists())
    };
    // A segment has a quarter of it.
    record(path, &["--record-bytes", "800000"], have_two);

    let whole = judge(path).expect("the recordings are whole");
    assert!(whole.violation.is_none(), "{whole}");
    assert!(whole.judged.contains(&Property::P4), "{whole}");

    // As if there had been no room for them.
    for replica in 0..3 {
        let first = path.join(format!("r{replica}-000001.recording"));
        fs::remove_file(first).expect("it is there");
    }
    let late = judge(path).expect("what is left begins with checkpoints");
    assert!(late.violation.is_none(), "{late}");
    assert!(!late.judged.contains(&Property::P4), "{late}");
    assert!(late.judged.contains(&Property::L1), "{late}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("it can be made");
    for file in from.read_dir().expect("it was made") {
        let file = file.expect("a file");
        let to = to.join(file.file_name());
        if file.file_type().expect("it has a type").is_dir() {
            copy(&file.path(), &to);
        } else {
            fs::copy(file.path(), to).expect("it can be copied");
        }
    }
}

/// Three replicas record. An operator puts an old copy of its directory, from when it `is_enough`, in the place of one that is stopped.
fn record_a_restored_directory(directory: &Path, kept: &Path, flags: &[&str], is_enough: impl Fn() -> bool) {
    let place = directory.display().to_string();
    runtime().block_on(async {
        let mut cluster = ProcessCluster::start(3, &[&["--record", place.as_str()][..], flags].concat());
        let restored = (cluster.leader().await + 1) % 3;
        let recorder = Recorder::new();
        let clients = vec![cluster.client()];
        let load = Load::start(clients, 0, 3, &recorder);
        recorder.progress(20).await;
        while !is_enough() {
            recorder.progress(20).await;
        }
        recorder.progress(20).await;
        assert_eq!(cluster.terminate(restored), Some(0));
        copy(&cluster.data(restored), kept);
        cluster.restart(restored);
        recorder.progress(20).await;
        cluster.kill(restored);
        let data = cluster.data(restored);
        fs::remove_dir_all(&data).expect("it is there");
        copy(kept, &data);
        cluster.restart(restored);
        recorder.progress(20).await;
        load.stop().await;
        for replica in 0..3 {
            cluster.kill(replica);
        }
    });
}

/// What a violation is reduced to, and the event that made it certain, of processes as they ran.
#[test]
fn a_restored_directory_is_found_shrunk_and_explained() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path();
    let recordings = path.join("recordings");
    record_a_restored_directory(&recordings, &path.join("kept"), &[], || true);
    is_found_shrunk_and_explained(&recordings, &path.join("small"));
}

#[test]
fn a_restored_directory_is_found_shrunk_and_explained_after_checkpoints() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path();
    let recordings = path.join("recordings");
    let second = |replica| recordings.join(format!("r{replica}-000001-000002.recording"));
    let have_two = || (0..3).all(|replica| second(replica).exists());
    let flags = ["--record-bytes", "800000"];
    record_a_restored_directory(&recordings, &path.join("kept"), &flags, have_two);
    for replica in 0..3 {
        let first = recordings.join(format!("r{replica}-000001.recording"));
        fs::remove_file(first).expect("there was room for it");
    }
    let report = judge(&recordings).expect("what is left begins with checkpoints");
    assert!(!report.judged.contains(&Property::P4), "{report}");
    is_found_shrunk_and_explained(&recordings, &path.join("small"));
}

fn is_found_shrunk_and_explained(recordings: &Path, small: &Path) {
    let read = FailingRecording::read(&[recordings]).expect("the recordings are whole");
    let recording = read.expect("the directory was an old one");
    assert_eq!(recording.violation.property, Property::Contract);
    let limits = Limits {
        runs: 1_000,
        events: 400_000,
    };
    let shrunk = shrink(&recording, limits, |_| ControlFlow::Continue(())).expect("it can be read again");
    let shrunk = shrunk.expect("it is found again");
    let (before, after) = (shrunk.before, shrunk.smallest.size);
    assert!(before.inputs > 200, "{before}");
    assert!(after.inputs < 20, "{after}, of {before}");
    fs::create_dir(small).expect("it can be made");
    for (name, bytes) in &shrunk.smallest.files {
        fs::write(small.join(name.to_string()), bytes).expect("it can be written");
    }
    let violation = judge(small).expect("it can be read").violation;
    assert_eq!(
        violation.map(|found| found.explanation),
        Some(recording.violation.explanation.clone())
    );

    let run = RecordedRun::new(&recording, Micros(1_000)).expect("its future can be drawn");
    let plan = Plan::new(0, 1, 2);
    let explanation = explain(run.steps, &plan, |fork| run.play_future(fork), |_| ());
    let certain = explanation.certain.expect("an event is named");
    assert_eq!(certain.before.failing, 0, "{explanation:?}");
    let lines = run.lines(&[certain.event]);
    let (_, what) = lines.at(certain.event);
    assert!(what[0].contains("crashes"), "{what:?}");
}
