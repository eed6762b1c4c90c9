//! A fixed family of histories that are hard to judge: one key, many clients that never pause, values that were written more
//! than once, outcomes that nobody knows. `cargo bench -p kvpaxos-sim --bench hard` says how many of them the checker decides.
//!
//! The members are all combinations of what stands below, not ones that were chosen for being easy or hard. Those that
//! differ in their flaw alone share their seed, and differ in one answer.

use std::fmt;

use super::{Flaw, Mix, Settings, Share, Values};

/// How large, and with how many clients.
const SIZES: [(u32, u64); 3] = [(10, 1000), (25, 3000), (50, 10_000)];
/// Shares of unknown outcomes, in per cent.
const UNKNOWN: [u32; 3] = [0, 1, 5];
const FLAWS: [Flaw; 3] = [Flaw::None, Flaw::Stale, Flaw::Impossible];

/// One history of the family.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// What it is called: its kind, clients, operations, unknown outcomes and flaw.
    pub name: String,
    /// Which operations and values it consists of.
    pub kind: Kind,
    /// What makes it.
    pub settings: Settings,
}

/// Which operations and values a member consists of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// Gets, puts, deletes and compare-and-swaps; each value is written about twice.
    Swaps,
    /// Gets, puts, appends and compare-and-swaps; each value is written about twice.
    Appends,
    /// As swaps, but there are five values in all.
    Few,
}

/// All members, in the order of their kinds and sizes.
#[must_use]
pub fn hard_family() -> Vec<Member> {
    let mut members = Vec::new();
    for kind in [Kind::Swaps, Kind::Appends, Kind::Few] {
        for (clients, operations) in SIZES {
            // Few values alone are hard already; for them one share of unknown outcomes says enough.
            for unknown in UNKNOWN
                .into_iter()
                .filter(|unknown| kind != Kind::Few || *unknown == 1)
            {
                let seed = 1 + members.len() as u64;
                members.extend(FLAWS.map(|flaw| member(kind, clients, operations, unknown, flaw, seed)));
            }
        }
    }
    members
}

fn member(kind: Kind, clients: u32, operations: u64, unknown: u32, flaw: Flaw, seed: u64) -> Member {
    let what = match flaw {
        Flaw::None => "good",
        Flaw::Stale => "stale",
        Flaw::Impossible => "impossible",
    };
    let (mix, values) = match kind {
        Kind::Swaps => (swaps(), Values::Twice),
        Kind::Few => (swaps(), Values::Few(5)),
        Kind::Appends => (appends(), Values::Twice),
    };
    let settings = Settings {
        seed,
        operations,
        keys: 1,
        clients,
        mix,
        values,
        unknown: Share::percent(unknown),
        long: Share::percent(5),
        pause: 0,
        flaw,
        ..Settings::default()
    };
    Member {
        name: format!("{kind}, {clients} clients, {operations}, {unknown}%, {what}"),
        kind,
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

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Swaps => "swaps",
            Kind::Appends => "appends",
            Kind::Few => "few values",
        })
    }
}
