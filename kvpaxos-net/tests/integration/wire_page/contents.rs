//! What the examples of the page hold.

use super::*;

/// Lists named examples. A variant without one does not compile.
macro_rules! one_of_each {
    ($name:ident: $type:ty = $($pattern:pat, $example:literal => $value:expr;)+) => {
        fn $name() -> Vec<(&'static str, $type)> {
            let examples = vec![$(($example, $value)),+];
            for (_, example) in &examples {
                match example {
                    $($pattern => {}),+
                }
            }
            examples
        }
    };
}

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn revision(slot: u64, index: u32) -> Revision {
    let slot = Slot(slot);
    Revision { slot, index }
}

fn session() -> SessionId {
    SessionId(revision(1000, 3))
}

fn replicas(ids: &[u8]) -> ReplicaSet {
    ids.iter().copied().map(ReplicaId).collect()
}

fn doubt(ids: &[u8]) -> Doubt {
    Doubt {
        with: replicas(ids),
        slot: Slot(39),
    }
}

fn ballot() -> Ballot {
    Ballot {
        round: 2,
        replica: ReplicaId(1),
        life: Life {
            incarnation: Incarnation(1),
            restarts: 300,
        },
    }
}

fn write(sequence: u64, op: Op) -> RequestBody {
    RequestBody::Apply {
        session: session(),
        sequence: Sequence(sequence),
        lowest_unanswered: Sequence(7),
        op,
    }
}

fn cas(expect: Option<&'static str>, value: Option<&'static str>) -> Op {
    Op::Cas {
        key: bytes("apple"),
        expect: expect.map(bytes),
        value: value.map(bytes),
    }
}

one_of_each! { operations: Op =
    Op::Put { .. }, "request-put" => Op::Put { key: bytes("apple"), value: bytes("red") };
    Op::Delete { .. }, "request-delete" => Op::Delete { key: bytes("apple") };
    Op::Cas { .. }, "request-cas" => cas(Some("red"), Some("green"));
    Op::Transaction(_), "request-transaction" => Op::Transaction(transaction());
}

fn transaction() -> Transaction {
    let since = revision(1003, 2);
    let condition = |key, holds| Condition {
        key: bytes(key),
        holds,
    };
    Transaction {
        conditions: vec![
            condition("pear", Holds::Absent),
            condition("apple", Holds::Unchanged { existed: true, since }),
        ],
        steps: vec![
            Step::Put {
                key: bytes("pear"),
                value: bytes("red"),
                when: When::Absent,
                previous: false,
            },
            Step::Add {
                key: bytes("n"),
                delta: -3,
            },
            Step::Delete {
                key: bytes("apple"),
                previous: true,
            },
        ],
    }
}

fn fruits() -> Vec<Bytes> {
    vec![bytes("apple"), bytes("pear")]
}

one_of_each! { bodies: RequestBody =
    RequestBody::Open { .. }, "request-open" => RequestBody::Open {
        tag: Tag { nonce: 0x5a37_9535_3626_d677, number: 0 },
    };
    RequestBody::Close { .. }, "request-close" => RequestBody::Close { session: session() };
    RequestBody::Apply { .. }, "request-cas-create" => write(12, cas(None, Some("green")));
    RequestBody::Get { .. }, "request-get" => RequestBody::Get { key: bytes("apple") };
    RequestBody::Submit { .. }, "request-submit" => RequestBody::Submit { payload: bytes("opaque") };
    RequestBody::Status, "request-status" => RequestBody::Status;
    RequestBody::GetMany { .. }, "request-get-many" => RequestBody::GetMany { keys: fruits() };
    RequestBody::Lengths { .. }, "request-lengths" => RequestBody::Lengths { keys: fruits() };
    RequestBody::Scan { .. }, "request-scan" => RequestBody::Scan { cursor: 1 << 37, limit: 1000 };
    RequestBody::Count, "request-count" => RequestBody::Count;
    RequestBody::Authenticate { .. }, "request-authenticate" => RequestBody::Authenticate {
        password: Password::new("open sesame").expect("short enough"),
    };
    RequestBody::DriverStatus, "request-driver-status" => RequestBody::DriverStatus;
    RequestBody::SnapshotPart { .. }, "request-snapshot-part" => RequestBody::SnapshotPart { at: Cursor::START };
}

