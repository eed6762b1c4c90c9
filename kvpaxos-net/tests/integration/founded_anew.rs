//! A directory that was in use is formatted again. Its replica has forgotten its votes and claims to be new;
//! with two others that do not know of a write, it would be a majority. But they have met it before, so
//! nothing is served, and it stops and says why. Recovered, it goes on.

use crate::common::{ProcessCluster, runtime, text, wait_for};

fn founding(cluster: &ProcessCluster, replica: usize) -> String {
    let data = cluster.data(replica).display().to_string();
    let output = crate::common::run(&["log", "inspect", &data], "");
    let report = text(&output.stdout);
    let line = report.lines().find(|line| line.starts_with("founding"));
    line.unwrap_or_else(|| panic!("no founding in {report}"))
        .to_owned()
}

/// r0, r1 and r2 know of the second write, r3 and r4 do not. All stop; r0's directory is deleted and
/// formatted; r0, r3 and r4 start.
#[test]
fn a_replica_whose_directory_is_formatted_again_is_found_out() {
    let mut cluster = ProcessCluster::start(5, &[]);
    cluster.write_twice();
    (0..3).for_each(|id| cluster.kill(id));

    let before = founding(&cluster, 0);
    std::fs::remove_dir_all(cluster.data(0)).unwrap();
    let formatted = crate::common::run(&cluster.member("format", 0), "");
    assert!(formatted.status.success(), "{}", text(&formatted.stderr));
    assert_ne!(founding(&cluster, 0), before);

    [0, 3, 4].into_iter().for_each(|id| cluster.restart(id));
    assert_eq!(cluster.ended(0), Some(6), "it halts");
    let (code, value) = cluster.get(&[3, 4]);
    assert_ne!(code, Some(0), "read {value:?} of replicas that cannot know");
    let log = std::fs::read_to_string(cluster.log(0)).unwrap();
    assert!(log.contains("its directory was formatted although"), "{log}");
    let healthy = crate::common::run(&cluster.member("recover", 0), "");
    assert!(
        !healthy.status.success(),
        "its log is intact, so --discard is needed"
    );
    let mut recover = cluster.member("recover", 0);
    recover.push("--discard".to_owned());
    let recovered = crate::common::run(&recover, "");
    assert!(recovered.status.success(), "{}", text(&recovered.stderr));
    assert!(founding(&cluster, 0).contains("none"));
    [0, 1].into_iter().for_each(|id| cluster.restart(id));
    for id in [0, 1, 3, 4] {
        let read = wait_for("an answer", || {
            Some(cluster.get(&[id])).filter(|(code, _)| *code == Some(0))
        });
        assert_eq!(read, (Some(0), "NEW".into()), "r{id}");
    }
    cluster.restart(2);
    runtime().block_on(cluster.converge());
}
