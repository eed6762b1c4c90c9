//! The checker's report: the verdict on a history and on each of its keys.

use std::fmt;

use super::evidence::Evidence;

/// The most that may be spent on a history. Keys that are easily judged take next to nothing; the others
/// share it evenly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// The number of configurations that may be looked at.
    pub steps: u64,
    /// The bytes of configurations that may be in memory.
    pub memory: usize,
}

impl Default for Budget {
    /// Some seconds and a gigabyte. The history of a simulation takes a thousandth of it.
    fn default() -> Budget {
        Budget {
            steps: 20_000_000,
            memory: 1 << 30,
        }
    }
}

/// What the checker says of a history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The verdict on the whole history.
    pub verdict: Verdict,
    /// The number of keys.
    pub keys: usize,
    /// The number of operations that asserted something or may have taken effect.
    pub operations: usize,
    /// How many of those are of unknown outcome.
    pub unknown: usize,
    /// The number of configurations looked at.
    pub steps: u64,
    /// The reports on the keys, in the order of their names.
    pub per_key: Vec<KeyReport>,
}

/// What the checker says of one key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyReport {
    /// The key.
    pub key: String,
    /// The verdict on the key.
    pub verdict: KeyVerdict,
    /// The number of its operations that asserted something or may have taken effect.
    pub operations: usize,
    /// How many of those are of unknown outcome.
    pub unknown: usize,
    /// The number of configurations looked at.
    pub steps: u64,
}

/// The verdict on one key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum KeyVerdict {
    /// There is an order that explains all answers.
    Linearizable,
    /// There is no such order. [`Verdict::NotLinearizable`] has the evidence.
    NotLinearizable,
    /// The budget did not suffice.
    #[default]
    Undecided,
}

impl KeyReport {
    /// Whether the key is linearizable.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.verdict == KeyVerdict::Linearizable
    }

    /// Whether the key is certainly not linearizable.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.verdict == KeyVerdict::NotLinearizable
    }
}

impl Report {
    /// The report on these keys, which are in the order of their names, with the evidence against the bad
    /// ones.
    pub(super) fn new(per_key: Vec<KeyReport>, evidence: Vec<Evidence>) -> Report {
        let undecided = per_key.iter().filter(|key| key.verdict == KeyVerdict::Undecided);
        let undecided: Vec<String> = undecided.map(|key| key.key.clone()).collect();
        let verdict = if per_key.iter().any(KeyReport::is_bad) {
            Verdict::NotLinearizable(evidence)
        } else if !undecided.is_empty() {
            Verdict::Undecided { keys: undecided }
        } else {
            Verdict::Linearizable
        };
        Report {
            verdict,
            keys: per_key.len(),
            operations: per_key.iter().map(|key| key.operations).sum(),
            unknown: per_key.iter().map(|key| key.unknown).sum(),
            steps: per_key.iter().map(|key| key.steps).sum(),
            per_key,
        }
    }

    /// Whether the history is certainly not linearizable.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        matches!(self.verdict, Verdict::NotLinearizable(_))
    }

    /// Whether the history is certainly linearizable.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.verdict == Verdict::Linearizable
    }
}

/// The verdict on a history: not linearizable if any key is, otherwise undecided if any key is, otherwise
/// linearizable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Every key is linearizable.
    Linearizable,
    /// A key is not linearizable. Has the evidence against each such key, unless the budget did not suffice
    /// to find it.
    NotLinearizable(Vec<Evidence>),
    /// The budget did not suffice for some keys; all others are linearizable.
    Undecided {
        /// The keys that are undecided.
        keys: Vec<String>,
    },
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report {
            keys,
            operations,
            unknown,
            ..
        } = self;
        match &self.verdict {
            Verdict::Linearizable => f.write_str("linearizable")?,
            Verdict::NotLinearizable(_) => {
                let bad = self.per_key.iter().filter(|key| key.is_bad()).count();
                write!(f, "NOT linearizable ({bad} keys)")?;
            }
            Verdict::Undecided { keys } => write!(f, "undecided: out of budget for {} keys", keys.len())?,
        }
        write!(
            f,
            ": {operations} operations on {keys} keys, {unknown} of unknown fate"
        )
    }
}
