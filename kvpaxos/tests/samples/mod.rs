//! Samples: a value of every variant that leaves a process. Strategies: any such value.
#![allow(dead_code, unreachable_pub, reason = "each test program uses a part")]

use bytes::Bytes;
use kvpaxos::agreement::{Doubt, StateDigest};
use kvpaxos::codec::{Hello, PeerFrame, Settings};
use kvpaxos::crash_vector::CrashVector;
use kvpaxos::founding::{KnownFounding, KnownFoundings};
use kvpaxos::io::Checkpoint;
use kvpaxos::message::{Accepted, AcceptorHealth, Heartbeat, Promise, Remembered, SnapshotPart};
use kvpaxos::snapshot::Cursor;
use kvpaxos::status::{AcceptorStatus, LearnerStatus, ProposerStatus, SnapshotStatus};
use kvpaxos::{
    Ballot, Batch, Command, Condition, Founding, Holds, Incarnation, Life, Listed, Message, Op, Outcome,
    Password, Record, Refusal, ReplicaId, ReplicaSet, Reply, Request, RequestBody, Revision, Sequence,
    SessionId, Slot, Status, Step, StepError, StepResult, Tag, Transaction, Value, Watermark, When,
};

mod strategies;

pub use statuses::{acceptors, learners, proposers};
pub use strategies::*;

use statuses::{doubt, status};

/// Defines a function that lists samples. It does not compile if a variant has no pattern beside a sample.
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

mod statuses;

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

