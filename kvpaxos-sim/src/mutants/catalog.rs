//! The mutants made at a replica's boundary, and the hunt that shows whether the checks find them.

use std::ops::{ControlFlow, Range};
use std::time::{Duration, Instant};

use crate::invariants::{Trace, Violation};
use crate::parallel;
use crate::world::{Setup, run};

use super::acceptors::{
    AmnesiacVoter, ForgetfulAcceptor, HastySender, OneBallot, PartialPromise, VectorlessVoter,
};
use super::disks::{CutPromise, StaleEntries};
use super::learners::{MisplacedAnswer, UnhelpfulLearner};
use super::mutation::{MutatedReplica, Mutation};
use super::proposers::{CarelessCandidate, ClockLease, OneVoteForTwo, UnconfirmedRead};

/// A mutant made at a replica's boundary.
#[derive(Clone, Copy)]
pub struct Mutant {
    /// The number of the bug that it stands for in the [table](crate::mutants#bugs-that-real-systems-had), if
    /// it stands for one.
    pub bug: Option<u8>,
    /// The name by which `kvpaxos-sim mutants` and its table call it.
    pub name: &'static str,
    /// What it does wrong, in a few words.
    pub says: &'static str,
    play: fn(Setup) -> Option<Violation>,
}

const fn mutant<F: Mutation>(bug: Option<u8>, name: &'static str, says: &'static str) -> Mutant {
    Mutant {
        bug,
        name,
        says,
        play: |setup| run::<MutatedReplica<F>>(setup, Trace::Off).violation,
    }
}

/// All mutants made at a replica's boundary.
pub const MUTANTS: [Mutant; 14] = [
    mutant::<HastySender>(
        Some(1),
        "hasty-sender",
        "a promise or a vote is sent before it is durable",
    ),
    mutant::<AmnesiacVoter>(
        Some(2),
        "amnesiac-voter",
        "an acceptor that lost its memory votes as if it were new",
    ),
    mutant::<VectorlessVoter>(
        Some(3),
        "vectorless-voter",
        "votes carry no crash vector, so that votes of lives that are over count",
    ),
    mutant::<CarelessCandidate>(
        Some(4),
        "careless-candidate",
        "a promise for an old ballot counts in a new one",
    ),
    mutant::<PartialPromise>(
        Some(5),
        "partial-promise",
        "a promise leaves out slots that were already chosen",
    ),
    mutant::<CutPromise>(Some(6), "cut-promise", "the promise is lost when the log is cut"),
    mutant::<OneBallot>(
        Some(7),
        "one-ballot",
        "promised and accepted ballot are one variable",
    ),
    mutant::<OneVoteForTwo>(Some(8), "one-vote-for-two", "chosen by one vote too few"),
    mutant::<StaleEntries>(
        Some(9),
        "stale-entries",
        "a log that catches up keeps stale entries in the same slots",
    ),
    mutant::<UnconfirmedRead>(Some(11), "unconfirmed-read", "a deposed leader answers a read"),
    mutant::<ClockLease>(
        Some(19),
        "clock-lease",
        "a leader serves reads under a lease that trusts its clock",
    ),
    mutant::<UnhelpfulLearner>(
        Some(20),
        "unhelpful-learner",
        "a replica that has cut its log does not help one that lags behind",
    ),
    mutant::<ForgetfulAcceptor>(
        None,
        "forgetful-acceptor",
        "an acceptor forgets its promises at a restart",
    ),
    mutant::<MisplacedAnswer>(
        None,
        "misplaced-answer",
        "a write is acknowledged at a place in the log that holds something else",
    ),
];

impl Mutant {
    /// The mutant of this name, if there is one.
    #[must_use]
    pub fn named(name: &str) -> Option<Mutant> {
        MUTANTS.into_iter().find(|mutant| mutant.name == name)
    }

    /// Plays a setup in which every replica is this mutant. Returns the first violation.
    #[must_use]
    pub fn play(&self, setup: Setup) -> Option<Violation> {
        (self.play)(setup)
    }
}

/// The result of a hunt.
#[derive(Clone, Debug)]
pub struct Hunt {
    /// The violation with the lowest seed, if any seed found the mutant.
    pub caught: Option<Violation>,
    /// How long it took.
    pub took: Duration,
}

/// Plays seeds in ascending order, on `jobs` threads, until the checks find the mutant.
#[must_use]
pub fn hunt(mutant: Mutant, seeds: Range<u64>, jobs: usize) -> Hunt {
    let began = Instant::now();
    let mut caught: Option<Violation> = None;
    parallel::for_each(
        seeds,
        jobs,
        |seed| mutant.play(Setup::drawn(seed)),
        |violation| {
            let Some(violation) = violation else {
                return ControlFlow::Continue(());
            };
            // Seeds that were begun before this one end may still find the mutant at a lower seed.
            if caught.as_ref().is_none_or(|other| violation.seed < other.seed) {
                caught = Some(violation);
            }
            ControlFlow::Break(())
        },
    );
    Hunt {
        caught,
        took: began.elapsed(),
    }
}
