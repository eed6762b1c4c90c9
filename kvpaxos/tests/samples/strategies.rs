//! Strategies that draw any message, request, reply or record.

use bytes::Bytes;
use kvpaxos::agreement::StateDigest;
use kvpaxos::codec::{MAX_COUNTER, MAX_SMALL_COUNTER};
use kvpaxos::crash_vector::CrashVector;
use kvpaxos::founding::{KnownFounding, KnownFoundings};
use kvpaxos::io::Checkpoint;
use kvpaxos::message::{Accepted, AcceptorHealth, Heartbeat, Promise, Remembered, SnapshotPart};
use kvpaxos::snapshot::Cursor;
use kvpaxos::status::{AcceptorStatus, LearnerStatus, ProposerStatus};
use kvpaxos::{
    Ballot, Batch, Command, Condition, Founding, Holds, Incarnation, Life, Message, Op, Outcome, Record,
    ReplicaId, ReplicaSet, Reply, Request, RequestBody, Revision, Sequence, SessionId, Slot, Step, StepError,
    StepResult, Tag, Transaction, Value, Watermark, When,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::{replies, status};

/// Mostly small counters, and sometimes the largest that the codec accepts.
fn any_counter() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..300_u64, 2 => 0..=MAX_COUNTER, 1 => Just(MAX_COUNTER)]
}

fn any_small_counter() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0..300_u32, 1 => 0..=MAX_SMALL_COUNTER, 1 => Just(MAX_SMALL_COUNTER)]
}

fn any_slot() -> impl Strategy<Value = Slot> {
    any_counter().prop_map(Slot)
}

fn any_replica() -> impl Strategy<Value = ReplicaId> {
    (0..16_u8).prop_map(ReplicaId)
}

fn any_replicas() -> impl Strategy<Value = ReplicaSet> {
    vec(any_replica(), 0..6).prop_map(|ids| ids.into_iter().collect())
}

fn any_life() -> impl Strategy<Value = Life> {
    (any_small_counter(), any_small_counter()).prop_map(|(incarnation, restarts)| Life {
        incarnation: Incarnation(incarnation),
        restarts,
    })
}

fn any_ballot() -> impl Strategy<Value = Ballot> {
    (any_counter(), any_replica(), any_life()).prop_map(|(round, replica, life)| Ballot {
        round,
        replica,
        life,
    })
}

fn any_revision() -> impl Strategy<Value = Revision> {
    (any_slot(), any_small_counter()).prop_map(|(slot, index)| Revision { slot, index })
}

fn any_session() -> impl Strategy<Value = SessionId> {
    any_revision().prop_map(SessionId)
}

fn any_sequence() -> impl Strategy<Value = Sequence> {
    any_counter().prop_map(Sequence)
}

fn any_bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn any_tag() -> impl Strategy<Value = Tag> {
    (any::<u64>(), any_counter()).prop_map(|(nonce, number)| Tag { nonce, number })
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (any_bytes(), any_bytes()).prop_map(|(key, value)| Op::Put { key, value }),
        any_bytes().prop_map(|key| Op::Delete { key }),
        (any_bytes(), option::of(any_bytes()), option::of(any_bytes()))
            .prop_map(|(key, expect, value)| { Op::Cas { key, expect, value } }),
        (vec(any_condition(), 0..4), vec(any_step(), 0..4))
            .prop_map(|(conditions, steps)| Op::Transaction(Transaction { conditions, steps })),
    ]
}

fn any_condition() -> impl Strategy<Value = Condition> {
    let holds = prop_oneof![
        Just(Holds::Absent),
        Just(Holds::Present),
        any_bytes().prop_map(Holds::Equals),
        (any::<bool>(), any_revision()).prop_map(|(existed, since)| Holds::Unchanged { existed, since }),
    ];
    (any_bytes(), holds).prop_map(|(key, holds)| Condition { key, holds })
}

fn any_step() -> impl Strategy<Value = Step> {
    let when = prop_oneof![Just(When::Always), Just(When::Absent), Just(When::Present)];
    prop_oneof![
        any_bytes().prop_map(|key| Step::Get { key }),
        any_bytes().prop_map(|key| Step::Length { key }),
        any_bytes().prop_map(|key| Step::Exists { key }),
        (any_bytes(), any_bytes(), when, any::<bool>()).prop_map(|(key, value, when, previous)| {
            Step::Put {
                key,
                value,
                when,
                previous,
            }
        }),
        (any_bytes(), any_bytes()).prop_map(|(key, value)| Step::Append { key, value }),
        (any_bytes(), any::<i64>()).prop_map(|(key, delta)| Step::Add { key, delta }),
        (any_bytes(), any::<bool>()).prop_map(|(key, previous)| Step::Delete { key, previous }),
    ]
}

