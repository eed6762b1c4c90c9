//! Heavy-tailed latencies as tables of quantiles, so that no floating point decides a simulation.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A distribution of latencies in microseconds: quantiles at sixteenths, with straight lines between them.
/// The last sixteenth, the tail, has a finer table of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Table {
    /// Its name in reports.
    pub name: &'static str,
    /// The quantiles at 0/16, 1/16, ... 15/16.
    body: [u32; 16],
    /// The quantiles at 240/256, 241/256, ... 256/256.
    tail: [u32; 17],
}

impl Table {
    /// The number of points that [`at`](Table::at) knows.
    pub const POINTS: u64 = 256 * 256;

    /// A table that always gives the same latency.
    #[must_use]
    pub const fn always(name: &'static str, micros: u32) -> Table {
        Table {
            name,
            body: [micros; 16],
            tail: [micros; 17],
        }
    }

    /// The latency at a point of the distribution, in microseconds.
    ///
    /// # Panics
    /// If the point is not below [`POINTS`](Table::POINTS).
    #[must_use]
    pub fn at(&self, point: u64) -> u64 {
        assert!(
            point < Table::POINTS,
            "a table has {} points, not {point}",
            Table::POINTS
        );
        let (low, high, part, parts) = if point < 240 * 256 {
            let (index, part) = (point / 4096, point % 4096);
            let high = self.body.get(step(index) + 1).unwrap_or(&self.tail[0]);
            (self.body[step(index)], *high, part, 4096)
        } else {
            let (index, part) = ((point - 240 * 256) / 256, point % 256);
            (self.tail[step(index)], self.tail[step(index) + 1], part, 256)
        };
        let (low, high) = (u64::from(low), u64::from(high));
        low + (high - low) * part / parts
    }
}

fn step(index: u64) -> usize {
    usize::try_from(index).expect("there are 16 steps")
}

/// The network of a rack: a fifth of a millisecond, rarely ten.
pub const LAN: Table = Table {
    name: "lan",
    body: [
        100, 120, 135, 150, 160, 170, 180, 190, 200, 215, 230, 250, 275, 305, 350, 420,
    ],
    tail: [
        520, 540, 560, 580, 610, 640, 680, 730, 790, 860, 950, 1_070, 1_250, 1_550, 2_200, 4_000, 12_000,
    ],
};

/// The network between data centres of one region: a few milliseconds, sometimes a hundred.
pub const REGION: Table = Table {
    name: "region",
    body: [
        900, 1_000, 1_100, 1_200, 1_300, 1_400, 1_500, 1_650, 1_800, 2_000, 2_200, 2_500, 2_900, 3_400,
        4_200, 5_500,
    ],
    tail: [
        7_000, 7_300, 7_700, 8_200, 8_800, 9_500, 10_400, 11_500, 13_000, 15_000, 17_500, 21_000, 26_000,
        34_000, 48_000, 75_000, 160_000,
    ],
};

/// A network that reorders many messages: up to tens of milliseconds, with a tail up to half a second.
pub const WILD: Table = Table {
    name: "wild",
    body: [
        50, 300, 600, 1_000, 1_500, 2_100, 2_900, 3_800, 5_000, 6_500, 8_300, 10_500, 13_200, 16_500, 20_500,
        25_500,
    ],
    tail: [
        32_000, 34_000, 36_500, 39_500, 43_000, 47_500, 53_000, 60_000, 69_000, 80_000, 94_000, 112_000,
        136_000, 170_000, 225_000, 320_000, 500_000,
    ],
};

/// A fast network in which every tenth message is late by up to two seconds, which is longer than an election
/// takes.
pub const STRAGGLING: Table = Table {
    name: "straggling",
    body: [
        100, 120, 135, 150, 160, 170, 180, 190, 200, 215, 230, 250, 275, 305, 1_000, 20_000,
    ],
    tail: [
        80_000, 110_000, 140_000, 170_000, 200_000, 240_000, 280_000, 330_000, 390_000, 460_000, 550_000,
        650_000, 780_000, 940_000, 1_200_000, 1_500_000, 2_000_000,
    ],
};

/// A fast disk: a fifth of a millisecond for a sync.
pub const FLASH: Table = Table {
    name: "flash",
    body: [
        90, 100, 105, 110, 115, 120, 130, 140, 150, 165, 180, 200, 230, 270, 330, 420,
    ],
    tail: [
        560, 600, 650, 700, 760, 830, 920, 1_030, 1_170, 1_350, 1_600, 1_950, 2_500, 3_500, 6_000, 14_000,
        40_000,
    ],
};

/// A disk that rotates or is shared: milliseconds for a sync, sometimes a third of a second.
pub const BUSY: Table = Table {
    name: "busy",
    body: [
        800, 1_200, 1_600, 2_000, 2_500, 3_000, 3_600, 4_200, 5_000, 5_800, 6_800, 7_900, 9_200, 10_800,
        12_800, 15_400,
    ],
    tail: [
        19_000, 20_000, 21_000, 22_500, 24_000, 26_000, 28_500, 31_500, 35_000, 40_000, 46_000, 54_000,
        66_000, 84_000, 115_000, 180_000, 350_000,
    ],
};

/// The tables that setups are drawn from.
const NAMED: [Table; 6] = [LAN, REGION, WILD, STRAGGLING, FLASH, BUSY];

/// A table is written as its name.
impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

impl<'de> Deserialize<'de> for Table {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Table, D::Error> {
        let name = String::deserialize(deserializer)?;
        let table = NAMED.into_iter().find(|table| table.name == name);
        table.ok_or_else(|| {
            let names: Vec<&str> = NAMED.iter().map(|table| table.name).collect();
            D::Error::custom(format!(
                "there is no table {name:?}; there are {}",
                names.join(", ")
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_never_go_down_and_meet_at_the_tail() {
        for table in NAMED {
            let mut last = 0;
            for point in (0..Table::POINTS).step_by(64) {
                let length = table.at(point);
                assert!(length >= last, "{} goes down at {point}", table.name);
                last = length;
            }
            assert!(table.at(Table::POINTS - 1) > table.at(Table::POINTS / 2) * 10);
        }
    }
}
