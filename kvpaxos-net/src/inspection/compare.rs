//! Compares the histories of several logs, and finds the first slot at which they diverge.
//!
//! Replicas that keep their promises never differ. They do differ if a disk silently lost what it had synced,
//! or if a data directory was replaced by an older copy or formatted again: then a quorum may have forgotten
//! a chosen value, and chosen another one. [`read`](crate::inspection::history::read) rebuilds what one log
//! holds, as a replica that starts would, and [`compare`] finds where histories diverge.
//!
//! A log holds values that it knows to be chosen, with the digest of the state after each, and behind these,
//! values that its acceptor accepted. Two accepted values that differ prove nothing: one may have been
//! proposed in vain, as Paxos allows. But after a disk lost its last writes, an acknowledged value may be
//! left on the other disks in just this form. So such a difference is reported as open
//! ([`DivergenceKind::Accepted`]), unless both values were accepted in the same ballot
//! ([`DivergenceKind::Ballot`]).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use kvpaxos::Slot;

use crate::inspection::history::History;

/// Why directories cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// They belong to different clusters.
    #[error(
        "{} is of cluster {:016x} and {} of cluster {:016x}: the histories of two clusters have nothing in \
         common. If it is one cluster, its name, members, quorums or limits have changed",
        first.display(), clusters[0], second.display(), clusters[1]
    )]
    Clusters {
        /// A directory.
        first: PathBuf,
        /// Another one.
        second: PathBuf,
        /// The fingerprints of their clusters.
        clusters: [u64; 2],
    },
    /// One directory is named twice.
    #[error("{} and {} are one directory: name each directory once", first.display(), second.display())]
    SameDirectory {
        /// Its first name.
        first: PathBuf,
        /// Its second name.
        second: PathBuf,
    },
}

/// The first difference of two histories.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Divergence {
    /// The slot. With [`DivergenceKind::Before`] they differ before it, otherwise in it.
    pub slot: Slot,
    /// How the difference shows.
    pub kind: DivergenceKind,
}

/// How a difference of two histories shows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum DivergenceKind {
    /// The slot is the first that both logs hold, and the states before it differ already: they diverged
    /// earlier.
    Before,
    /// Different values are known to be chosen for the slot.
    Chosen,
    /// The same value is known to be chosen, but the states after it differ.
    State,
    /// Different values were accepted for the slot in one ballot, although a ballot has one value per slot.
    Ballot,
    /// The values differ, and at least one of them was only accepted. It may never have been chosen, and then
    /// nothing is wrong.
    Accepted,
}

/// The first difference between two sides of a [`Comparison`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Where they diverge, and how it shows.
    pub divergence: Divergence,
    /// The two sides, by their places in [`Comparison::sides`].
    pub sides: [usize; 2],
}

/// The result of comparing several histories. A history is named by its place in the list that was compared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Comparison {
    /// The range of slots, from the first to before the second, in which at least two histories know what is
    /// chosen; `None` if there is no such slot.
    pub told: Option<(Slot, Slot)>,
    /// Groups of histories that agree with each other. Empty if no histories differ.
    pub sides: Vec<Vec<usize>>,
    /// The first difference of each two sides that differ, in the order of slots.
    pub differences: Vec<Difference>,
    /// If there are sides, the histories that differ from no other one: they end before the first difference,
    /// or have no slot in common with the others.
    pub undecided: Vec<usize>,
    /// Groups of histories that can be compared, directly or by way of others; one group if all can.
    pub comparable: Vec<Vec<usize>>,
    /// The result in a word.
    pub verdict: ComparisonVerdict,
}

/// Whether histories differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ComparisonVerdict {
    /// No histories differ in any slot that two of them hold.
    Same,
    /// Some histories differ.
    Differ,
    /// The chosen values show no difference, but accepted values do, or some histories have no slot in common
    /// with the others.
    Unknown,
}

/// How two histories relate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Relation {
    /// There is no slot that both hold.
    Incomparable,
    Same,
    Differ(Divergence),
}

/// Compares each history with each other one.
///
/// # Errors
/// If they are of different clusters, or a directory is named twice.
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
        let divergences = across.filter_map(|(first, second)| match relation(first, second) {
            Relation::Differ(divergence) => Some(divergence),
            _ => None,
        });
        let sides = [one, other];
        differences.extend(
            divergences
                .min()
                .map(|divergence| Difference { divergence, sides }),
        );
    }
    differences.sort_by_key(|difference| (difference.divergence, difference.sides));
    let comparable = comparable(histories.len(), &relation);
    let told =
        pairs_of(histories.len()).filter_map(|(one, other)| common(&histories[one], &histories[other]));
    let told = told
        .reduce(|(from, below), (other_from, other_below)| (from.min(other_from), below.max(other_below)));
    let proven = |difference: &Difference| difference.divergence.kind != DivergenceKind::Accepted;
    let verdict = if differences.iter().any(proven) {
        ComparisonVerdict::Differ
    } else if differences.is_empty() && comparable.len() == 1 {
        ComparisonVerdict::Same
    } else {
        ComparisonVerdict::Unknown
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
            return Err(CompareError::SameDirectory { first, second });
        }
    }
    Ok(())
}

/// The range of slots whose chosen values both know, or the empty range at a slot before which both know the
/// state.
fn common(one: &History, other: &History) -> Option<(Slot, Slot)> {
    let from = one.from().max(other.from());
    let below = one.below().min(other.below());
    // That both begin with the empty state says nothing.
    (from <= below && below > Slot::ZERO).then_some((from, below))
}

fn relate(one: &History, other: &History) -> Relation {
    let differ = |slot, kind| Relation::Differ(Divergence { slot, kind });
    let common = common(one, other);
    if let Some((from, below)) = common {
        if one.digest(from) != other.digest(from) {
            return differ(from, DivergenceKind::Before);
        }
        for slot in (from.0..below.0).map(Slot) {
            if one.chosen(slot) != other.chosen(slot) {
                return differ(slot, DivergenceKind::Chosen);
            }
            if one.digest(slot.next()) != other.digest(slot.next()) {
                return differ(slot, DivergenceKind::State);
            }
        }
    }
    // Behind the slots that both know to be chosen: each slot of which at least one has only accepted a
    // value.
    let from = one.from().max(other.from());
    let below = one.below().min(other.below());
    let behind = [one, other]
        .into_iter()
        .flat_map(|history| history.accepted_from(from.max(below)));
    let mut met = common.is_some();
    for slot in behind.collect::<BTreeSet<Slot>>() {
        if let (Some(first), Some(second)) = (one.contents(slot), other.contents(slot)) {
            if first.value() != second.value() {
                let ballots = [first, second].map(|contents| contents.accepted.map(|(ballot, _)| ballot));
                let one_ballot = ballots[0].is_some() && ballots[0] == ballots[1];
                let differ_in_it = first.accepted != second.accepted;
                return differ(
                    slot,
                    if one_ballot && differ_in_it {
                        DivergenceKind::Ballot
                    } else {
                        DivergenceKind::Accepted
                    },
                );
            }
            met = true;
        }
    }
    if met {
        Relation::Same
    } else {
        Relation::Incomparable
    }
}

/// The groups of [`Comparison::sides`], and the rest of [`Comparison::undecided`].
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

/// The groups of [`Comparison::comparable`].
fn comparable(count: usize, relation: &impl Fn(usize, usize) -> Relation) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for one in 0..count {
        let (mut met, others): (Vec<_>, Vec<_>) = groups.into_iter().partition(|group| {
            group
                .iter()
                .any(|other| relation(one, *other) != Relation::Incomparable)
        });
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