fn any_result() -> impl Strategy<Value = StepResult> {
    prop_oneof![
        option::of(any_bytes()).prop_map(StepResult::Value),
        any_counter().prop_map(StepResult::Length),
        any::<bool>().prop_map(StepResult::Exists),
        any::<i64>().prop_map(StepResult::Integer),
        (any::<bool>(), option::of(any_bytes()))
            .prop_map(|(applied, previous)| StepResult::Changed { applied, previous }),
        (any_counter(), any_counter())
            .prop_map(|(length, limit)| { StepResult::Failed(StepError::AnswerTooLong { length, limit }) }),
    ]
}

fn any_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        any_tag().prop_map(|tag| Command::Open { tag }),
        any_session().prop_map(|session| Command::Close { session }),
        (any_session(), any_sequence(), any_sequence(), any_op()).prop_map(
            |(session, sequence, lowest_unanswered, op)| Command::Apply {
                session,
                sequence,
                lowest_unanswered,
                op
            }
        ),
        (any_tag(), any_bytes()).prop_map(|(tag, payload)| Command::Opaque { tag, payload }),
    ]
}

pub fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Noop),
        vec(any_command(), 0..6).prop_map(|commands| Value::Batch(Batch::new(commands))),
    ]
}

fn any_state() -> impl Strategy<Value = StateDigest> {
    (any_slot(), any::<u64>()).prop_map(|(slot, digest)| StateDigest { slot, digest })
}

fn any_watermark() -> impl Strategy<Value = Watermark> {
    (any_counter(), any_counter()).prop_map(|(a, b)| Watermark {
        chosen: Slot(a.max(b)),
        settled: Slot(a.min(b)),
    })
}

fn any_incarnation() -> impl Strategy<Value = Incarnation> {
    any_small_counter().prop_map(Incarnation)
}

fn any_founding() -> impl Strategy<Value = Founding> {
    any::<u64>().prop_map(Founding)
}

fn any_known() -> impl Strategy<Value = KnownFounding> {
    prop_oneof![
        4 => any_founding().prop_map(KnownFounding::Founded),
        1 => Just(KnownFounding::FoundedAgain)
    ]
}

fn any_met() -> impl Strategy<Value = KnownFoundings> {
    vec((any_replica(), any_known()), 0..4).prop_map(KnownFoundings::from_iter)
}

fn any_vector() -> impl Strategy<Value = CrashVector> {
    vec((any_replica(), any_incarnation()), 0..5).prop_map(CrashVector::from_iter)
}

/// The entries that an acceptor with this promise reports from a slot on.
#[derive(Debug)]
struct Told {
    promised: Ballot,
    from: Slot,
    cut: Slot,
    entries: Vec<Accepted>,
    more: Option<Slot>,
}

fn any_told() -> impl Strategy<Value = Told> {
    let gaps = vec((0..5_u64, any_counter(), any_value()), 0..5);
    let slots = (0..1000_u64, 0..1000_u64);
    (any_ballot(), slots, gaps, option::of(0..5_u64)).prop_map(|(ballot, (from, cut), gaps, more)| {
        let mut next = from.max(cut);
        let entries = gaps.into_iter().map(|(gap, round, value)| {
            let slot = Slot(next + gap);
            next = slot.0 + 1;
            let round = round.min(ballot.round);
            Accepted {
                slot,
                ballot: Ballot { round, ..ballot },
                value,
            }
        });
        let entries = entries.collect();
        Told {
            promised: ballot,
            from: Slot(from),
            cut: Slot(cut),
            entries,
            more: more.map(|gap| Slot(next + gap)),
        }
    })
}

fn any_promise() -> impl Strategy<Value = Message> {
    (any_told(), any_vector()).prop_map(|(told, vector)| {
        Message::Promise(Promise {
            ballot: told.promised,
            from: told.from,
            vector,
            cut: told.cut,
            entries: told.entries,
            more: told.more,
        })
    })
}

fn any_remembered() -> impl Strategy<Value = Message> {
    (
        any_told(),
        any_vector(),
        any::<u64>(),
        any_incarnation(),
        any_met(),
    )
        .prop_map(|(told, vector, nonce, incarnation, met)| {
            Message::Remembered(Box::new(Remembered {
                nonce,
                incarnation,
                vector,
                promised: told.promised,
                cut: told.cut,
                from: told.from,
                entries: told.entries,
                more: told.more,
                met,
            }))
        })
}