one_of_each! { refusals: Refusal =
    Refusal::KeyTooLong { .. }, "refusal-key-too-long" => Refusal::KeyTooLong { length: 5000, limit: 4096 };
    Refusal::ValueTooLong { .. }, "refusal-value-too-long" => Refusal::ValueTooLong {
        length: 2_000_000,
        limit: 1_048_576,
    };
    Refusal::Busy { .. }, "refusal-busy" => Refusal::Busy { pending: 16_384 };
    Refusal::SessionExpired { .. }, "refusal-session-expired" => Refusal::SessionExpired { session: session() };
    Refusal::AlreadyAnswered { .. }, "refusal-already-answered" => Refusal::AlreadyAnswered {
        session: session(),
        sequence: Sequence(6),
        lowest: Sequence(7),
    };
    Refusal::OutOfWindow { .. }, "refusal-out-of-window" => Refusal::OutOfWindow {
        sequence: Sequence(9000),
        lowest: Sequence(7),
        window: 1024,
    };
    Refusal::Unavailable { .. }, "refusal-unavailable" => Refusal::Unavailable { silent: replicas(&[1, 2]) };
    Refusal::MemoryLost { .. }, "refusal-memory-lost" => Refusal::MemoryLost { lost: replicas(&[0, 1, 2]) };
    Refusal::Differs(_), "refusal-differs" => Refusal::Differs(doubt(&[1, 2]));
    Refusal::TooMany { .. }, "refusal-too-many" => Refusal::TooMany {
        what: Listed::Conditions,
        count: 5000,
        limit: 4096,
    };
    Refusal::TransactionTooLong { .. }, "refusal-transaction-too-long" => Refusal::TransactionTooLong {
        length: 3_000_000,
        limit: 2_101_248,
    };
    Refusal::AnswerTooLong { .. }, "refusal-answer-too-long" => Refusal::AnswerTooLong {
        length: 5_000_000,
        limit: 4_194_304,
    };
    Refusal::PasswordRequired, "refusal-password-required" => Refusal::PasswordRequired;
    Refusal::WrongPassword, "refusal-wrong-password" => Refusal::WrongPassword;
    Refusal::Stopping, "refusal-stopping" => Refusal::Stopping;
}

/// A status whose sets are empty.
fn status(proposer: ProposerStatus, acceptor: AcceptorStatus) -> Status {
    Status {
        id: ReplicaId(1),
        members: replicas(&[0, 1, 2]),
        proposer,
        acceptor,
        learner: LearnerStatus::Failed,
        leader: None,
        silent: ReplicaSet::EMPTY,
        waiting_for: ReplicaSet::EMPTY,
        pending: 0,
        lost: ReplicaSet::EMPTY,
        differing: ReplicaSet::EMPTY,
        doubt: None,
        stopping: false,
        life: None,
        chosen: Slot::ZERO,
        snapshot: None,
    }
}

one_of_each! { proposers: ProposerStatus =
    ProposerStatus::Failed, "reply-status-of-failed-roles" => ProposerStatus::Failed;
    ProposerStatus::Following, "reply-status" => ProposerStatus::Following;
    ProposerStatus::Preparing { .. }, "reply-status-of-a-candidate" => ProposerStatus::Preparing { ballot: ballot() };
    ProposerStatus::Leading { .. }, "reply-status-of-a-leader" => ProposerStatus::Leading { ballot: ballot() };
}

one_of_each! { acceptors: AcceptorStatus =
    AcceptorStatus::Failed, "reply-status-of-failed-roles" => AcceptorStatus::Failed;
    AcceptorStatus::Voting { .. }, "reply-status" => AcceptorStatus::Voting { promised: ballot() };
    AcceptorStatus::Out, "reply-status-of-a-candidate" => AcceptorStatus::Out;
    AcceptorStatus::Recovering { .. }, "reply-status-of-a-leader" => AcceptorStatus::Recovering {
        incarnation: Some(Incarnation(2)),
        unanswered: replicas(&[0, 2]),
    };
}

