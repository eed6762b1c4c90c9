//! Random workloads and faults, against linearizability and all invariants. Failures are kept in
//! `properties.proptest-regressions` and tried first.

use kvpaxos::Micros;
use kvpaxos_sim::engine::latency;
use kvpaxos_sim::engine::{Format, LinkProfile};
use kvpaxos_sim::world::{Cluster, FaultKind, Faults, Length, Moment, Workload};
use kvpaxos_sim::{Setup, Trace, run};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

fn faults(losable: usize) -> impl Strategy<Value = Faults> {
    let kinds = proptest::sample::subsequence(FaultKind::ALL.to_vec(), 1..FaultKind::ALL.len());
    let weights = kinds.prop_flat_map(|kinds| {
        let count = kinds.len();
        (Just(kinds), proptest::collection::vec(1u32..5, count))
    });
    (
        weights,
        50_000u64..800_000,
        50_000u64..1_000_000,
        0..=losable,
        0u32..100,
        any::<bool>(),
        proptest::array::uniform4(0u32..=100),
    )
        .prop_map(
            |((kinds, weights), pause, length, losses, at_leader, uneven_clocks, after)| Faults {
                weights: kinds.into_iter().zip(weights).collect(),
                moments: Moment::ALL.into_iter().zip(after).collect(),
                pause: Micros(pause),
                length: Micros(length),
                losses,
                at_leader,
                uneven_clocks,
            },
        )
}

fn clients() -> impl Strategy<Value = Workload> {
    (
        1u32..5,
        1u32..3,
        1u64..4,
        any::<bool>(),
        proptest::array::uniform4(1u32..5),
        (0u32..100, 0u32..40),
        proptest::sample::select(vec![0u64, 200_000, 700_000]),
    )
        .prop_map(
            |(count, lanes, keys, unique, mix, (hot, counters), burst)| Workload {
                hot,
                counters,
                burst: Micros(burst),
                lanes,
                keys,
                unique,
                mix,
                ..Workload::some(count)
            },
        )
}

fn links() -> impl Strategy<Value = LinkProfile> {
    let delays = proptest::sample::select(vec![latency::LAN, latency::REGION, latency::WILD]);
    (0u32..60_000, 0u32..60_000, delays, any::<bool>()).prop_map(|(drop, duplicate, delay, reorder)| {
        LinkProfile {
            drop,
            duplicate,
            delay,
            reorder,
        }
    })
}

fn setups() -> impl Strategy<Value = Setup> {
    let replicas = proptest::sample::select(vec![1usize, 3, 3, 4, 5]);
    (any::<u64>(), replicas, links(), clients()).prop_flat_map(|(seed, replicas, links, clients)| {
        let cluster = Cluster::new(replicas);
        faults(cluster.losable()).prop_map(move |faults| Setup {
            mutated: None,
            seed,
            cluster: cluster.clone(),
            links,
            regions: 1,
            sync: latency::FLASH,
            format: if seed % 2 == 0 {
                Format::Plain
            } else {
                Format::Bytes
            },
            memory_only: seed % 5 == 0,
            clients: clients.clone(),
            faults,
            length: Length {
                faults: Micros(3_000_000),
                operations: 0,
                events: 0,
            },
        })
    })
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 96,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "tests/integration/properties.proptest-regressions",
        ))),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    /// With any workload and any faults, all invariants hold, the history is linearizable, clients are served
    /// once a quorum has healed, and all replicas agree once all have healed.
    #[test]
    fn no_schedule_breaks_a_promise(setup in setups()) {
        let report = run::<kvpaxos::Replica>(setup, Trace::Off);
        prop_assert!(report.violation.is_none(), "{report}");
    }

    /// The same setup gives the same run.
    #[test]
    fn runs_repeat(setup in setups()) {
        let mut setup = setup;
        setup.length.faults = Micros(1_000_000);
        let digests = [(); 2].map(|()| run::<kvpaxos::Replica>(setup.clone(), Trace::Off).digest);
        prop_assert_eq!(&digests[0], &digests[1]);
    }
}