fn any_part() -> impl Strategy<Value = Message> {
    (any_slot(), any::<u128>(), any_bytes()).prop_map(|(slot, digest, bytes)| {
        Message::SnapshotPart(Box::new(SnapshotPart {
            slot,
            digest,
            at: Cursor::START,
            next: None,
            bytes,
        }))
    })
}

fn any_heartbeat() -> impl Strategy<Value = Message> {
    let own = (
        any_counter(),
        any::<u64>(),
        option::of((any::<u64>(), any_counter())),
        proptest::sample::select(vec![
            AcceptorHealth::Votes,
            AcceptorHealth::Failed,
            AcceptorHealth::Lost,
        ]),
    );
    let seen = (
        any_ballot(),
        option::of(any_ballot()),
        any_slot(),
        option::of(any_watermark()),
        any_vector(),
        any_state(),
        option::of(any_slot()),
        any_met(),
    );
    (own, seen).prop_map(
        |((beat, nonce, echo, acceptor), (highest, leader, learned, chosen, vector, state, differs, met))| {
            Message::Heartbeat(Box::new(Heartbeat {
                beat,
                nonce,
                echo,
                acceptor,
                highest,
                leader,
                learned,
                chosen,
                vector,
                state,
                differs,
                met,
            }))
        },
    )
}

pub fn any_message() -> impl Strategy<Value = Message> {
    prop_oneof![
        (any_ballot(), any_slot(), any_state()).prop_map(|(ballot, from, state)| Message::Prepare {
            ballot,
            from,
            state
        }),
        any_promise(),
        (any_ballot(), any_ballot()).prop_map(|(ballot, promised)| Message::Refused { ballot, promised }),
        (
            any_ballot(),
            any_slot(),
            any_value(),
            any_watermark(),
            any_state()
        )
            .prop_map(|(ballot, slot, value, chosen, state)| {
                Message::Accept {
                    ballot,
                    slot,
                    value,
                    chosen,
                    state,
                }
            }),
        (any_ballot(), any_slot(), any_vector()).prop_map(|(ballot, slot, vector)| Message::Accepted {
            ballot,
            slot,
            vector
        }),
        (any_ballot(), any_watermark(), any_state()).prop_map(|(ballot, chosen, state)| Message::Chosen {
            ballot,
            chosen,
            state
        }),
        (any_ballot(), any_slot()).prop_map(|(ballot, up_to)| Message::Applied { ballot, up_to }),
        any_heartbeat(),
        vec(any_command(), 0..6).prop_map(|commands| Message::Forward { commands }),
        any_counter().prop_map(|number| Message::ReadIndex { number }),
        (any_counter(), any_slot(), any_state()).prop_map(|(number, up_to, state)| Message::ReadIndexed {
            number,
            up_to,
            state
        }),
        (any_ballot(), any_counter(), any_state()).prop_map(|(ballot, round, state)| Message::Confirm {
            ballot,
            round,
            state
        }),
        (any_ballot(), any_counter()).prop_map(|(ballot, round)| Message::Confirmed { ballot, round }),
        any_slot().prop_map(|from| Message::Learn { from }),
        (any_slot(), vec(any_value(), 0..5)).prop_map(|(from, values)| Message::Learned { from, values }),
        any::<u64>().prop_map(|nonce| Message::Recall { nonce }),
        (any::<u64>(), option::of(any_incarnation()))
            .prop_map(|(nonce, heard)| Message::Recalled { nonce, heard }),
        (any::<u64>(), any_incarnation(), any_slot()).prop_map(|(nonce, incarnation, from)| {
            Message::Announce {
                nonce,
                incarnation,
                from,
            }
        }),
        any_remembered(),
        any_slot().prop_map(|slot| Message::Fetch {
            slot,
            at: Cursor::START
        }),
        any_part(),
        (any_counter(), any_counter()).prop_map(|(number, pieces)| Message::Saved { number, pieces }),
        any_ballot().prop_map(|ballot| Message::Stand { ballot }),
    ]
}

