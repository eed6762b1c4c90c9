//! Replicas are killed with SIGKILL and restarted under load; the history of the clients must be
//! linearizable.

use crate::common::load::{Load, Recorder};
use crate::common::{ProcessCluster, runtime};

#[test]
fn killing_a_minority_and_then_all_loses_nothing() {
    runtime().block_on(async {
        let mut cluster = ProcessCluster::start(5, &[]);
        let leader = cluster.leader().await;
        let recorder = Recorder::new();
        let clients = (0..6).map(|_| cluster.client()).collect();
        let load = Load::start(clients, 0, 3, &recorder);
        recorder.progress(100).await;

        // The leader: a new one must be elected.
        cluster.kill(leader);
        recorder.progress(100).await;
        // Another replica: three of five are left.
        let other = (leader + 1) % 5;
        cluster.kill(other);
        recorder.progress(100).await;
        cluster.restart(leader);
        cluster.restart(other);
        recorder.progress(100).await;

        // All replicas at once.
        for replica in 0..5 {
            cluster.kill(replica);
        }
        for replica in 0..5 {
            cluster.restart(replica);
        }
        recorder.progress(100).await;
        load.stop().await;
        cluster.converge().await;

        // Every acknowledged write is still there: read every key, through every replica.
        let clients = (0..5).map(|replica| cluster.client_of(&[replica])).collect();
        let load = Load::start(clients, 100, 3, &recorder);
        recorder.progress(30).await;
        load.stop().await;
        recorder.judge();
    });
}