one_of_each! { learners: LearnerStatus =
    LearnerStatus::Failed, "reply-status-of-failed-roles" => LearnerStatus::Failed;
    LearnerStatus::Learning { .. }, "reply-status" => LearnerStatus::Learning {
        applied: Slot(41),
        keys: 2,
        sessions: 1,
        digest: 0x0123_4567_89ab_cdef,
    };
}

/// The status of each name: every state of each role is in one of them.
fn statuses() -> BTreeMap<&'static str, Status> {
    let acceptors: BTreeMap<_, _> = acceptors().into_iter().collect();
    let mut statuses: BTreeMap<_, _> = proposers()
        .into_iter()
        .map(|(name, proposer)| (name, status(proposer, acceptors[name])))
        .collect();
    for (name, learner) in learners() {
        statuses.get_mut(name).expect("a status of that name").learner = learner;
    }
    let leader = statuses.get_mut("reply-status-of-a-leader").expect("a leader");
    leader.waiting_for = replicas(&[0]);
    leader.doubt = Some(doubt(&[0, 2]));
    leader.stopping = true;
    leader.life = Some(Life {
        incarnation: Incarnation(1),
        restarts: 300,
    });
    let healthy = statuses.get_mut("reply-status").expect("a healthy replica");
    healthy.id = ReplicaId(4);
    healthy.members = ReplicaSet::first(5);
    healthy.leader = Some(ballot());
    healthy.silent = replicas(&[0, 3]);
    healthy.pending = 6;
    healthy.life = Some(Life {
        incarnation: Incarnation(0),
        restarts: 7,
    });
    healthy.chosen = Slot(42);
    healthy.snapshot = Some(SnapshotStatus {
        slot: Slot(30),
        bytes: 300,
    });
    statuses
}

one_of_each! { outcomes: Outcome =
    Outcome::Opened { .. }, "reply-opened" => Outcome::Opened { session: session() };
    Outcome::Closed, "reply-closed" => Outcome::Closed;
    Outcome::Done { .. }, "reply-done" => Outcome::Done { revision: revision(1001, 0) };
    Outcome::Deleted { .. }, "reply-deleted" => Outcome::Deleted { revision: revision(1002, 0), existed: true };
    Outcome::Swapped { .. }, "reply-swapped" => Outcome::Swapped { revision: revision(1003, 2), applied: false };
    Outcome::Value { .. }, "reply-value" => Outcome::Value {
        revision: revision(1003, 2),
        value: Some(bytes("red")),
    };
    Outcome::Status(_), "reply-status" => Outcome::Status(Box::new(statuses()["reply-status"].clone()));
    Outcome::Refused(_), "refusal-busy" => Outcome::Refused(Refusal::Busy { pending: 16_384 });
    Outcome::Unknown { .. }, "reply-unknown" => Outcome::Unknown { silent: replicas(&[1, 2]) };
    Outcome::Executed { .. }, "reply-executed" => executed(Some(vec![
        StepResult::Changed { applied: true, previous: None },
        StepResult::Failed(StepError::NotAnInteger),
        StepResult::Changed { applied: true, previous: Some(bytes("red")) },
    ]));
    Outcome::Values { .. }, "reply-values" => Outcome::Values {
        revision: revision(1003, 2),
        values: vec![Some(bytes("red")), None],
    };
    Outcome::Lengths { .. }, "reply-lengths" => Outcome::Lengths {
        revision: revision(1003, 2),
        lengths: vec![Some(3), None],
    };
    Outcome::Page { .. }, "reply-page" => Outcome::Page {
        revision: revision(1003, 2),
        keys: fruits(),
        next: 1 << 37,
    };
    Outcome::Count { .. }, "reply-count" => Outcome::Count { revision: revision(1003, 2), keys: 2 };
    Outcome::Authenticated, "reply-authenticated" => Outcome::Authenticated;
    Outcome::DriverStatus { .. }, "reply-driver-status" => Outcome::DriverStatus {
        json: r#"{"disturbance":{"millis_left":420,"what":"learner"},"version":"0.1.0"}"#.into(),
    };
    Outcome::SnapshotPart(_), "reply-snapshot-part" => Outcome::SnapshotPart(Box::new(SnapshotPart {
        slot: Slot(1005),
        digest: 0x0123_4567_89ab_cdef,
        at: Cursor::START,
        next: None,
        bytes: bytes("part"),
    }));
}

