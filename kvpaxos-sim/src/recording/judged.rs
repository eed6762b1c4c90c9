//! Which properties can be judged, and why others cannot.

use kvpaxos::{ReplicaId, ReplicaSet, Slot};

use super::check::Checked;
use super::files::Found;
use super::memory::Beginning;
use crate::invariants::Property;

/// The highest slot up to which recordings are audited: the audit keeps every slot in memory.
pub(super) const HIGHEST_SLOT: u64 = 1 << 23;

/// What recordings never show. The clients are not recorded, nor is how the times of two replicas relate.
const NEVER: [(Property, &str); 6] = [
    (Property::S1, "what clients saw is not recorded"),
    (Property::S2, "what clients saw is not recorded"),
    (Property::S3, "what clients saw is not recorded"),
    (Property::S4, "when faults began and ended is not recorded"),
    (
        Property::D1,
        "a disk that loses synced records unnoticed is reported as such",
    ),
    (Property::Determinism, "an execution that differs is an error"),
];

/// What needs the whole past of all replicas: who proposed a value, and who voted for it.
const NEED_ALL: [Property; 6] = [
    Property::A3,
    Property::A4,
    Property::P1,
    Property::P4,
    Property::S5,
    Property::R1,
];

/// What is judged, and what is not.
#[derive(Debug)]
pub(super) struct Judged {
    /// Whether everything is recorded, of all replicas, from their founding on.
    pub(super) complete: bool,
    /// The replicas of which there is no recording.
    pub(super) absent: ReplicaSet,
    /// The properties that are not judged, and why.
    pub(super) unjudged: Vec<(Property, String)>,
}

impl Judged {
    pub(super) fn of(found: &Found, checked: &Checked) -> Judged {
        let members = found.values().flatten().next();
        let mut absent = members.map_or(ReplicaSet::EMPTY, |file| file.header.config.members);
        for id in found.keys() {
            absent.remove(*id);
        }
        let late = |id: &&ReplicaId| {
            let first = checked.replicas.get(*id).and_then(|lives| lives.first());
            let file = found.get(*id).and_then(|files| files.first());
            let is_first = file.is_some_and(|file| (file.header.life, file.header.segment) == (1, 1));
            !is_first || first.is_none_or(|life| life.beginning != Beginning::New)
        };
        let late: ReplicaSet = found.keys().filter(late).copied().collect();
        let mut why = Vec::new();
        if !absent.is_empty() {
            why.push(format!("there is no recording of {absent}"));
        }
        if !late.is_empty() {
            why.push(format!("that of {late} does not begin when the replica was new"));
        }
        let mut unjudged: Vec<(Property, String)> = NEVER
            .iter()
            .map(|(property, why)| (*property, (*why).to_owned()))
            .collect();
        let complete = why.is_empty();
        if !complete {
            let why = why.join(", and ");
            unjudged.extend(NEED_ALL.map(|property| (property, why.clone())));
        }
        if checked.highest > Slot(HIGHEST_SLOT) {
            let why = format!(
                "slot {} is above {HIGHEST_SLOT}, and the audit keeps every slot in memory",
                checked.highest
            );
            for property in Property::ALL {
                if !unjudged.iter().any(|(other, _)| *other == property) && property != Property::Assertion {
                    unjudged.push((property, why.clone()));
                }
            }
        }
        Judged {
            complete,
            absent,
            unjudged,
        }
    }

    /// Whether the audit can be done at all.
    pub(super) fn is_auditable(checked: &Checked) -> bool {
        checked.highest <= Slot(HIGHEST_SLOT)
    }
}
