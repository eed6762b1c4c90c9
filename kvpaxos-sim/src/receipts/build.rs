//! What identifies a build of the simulator.

use std::fmt;

use kvpaxos::{Micros, Replica};
use serde::{Deserialize, Serialize};

use crate::invariants::Trace;
use crate::world::{Length, SeedsDigest, Setup, run};

/// The seeds that are played to see how a build behaves.
const CANARIES: u64 = 8;

/// What identifies a build by what it does: the same seed gives the same run in two programs whose builds are
/// equal, as far as their canaries tell.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// The version of the package.
    pub version: String,
    /// The digest of eight short runs, the *canaries*. A change of a replica, of the world around it or of what
    /// seeds draw shows here if it changes one event of them. A change of a check does not: see
    /// [`Build::sources`].
    pub behaviour: String,
}

impl Build {
    /// That of this program. Plays the canaries.
    #[must_use]
    pub fn of_this_program() -> Build {
        let played =
            (0..CANARIES).map(|seed| SeedsDigest::of(seed, &run::<Replica>(canary(seed), Trace::Off).digest));
        Build {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            behaviour: played.fold(SeedsDigest::default(), SeedsDigest::with).to_string(),
        }
    }

    /// The digest of the sources of the simulator, of the core and of histories, from which this program was
    /// built. It differs after each change, also of a comment.
    #[must_use]
    pub fn sources() -> &'static str {
        env!("KVPAXOS_SIM_SOURCES")
    }
}

impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with behaviour {}", self.version, self.behaviour)
    }
}

/// What the seed draws, but short: all canaries together take less than a second.
fn canary(seed: u64) -> Setup {
    Setup {
        length: Length {
            faults: Micros(1_000_000),
            operations: 0,
            events: 0,
        },
        ..Setup::drawn(seed)
    }
}