fn executed(results: Option<Vec<StepResult>>) -> Outcome {
    let revision = revision(1004, 0);
    Outcome::Executed { revision, results }
}

/// The results that no other example has.
fn other_results() -> Vec<StepResult> {
    vec![
        StepResult::Value(Some(bytes("red"))),
        StepResult::Length(3),
        StepResult::Exists(true),
        StepResult::Integer(-3),
        StepResult::Failed(StepError::Overflow),
        StepResult::Failed(StepError::TooLong {
            length: 2_000_000,
            limit: 1_048_576,
        }),
        StepResult::Failed(StepError::AnswerTooLong {
            length: 5_000_000,
            limit: 4_194_304,
        }),
    ]
}

/// The requests of the page, by name.
pub(super) fn requests() -> BTreeMap<&'static str, Request> {
    let mut bodies: BTreeMap<_, _> = bodies().into_iter().collect();
    bodies.extend(
        [9, 10, 11, 14]
            .into_iter()
            .zip(operations())
            .map(|(sequence, (name, op))| (name, write(sequence, op))),
    );
    bodies.insert("request-cas-remove", write(13, cas(Some("green"), None)));
    let id = |name: &str| match name {
        "request-open" => 1,
        "request-close" => 2,
        "request-put" => 3,
        "request-delete" => 4,
        "request-cas" => 5,
        "request-cas-create" => 6,
        "request-cas-remove" => 7,
        "request-get" => 300,
        "request-submit" => 9,
        "request-status" => 10,
        "request-transaction" => 8,
        "request-get-many" => 11,
        "request-lengths" => 12,
        "request-scan" => 13,
        "request-count" => 14,
        "request-authenticate" => 15,
        "request-driver-status" => 16,
        "request-snapshot-part" => 17,
        other => panic!("{other} has no id"),
    };
    let request = |(name, body)| (name, Request { id: id(name), body });
    bodies.into_iter().map(request).collect()
}

/// The replies of the page, by name.
pub(super) fn replies() -> BTreeMap<&'static str, Reply> {
    let mut outcomes: BTreeMap<_, _> = outcomes().into_iter().collect();
    outcomes.extend(
        refusals()
            .into_iter()
            .map(|(name, refusal)| (name, Outcome::Refused(refusal))),
    );
    outcomes.extend(
        statuses()
            .into_iter()
            .map(|(name, status)| (name, Outcome::Status(Box::new(status)))),
    );
    let absent = Outcome::Value {
        revision: revision(1003, 2),
        value: None,
    };
    outcomes.insert("reply-absent", absent);
    outcomes.insert("reply-not-executed", executed(None));
    outcomes.insert("reply-executed-other-results", executed(Some(other_results())));
    let id = |name: &str| match name {
        "reply-opened" => 1,
        "reply-closed" => 2,
        "reply-deleted" => 4,
        "reply-swapped" => 5,
        "reply-value" | "reply-absent" => 300,
        "reply-executed" | "reply-not-executed" | "reply-executed-other-results" => 8,
        "reply-values" => 11,
        "reply-lengths" => 12,
        "reply-page" => 13,
        "reply-count" => 14,
        "reply-authenticated" => 15,
        "reply-driver-status" => 16,
        "reply-snapshot-part" => 17,
        status if status.starts_with("reply-status") => 10,
        _ => 3,
    };
    let reply = |(name, outcome)| {
        (
            name,
            Reply {
                id: id(name),
                outcome,
            },
        )
    };
    outcomes.into_iter().map(reply).collect()
}
