//! Zones: decides histories of gets and puts in which all written values differ (Gibbons and Korach, *Testing
//! shared memories*, 1997), in n log n.
//!
//! If no value is written twice, and none is the first value, each get tells which put it saw. All operations
//! on one value are a *cluster*. Let *f* be the first completion in it and *s* the last invocation. They
//! bound its *zone*, which is *forward* if f comes before s, and *backward* otherwise. There is an order if
//! and only if
//!
//! 1. each value that was read was written, and no get of it completed before that put was invoked;
//! 2. no two forward zones overlap;
//! 3. no backward zone lies within a forward one.
//!
//! *Only if*: throughout a forward zone its value is the current one. The operation that completed at f found
//! or wrote it before, the one that was invoked at s found it after, and it was not written again in between.
//! So no other value is current within the zone. A cluster with a backward zone within it has an operation
//! that takes effect before the end of its own zone, and one that takes effect after the beginning. Wherever
//! these are, its value would be current somewhere in the forward zone.
//!
//! *If*: in a forward zone the put takes effect at f (by 1 it was invoked before), and each get at f or at
//! its own invocation, whichever comes later. All operations of a backward cluster run throughout its zone.
//! They take effect together, at a point of it outside all forward zones, which exists by 2 and 3.
//!
//! A put of unknown outcome has no completion, and is ignored if nobody read its value. A delete writes null.
//! One delete makes null a value like any other. With two, or with one where null is the first value, these
//! rules do not apply and other searches decide.

use std::collections::HashMap;

use super::question::{Question, SearchResult};
use crate::history::{Action, Answer, Datum};

/// All operations on one value.
#[derive(Default)]
struct Cluster {
    put: Option<Member>,
    gets: Vec<Member>,
    /// The first completion.
    first: usize,
    /// The last invocation.
    last: usize,
}

#[derive(Clone, Copy)]
struct Member {
    number: u32,
    invoked: usize,
    completed: usize,
}

impl Cluster {
    fn new() -> Cluster {
        let first = usize::MAX;
        Cluster {
            first,
            ..Cluster::default()
        }
    }

    fn add(&mut self, member: Member) {
        self.first = self.first.min(member.completed);
        self.last = self.last.max(member.invoked);
    }

    fn is_forward(&self) -> bool {
        self.first < self.last
    }
}

/// Decides the question; none if the rules do not apply to its operations.
pub(super) fn zones(question: Question<'_>) -> Option<SearchResult> {
    let none = SearchResult::NoOrder {
        from: 0,
        likely: question.end,
        rest: Vec::new(),
    };
    let mut clusters = clusters(question)?;
    // A value that was never read, by operations that never completed, asserts nothing.
    clusters.retain(|cluster| !cluster.gets.is_empty() || cluster.first < usize::MAX);
    if !clusters.iter().all(is_possible) {
        return Some(none);
    }
    let (mut forward, backward): (Vec<Cluster>, Vec<Cluster>) =
        clusters.into_iter().partition(Cluster::is_forward);
    forward.sort_unstable_by_key(|cluster| cluster.first);
    if forward.windows(2).any(|two| two[1].first < two[0].last) {
        return Some(none);
    }
    // The forward zone that a moment lies in.
    let around = |moment: usize| {
        let begun = forward.partition_point(|cluster| cluster.first < moment);
        let zone = &forward[begun.checked_sub(1)?];
        (moment < zone.last).then_some(zone)
    };
    let mut order: Vec<((usize, bool, usize), Member)> = Vec::new();
    for cluster in &backward {
        let at = match around(cluster.last) {
            Some(zone) if cluster.first < zone.last => return Some(none),
            Some(zone) => (zone.last, true, cluster.last),
            None => (cluster.last, true, cluster.last),
        };
        let members = cluster.put.iter().chain(&cluster.gets);
        order.extend(members.map(|member| (at, *member)));
    }
    for cluster in &forward {
        order.extend(cluster.put.map(|put| ((cluster.first, false, 0), put)));
        let gets = cluster.gets.iter();
        order.extend(gets.map(|get| ((get.invoked.max(cluster.first), false, 1), *get)));
    }
    // The sort is stable: a put stays before the gets of its value.
    order.sort_by_key(|(at, _)| *at);
    Some(SearchResult::Order(
        order.into_iter().map(|(_, member)| member.number).collect(),
    ))
}

/// Rule 1.
fn is_possible(cluster: &Cluster) -> bool {
    match cluster.put {
        Some(put) => cluster.gets.iter().all(|get| put.invoked < get.completed),
        // The first value was there before everything else.
        None => cluster.first == 0,
    }
}

/// The clusters of all values; none if a value is written twice, or an operation is neither get, put nor
/// delete. Moments are counted from 1; the first value is written at 0.
fn clusters(question: Question<'_>) -> Option<Vec<Cluster>> {
    let mut numbers: HashMap<&Datum, usize> = HashMap::from([(question.initial, 0)]);
    let mut initial = Cluster::new();
    initial.first = 0;
    let mut clusters = vec![initial];
    for (number, operation) in (0..).zip(question.operations) {
        if operation.invoked >= question.end {
            continue;
        }
        let answered = operation.answered.filter(|(place, _)| *place < question.end);
        let value = match (&operation.operation.action, answered) {
            (Action::Get, None) => continue,
            (Action::Get, Some((_, Answer::Value(seen)))) => seen,
            (Action::Put(value), _) => value,
            (Action::Delete, _) => &Datum::Null,
            _ => return None,
        };
        let place = *numbers.entry(value).or_insert_with(|| {
            clusters.push(Cluster::new());
            clusters.len() - 1
        });
        let member = Member {
            number,
            invoked: operation.invoked + 1,
            completed: answered.map_or(usize::MAX, |(place, _)| place + 1),
        };
        let cluster = &mut clusters[place];
        if operation.operation.action == Action::Get {
            cluster.gets.push(member);
        } else if place == 0 || cluster.put.replace(member).is_some() {
            return None;
        }
        cluster.add(member);
    }
    Some(clusters)
}
