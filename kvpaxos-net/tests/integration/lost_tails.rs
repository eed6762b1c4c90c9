//! A disk loses the end of what it had synced, and nothing else. The log alone cannot tell this from a write
//! that a crash interrupted; the mark in the superblock can. In the end either the acknowledged value is
//! read, or replicas refuse and say why; the older value is never read.

use std::path::Path;

use crate::common::{ProcessCluster, runtime, text, wait_for};
use kvpaxos::wal::{SECTOR, SuperblockState};
use kvpaxos_net::inspect::{LogVerdict, inspect};

/// What the disk loses of a file whose used part ends at `end`.
type Loss = fn(bytes: Vec<u8>, end: usize) -> Vec<u8>;

/// Zeros the sector of the last byte.
fn last_sector(mut bytes: Vec<u8>, end: usize) -> Vec<u8> {
    let begin = (end - 1) / SECTOR * SECTOR;
    bytes[begin..end].fill(0);
    bytes
}

/// Zeros this many bytes at the end, wherever sectors begin.
fn last_bytes(mut bytes: Vec<u8>, end: usize) -> Vec<u8> {
    bytes[end - 340..end].fill(0);
    bytes
}

/// Cuts the file, so that the last writes leave no trace.
fn cut(mut bytes: Vec<u8>, end: usize) -> Vec<u8> {
    bytes.truncate(end - 340);
    bytes
}

/// Waits until the mark covers the whole log, as it does when nothing is written for some milliseconds.
/// Returns the last segment.
fn wait_for_mark(directory: &Path) -> std::path::PathBuf {
    wait_for("the mark to cover the log", || {
        let inspection = inspect(directory).ok()?;
        let Ok(superblock) = inspection.superblock? else {
            return None;
        };
        let (SuperblockState::Ready(mark), LogVerdict::Whole { end, .. }) =
            (superblock.state, &inspection.verdict)
        else {
            return None;
        };
        let last = inspection.segments.last()?;
        (mark.position >= *end).then(|| last.file.clone())
    })
}

/// r0, r1 and r2 know of the second write, r3 and r4 do not. Then r0's disk loses the end of its log, while
/// r1 and r2 are down. If r0 did not notice, it would be a majority with r3 and r4 that knows of the first
/// write only.
fn a_lost_tail_does_no_harm(loss: Loss) {
    let mut cluster = ProcessCluster::start(5, &[]);
    cluster.write_twice();
    assert_eq!(cluster.get(&[0, 1, 2]), (Some(0), "NEW".into()));
    let log = wait_for_mark(&cluster.data(0));
    (0..3).for_each(|id| cluster.kill(id));

    let bytes = std::fs::read(&log).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    std::fs::write(&log, loss(bytes, end)).unwrap();
    let found = inspect(&cluster.data(0)).unwrap().verdict;
    assert!(matches!(found, LogVerdict::Damaged { .. }), "{found}");

    [0, 3, 4].into_iter().for_each(|id| cluster.restart(id));
    let (code, value) = cluster.get(&[0, 3, 4]);
    assert_ne!(code, Some(0), "read {value:?} of replicas that cannot know");
    let status = crate::common::run(&["status", "--servers", &cluster.servers()], "");
    let status = text(&status.stdout);
    let says_so = |line: &str| line.starts_with("r0") && line.contains("lost its memory");
    assert!(status.lines().any(says_so), "{status}");

    [1, 2].into_iter().for_each(|id| cluster.restart(id));
    for id in 0..5 {
        let read = wait_for("an answer", || {
            Some(cluster.get(&[id])).filter(|(code, _)| *code == Some(0))
        });
        assert_eq!(read, (Some(0), "NEW".into()), "r{id}");
    }
    runtime().block_on(cluster.converge());
}

#[test]
fn of_a_sector() {
    a_lost_tail_does_no_harm(last_sector);
}

#[test]
fn of_some_bytes() {
    a_lost_tail_does_no_harm(last_bytes);
}

#[test]
fn of_whole_writes() {
    a_lost_tail_does_no_harm(cut);
}

/// The disk also goes back to an older superblock, so r0 cannot notice the loss, and serves the first write
/// with r3 and r4. When r1 and r2 restart, they find that they differ from a quorum, refuse, and say why.
#[test]
fn where_no_mark_tells_of_it_replicas_that_differ_refuse() {
    let mut cluster = ProcessCluster::start(5, &[]);
    runtime().block_on(async {
        cluster.leader().await;
        cluster.patient_client().put("balance", "old").await.unwrap();
        cluster.converge().await;
    });
    let log = wait_for_mark(&cluster.data(0));
    (0..5).for_each(|id| cluster.kill(id));
    let kept = [log.clone(), cluster.data(0).join("superblock")].map(|path| {
        let bytes = std::fs::read(&path).unwrap();
        (path, bytes)
    });
    (0..3).for_each(|id| cluster.restart(id));
    runtime().block_on(async {
        let client = cluster.patient_client_of(&[0, 1, 2]);
        client.put("balance", "NEW").await.unwrap();
    });
    cluster.wait_for_logs(&[0, 1, 2]);
    (0..3).for_each(|id| cluster.kill(id));
    for (path, bytes) in kept {
        std::fs::write(path, bytes).unwrap();
    }
    let found = inspect(&cluster.data(0)).unwrap().verdict;
    assert!(matches!(found, LogVerdict::Whole { .. }), "{found}");

    [0, 3, 4].into_iter().for_each(|id| cluster.restart(id));
    let read = wait_for("an answer", || {
        Some(cluster.get(&[0, 3, 4])).filter(|(code, _)| *code == Some(0))
    });
    assert_eq!(read, (Some(0), "old".into()), "nobody that is up can know");
    runtime().block_on(async {
        let client = cluster.patient_client_of(&[0, 3, 4]);
        for number in 0..4 {
            client.put(format!("k{number}"), "v").await.unwrap();
        }
    });
    [1, 2].into_iter().for_each(|id| cluster.restart(id));
    for id in [1, 2] {
        let refused = wait_for("a refusal", || {
            Some(cluster.get(&[id])).filter(|(code, _)| *code == Some(3))
        });
        assert_eq!(refused.1, "", "r{id} prints no value");
        // It may find one after the other, and then has a line for each.
        wait_for("all three in its log", || {
            let log = std::fs::read_to_string(cluster.log(id)).ok()?;
            let named = |id: &str| {
                let mut lines = log.lines().filter(|line| line.contains("the state of"));
                lines.any(|line| line.contains(id))
            };
            let is_complete =
                log.contains("this replica serves nobody") && ["r0", "r3", "r4"].into_iter().all(named);
            is_complete.then_some(())
        });
    }
    let status = crate::common::run(&["status", "--servers", &cluster.servers()], "");
    assert_eq!(status.status.code(), Some(9));
    let printed = text(&status.stdout);
    for id in [1, 2] {
        let line = printed.lines().find(|line| line.starts_with(&format!("r{id} ")));
        let says = line.is_some_and(|line| line.contains("differs from r0, r3, r4, and does not serve"));
        assert!(says, "{printed}");
    }
    assert_eq!(
        cluster.get(&[0]),
        (Some(0), "old".into()),
        "those of the quorum go on"
    );
}
