//! The claims of section 2.3, *Learning a Chosen Value*.

use kvpaxos::agreement::StateDigest;
use kvpaxos::{Message, Watermark};

use crate::lone::{R0, R1, R2, SLOT, accept, accepted, ballot, entry, value};
use crate::single::SingleReplica;

/// "We can have the acceptors respond with their acceptances to a distinguished learner, which in turn
/// informs the other learners when a value has been chosen." The leader is that learner.
#[test]
fn s23_a_distinguished_learner_informs_the_others() {
    let (mut leader, mut learner) = (SingleReplica::new(R0), SingleReplica::new(R1));
    let (ballot, _) = leader.leads(R1, Vec::new());
    let (_, proposed) = leader.is_asked("v").proposed().expect("it leads");
    let vote = learner.hears(R0, accept(ballot, proposed.clone()));
    assert!(
        vote.messages.iter().all(|envelope| envelope.to == R0),
        "acceptances go to the leader only"
    );
    let said = leader.hears(R1, accepted(ballot));
    let told =
        |message: &Message| matches!(message, Message::Chosen { chosen, .. } if chosen.chosen == SLOT.next());
    let news: Vec<_> = said
        .messages
        .into_iter()
        .filter(|envelope| told(&envelope.message))
        .collect();
    assert_eq!(
        news.iter().map(|envelope| envelope.to).collect::<Vec<_>>(),
        [R1, R2]
    );
    learner.hears(R0, news[0].message.clone());
    assert_eq!(learner.chosen(), Some(&proposed));
}

/// A learner that accepted the proposal of one leader hears from another leader that the slot is chosen. It
/// must not take the proposal that it has for the chosen one.
#[test]
fn s23_a_learner_does_not_mistake_another_proposal_for_the_chosen_one() {
    let mut learner = SingleReplica::new(R1);
    learner.hears(R0, accept(ballot(1, R0), value("lost")));
    let chosen = Watermark {
        chosen: SLOT.next(),
        settled: SLOT.next(),
    };
    let told = Message::Chosen {
        ballot: ballot(2, R2),
        chosen,
        state: StateDigest::NOTHING,
    };
    learner.hears(R2, told);
    assert_eq!(learner.chosen(), None);
}

/// "Because of message loss, a value could be chosen with no learner ever finding out. ... If a learner needs
/// to know whether a value has been chosen, it can have a proposer issue a proposal."
#[test]
fn s23_what_no_learner_found_out_a_new_proposal_brings_to_light() {
    let (mut r1, mut r2) = (SingleReplica::new(R1), SingleReplica::new(R2));
    let first = ballot(1, R0);
    r1.hears(R0, accept(first, value("v")));
    r2.hears(R0, accept(first, value("v")));
    // Both votes are lost, and r0 has stopped. v is chosen, but no learner knows.
    assert_eq!((r1.chosen(), r2.chosen()), (None, None));
    let (second, said) = r1.leads(R2, vec![entry(first, "v")]);
    let (_, proposed) = said.proposed().expect("it leads");
    assert_eq!(r2.hears(R1, accept(second, proposed)).accepted(), Some(second));
    r1.hears(R2, accepted(second));
    assert_eq!(r1.chosen(), Some(&value("v")));
}
