//! A leader that is stopped hands its leadership over first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kvpaxos::ReplicaId;
use kvpaxos::status::ProposerStatus;
use kvpaxos_net::Bounds;

use crate::common::local::LocalCluster;
use crate::common::runtime;

/// Whoever leads, as the replicas say of themselves.
async fn leader(local: &LocalCluster) -> Option<ReplicaId> {
    for node in &local.nodes {
        let status = node.handle().status().await?;
        if matches!(status.proposer, ProposerStatus::Leading { .. }) {
            return Some(status.id);
        }
    }
    None
}

/// As soon as it has stopped another replica leads, which did not have to miss it first; and no write of its
/// clients is left behind.
#[test]
fn a_leader_that_stops_has_handed_over() {
    runtime().block_on(async {
        let mut local = LocalCluster::start(5, Bounds::default()).await;
        for round in 0..2 {
            let old = leader(&local).await.expect("one leads");
            let place = local.nodes.iter().position(|node| node.handle().id() == old);
            let stopping = Arc::new(AtomicBool::new(false));
            let stop = Arc::clone(&stopping);
            // A client of another replica writes all the while.
            let other = (place.expect("it runs") + 1) % local.nodes.len();
            let client = local.client(other);
            let writes = tokio::spawn(async move {
                let mut written = 0;
                while !stop.load(Ordering::Relaxed) {
                    client
                        .put(format!("{round}/{written}"), "value")
                        .await
                        .expect("it is done");
                    written += 1;
                }
                written
            });
            let node = local.nodes.remove(place.expect("it runs"));
            node.stop().await.expect("it stops");
            let new = leader(&local).await;
            assert!(new.is_some_and(|new| new != old), "{new:?} leads after {old}");
            stopping.store(true, Ordering::Relaxed);
            let written = writes.await.expect("no write fails");
            let client = local.client(0);
            for number in 0..written {
                let found = client
                    .get(format!("{round}/{number}"))
                    .await
                    .expect("it is answered");
                assert!(found.value.is_some(), "write {number} is lost");
            }
        }
        // The last three cannot spare two: nobody waits for a leader that cannot be.
        while let Some(node) = local.nodes.pop() {
            node.stop().await.expect("it stops");
        }
    });
}
