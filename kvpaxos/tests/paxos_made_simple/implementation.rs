//! The claims of section 2.5, *The Implementation*.

use kvpaxos::{Effect, Event, Message, Record};

use crate::lone::{R0, R1, R2, SLOT, accept, accepted, ballot, prepare, value};
use crate::single::SingleReplica;

/// "An acceptor records its intended response in stable storage before actually sending the response."
/// Promises, votes and refusals leave after a write, and the state that they reveal is in that write or an
/// earlier one.
#[test]
fn s25_an_acceptor_records_its_response_before_sending_it() {
    let mut acceptor = SingleReplica::new(R1);
    let behind_the_disk = |effects: Vec<Effect>| {
        let mut records = Vec::new();
        let mut answers = Vec::new();
        for effect in effects {
            match effect {
                Effect::Persist {
                    records: written,
                    then,
                    ..
                } => {
                    records.extend(written);
                    answers.extend(then.into_iter().map(|envelope| envelope.message));
                }
                Effect::Send(envelope) => {
                    let message = envelope.message;
                    assert!(
                        matches!(message, Message::Heartbeat(_)),
                        "it does not wait for the disk: {message:?}"
                    );
                }
                _ => {}
            }
        }
        (records, answers)
    };
    let hear = |from, message| Event::Peer {
        from,
        founding: None,
        message,
    };
    let b1 = ballot(1, R0);
    let (records, answers) = behind_the_disk(acceptor.step_raw(hear(R0, prepare(b1))));
    assert_eq!(records, [Record::Promised { ballot: b1 }]);
    assert!(matches!(answers[..], [Message::Promise(_)]));
    let (records, answers) = behind_the_disk(acceptor.step_raw(hear(R0, accept(b1, value("v")))));
    assert!(matches!(records[..], [Record::Accepted { ballot, slot: SLOT, .. }] if ballot == b1));
    assert_eq!(answers, [accepted(b1)]);
    let (records, answers) = behind_the_disk(acceptor.step_raw(hear(R2, prepare(ballot(0, R2)))));
    assert_eq!(records, []);
    assert!(
        matches!(answers[..], [Message::Refused { .. }]),
        "a refusal reveals the promise, which may not be durable yet"
    );
}

/// "Different proposers choose their numbers from disjoint sets of numbers, so two different proposers never
/// issue a proposal with the same number."
#[test]
fn s25_different_proposers_never_use_the_same_number() {
    let numbers = [R0, R1, R2].map(|id| SingleReplica::new(id).stands().0);
    assert!(
        numbers.iter().all(|number| number.round == 1),
        "no proposer has heard of a ballot"
    );
    assert!(
        numbers[0] < numbers[1] && numbers[1] < numbers[2],
        "the numbers differ"
    );
}

/// "Each proposer remembers (in stable storage) the highest-numbered proposal it has tried to issue, and
/// begins phase 1 with a higher proposal number than any it has already used."
#[test]
fn s25_a_proposer_remembers_its_highest_number_in_stable_storage() {
    let mut proposer = SingleReplica::new(R0);
    let (first, said) = proposer.stands();
    assert_eq!(
        said.records.first(),
        Some(&Record::Proposed { ballot: first }),
        "the ballot is durable before it is revealed"
    );
    // No acceptor answers. The proposer's own promise is not durable either.
    proposer.disk = vec![Record::Proposed { ballot: first }];
    proposer.restart();
    let (second, _) = proposer.stands();
    assert!(second > first);
}
