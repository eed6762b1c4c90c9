//! Replicas that are exported and imported again and again go on as if nothing had happened: a mutation that nobody may notice.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use kvpaxos::{
    Config, Effect, Entropy, Event, ExportError, Input, Memory, Micros, Op, Outcome, Replica, ReplicaId,
    Request, RequestBody, Sequence, SessionId, Tag, Time,
};

use crate::engine::Machine as _;
use crate::invariants::Trace;
use crate::subject::{Mutated, MutatedReplica, Mutation};
use crate::world::{Setup, run};

/// Now and then, another replica takes the place of this one: the one that its exported state gives.
#[derive(Default)]
struct Exported {
    /// How many inputs it is until then, and how many it was the last time.
    left: u32,
    every: u32,
}

impl Mutation for Exported {
    fn before(&mut self, replica: &mut Replica) {
        if self.left > 0 {
            self.left -= 1;
            return;
        }
        // All numbers up to 96 but one come, in an order of their own: 5 is a primitive root of 97.
        self.every = (self.every * 5 + 1) % 97;
        self.left = self.every;
        let Ok(bytes) = replica.export(usize::MAX) else {
            return;
        };
        let imported = Replica::import(replica.config(), &bytes).expect("what was exported is imported");
        assert!(
            imported == *replica,
            "an imported replica is the one that was exported"
        );
        let again = imported.export(usize::MAX);
        assert!(again == Ok(bytes), "equal replicas have equal bytes");
        *replica = imported;
    }
}

/// Optimized, this plays more seeds.
const SEEDS: u64 = if cfg!(debug_assertions) { 3 } else { 30 };

#[test]
fn worlds_do_not_notice_that_replicas_are_exported_and_imported() {
    for seed in 0..SEEDS {
        let mut setup = Setup::drawn(seed);
        if cfg!(debug_assertions) {
            setup.length.faults = Micros(2_000_000);
            setup.length.events = 0;
            setup.length.operations = 0;
        }
        let expected = run::<Replica>(setup.clone(), Trace::Off);
        setup.mutated = Some(Mutated::by::<Exported>());
        let exported = run::<MutatedReplica>(setup, Trace::Off);
        assert!(exported.violation.is_none(), "seed {seed}: {exported}");
        assert_eq!(exported.digest, expected.digest, "seed {seed}");
    }
}

/// A replica alone in its cluster, with a snapshot, sessions and values.
fn alone(config: &Config) -> Replica {
    let founded = Memory::Kept(Replica::founds(7));
    let mut replica = Replica::new(config.clone(), founded, Entropy([3; 32]), Time(5)).expect("it is valid");
    let mut session = None;
    for number in 1..30 {
        let at = Time(number * 100_000);
        let asked = Event::Client {
            from: kvpaxos::ClientId(1),
            request: request(number, session),
        };
        let mut events = VecDeque::from([Event::Clock, asked]);
        while let Some(event) = events.pop_front() {
            for effect in replica.step(Input { at, event }) {
                let to_itself = match effect {
                    Effect::Send(envelope) => vec![envelope],
                    Effect::Persist { then, .. } => then,
                    Effect::Reply { reply, .. } => {
                        if let Outcome::Opened { session: opened } = reply.outcome {
                            session = Some(opened);
                        }
                        continue;
                    }
                    _ => continue,
                };
                events.extend(to_itself.into_iter().map(|envelope| Event::Peer {
                    from: envelope.to,
                    founding: None,
                    message: envelope.message,
                }));
            }
        }
    }
    assert!(session.is_some(), "it serves");
    replica
}

fn request(id: u64, session: Option<SessionId>) -> Request {
    let body = match session {
        None => RequestBody::Open {
            tag: Tag { nonce: 7, number: 0 },
        },
        Some(session) => RequestBody::Apply {
            session,
            sequence: Sequence(id),
            lowest_unanswered: Sequence(id),
            op: Op::Put {
                key: "key".into(),
                value: "value".into(),
            },
        },
    };
    Request { id, body }
}

/// Bytes that were changed give an error or another state, and never a panic.
#[test]
fn what_is_no_state_is_refused() {
    let mut config = Config::new(ReplicaId(0), 1);
    config.limits.log_slots = 3;
    let replica = alone(&config);
    let bytes = replica.export(usize::MAX).expect("it receives nothing");
    assert!(replica.status().snapshot.is_some(), "there is a snapshot");
    assert!(Replica::import(&config, &bytes).expect("it is whole") == replica);
    for end in 0..bytes.len() {
        assert!(
            Replica::import(&config, &bytes[..end]).is_err(),
            "cut off at {end}"
        );
    }
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[place] ^= 1 << bit;
            if let Ok(other) = Replica::import(&config, &changed) {
                assert!(other != replica, "bit {bit} of byte {place} says nothing");
            }
        }
    }
}

/// In pieces, the state is the same, and whoever takes them may stop.
#[test]
fn a_state_is_exported_in_pieces() {
    let mut config = Config::new(ReplicaId(0), 1);
    config.limits.log_slots = 3;
    let replica = alone(&config);
    let whole = replica.export(usize::MAX).expect("it receives nothing");
    let exported = |limit: usize| {
        let mut pieces = Vec::new();
        let result = replica.clone().export_in_pieces(&mut |piece| {
            pieces.push(piece.to_vec());
            if pieces.len() < limit {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        (result, pieces)
    };
    let (result, pieces) = exported(usize::MAX);
    assert_eq!(result, Ok(()));
    assert_eq!(pieces.concat(), whole);
    for limit in 1..=pieces.len() {
        let (result, some) = exported(limit);
        assert_eq!(result, Err(ExportError::Stopped));
        assert_eq!(some, pieces[..limit]);
    }
    for limit in [0, whole.len() - 1] {
        assert_eq!(replica.export(limit), Err(ExportError::TooLong { limit }));
    }
    assert_eq!(replica.export(whole.len()), Ok(whole));
}
