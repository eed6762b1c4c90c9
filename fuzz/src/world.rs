//! Whole worlds that bytes decide: replicas, clients, network, disks and faults.

use std::cell::Cell;
use std::sync::Once;

use kvpaxos::{Micros, Replica, Time};
use kvpaxos_sim::engine::{BytesDecider, Format};
use kvpaxos_sim::world::scenario::record_decided;
use kvpaxos_sim::world::{Cluster, FaultKind, Faults, Workload};
use kvpaxos_sim::{Setup, Violation};

use crate::bytes::Bytes;

/// How much is simulated.
const UNTIL: Time = Time(1_500_000);

/// So many bytes decide the setup. The others decide the run.
const SETUP_BYTES: usize = 6;

/// Plays a world. The first bytes decide its setup, and each of the others answers a question of its run.
///
/// # Panics
/// If a property is violated, with the scenario that repeats it.
pub fn check_world(bytes: &[u8]) {
    if let Some((violation, scenario)) = violation(bytes) {
        panic!(
            "{violation}\n\nkvpaxos-sim replay plays this scenario, and kvpaxos-sim shrink makes it smaller:\n\n{scenario}"
        );
    }
}

fn violation(bytes: &[u8]) -> Option<(Violation, String)> {
    let (head, rest) = bytes.split_at(bytes.len().min(SETUP_BYTES));
    let setup = setup(&mut Bytes::new(head));
    let decider = BytesDecider::new(rest.to_vec(), setup.seed);
    let recording = silently(|| record_decided::<Replica>(setup, Box::new(decider), UNTIL));
    let recording = recording.expect("the setup is valid");
    let violation = recording.report.violation?;
    Some((violation, recording.scenario.to_string()))
}

fn setup(bytes: &mut Bytes<'_>) -> Setup {
    let mut setup = Setup::quiet(bytes.byte().into());
    let replicas = [3, 3, 5, 1][bytes.below(4)];
    setup.cluster = Cluster::new(replicas);
    // Small enough for checkpoints and several segments of a log in a run.
    setup.cluster.limits.log_bytes = [setup.cluster.limits.log_bytes, 4096][bytes.below(2)];
    setup.format = [Format::Bytes, Format::Plain][bytes.below(2)];
    setup.clients = Workload {
        connected: 1,
        keys: 2,
        shared: 20,
        shared_keys: 2,
        think: Micros(50_000),
        ..Workload::some(2)
    };
    setup.links.drop = 1;
    setup.links.duplicate = 1;
    let losses = setup.cluster.losable();
    // Half of the kinds at a time.
    let (first, step) = (bytes.below(FaultKind::ALL.len()), 1 + 2 * bytes.below(8));
    let kinds = FaultKind::ALL.iter().cycle().skip(first).step_by(step);
    setup.faults = Faults {
        weights: kinds.take(14).map(|kind| (*kind, 1)).collect(),
        pause: Micros(300_000),
        length: Micros(500_000),
        losses,
        at_leader: 50,
        uneven_clocks: false,
        ..Faults::none()
    };
    setup
}

thread_local! {
    static PLAYING: Cell<bool> = const { Cell::new(false) };
}

/// Panics of replicas are caught, and are violations like any other. The fuzzer would end the process at once,
/// and nothing would say which scenario it was.
fn silently<T>(play: impl FnOnce() -> T) -> T {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !PLAYING.get() {
                report(panic);
            }
        }));
    });
    PLAYING.set(true);
    let played = play();
    PLAYING.set(false);
    played
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_play_and_violate_nothing() {
        let seeds = format!("{}/seeds/world", env!("CARGO_MANIFEST_DIR"));
        for seed in std::fs::read_dir(seeds).expect("seeds are committed") {
            check_world(&std::fs::read(seed.expect("a file").path()).expect("it can be read"));
        }
    }

    #[test]
    fn any_first_bytes_are_a_valid_setup() {
        for byte in 0..=u8::MAX {
            let bytes = [byte; SETUP_BYTES];
            assert_eq!(setup(&mut Bytes::new(&bytes)).check(), Ok(()));
        }
        assert_eq!(setup(&mut Bytes::new(&[])).check(), Ok(()));
    }
}
