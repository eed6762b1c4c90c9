//! The claims of section 2.4, *Progress*.

use kvpaxos::status::ProposerStatus;
use kvpaxos::{Ballot, Message};

use crate::lone::{R0, R1, R2, accept, accepted, ballot, prepare, promise};
use crate::single::{SingleReplica, StepResult};

/// `proposer` gets the promise of `acceptor`, and leads. The Accept messages that it sends are returned and
/// not delivered.
fn outbids(proposer: &mut SingleReplica, acceptor: &mut SingleReplica) -> (Ballot, StepResult) {
    let (ballot, _) = proposer.stands();
    let said = acceptor.hears(ballot.replica, prepare(ballot));
    let promised = said.promised();
    let (_, entries) = promised.unwrap_or_else(|| panic!("{ballot} is not the highest: {said:?}"));
    let said = proposer.hears(R2, promise(ballot, entries));
    (ballot, said)
}

/// "It's easy to construct a scenario in which two proposers each keep issuing a sequence of proposals with
/// increasing numbers, none of which are ever chosen." And "to guarantee progress, a distinguished proposer
/// must be selected as the only one to try".
#[test]
fn s24_two_proposers_may_outbid_each_other_and_one_alone_gets_through() {
    let (mut p, mut q, mut acceptor) = (
        SingleReplica::new(R0),
        SingleReplica::new(R1),
        SingleReplica::new(R2),
    );
    p.is_asked("p");
    q.is_asked("q");
    let (mut before, mut said) = outbids(&mut p, &mut acceptor);
    for _ in 0..10 {
        // q completes phase 1 before p's Accept arrives, then p before q's Accept arrives, and so on.
        q.highest = before;
        let (higher, next) = outbids(&mut q, &mut acceptor);
        assert!(higher > before);
        let (_, proposed) = said.proposed().expect("it leads");
        let refused = acceptor.hears(before.replica, accept(before, proposed));
        assert_eq!((refused.accepted(), refused.refused()), (None, Some(higher)));
        p.hears(
            R2,
            Message::Refused {
                ballot: before,
                promised: higher,
            },
        );
        (before, said) = (higher, next);
        std::mem::swap(&mut p, &mut q);
        assert_eq!((p.chosen(), q.chosen()), (None, None));
    }
    // Now the other proposer is silent.
    let (_, proposed) = said.proposed().expect("it leads");
    assert_eq!(
        acceptor
            .hears(before.replica, accept(before, proposed))
            .accepted(),
        Some(before)
    );
    p.hears(R2, accepted(before));
    assert!(p.chosen().is_some());
}

/// "By abandoning a proposal and trying again if it learns about some request with a higher proposal number,
/// the distinguished proposer will eventually choose a high enough proposal number."
#[test]
fn s24_an_outbid_proposer_tries_again_with_a_higher_number() {
    let mut proposer = SingleReplica::new(R0);
    let (own, _) = proposer.stands();
    let higher = ballot(1000, R2);
    proposer.hears(
        R1,
        Message::Refused {
            ballot: own,
            promised: higher,
        },
    );
    let (again, _) = proposer.stands();
    assert!(again > higher);
}

/// "Safety is ensured regardless of the success or failure of the election": two replicas take themselves for
/// the leader, but only one of them gets votes.
#[test]
fn s24_two_leaders_at_once_do_no_harm() {
    let (mut old, mut new, mut acceptor) = (
        SingleReplica::new(R0),
        SingleReplica::new(R1),
        SingleReplica::new(R2),
    );
    let (low, _) = outbids(&mut old, &mut acceptor);
    new.highest = low;
    let (high, _) = outbids(&mut new, &mut acceptor);
    for leader in [&old, &new] {
        assert!(matches!(
            leader.replica.status().proposer,
            ProposerStatus::Leading { .. }
        ));
    }
    let (_, stale) = old.is_asked("old").proposed().expect("it leads");
    let (_, fresh) = new.is_asked("new").proposed().expect("it leads");
    assert_eq!(acceptor.hears(R0, accept(low, stale)).accepted(), None);
    assert_eq!(acceptor.hears(R1, accept(high, fresh)).accepted(), Some(high));
}
