//! Load on five processes, and which of them follows, for benchmarks.

use std::io::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use kvpaxos::status::ProposerStatus;
use kvpaxos_net::{Client, ClientOptions};
use tokio::task::JoinSet;

use crate::processes::{Processes, REPLICAS};

/// Writes as fast as it can, until it is dropped.
pub(crate) struct Load {
    done: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

impl Load {
    /// So many clients, each with so many writes of one value in flight; keys are counted up from 0 to `keys`, and
    /// again.
    pub(crate) fn start(
        servers: &[String],
        clients: usize,
        pipeline: usize,
        keys: u64,
        value: &Bytes,
    ) -> Load {
        let (done, failed, next) = <(Arc<AtomicU64>, Arc<AtomicU64>, Arc<AtomicU64>)>::default();
        let mut tasks = JoinSet::new();
        for number in 0..clients {
            let client = client(servers, number);
            for _ in 0..pipeline {
                let (client, value) = (client.clone(), value.clone());
                let (done, failed, next) = (Arc::clone(&done), Arc::clone(&failed), Arc::clone(&next));
                tasks.spawn(async move {
                    loop {
                        let key = format!("key{:013}", next.fetch_add(1, Ordering::Relaxed) % keys);
                        let counter = match client.put(key, value.clone()).await {
                            Ok(_) => &done,
                            Err(_) => &failed,
                        };
                        counter.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        }
        Load {
            done,
            failed,
            _tasks: tasks,
        }
    }

    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// # Panics
    /// If a write failed.
    pub(crate) fn assert_good(&self) {
        assert_eq!(self.failed.load(Ordering::Relaxed), 0, "writes failed");
    }
}

pub(crate) fn client(servers: &[String], number: usize) -> Client {
    let options = ClientOptions {
        first: Some(number % servers.len()),
        ..ClientOptions::new(servers)
    };
    Client::new(options).expect("the addresses are fine")
}

/// The place of a replica that follows.
pub(crate) async fn follower(processes: &Processes) -> usize {
    for replica in 0..REPLICAS {
        let status = client(&[processes.address(replica)], 0).status().await;
        if status.is_ok_and(|status| matches!(status.proposer, ProposerStatus::Following)) {
            return replica;
        }
    }
    panic!("nobody follows")
}

/// Kills a replica, as kill -9 does.
pub(crate) fn kill(processes: &mut Processes, replica: usize) -> Result<()> {
    let mut child = processes.children[replica].take().expect("it runs");
    let killed = child.kill();
    child.wait()?;
    killed
}
