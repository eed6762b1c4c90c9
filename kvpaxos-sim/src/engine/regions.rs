//! Networks that span regions: what the distance between two nodes adds to the delay of a message.

use crate::engine::node::Node;

/// The number of regions that are known.
pub const REGIONS: usize = 5;

/// How long a message takes from one region to another, in microseconds: about half of a round trip between data
/// centres in Virginia, Oregon, Ireland, Tokyo and Sydney.
const DISTANCES: [[u64; REGIONS]; REGIONS] = [
    [0, 30_000, 35_000, 75_000, 100_000],
    [30_000, 0, 60_000, 48_000, 70_000],
    [35_000, 60_000, 0, 105_000, 130_000],
    [75_000, 48_000, 105_000, 0, 52_000],
    [100_000, 70_000, 130_000, 52_000, 0],
];

/// What the distance adds to the delay of a message, in microseconds. The nodes are spread over so many regions, one
/// after the other; with one or none of them all are in one place.
#[must_use]
pub fn distance(regions: usize, from: Node, to: Node) -> u64 {
    let regions = regions.clamp(1, REGIONS);
    DISTANCES[from.index() % regions][to.index() % regions]
}

/// The greatest distance between so many regions, in microseconds.
#[must_use]
pub fn longest(regions: usize) -> u64 {
    let regions = regions.clamp(1, REGIONS);
    let rows = DISTANCES[..regions].iter();
    rows.flat_map(|row| row[..regions].iter().copied())
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_the_same_in_both_directions_and_none_within_a_region() {
        let node = |number| Node::replica(kvpaxos::ReplicaId(number));
        for one in 0..7 {
            assert_eq!(distance(1, node(one), node(0)), 0);
            for other in 0..7 {
                let there = distance(REGIONS, node(one), node(other));
                assert_eq!(there, distance(REGIONS, node(other), node(one)));
                assert_eq!(there == 0, one % 5 == other % 5);
                assert!(there <= longest(REGIONS));
            }
        }
        assert_eq!((longest(0), longest(2), longest(5)), (0, 30_000, 130_000));
    }
}