fn met() -> KnownFoundings {
    KnownFoundings::from_iter([
        (ReplicaId(1), KnownFounding::Founded(Founding(u64::MAX))),
        (ReplicaId(3), KnownFounding::FoundedAgain),
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
    Op::Transaction(_) => Op::Transaction(transaction()),
}

samples! { holds: Holds =
    Holds::Absent => Holds::Absent,
    Holds::Present => Holds::Present,
    Holds::Equals(_) => Holds::Equals(bytes("old")),
    Holds::Unchanged { .. } => Holds::Unchanged { existed: true, since: revision() },
}

samples! { steps: Step =
    Step::Get { .. } => Step::Get { key: bytes("key") },
    Step::Length { .. } => Step::Length { key: bytes("key") },
    Step::Exists { .. } => Step::Exists { key: bytes("key") },
    Step::Put { .. } => Step::Put {
        key: bytes("key"),
        value: bytes("value"),
        when: When::Absent,
        previous: true,
    },
    Step::Append { .. } => Step::Append { key: bytes("key"), value: bytes("more") },
    Step::Add { .. } => Step::Add { key: bytes("key"), delta: -3 },
    Step::Delete { .. } => Step::Delete { key: bytes("key"), previous: true },
}

samples! { whens: When =
    When::Always => When::Always,
    When::Absent => When::Absent,
    When::Present => When::Present,
}

/// A transaction with every condition and every step.
fn transaction() -> Transaction {
    let condition = |holds| Condition {
        key: bytes("key"),
        holds,
    };
    let put = |when| Step::Put {
        key: bytes("key"),
        value: bytes("value"),
        when,
        previous: false,
    };
    Transaction {
        conditions: holds().into_iter().map(condition).collect(),
        steps: steps().into_iter().chain(whens().into_iter().map(put)).collect(),
    }
}

samples! { step_errors: StepError =
    StepError::NotAnInteger => StepError::NotAnInteger,
    StepError::Overflow => StepError::Overflow,
    StepError::TooLong { .. } => StepError::TooLong { length: 2_000_000, limit: 1_048_576 },
    StepError::AnswerTooLong { .. } => StepError::AnswerTooLong { length: 5_000_000, limit: 4_194_304 },
}

samples! { step_results: StepResult =
    StepResult::Value(_) => StepResult::Value(Some(bytes("value"))),
    StepResult::Length(_) => StepResult::Length(300),
    StepResult::Exists(_) => StepResult::Exists(true),
    StepResult::Integer(_) => StepResult::Integer(i64::MIN),
    StepResult::Changed { .. } => StepResult::Changed { applied: false, previous: Some(bytes("old")) },
    StepResult::Failed(_) => StepResult::Failed(StepError::NotAnInteger),
}

samples! { commands: Command =
    Command::Open { .. } => Command::Open { tag: tag() },
    Command::Close { .. } => Command::Close { session: session() },
    Command::Apply { .. } => apply(ops().remove(0)),
    Command::Opaque { .. } => Command::Opaque { tag: tag(), payload: bytes("opaque") },
}

/// A batch with every command and every operation.
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
        acceptor: AcceptorHealth::Lost,
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
    Message::Stand { .. } => Message::Stand { ballot: ballot(2, 1) },
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
    PeerFrame::Settings(_) => PeerFrame::Settings(settings()),
}

pub fn settings() -> Settings {
    Settings {
        name: Bytes::from_static(b"kvpaxos"),
        members: ReplicaSet::first(5),
        phase1: 3,
        phase2: 3,
        two_phase: false,
        key: 4096,
        value: 1 << 20,
        sessions: 16_384,
        session_window: 1024,
        transaction_bytes: 2_101_248,
        answer_bytes: 4_194_304,
        results_bytes: 67_108_864,
        log_bytes: 67_108_864,
        log_slots: 1_000_000,
    }
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
    RequestBody::GetMany { .. } => RequestBody::GetMany { keys: vec![bytes("key"), bytes("other")] },
    RequestBody::Lengths { .. } => RequestBody::Lengths { keys: vec![bytes("key"), bytes("other")] },
    RequestBody::Scan { .. } => RequestBody::Scan { cursor: u64::MAX, limit: 300 },
    RequestBody::Count => RequestBody::Count,
    RequestBody::Authenticate { .. } => RequestBody::Authenticate { password: password() },
    RequestBody::DriverStatus => RequestBody::DriverStatus,
    RequestBody::SnapshotPart { .. } => RequestBody::SnapshotPart { at: Cursor::START },
}

fn password() -> Password {
    Password::new("open sesame").expect("short enough")
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
    Refusal::TooMany { .. } => Refusal::TooMany { what: Listed::Conditions, count: 5000, limit: 4096 },
    Refusal::TransactionTooLong { .. } => Refusal::TransactionTooLong { length: 3_000_000, limit: 2_101_248 },
    Refusal::AnswerTooLong { .. } => Refusal::AnswerTooLong { length: 5_000_000, limit: 4_194_304 },
    Refusal::PasswordRequired => Refusal::PasswordRequired,
    Refusal::WrongPassword => Refusal::WrongPassword,
    Refusal::Stopping => Refusal::Stopping,
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
    Outcome::Executed { .. } => Outcome::Executed {
        revision: revision(),
        results: Some(step_results().into_iter().chain(step_errors().into_iter().map(StepResult::Failed)).collect()),
    },
    Outcome::Values { .. } => Outcome::Values { revision: revision(), values: vec![Some(bytes("value")), None] },
    Outcome::Lengths { .. } => Outcome::Lengths { revision: revision(), lengths: vec![Some(300), None] },
    Outcome::Page { .. } => Outcome::Page {
        revision: revision(),
        keys: vec![bytes("key"), bytes("other")],
        next: u64::MAX,
    },
    Outcome::Count { .. } => Outcome::Count { revision: revision(), keys: 300 },
    Outcome::Authenticated => Outcome::Authenticated,
    Outcome::DriverStatus { .. } => Outcome::DriverStatus { json: bytes("{}") },
    Outcome::SnapshotPart(_) => Outcome::SnapshotPart(Box::new(part())),
}

/// Every reply, with every refusal and every status.
pub fn replies() -> Vec<Reply> {
    let roles = (0..4).map(|place| {
        let (acceptor, learner) = (acceptors()[place], learners()[place % 2]);
        Outcome::Status(Box::new(status(proposers()[place], acceptor, learner)))
    });
    let refused = refusals().into_iter().map(Outcome::Refused);
    let outcomes = outcomes().into_iter().chain(refused).chain(roles);
    let listed = [Listed::Steps, Listed::Keys].map(|what| {
        let (count, limit) = (5000, 4096);
        Outcome::Refused(Refusal::TooMany { what, count, limit })
    });
    outcomes
        .chain(listed)
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
    Record::Met { .. } => Record::Met { replica: ReplicaId(3), known: KnownFounding::Founded(Founding(300)) },
}
