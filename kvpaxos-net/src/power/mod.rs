//! What a power failure may leave of a data directory. A replica must open every such state, and must not
//! have lost anything that it had acknowledged or promised. The method is that of Pillai et al., *All File
//! Systems Are Not Created Equal*, OSDI 2014: the operations of the shell on files are recorded ([`tape`]);
//! for each operation, the states are made that the standard allows a power failure after it to leave
//! ([`world`]); and a replica is opened on each of them ([`check`]).
//!
//! The check itself is checked too. The record of a shell that lacks one of its syncs is the real record
//! without that sync. For every sync but those in [`SPARE`], the check must then find a loss.
//!
//! The same states show what second copies of headers would bring and cost ([`headers`]).

mod check;
mod expectation;
mod headers;
mod replica;
mod scenes;
pub(crate) mod tape;
mod world;

use std::collections::BTreeSet;

use check::{Check, Recording};
use tape::Entry;

/// The syncs that could be left out without a loss.
const SPARE: [&str; 2] = [
    // The superblock is written next and its name is synced, which syncs all names of the directory.
    "directory::set_aside: names",
    // Obsolete segments that come back are skipped. Only their room is not freed until they are deleted
    // again.
    "segments::delete: names",
];

#[test]
fn a_power_failure_takes_nothing_that_a_replica_stands_by_and_without_a_sync_it_does() {
    let scenes = scenes::all();
    let mut check = Check::new();
    for (name, recording) in &scenes {
        let before = check.good();
        let survived = check.survives(recording, None);
        survived.unwrap_or_else(|what| panic!("{name}: {what}"));
        let (operations, states) = (recording.entries.len(), check.good() - before);
        println!("{name}: {operations} operations, {states} states");
    }
    let points: BTreeSet<&str> = scenes
        .iter()
        .flat_map(|(_, recording)| points(recording))
        .collect();
    let mut spare = Vec::new();
    for point in points {
        let caught = scenes.iter().find_map(|(name, recording)| {
            let what = check.survives(recording, Some(point)).err()?;
            Some(format!("{name}: {}", what.lines().next().unwrap_or_default()))
        });
        println!(
            "without {point}: {}",
            caught.as_deref().unwrap_or("nothing is lost")
        );
        if caught.is_none() {
            spare.push(point);
        }
    }
    assert_eq!(spare, SPARE);
}

/// A segment that is full is followed by another one with the same syncs as a segment that a checkpoint ends.
/// Each of them is needed: that of the old segment's data, of the new one's header, of its name, and of the
/// mark that covers both.
#[test]
fn each_sync_of_a_rotation_is_needed_where_segments_are_full() {
    let recording = scenes::full_segments();
    let mut check = Check::new();
    check
        .survives(&recording, None)
        .unwrap_or_else(|what| panic!("{what}"));
    for point in [
        "log::begin_segment: a segment",
        "log::begin_segment: a segment's draft",
        "log::begin_segment: names",
        "log::keep_mark: the superblock's draft",
    ] {
        assert!(points(&recording).any(|it| it == point), "no {point}");
        let caught = check.survives(&recording, Some(point));
        assert!(caught.is_err(), "nothing is gone without {point}");
    }
}

/// The syncs in a recording, by their places in the source.
fn points(recording: &Recording) -> impl Iterator<Item = &str> {
    recording.entries.iter().filter_map(|entry| match entry {
        Entry::Sync { point, .. } => Some(point.as_str()),
        _ => None,
    })
}
