//! Operations on keys that several operations share: transactions, reads of several keys, and plain ones.

use bytes::Bytes;
use kvpaxos::client::Call;
use kvpaxos::{Condition, Holds, Op, Query, Step, Transaction, When};

use super::state::Clients;
use crate::engine::{Decider, Decision, Stream};
use crate::world::store_recorder::SHARED;

/// What a client draws from.
struct Draw<'a> {
    decider: &'a mut (dyn Decider + Send + 'static),
    stream: Stream,
    /// The number of keys.
    keys: u64,
    /// A value that is written once only.
    unique: Bytes,
}

impl Draw<'_> {
    fn below(&mut self, what: Decision, number: u64) -> u64 {
        self.decider.below(self.stream, what, number)
    }

    fn key(&mut self) -> Bytes {
        let number = self.below(Decision::Key, self.keys);
        Bytes::from([SHARED, number.to_string().as_bytes()].concat())
    }

    fn keys(&mut self) -> Vec<Bytes> {
        (0..=self.below(Decision::Operation, 4))
            .map(|_| self.key())
            .collect()
    }

    /// Often a small integer, so that it can be added to.
    fn value(&mut self) -> Bytes {
        match self.below(Decision::Value, 8) {
            0 | 1 => self.unique.clone(),
            number => Bytes::from(number.to_string()),
        }
    }

    fn flag(&mut self) -> bool {
        self.below(Decision::Operation, 2) == 0
    }

    fn step(&mut self) -> Step {
        let key = self.key();
        match self.below(Decision::Operation, 14) {
            0 | 1 => Step::Get { key },
            2 => Step::Length { key },
            3 => Step::Exists { key },
            4..=6 => Step::Put {
                key,
                value: self.value(),
                when: [When::Always, When::Absent, When::Present]
                    [usize::from(self.flag()) + usize::from(self.flag())],
                previous: self.flag(),
            },
            7 | 8 => Step::Append {
                key,
                value: self.value(),
            },
            9..=11 => {
                let number = self.below(Decision::Value, 7);
                let delta = i64::try_from(number).expect("it is below 7") - 2;
                Step::Add { key, delta }
            }
            _ => Step::Delete {
                key,
                previous: self.flag(),
            },
        }
    }
}

impl Clients {
    pub(super) fn draw_shared(&mut self, number: u32, decider: &mut (dyn Decider + Send + 'static)) -> Call {
        let client = &self.clients[number as usize];
        let mut draw = Draw {
            decider,
            stream: Stream::Client(number),
            keys: self.setup.shared_keys,
            unique: Bytes::from(format!("{number}-{}", client.numbers)),
        };
        match draw.below(Decision::Operation, 20) {
            0 => Call::Read(Query::Get { key: draw.key() }),
            1 | 2 => Call::Read(Query::GetMany { keys: draw.keys() }),
            3 => Call::Read(Query::Lengths { keys: draw.keys() }),
            4 => Call::Read(Query::Count),
            5..=7 => Call::Read(Query::Scan {
                cursor: client.cursor,
                limit: 1 + u32::try_from(draw.below(Decision::Value, 4)).expect("it is below 4"),
            }),
            8 => Call::Write(Op::Put {
                key: draw.key(),
                value: draw.value(),
            }),
            9 => Call::Write(Op::Delete { key: draw.key() }),
            10 => {
                let key = draw.key();
                let expect = client.seen.get(&key).cloned().flatten();
                let value = Some(draw.value());
                Call::Write(Op::Cas { key, expect, value })
            }
            _ => Call::Write(Op::Transaction(self.draw_transaction(number, &mut draw))),
        }
    }

    fn draw_transaction(&self, number: u32, draw: &mut Draw) -> Transaction {
        let client = &self.clients[number as usize];
        let conditions = draw.below(Decision::Operation, 5).saturating_sub(2);
        let condition = |_| {
            let key = draw.key();
            let (watched, seen) = (client.watched.get(&key), client.seen.get(&key));
            let holds = match (draw.below(Decision::Operation, 4), watched, seen) {
                (0 | 1, Some((existed, since)), _) => Holds::Unchanged {
                    existed: *existed,
                    since: *since,
                },
                (2, _, Some(Some(value))) => Holds::Equals(value.clone()),
                (0 | 2, ..) => Holds::Absent,
                _ => Holds::Present,
            };
            Condition { key, holds }
        };
        let conditions = (0..conditions).map(condition).collect();
        let steps = (0..=draw.below(Decision::Operation, 4))
            .map(|_| draw.step())
            .collect();
        Transaction { conditions, steps }
    }
}
