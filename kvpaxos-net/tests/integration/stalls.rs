//! A majority of real processes is stopped for some seconds under constant load. Afterwards every request is
//! answered, and the requests that were repeated meanwhile did not enter the log again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::common::load::{OpenLoad, Recorder};
use crate::common::{ProcessCluster, runtime};
use kvpaxos::{Ballot, Command, Record, Slot, Value};
use kvpaxos_net::inspect::inspect;

/// Long enough that replicas send their messages again several times, and clients ask a second and a third
/// replica.
const STALL: Duration = Duration::from_secs(6);

#[test]
fn a_stall_is_not_fed_by_repeats() {
    runtime().block_on(async {
        let cluster = ProcessCluster::start(5, &[]);
        let leader = cluster.leader().await;
        let recorder = Recorder::new();
        let clients = (0..16).map(|_| cluster.patient_client()).collect();
        let load = OpenLoad::start(clients, Duration::from_millis(4), 200, &recorder);
        recorder.progress(200).await;

        let stopped = [leader, (leader + 1) % 5, (leader + 2) % 5];
        stopped
            .iter()
            .for_each(|replica| cluster.signal(*replica, "STOP"));
        tokio::time::sleep(STALL).await;
        let before = recorder.done();
        stopped
            .iter()
            .for_each(|replica| cluster.signal(*replica, "CONT"));
        recorder.progress(500).await;
        let begun = load.stop().await;

        assert_eq!(
            recorder.done(),
            begun,
            "an operation has no outcome, or was refused"
        );
        recorder.judge();
        cluster.converge().await;
        let Commands {
            chosen,
            different,
            slots,
        } = commands(&cluster);
        println!(
            "{begun} operations, {before} of them done when the stall ended; {chosen} commands were chosen \
             in {slots} slots, {different} different ones"
        );
        // A leader that was deposed while it proposed may leave a few commands that the next one proposes
        // again.
        assert!(
            (chosen - different) * 20 <= different,
            "{chosen} commands, but {different} different ones"
        );
    });
}

/// The commands that were chosen, according to the logs of all replicas.
struct Commands {
    chosen: usize,
    /// How many different ones.
    different: usize,
    slots: usize,
}

fn commands(cluster: &ProcessCluster) -> Commands {
    // All replicas have converged, so the value of the highest ballot in each slot is the chosen one.
    let mut values: BTreeMap<Slot, (Ballot, Value)> = BTreeMap::new();
    for replica in 0..5 {
        let inspection = inspect(&cluster.data(replica)).expect("a directory can be read");
        for (_, group) in inspection.groups() {
            for record in &group.records {
                if let Record::Accepted { ballot, slot, value } = record
                    && values.get(slot).is_none_or(|(highest, _)| ballot > highest)
                {
                    values.insert(*slot, (*ballot, value.clone()));
                }
            }
        }
    }
    let mut chosen = 0;
    let mut different = BTreeSet::new();
    for command in values.values().flat_map(|(_, value)| value.commands()) {
        chosen += 1;
        different.insert(match command {
            Command::Apply {
                session, sequence, ..
            } => format!("{session:?} {sequence:?}"),
            other => format!("{other:?}"),
        });
    }
    Commands {
        chosen,
        different: different.len(),
        slots: values.len(),
    }
}
