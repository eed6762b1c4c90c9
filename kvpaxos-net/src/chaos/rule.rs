//! What is disturbed on purpose, how often and for how long.

use std::fmt;

use kvpaxos::Role;

use crate::links::faults::{LinkDirection, LinkFault};
use crate::replica::inbox::RestartMemory;
use crate::system::times::TimeRange;

/// A disturbance that comes again and again. Written as `acceptor:every=5s..20s,down=1s..3s,memory=lost` or
/// `link:every=5s..20s,for=1s..3s,drop=20%,direction=both`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChaosRule {
    /// What is disturbed.
    pub target: Target,
    /// The time from the beginning of one disturbance to that of the next. The next one waits for the end of
    /// any other at the same replica.
    pub every: TimeRange,
    /// How long it lasts.
    pub length: TimeRange,
}

/// What a rule disturbs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// Roles fail, and come back.
    Roles {
        /// Which.
        choice: RoleChoice,
        /// The memory with which they come back. A replica that keeps nothing on disk loses it in any case.
        memory: RestartMemory,
    },
    /// The link to one of the other replicas has a fault.
    Link {
        /// What is wrong with it.
        fault: LinkFault,
        /// In which direction.
        direction: LinkDirection,
    },
}

/// Which roles fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RoleChoice {
    /// The acceptor.
    Acceptor,
    /// The proposer.
    Proposer,
    /// The learner.
    Learner,
    /// All three together, as in a crash.
    Replica,
    /// One of the four above; which is drawn each time.
    All,
}

impl RoleChoice {
    /// All choices, in the order in which a person is told of them.
    pub(crate) const EACH: [RoleChoice; 5] = [
        RoleChoice::Acceptor,
        RoleChoice::Proposer,
        RoleChoice::Learner,
        RoleChoice::Replica,
        RoleChoice::All,
    ];

    /// The roles that fail; of `All`, every role that may.
    pub(crate) fn roles(self) -> &'static [Role] {
        match self {
            RoleChoice::Acceptor => &[Role::Acceptor],
            RoleChoice::Proposer => &[Role::Proposer],
            RoleChoice::Learner => &[Role::Learner],
            RoleChoice::Replica | RoleChoice::All => &[Role::Proposer, Role::Acceptor, Role::Learner],
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            RoleChoice::Acceptor => "acceptor",
            RoleChoice::Proposer => "proposer",
            RoleChoice::Learner => "learner",
            RoleChoice::Replica => "replica",
            RoleChoice::All => "all",
        }
    }
}

/// As it is parsed.
impl fmt::Display for ChaosRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ChaosRule { every, length, .. } = self;
        match self.target {
            Target::Roles { choice, memory } => {
                write!(f, "{}:every={every},down={length},memory={memory}", choice.name())
            }
            Target::Link { fault, direction } => {
                write!(f, "link:every={every},for={length},{fault},direction={direction}")
            }
        }
    }
}
