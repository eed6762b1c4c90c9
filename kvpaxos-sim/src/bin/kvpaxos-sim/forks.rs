//! Seeds whose disks forget.

use std::ops::Range;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use kvpaxos_sim::forks::{self, Forked};
use kvpaxos_sim::trace::Trace;

/// Plays them and says what came of it. Only one is traced.
pub(crate) fn run(seeds: Range<u64>, jobs: usize, trace: bool) -> ExitCode {
    let count = seeds.end - seeds.start;
    let next = AtomicU64::new(seeds.start);
    let (sender, receiver) = mpsc::channel();
    let mut sum = Forked::default();
    let (mut forked, mut stopped, mut violations) = (0, 0, Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let trace = if trace { Trace::Print } else { Trace::Off };
                    if seed >= seeds.end || sender.send(forks::play(seed, trace)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        for played in receiver {
            sum.events += played.events;
            sum.forgotten += played.forgotten;
            sum.switches += played.switches;
            sum.noticed += played.noticed;
            sum.refused += played.refused;
            sum.answers += played.answers;
            forked += u64::from(played.noticed > 0);
            stopped += u64::from(played.stopped > 0);
            violations.extend(played.violation);
        }
    });
    violations.sort_by_key(|violation| violation.seed);
    println!(
        "{count} seeds, {} events, {} records forgotten; replicas differed in {forked} seeds, and some did not serve at the end of {stopped}\n\
         {} answers, {} in another history than the one before, {} refused because replicas differ",
        sum.events, sum.forgotten, sum.answers, sum.switches, sum.refused
    );
    for violation in &violations {
        println!(
            "\n{violation}\nrepeat it with: kvpaxos-sim forks --seeds {}..{} --trace",
            violation.seed,
            violation.seed + 1
        );
    }
    let good = violations.is_empty();
    println!("verdict: {}", if good { "good" } else { "violated" });
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    }
}
