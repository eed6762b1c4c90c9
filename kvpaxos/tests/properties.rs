//! Random schedules: messages delivered in any order, repeated and lost, disks that sync when they like, replicas and roles
//! that stop and start, clients that ask and ask again. What must hold after every step is asserted by the world
//! (`support/checks.rs`); here stands what must hold in the end. A schedule that fails is kept in `proptest-regressions`.

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

/// Ticks after which a client is told that its request's fate is unknown; short, so that this happens here.
const DEADLINE: u32 = 30;

/// A cluster, as its replica r0 sees it: majorities, flexible quorums, and the two-phase setting.
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

/// The configurations of all its replicas, with limits that are small enough to be met.
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
    // PROPTEST_CASES=10000 and --release look further.
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

    /// Whatever happens, nothing that must hold is broken; what was asked at a replica that stays up is answered in time; and
    /// once faults stop, everybody is served and all replicas come to the same state (L1 to L3, S1, S2, S4).
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
