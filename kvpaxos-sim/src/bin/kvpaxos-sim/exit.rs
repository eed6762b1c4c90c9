//! The exit codes of `check`: 0 to 5, without 2, with which the program answers a wrong command line.

use kvpaxos_sim::linearizability::{FileReport, Verdict};

/// What the verdict on one history comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    Linearizable = 0,
    NotLinearizable = 1,
    Malformed = 3,
    Undecided = 5,
}

impl Exit {
    /// The exit code for a history that was searched.
    pub(crate) fn of(file: &FileReport) -> Exit {
        match file.result.as_ref().map(|report| &report.verdict) {
            Ok(Verdict::Linearizable) => Exit::Linearizable,
            Ok(Verdict::NotLinearizable(_)) => Exit::NotLinearizable,
            Ok(Verdict::Undecided { .. }) => Exit::Undecided,
            Err(_) => Exit::Malformed,
        }
    }

    /// The one that counts for several histories: a history that is bad is worse news than one that could not be judged.
    pub(crate) fn worst(all: impl IntoIterator<Item = Exit>) -> Exit {
        let gravity = |exit: &Exit| match exit {
            Exit::Linearizable => 0,
            Exit::Undecided => 1,
            Exit::Malformed => 2,
            Exit::NotLinearizable => 3,
        };
        all.into_iter().max_by_key(gravity).unwrap_or(Exit::Linearizable)
    }

    pub(crate) fn code(self) -> u8 {
        self as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_several_counts() {
        let all = [
            Exit::Undecided,
            Exit::Malformed,
            Exit::Linearizable,
            Exit::NotLinearizable,
        ];
        assert_eq!(Exit::worst(all), Exit::NotLinearizable);
        assert_eq!(Exit::worst(all.into_iter().take(3)), Exit::Malformed);
        assert_eq!(
            Exit::worst([Exit::Linearizable, Exit::Undecided]),
            Exit::Undecided
        );
        assert_eq!(Exit::worst([]), Exit::Linearizable);
    }
}
