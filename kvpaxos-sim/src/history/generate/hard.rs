//! A fixed family of histories that are hard to judge: one key, many clients that never pause, values that
//! are written more than once, unknown outcomes. `cargo bench -p kvpaxos-sim --bench hard` measures how many
//! of them the checker decides.
//!
//! The family consists of all combinations of the constants below; none was chosen for being easy or hard.
//! Members that differ only in their flaw have the same seed and differ in one answer.

use std::fmt;

use super::{Flaw, Fraction, Mix, Settings, Values};

/// Numbers of clients and of operations.
const SIZES: [(u32, u64); 3] = [(10, 1000), (25, 3000), (50, 10_000)];
/// Percentages of unknown outcomes.
const UNKNOWN: [u32; 3] = [0, 1, 5];
const FLAWS: [Flaw; 3] = [Flaw::None, Flaw::Stale, Flaw::Impossible];

/// One history of the family.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Its name: workload, clients, operations, unknown outcomes and flaw.
    pub name: String,
    /// Its operations and values.
    pub workload: Workload,
    /// The settings that generate it.
    pub settings: Settings,
}

/// The operations and values of a member.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Workload {
    /// Gets, puts, deletes and compare-and-swaps; each value is written about twice.
    Swaps,
    /// Gets, puts, appends and compare-and-swaps; each value is written about twice.
    Appends,
    /// The operations of `Swaps` on five values in all.
    Few,
}

/// All members, ordered by workload and size.
#[must_use]
pub fn hard_family() -> Vec<Member> {
    let mut members = Vec::new();
    for workload in [Workload::Swaps, Workload::Appends, Workload::Few] {
        for (clients, operations) in SIZES {
            // Few values are hard already, so one percentage of unknown outcomes is enough for them.
            for unknown in UNKNOWN
                .into_iter()
                .filter(|unknown| workload != Workload::Few || *unknown == 1)
            {
                let seed = 1 + members.len() as u64;
                members.extend(FLAWS.map(|flaw| member(workload, clients, operations, unknown, flaw, seed)));
            }
        }
    }
    members
}

fn member(workload: Workload, clients: u32, operations: u64, unknown: u32, flaw: Flaw, seed: u64) -> Member {
    let what = match flaw {
        Flaw::None => "good",
        Flaw::Stale => "stale",
        Flaw::Impossible => "impossible",
    };
    let (mix, values) = match workload {
        Workload::Swaps => (swaps(), Values::Twice),
        Workload::Few => (swaps(), Values::Few(5)),
        Workload::Appends => (appends(), Values::Twice),
    };
    let settings = Settings {
        seed,
        operations,
        keys: 1,
        clients,
        mix,
        values,
        unknown: Fraction::percent(unknown),
        long: Fraction::percent(5),
        pause: 0,
        flaw,
        ..Settings::default()
    };
    Member {
        name: format!("{workload}, {clients} clients, {operations}, {unknown}%, {what}"),
        workload,
        settings,
    }
}

fn swaps() -> Mix {
    Mix {
        get: 40,
        put: 25,
        delete: 5,
        cas: 30,
        ..Mix::NOTHING
    }
}

fn appends() -> Mix {
    Mix {
        get: 40,
        put: 10,
        append: 35,
        cas: 15,
        ..Mix::NOTHING
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Workload::Swaps => "swaps",
            Workload::Appends => "appends",
            Workload::Few => "few values",
        })
    }
}
