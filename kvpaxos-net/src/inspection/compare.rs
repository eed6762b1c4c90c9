//! What the logs of several directories tell of the history of slots, and from which slot on they tell different histories. Changes nothing.
//!
//! Replicas that keep what they promise never differ. They do if a disk lost in silence what it had synced, or if a directory was replaced by an
//! older copy, or formatted anew: then a quorum may have forgotten what was chosen, and chosen something else. [`read`] rebuilds what one log
//! holds, as a replica that starts would, and [`compare`] says where histories part.
//!
//! A log tells of a slot what it knows to be chosen, and the digest of the state after it; behind that, what its acceptor accepted. Two
//! values of the second kind that differ prove nothing: one may have been proposed and have lost, as Paxos allows. After a disk lost its last
//! writes, the acknowledged value may stand on the others in just that way. So such a difference is reported, and called open
//! ([`How::Accepted`]), unless both were accepted in one ballot ([`How::Ballot`]).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use kvpaxos::Slot;

use crate::inspection::history::History;

/// Why directories cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// They are of two clusters, which have nothing in common.
    #[error(
        "{} is of cluster {:016x} and {} of cluster {:016x}: the histories of two clusters have nothing in common. If the cluster is one, \
         its name, members, quorums or limits have changed",
        first.display(), clusters[0], second.display(), clusters[1]
    )]
    Clusters {
        /// A directory,
        first: PathBuf,
        /// another,
        second: PathBuf,
        /// and the fingerprints of their clusters.
        clusters: [u64; 2],
    },
    /// One is named twice.
    #[error("{} and {} are one directory: name each once", first.display(), second.display())]
    Twice {
        /// By this name,
        first: PathBuf,
        /// and by this one.
        second: PathBuf,
    },
}

/// Where two histories part.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Parting {
    /// The first slot in which they differ, or before which they do.
    pub slot: Slot,
    /// How that is known.
    pub how: How,
}

/// How it is known that two histories differ.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum How {
    /// The states before the slot differ already, and it is the first that both tell: they parted earlier.
    Before,
    /// Different values are known to be chosen for it.
    Chosen,
    /// The same value is, and the states after it differ all the same.
    State,
    /// Different values were accepted for it in one ballot, which has one value for each slot.
    Ballot,
    /// Different values stand in it, and at least one of them was only accepted. It may have lost, and then nothing is wrong.
    Accepted,
}

/// Two sides of a [`Comparison`], and where they part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Where.
    pub parting: Parting,
    /// Between which sides.
    pub sides: [usize; 2],
}

/// What several histories have in common. Histories are named by their places.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Comparison {
    /// From which slot on and below which one two of them at least can be compared by what is chosen; `None` if there is no such slot.
    pub told: Option<(Slot, Slot)>,
    /// Who agrees with whom: those of one side do not differ from each other. There are none if nobody differs from anybody.
    pub sides: Vec<Vec<usize>>,
    /// Where sides part, in the order of slots.
    pub differences: Vec<Difference>,
    /// Where there are sides, those that differ from nobody: what they tell ends before histories part, or is told by nobody else.
    pub undecided: Vec<usize>,
    /// Which of them can be compared, directly or by way of others. There is one group if all can.
    pub comparable: Vec<Vec<usize>>,
    /// In short.
    pub verdict: Verdict,
}

/// Whether histories differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Nobody differs from anybody, in any slot that two can tell.
    Same,
    /// Some do.
    Differ,
    /// What is known to be chosen does not show a difference. But what was accepted may, or some have no slot in common with the others.
    Unknown,
}

/// How two histories relate to each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Relation {
    /// There is nothing that both tell.
    Apart,
    Same,
    Differ(Parting),
}

/// Compares histories, each with each.
///
/// # Errors
/// If they are of different clusters, or two are one.
pub fn compare(histories: &[History]) -> Result<Comparison, CompareError> {
    check_that_they_fit(histories)?;
    let relations: BTreeMap<(usize, usize), Relation> = pairs_of(histories.len())
        .map(|(one, other)| ((one, other), relate(&histories[one], &histories[other])))
        .collect();
    let relation = |one: usize, other: usize| relations[&(one.min(other), one.max(other))];
    let (sides, undecided) = sides(histories.len(), &relation);
    let mut differences = Vec::new();
    for (one, other) in pairs_of(sides.len()) {
        let across = sides[one]
            .iter()
            .flat_map(|first| sides[other].iter().map(move |second| (*first, *second)));
        let partings = across.filter_map(|(first, second)| match relation(first, second) {
            Relation::Differ(parting) => Some(parting),
            _ => None,
        });
        let sides = [one, other];
        differences.extend(partings.min().map(|parting| Difference { parting, sides }));
    }
    differences.sort_by_key(|difference| (difference.parting, difference.sides));
    let comparable = comparable(histories.len(), &relation);
    let told =
        pairs_of(histories.len()).filter_map(|(one, other)| common(&histories[one], &histories[other]));
    let told = told
        .reduce(|(from, below), (other_from, other_below)| (from.min(other_from), below.max(other_below)));
    let proven = |difference: &Difference| difference.parting.how != How::Accepted;
    let verdict = if differences.iter().any(proven) {
        Verdict::Differ
    } else if differences.is_empty() && comparable.len() == 1 {
        Verdict::Same
    } else {
        Verdict::Unknown
    };
    Ok(Comparison {
        told,
        sides,
        differences,
        undecided,
        comparable,
        verdict,
    })
}

