//! Random schedules. Messages are reordered, repeated and lost; writes become durable at any time; replicas
//! and roles stop and start; clients send requests and repeat them. After each step the world asserts the
//! invariants (`support/checks.rs`). The assertions here are about the end of a schedule. A failed schedule
//! is kept in `proptest-regressions`.

#[path = "properties/clients.rs"]
mod clients;
#[path = "properties/schedule.rs"]
mod schedule;
#[allow(dead_code, reason = "each test binary uses its part")]
mod support;

use kvpaxos::{Config, Quorums, ReplicaId};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use schedule::{Schedule, action};

/// After so many ticks a request is answered with an unknown outcome. The number is low, so that
/// this happens here.
const DEADLINE: u32 = 30;

/// The configuration of r0 in a cluster with majorities, with flexible quorums, or in the two-phase setting.
fn cluster() -> impl Strategy<Value = Config> {
    let flexible = |replicas, phase1, phase2| Config {
        quorums: Quorums { phase1, phase2 },
        ..Config::new(ReplicaId(0), replicas)
    };
    prop_oneof![
        4 => Just(Config::new(ReplicaId(0), 3)),
        4 => Just(Config::new(ReplicaId(0), 5)),
        1 => Just(flexible(5, 4, 2)),
        1 => Just(flexible(5, 2, 4)),
        2 => Just(Config::new(ReplicaId(0), 3).two_phase()),
    ]
}

/// The configurations of all replicas. The limits are so low that schedules reach them.
fn replicas(cluster: &Config) -> Vec<Config> {
    let mut config = cluster.clone();
    config.timing.deadline = DEADLINE;
    config.limits.window = 3;
    config.limits.batch_commands = 2;
    config.limits.chunk_bytes = 200;
    config.limits.session_window = 4;
    let as_seen_by = |id| Config { id, ..config.clone() };
    cluster.members.iter().map(as_seen_by).collect()
}

fn config() -> ProptestConfig {
    let regressions = concat!(env!("CARGO_MANIFEST_DIR"), "/proptest-regressions/properties.txt");
    // A longer search: set PROPTEST_CASES=10000, and use --release.
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() {
        ProptestConfig::default().cases
    } else {
        96
    };
    ProptestConfig {
        cases,
        max_shrink_iters: 4000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(regressions))),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    /// In any schedule all invariants hold. Requests to a replica that stays up are answered by their
    /// deadline. Once faults stop, every replica serves, and all replicas reach the same state (L1 to L3, S1,
    /// S2, S4).
    #[test]
    fn any_schedule_is_safe_and_ends_well(
        cluster in cluster(),
        seed in any::<u32>(),
        actions in vec(action(), 20..250),
    ) {
        let mut schedule = Schedule::new(replicas(&cluster), u64::from(seed));
        schedule.play_all(&actions);
        schedule.everybody_is_answered(DEADLINE);
        schedule.heal();
        schedule.everybody_is_served();
        schedule.all_replicas_agree();
    }
}
