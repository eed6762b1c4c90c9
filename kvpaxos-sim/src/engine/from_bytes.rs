//! A decider that is driven by bytes, such as the input of a fuzzer.

use kvpaxos::ReplicaId;

use crate::engine::decider::{Choice, Decider, Decision, Fate, Range, Seeded, Sending};
use crate::engine::latency::Table;

/// Decides by bytes: each choice takes one. A byte of 0 is the usual answer, and so is everything when the
/// bytes run out: messages arrive once after the median of their delays, syncs take the median of their
/// latencies, pauses are as long as possible, and any other answer is the first possible one. Random bits come
/// from a seed, so that no byte is spent on them.
pub struct BytesDecider {
    bytes: std::vec::IntoIter<u8>,
    seeded: Seeded,
}

impl BytesDecider {
    /// A decider that is driven by these bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>, seed: u64) -> BytesDecider {
        BytesDecider {
            bytes: bytes.into_iter(),
            seeded: Seeded::new(seed),
        }
    }

    fn byte(&mut self) -> Option<u8> {
        self.bytes.next()
    }

    fn length(&mut self, table: &Table) -> u64 {
        let byte = self.byte().unwrap_or(0);
        length(table, byte)
    }
}

/// The length of what a table describes for a byte: the median for the lower half of all bytes.
fn length(table: &Table, byte: u8) -> u64 {
    let point = match byte.checked_sub(128) {
        None => Table::POINTS / 2,
        Some(above) => u64::from(above) * Table::POINTS / 128,
    };
    table.at(point)
}

/// One byte as a number below a bound: the byte itself where there are few numbers, a part of them otherwise.
fn below(byte: u8, bound: u64) -> u64 {
    let byte = u64::from(byte);
    if bound <= 256 {
        return byte % bound.max(1);
    }
    let scaled = u128::from(byte) * u128::from(bound) / 256;
    u64::try_from(scaled).expect("a part of a u64 is one")
}

impl Decider for BytesDecider {
    fn decide(&mut self, choice: &Choice<'_>) -> u64 {
        if matches!(choice.decision, Decision::Entropy | Decision::ClockStart) {
            return self.seeded.decide(choice);
        }
        match choice.range {
            Range::Bits => self.seeded.decide(choice),
            Range::Chance(_) => u64::from(self.byte().is_some_and(|byte| byte >= 192)),
            Range::Spread(table) => self.length(table),
            Range::Below(bound) => match (self.byte(), choice.decision) {
                (Some(byte), _) => below(byte, bound),
                // Nothing else would happen any more.
                (None, Decision::FaultPause | Decision::Think) => bound.saturating_sub(1),
                (None, _) => 0,
            },
            Range::Weighted(weights) => {
                let possible = (0u64..).zip(weights).filter(|(_, weight)| **weight > 0);
                let possible: Vec<u64> = possible.map(|(index, _)| index).collect();
                let byte = usize::from(self.byte().unwrap_or(0));
                let place = byte.checked_rem(possible.len()).unwrap_or(0);
                possible.get(place).copied().unwrap_or(0)
            }
        }
    }

    fn fate(&mut self, sending: &Sending<'_>) -> Fate {
        let profile = sending.profile;
        let usual = length(&profile.delay, 0);
        match self.byte().unwrap_or(0) {
            byte @ 128..192 => Fate::Arrives(length(&profile.delay, 128 + (byte - 128) * 2)),
            192..224 if profile.drop > 0 => Fate::Lost,
            224.. if profile.duplicate > 0 && !sending.connected => {
                Fate::ArrivesTwice(usual, self.length(&profile.delay))
            }
            _ => Fate::Arrives(usual),
        }
    }

    fn sync(&mut self, _: ReplicaId, latency: &Table) -> u64 {
        self.length(latency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::decider::Stream;
    use crate::engine::latency;

    fn ask(decider: &mut BytesDecider, decision: Decision, range: Range<'_>) -> u64 {
        let stream = Stream::Nemesis;
        decider.decide(&Choice {
            stream,
            decision,
            range,
        })
    }

    #[test]
    fn each_choice_takes_a_byte_and_the_rest_is_usual() {
        let mut decider = BytesDecider::new(vec![200, 10, 128, 3], 1);
        assert_eq!(ask(&mut decider, Decision::Drop, Range::Chance(1)), 1);
        assert_eq!(ask(&mut decider, Decision::FaultTarget, Range::Below(7)), 3);
        assert_eq!(
            ask(&mut decider, Decision::FaultPause, Range::Below(1_000_000)),
            500_000
        );
        let kinds = Range::Weighted(&[0, 5, 0, 1]);
        assert_eq!(ask(&mut decider, Decision::FaultKind, kinds), 3);
        // The bytes have run out.
        assert_eq!(ask(&mut decider, Decision::Drop, Range::Chance(999_999)), 0);
        assert_eq!(ask(&mut decider, Decision::FaultKind, kinds), 1);
        assert_eq!(
            ask(&mut decider, Decision::FaultPause, Range::Below(1_000_000)),
            999_999
        );
        let usual = latency::LAN.at(Table::POINTS / 2);
        assert_eq!(
            ask(&mut decider, Decision::Delay, Range::Spread(&latency::LAN)),
            usual
        );
    }
}