fn pairs_of(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count).flat_map(move |first| (first + 1..count).map(move |second| (first, second)))
}

fn check_that_they_fit(histories: &[History]) -> Result<(), CompareError> {
    for (one, other) in pairs_of(histories.len()) {
        let (one, other) = (&histories[one], &histories[other]);
        let (first, second) = (one.directory().to_owned(), other.directory().to_owned());
        let clusters = [one.owner().cluster, other.owner().cluster];
        if clusters[0] != clusters[1] {
            return Err(CompareError::Clusters {
                first,
                second,
                clusters,
            });
        }
        let real = |path: &Path| path.canonicalize().ok();
        if first == second || real(&first).is_some_and(|path| Some(path) == real(&second)) {
            return Err(CompareError::Twice { first, second });
        }
    }
    Ok(())
}

/// The slots whose chosen values both tell, or the one before which both tell the state: from which on, and below which.
fn common(one: &History, other: &History) -> Option<(Slot, Slot)> {
    let from = one.from().max(other.from());
    let below = one.below().min(other.below());
    // That all began alike says nothing.
    (from <= below && below > Slot::ZERO).then_some((from, below))
}

fn relate(one: &History, other: &History) -> Relation {
    let differ = |slot, how| Relation::Differ(Parting { slot, how });
    let common = common(one, other);
    if let Some((from, below)) = common {
        if one.digest(from) != other.digest(from) {
            return differ(from, How::Before);
        }
        for slot in (from.0..below.0).map(Slot) {
            if one.chosen(slot) != other.chosen(slot) {
                return differ(slot, How::Chosen);
            }
            if one.digest(slot.next()) != other.digest(slot.next()) {
                return differ(slot, How::State);
            }
        }
    }
    // Behind what both know to be chosen, each slot in which something stands that at least one has only accepted.
    let from = one.from().max(other.from());
    let below = one.below().min(other.below());
    let behind = [one, other]
        .into_iter()
        .flat_map(|history| history.accepted_from(from.max(below)));
    let mut met = common.is_some();
    for slot in behind.collect::<BTreeSet<Slot>>() {
        if let (Some(first), Some(second)) = (one.standing(slot), other.standing(slot)) {
            if first.value() != second.value() {
                let ballots = [first, second].map(|standing| standing.accepted.map(|(ballot, _)| ballot));
                let one_ballot = ballots[0].is_some() && ballots[0] == ballots[1];
                let differ_in_it = first.accepted != second.accepted;
                return differ(
                    slot,
                    if one_ballot && differ_in_it {
                        How::Ballot
                    } else {
                        How::Accepted
                    },
                );
            }
            met = true;
        }
    }
    if met { Relation::Same } else { Relation::Apart }
}

/// Who stands with whom among those that differ from somebody; and those that differ from nobody, if others do.
fn sides(count: usize, relation: &impl Fn(usize, usize) -> Relation) -> (Vec<Vec<usize>>, Vec<usize>) {
    let differs =
        |one: usize, other: usize| one != other && matches!(relation(one, other), Relation::Differ(_));
    let (parted, undecided): (Vec<usize>, Vec<usize>) =
        (0..count).partition(|one| (0..count).any(|other| differs(*one, other)));
    let mut sides: Vec<Vec<usize>> = Vec::new();
    for one in parted {
        let fits = |side: &&mut Vec<usize>| {
            side.iter().all(|other| !differs(one, *other))
                && side.iter().any(|other| relation(one, *other) == Relation::Same)
        };
        match sides.iter_mut().find(fits) {
            Some(side) => side.push(one),
            None => sides.push(vec![one]),
        }
    }
    let undecided = if sides.is_empty() { Vec::new() } else { undecided };
    (sides, undecided)
}

/// Who can be compared with whom, directly or by way of others.
fn comparable(count: usize, relation: &impl Fn(usize, usize) -> Relation) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for one in 0..count {
        let (mut met, others): (Vec<_>, Vec<_>) = groups
            .into_iter()
            .partition(|group| group.iter().any(|other| relation(one, *other) != Relation::Apart));
        groups = others;
        let mut group: Vec<usize> = met.drain(..).flatten().collect();
        group.push(one);
        group.sort_unstable();
        groups.push(group);
    }
    groups.sort();
    groups
}

#[cfg(test)]
mod tests;
