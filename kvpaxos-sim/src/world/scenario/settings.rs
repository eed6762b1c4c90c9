//! The setup of a scenario as lines: what differs from [`Setup::quiet`].

use crate::decisions::settings;
use crate::world::setup::Setup;

pub(super) use crate::decisions::settings::set;

/// The lines, without the seed.
pub(super) fn lines(setup: &Setup) -> Vec<String> {
    settings::lines(setup, &Setup::quiet(setup.seed))
}

/// The paths of the parts that differ from the default.
pub(super) fn paths(setup: &Setup) -> Vec<String> {
    settings::paths(setup, &Setup::quiet(setup.seed))
}

/// Gives a part the value of the default. Returns whether that is possible.
pub(super) fn reset(setup: &mut Setup, path: &str) -> bool {
    settings::reset(setup, &Setup::quiet(setup.seed), path)
}