pub fn any_request() -> impl Strategy<Value = Request> {
    let body = prop_oneof![
        any_tag().prop_map(|tag| RequestBody::Open { tag }),
        any_session().prop_map(|session| RequestBody::Close { session }),
        (any_session(), any_sequence(), any_sequence(), any_op()).prop_map(
            |(session, sequence, lowest_unanswered, op)| RequestBody::Apply {
                session,
                sequence,
                lowest_unanswered,
                op
            }
        ),
        any_bytes().prop_map(|key| RequestBody::Get { key }),
        any_bytes().prop_map(|payload| RequestBody::Submit { payload }),
        Just(RequestBody::Status),
        vec(any_bytes(), 0..4).prop_map(|keys| RequestBody::GetMany { keys }),
        vec(any_bytes(), 0..4).prop_map(|keys| RequestBody::Lengths { keys }),
        (any::<u64>(), any::<u32>()).prop_map(|(cursor, limit)| RequestBody::Scan { cursor, limit }),
    ];
    (any::<u64>(), body).prop_map(|(id, body)| Request { id, body })
}

pub fn any_reply() -> impl Strategy<Value = Reply> {
    let fixed = proptest::sample::select(replies()).prop_map(|reply| reply.outcome);
    let drawn = prop_oneof![
        any_session().prop_map(|session| Outcome::Opened { session }),
        (any_revision(), any::<bool>())
            .prop_map(|(revision, existed)| Outcome::Deleted { revision, existed }),
        (any_revision(), option::of(any_bytes()))
            .prop_map(|(revision, value)| Outcome::Value { revision, value }),
        any_replicas().prop_map(|silent| Outcome::Unknown { silent }),
        (any_revision(), option::of(vec(any_result(), 0..4)))
            .prop_map(|(revision, results)| Outcome::Executed { revision, results }),
        (any_revision(), vec(option::of(any_bytes()), 0..4))
            .prop_map(|(revision, values)| Outcome::Values { revision, values }),
        (any_revision(), vec(option::of(any_counter()), 0..4))
            .prop_map(|(revision, lengths)| Outcome::Lengths { revision, lengths }),
        (any_revision(), vec(any_bytes(), 0..4), any::<u64>())
            .prop_map(|(revision, keys, next)| Outcome::Page { revision, keys, next }),
        (any_slot(), any_counter(), any::<u128>()).prop_map(|(applied, keys, digest)| {
            let learner = LearnerStatus::Learning {
                applied,
                keys,
                sessions: 0,
                digest,
            };
            Outcome::Status(Box::new(status(
                ProposerStatus::Failed,
                AcceptorStatus::Out,
                learner,
            )))
        }),
    ];
    (any::<u64>(), prop_oneof![fixed, drawn]).prop_map(|(id, outcome)| Reply { id, outcome })
}

pub fn any_record() -> impl Strategy<Value = Record> {
    prop_oneof![
        any_ballot().prop_map(|ballot| Record::Proposed { ballot }),
        any_ballot().prop_map(|ballot| Record::Promised { ballot }),
        (any_ballot(), any_slot(), any_value()).prop_map(|(ballot, slot, value)| Record::Accepted {
            ballot,
            slot,
            value
        }),
        (any_ballot(), any_slot()).prop_map(|(ballot, up_to)| Record::Chosen { ballot, up_to }),
        (any_slot(), any_value()).prop_map(|(slot, value)| Record::Learned { slot, value }),
        Just(Record::MemoryLost),
        Just(Record::DiskLost),
        (any_replica(), any_incarnation()).prop_map(|(acceptor, incarnation)| Record::Heard {
            acceptor,
            incarnation
        }),
        (
            any_told(),
            any_vector(),
            any_ballot(),
            any_replicas(),
            any_counter(),
            option::of(any_founding()),
            any_met()
        )
            .prop_map(|(told, vector, proposed, members, number, founding, met)| {
                Record::Checkpoint(Box::new(Checkpoint {
                    number,
                    slot: told.from,
                    digest: u128::from(number),
                    cut: told.cut,
                    promised: told.promised,
                    vector,
                    proposed,
                    members,
                    founding,
                    met,
                }))
            }),
        (any_ballot(), any_slot(), any_value())
            .prop_map(|(ballot, slot, value)| { Record::Carried(Accepted { slot, ballot, value }) }),
        any_bytes().prop_map(|bytes| Record::SnapshotPart {
            at: Cursor::START,
            next: None,
            bytes
        }),
        any_counter().prop_map(|number| Record::CheckpointEnd { number }),
        any_founding().prop_map(|founding| Record::Founded { founding }),
        (any_replica(), any_known()).prop_map(|(replica, known)| Record::Met { replica, known }),
    ]
}
