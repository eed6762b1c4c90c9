//! `kvpaxos-sim forks`: simulates disks that lose synced data unnoticed.

use std::ops::{ControlFlow, Range};

use kvpaxos_sim::invariants::Trace;
use kvpaxos_sim::parallel;
use kvpaxos_sim::say;
use kvpaxos_sim::world::forks::{self, ForkReport};

/// Simulates the seeds and prints the sums and all violations.
pub(crate) fn run(seeds: Range<u64>, jobs: usize, trace: bool) -> u8 {
    let count = seeds.end - seeds.start;
    let mut sum = ForkReport::default();
    let (mut forked, mut stopped, mut violations) = (0, 0, Vec::new());
    let play = |seed| forks::play(seed, if trace { Trace::Print } else { Trace::Off });
    parallel::for_each(seeds, jobs, play, |played| {
        sum.events += played.events;
        sum.forgotten += played.forgotten;
        sum.halted += played.halted;
        sum.switches += played.switches;
        sum.refused += played.refused;
        sum.answers += played.answers;
        forked += u64::from(played.noticed > 0);
        stopped += u64::from(played.stopped > 0);
        violations.extend(played.violation);
        ControlFlow::Continue(())
    });
    violations.sort_by_key(|violation| violation.seed);
    say!(
        "{count} seeds, {} events, {} records forgotten, {} halts of replicas founded anew; replicas differed in {forked} seeds, and some did not serve at the end of {stopped}\n\
         {} answers, {} in another history than the one before, {} refused because replicas differ",
        sum.events,
        sum.forgotten,
        sum.halted,
        sum.answers,
        sum.switches,
        sum.refused
    );
    for violation in &violations {
        say!(
            "\n{violation}\nrepeat it with: kvpaxos-sim forks --seeds {}..{} --trace",
            violation.seed,
            violation.seed + 1
        );
    }
    let good = violations.is_empty();
    say!("verdict: {}", if good { "good" } else { "violated" });
    if good { 0 } else { 1 }
}
