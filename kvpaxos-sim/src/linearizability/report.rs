//! What the checker finds: the verdict on a history and on each of its keys.

use std::fmt;

use super::evidence::Evidence;

/// How much may be spent on a history. Keys that are easily judged take next to nothing; the others share it evenly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// Configurations looked at.
    pub steps: u64,
    /// Bytes of configurations remembered.
    pub memory: usize,
}

impl Default for Budget {
    /// Some seconds and a gigabyte; histories of a simulation take a thousandth of it.
    fn default() -> Budget {
        Budget {
            steps: 20_000_000,
            memory: 1 << 30,
        }
    }
}

/// What the checker found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The verdict on the whole.
    pub verdict: Verdict,
    /// How many keys there are.
    pub keys: usize,
    /// How many operations asserted something or may have taken effect.
    pub operations: usize,
    /// How many of those are of unknown fate.
    pub unknown: usize,
    /// Configurations looked at.
    pub steps: u64,
    /// What was found for each key, in the order of their names.
    pub per_key: Vec<KeyReport>,
}

/// What the checker found for one key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyReport {
    /// The key.
    pub key: String,
    /// The verdict on it.
    pub verdict: KeyVerdict,
    /// How many of its operations asserted something or may have taken effect.
    pub operations: usize,
    /// How many of those are of unknown fate.
    pub unknown: usize,
    /// Configurations looked at.
    pub steps: u64,
}

/// See [`KeyReport`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum KeyVerdict {
    /// There is an order.
    Linearizable,
    /// There is none; [`Verdict::NotLinearizable`] has the evidence.
    NotLinearizable,
    /// The budget did not suffice.
    #[default]
    Undecided,
}

impl KeyReport {
    /// Whether there is an order.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.verdict == KeyVerdict::Linearizable
    }
}

impl Report {
    /// The report on these keys, in the order of their names, with the evidence against those that are bad.
    pub(super) fn new(per_key: Vec<KeyReport>, evidence: Vec<Evidence>) -> Report {
        let is_bad = |key: &KeyReport| key.verdict == KeyVerdict::NotLinearizable;
        let undecided = per_key.iter().filter(|key| key.verdict == KeyVerdict::Undecided);
        let undecided: Vec<String> = undecided.map(|key| key.key.clone()).collect();
        let verdict = if per_key.iter().any(is_bad) {
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

    /// Whether it certainly is.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.verdict == Verdict::Linearizable
    }
}

/// Any key that is bad makes the history bad; else any that is undecided makes it undecided; else it is linearizable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// An order was found for every key.
    Linearizable,
    /// There is none. The evidence for each bad key, unless the budget did not suffice for it.
    NotLinearizable(Vec<Evidence>),
    /// The budget did not suffice for these keys; the others are linearizable.
    Undecided {
        /// Which.
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
                let is_bad = |key: &&KeyReport| key.verdict == KeyVerdict::NotLinearizable;
                let bad = self.per_key.iter().filter(is_bad).count();
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
