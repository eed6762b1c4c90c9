//! One value of every variant that leaves a process, by name, and strategies that draw any.
#![allow(dead_code, unreachable_pub, reason = "each test program uses a part")]

use bytes::Bytes;
use kvpaxos::agreement::{Doubt, StateDigest};
use kvpaxos::codec::{Hello, MAX_COUNTER, MAX_SMALL_COUNTER, PeerFrame};
use kvpaxos::crash_vector::CrashVector;
use kvpaxos::founding::{Known, Met};
use kvpaxos::io::Checkpoint;
use kvpaxos::message::{Accepted, AcceptorSign, Heartbeat, Promise, Remembered, SnapshotPart};
use kvpaxos::snapshot::Cursor;
use kvpaxos::status::{AcceptorStatus, LearnerStatus, ProposerStatus};
use kvpaxos::{
    Ballot, Batch, Command, Founding, Incarnation, Life, Message, Op, Outcome, Record, Refusal, ReplicaId,
    ReplicaSet, Reply, Request, RequestBody, Revision, Sequence, SessionId, Slot, Status, Tag, Value,
    Watermark,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// Defines a function that lists samples, and one that would no longer compile if a variant had none.
macro_rules! samples {
    ($name:ident: $type:ty = $($pattern:pat => $value:expr),+ $(,)?) => {
        pub fn $name() -> Vec<$type> {
            let samples = vec![$($value),+];
            for sample in &samples {
                match sample {
                    $($pattern => {}),+
                }
            }
            samples
        }
    };
}

fn ballot(round: u64, replica: u8) -> Ballot {
    Ballot {
        round,
        replica: ReplicaId(replica),
        life: Life {
            incarnation: Incarnation(1),
            restarts: 300,
        },
    }
}

fn vector() -> CrashVector {
    CrashVector::from_iter([(ReplicaId(1), Incarnation(300)), (ReplicaId(3), Incarnation(1))])
}

fn met() -> Met {
    Met::from_iter([
        (ReplicaId(1), Known::Founded(Founding(u64::MAX))),
        (ReplicaId(3), Known::FoundedAgain),
    ])
}

fn part() -> SnapshotPart {
    SnapshotPart {
        slot: Slot(40),
        digest: u128::MAX,
        at: Cursor::START,
        next: None,
        bytes: bytes("part"),
    }
}

fn revision() -> Revision {
    Revision {
        slot: Slot(1000),
        index: 3,
    }
}

fn session() -> SessionId {
    SessionId(revision())
}

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn tag() -> Tag {
    Tag {
        nonce: u64::MAX,
        number: 5,
    }
}

fn state() -> StateDigest {
    StateDigest {
        slot: Slot(41),
        digest: 0x0123_4567_89ab_cdef,
    }
}

fn watermark() -> Watermark {
    Watermark {
        chosen: Slot(41),
        settled: Slot(40),
    }
}

fn apply(op: Op) -> Command {
    Command::Apply {
        session: session(),
        sequence: Sequence(9),
        lowest_unanswered: Sequence(7),
        op,
    }
}

samples! { ops: Op =
    Op::Put { .. } => Op::Put { key: bytes("key"), value: bytes("value") },
    Op::Delete { .. } => Op::Delete { key: bytes("key") },
    Op::Cas { .. } => Op::Cas { key: bytes("key"), expect: None, value: Some(bytes("new")) },
}

samples! { commands: Command =
    Command::Open { .. } => Command::Open { tag: tag() },
    Command::Close { .. } => Command::Close { session: session() },
    Command::Apply { .. } => apply(ops().remove(0)),
    Command::Opaque { .. } => Command::Opaque { tag: tag(), payload: bytes("opaque") },
}

/// A batch of every command with every operation.
fn batch() -> Value {
    Value::Batch(Batch::new(
        commands()
            .into_iter()
            .chain(ops().into_iter().map(apply))
            .collect(),
    ))
}

samples! { values: Value =
    Value::Noop => Value::Noop,
    Value::Batch(_) => batch(),
}

samples! { messages: Message =
    Message::Prepare { .. } => Message::Prepare { ballot: ballot(2, 1), from: Slot(40), state: state() },
    Message::Promise(_) => Message::Promise(Promise {
        ballot: ballot(2, 1),
        from: Slot(40),
        vector: vector(),
        cut: Slot(39),
        entries: vec![
            Accepted { slot: Slot(40), ballot: ballot(1, 0), value: Value::Noop },
            Accepted { slot: Slot(42), ballot: ballot(1, 3), value: batch() },
        ],
        more: Some(Slot(43)),
    }),
    Message::Refused { .. } => Message::Refused { ballot: ballot(2, 1), promised: ballot(3, 0) },
    Message::Accept { .. } => Message::Accept {
        ballot: ballot(2, 1),
        slot: Slot(42),
        value: batch(),
        chosen: watermark(),
        state: state(),
    },
    Message::Accepted { .. } => Message::Accepted {
        ballot: ballot(2, 1),
        slot: Slot(42),
        vector: vector(),
    },
    Message::Chosen { .. } => Message::Chosen { ballot: ballot(2, 1), chosen: watermark(), state: state() },
    Message::Applied { .. } => Message::Applied { ballot: ballot(2, 1), up_to: Slot(43) },
    Message::Heartbeat(_) => Message::Heartbeat(Box::new(Heartbeat {
        beat: 12,
        nonce: u64::MAX,
        echo: Some((7, 11)),
        acceptor: AcceptorSign::Lost,
        highest: ballot(3, 0),
        leader: Some(ballot(2, 1)),
        learned: Slot(41),
        chosen: Some(watermark()),
        vector: vector(),
        state: state(),
        differs: Some(Slot(39)),
        met: met(),
    })),
    Message::Forward { .. } => Message::Forward { commands: commands() },
    Message::ReadIndex { .. } => Message::ReadIndex { number: 77 },
    Message::ReadIndexed { .. } => Message::ReadIndexed { number: 77, up_to: Slot(43), state: state() },
    Message::Confirm { .. } => Message::Confirm { ballot: ballot(2, 1), round: 78, state: state() },
    Message::Confirmed { .. } => Message::Confirmed { ballot: ballot(2, 1), round: 78 },
    Message::Learn { .. } => Message::Learn { from: Slot(40) },
    Message::Learned { .. } => Message::Learned { from: Slot(40), values: values() },
    Message::Recall { .. } => Message::Recall { nonce: u64::MAX },
    Message::Recalled { .. } => Message::Recalled { nonce: u64::MAX, heard: Some(Incarnation(2)) },
    Message::Announce { .. } => Message::Announce {
        nonce: u64::MAX,
        incarnation: Incarnation(3),
        from: Slot(40),
    },
    Message::Remembered(_) => Message::Remembered(Box::new(Remembered {
        nonce: u64::MAX,
        incarnation: Incarnation(3),
        vector: vector(),
        promised: ballot(2, 1),
        cut: Slot(41),
        from: Slot(40),
        entries: vec![Accepted { slot: Slot(42), ballot: ballot(1, 3), value: Value::Noop }],
        more: Some(Slot(43)),
        met: met(),
    })),
    Message::Fetch { .. } => Message::Fetch { slot: Slot(40), at: Cursor::START },
    Message::SnapshotPart(_) => Message::SnapshotPart(Box::new(part())),
    Message::Saved { .. } => Message::Saved { number: 7, pieces: 2 },
}

samples! { peer_frames: PeerFrame =
    PeerFrame::Hello(_) => PeerFrame::Hello(Hello {
        cluster: 0x0123_4567_89ab_cdef,
        from: ReplicaId(1),
        to: ReplicaId(0),
        members: ReplicaSet::first(5),
        founding: Some(Founding(u64::MAX)),
    }),
    PeerFrame::Message(_) => PeerFrame::Message(messages().remove(0)),
}

samples! { request_bodies: RequestBody =
    RequestBody::Open { .. } => RequestBody::Open { tag: tag() },
    RequestBody::Close { .. } => RequestBody::Close { session: session() },
    RequestBody::Apply { .. } => RequestBody::Apply {
        session: session(),
        sequence: Sequence(9),
        lowest_unanswered: Sequence(7),
        op: ops().remove(0),
    },
    RequestBody::Get { .. } => RequestBody::Get { key: bytes("key") },
    RequestBody::Submit { .. } => RequestBody::Submit { payload: bytes("opaque") },
    RequestBody::Status => RequestBody::Status,
}

/// Every request, and writes with every operation.
pub fn requests() -> Vec<Request> {
    let writes = ops().into_iter().map(|op| RequestBody::Apply {
        session: session(),
        sequence: Sequence(10),
        lowest_unanswered: Sequence(7),
        op,
    });
    let bodies = request_bodies().into_iter().chain(writes);
    bodies.zip(100..).map(|(body, id)| Request { id, body }).collect()
}

samples! { refusals: Refusal =
    Refusal::KeyTooLong { .. } => Refusal::KeyTooLong { length: 5000, limit: 4096 },
    Refusal::ValueTooLong { .. } => Refusal::ValueTooLong { length: 2_000_000, limit: 1_048_576 },
    Refusal::Busy { .. } => Refusal::Busy { pending: 16_384 },
    Refusal::SessionExpired { .. } => Refusal::SessionExpired { session: session() },
    Refusal::AlreadyAnswered { .. } => Refusal::AlreadyAnswered {
        session: session(),
        sequence: Sequence(6),
        lowest: Sequence(7),
    },
    Refusal::OutOfWindow { .. } => Refusal::OutOfWindow {
        sequence: Sequence(9000),
        lowest: Sequence(7),
        window: 1024,
    },
    Refusal::Unavailable { .. } => Refusal::Unavailable { silent: ReplicaSet::first(3) },
    Refusal::MemoryLost { .. } => Refusal::MemoryLost { lost: ReplicaSet::first(3) },
    Refusal::Differs(_) => Refusal::Differs(doubt()),
}

fn status(proposer: ProposerStatus, acceptor: AcceptorStatus, learner: LearnerStatus) -> Status {
    Status {
        id: ReplicaId(4),
        members: ReplicaSet::first(5),
        proposer,
        acceptor,
        learner,
        leader: Some(ballot(2, 1)),
        silent: ReplicaSet::EMPTY,
        waiting_for: ReplicaSet::first(1),
        pending: 6,
        lost: ReplicaSet::first(1),
        differing: ReplicaSet::first(2),
        doubt: Some(doubt()),
    }
}

fn doubt() -> Doubt {
    Doubt {
        with: ReplicaSet::first(2),
        slot: Slot(39),
    }
}

samples! { proposers: ProposerStatus =
    ProposerStatus::Failed => ProposerStatus::Failed,
    ProposerStatus::Following => ProposerStatus::Following,
    ProposerStatus::Preparing { .. } => ProposerStatus::Preparing { ballot: ballot(2, 1) },
    ProposerStatus::Leading { .. } => ProposerStatus::Leading { ballot: ballot(2, 1) },
}

samples! { acceptors: AcceptorStatus =
    AcceptorStatus::Failed => AcceptorStatus::Failed,
    AcceptorStatus::Voting { .. } => AcceptorStatus::Voting { promised: ballot(2, 1) },
    AcceptorStatus::Out => AcceptorStatus::Out,
    AcceptorStatus::Recovering { .. } => AcceptorStatus::Recovering {
        incarnation: Some(Incarnation(2)),
        unanswered: ReplicaSet::first(3),
    },
}

samples! { learners: LearnerStatus =
    LearnerStatus::Failed => LearnerStatus::Failed,
    LearnerStatus::Learning { .. } => LearnerStatus::Learning {
        applied: Slot(41),
        keys: 2,
        sessions: 1,
        digest: u128::MAX,
    },
}

samples! { outcomes: Outcome =
    Outcome::Opened { .. } => Outcome::Opened { session: session() },
    Outcome::Closed => Outcome::Closed,
    Outcome::Done { .. } => Outcome::Done { revision: revision() },
    Outcome::Deleted { .. } => Outcome::Deleted { revision: revision(), existed: true },
    Outcome::Swapped { .. } => Outcome::Swapped { revision: revision(), applied: false },
    Outcome::Value { .. } => Outcome::Value { revision: revision(), value: Some(bytes("value")) },
    Outcome::Status(_) => Outcome::Status(Box::new(status(
        proposers().remove(3),
        acceptors().remove(1),
        learners().remove(1),
    ))),
    Outcome::Refused(_) => Outcome::Refused(refusals().remove(0)),
    Outcome::Unknown { .. } => Outcome::Unknown { silent: ReplicaSet::first(3) },
}

/// Every reply, with every refusal and every status.
pub fn replies() -> Vec<Reply> {
    let roles = (0..4).map(|place| {
        let (acceptor, learner) = (acceptors()[place], learners()[place % 2]);
        Outcome::Status(Box::new(status(proposers()[place], acceptor, learner)))
    });
    let refused = refusals().into_iter().map(Outcome::Refused);
    let outcomes = outcomes().into_iter().chain(refused).chain(roles);
    outcomes
        .zip(100..)
        .map(|(outcome, id)| Reply { id, outcome })
        .collect()
}

samples! { records: Record =
    Record::Proposed { .. } => Record::Proposed { ballot: ballot(2, 1) },
    Record::Promised { .. } => Record::Promised { ballot: ballot(2, 1) },
    Record::Accepted { .. } => Record::Accepted { ballot: ballot(2, 1), slot: Slot(42), value: batch() },
    Record::Chosen { .. } => Record::Chosen { ballot: ballot(2, 1), up_to: Slot(43) },
    Record::Learned { .. } => Record::Learned { slot: Slot(41), value: Value::Noop },
    Record::MemoryLost => Record::MemoryLost,
    Record::DiskLost => Record::DiskLost,
    Record::Heard { .. } => Record::Heard { acceptor: ReplicaId(3), incarnation: Incarnation(2) },
    Record::Checkpoint(_) => Record::Checkpoint(Box::new(Checkpoint {
        number: 7,
        slot: Slot(40),
        digest: u128::MAX,
        cut: Slot(41),
        promised: ballot(2, 1),
        vector: vector(),
        proposed: ballot(3, 0),
        members: ReplicaSet::first(5),
        founding: Some(Founding(1)),
        met: met(),
    })),
    Record::Carried(_) => Record::Carried(Accepted { slot: Slot(42), ballot: ballot(1, 3), value: Value::Noop }),
    Record::SnapshotPart { .. } => Record::SnapshotPart { at: Cursor::START, next: None, bytes: bytes("part") },
    Record::CheckpointEnd { .. } => Record::CheckpointEnd { number: 7 },
    Record::Received(_) => Record::Received(Box::new(part())),
    Record::Founded { .. } => Record::Founded { founding: Founding(0x0123_4567_89ab_cdef) },
    Record::Met { .. } => Record::Met { replica: ReplicaId(3), known: Known::Founded(Founding(300)) },
}

/// Mostly small, now and then the largest that is taken.
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

fn any_known() -> impl Strategy<Value = Known> {
    prop_oneof![
        4 => any_founding().prop_map(Known::Founded),
        1 => Just(Known::FoundedAgain)
    ]
}

fn any_met() -> impl Strategy<Value = Met> {
    vec((any_replica(), any_known()), 0..4).prop_map(Met::from_iter)
}

fn any_vector() -> impl Strategy<Value = CrashVector> {
    vec((any_replica(), any_incarnation()), 0..5).prop_map(CrashVector::from_iter)
}

/// What an acceptor with this promise tells from a slot on.
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
            AcceptorSign::Votes,
            AcceptorSign::Failed,
            AcceptorSign::Lost,
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
