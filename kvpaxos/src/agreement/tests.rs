use super::*;

const A: ReplicaId = ReplicaId(1);
const B: ReplicaId = ReplicaId(2);
const C: ReplicaId = ReplicaId(3);

fn at(slot: u64, digest: u64) -> StateDigest {
    StateDigest {
        slot: Slot(slot),
        digest,
    }
}

/// The digests 101, 102, ... after slots 0, 1, ...
fn digests(applied: u64) -> DigestHistory {
    let mut digests = DigestHistory::default();
    digests.push(Slot(0), 100);
    (1..=applied).for_each(|slot| digests.push(Slot(slot), u128::from(100 + slot)));
    digests
}

#[test]
fn a_trail_remembers_the_last_digests_and_begins_anew_at_a_snapshot() {
    let mut digests = digests(3);
    assert_eq!(digests.last(), at(3, 103));
    assert_eq!(digests.at(Slot(0)), Some(at(0, 100)));
    assert_eq!(digests.at(Slot(4)), None);
    digests.push(Slot(9), 7);
    assert_eq!((digests.last(), digests.at(Slot(3))), (at(9, 7), None));
    let last = 9 + REMEMBERED as u64;
    (10..=last).for_each(|slot| digests.push(Slot(slot), 1));
    assert_eq!(
        (digests.at(Slot(9)), digests.at(Slot(10)), digests.at(Slot(last))),
        (None, Some(at(10, 1)), Some(at(last, 1)))
    );
    assert_eq!(DigestHistory::default().last(), StateDigest::NOTHING);
}

#[test]
fn what_is_ahead_is_compared_when_it_is_reached() {
    let mut agreement = Agreement::default();
    agreement.on_state(A, at(5, 105), true, &digests(3));
    agreement.on_state(B, at(6, 1), false, &digests(3));
    agreement.on_state(B, at(9, 1), false, &digests(3));
    agreement.on_applied(&digests(4));
    assert_eq!((agreement.vouched(), agreement.differs(B)), (Slot(0), None));
    agreement.on_applied(&digests(5));
    assert_eq!((agreement.vouched(), agreement.differs(A)), (Slot(5), None));
    agreement.on_applied(&digests(9));
    assert_eq!(
        agreement.differs(B),
        Some(Slot(6)),
        "the lowest slot is what is told"
    );
    assert_eq!(agreement.vouched(), Slot(5));
}

#[test]
fn only_a_leader_vouches_and_a_digest_of_nothing_says_nothing() {
    let mut agreement = Agreement::default();
    agreement.on_state(A, at(3, 103), false, &digests(3));
    agreement.on_state(B, at(0, 1), true, &digests(3));
    assert_eq!(
        (agreement.vouched(), agreement.differing()),
        (Slot(0), ReplicaSet::EMPTY)
    );
    agreement.on_state(B, at(2, 102), true, &digests(3));
    assert_eq!(agreement.vouched(), Slot(2));
    agreement.on_state(B, at(3, 1), true, &digests(3));
    assert_eq!(agreement.vouched(), Slot(2));
}

#[test]
fn the_first_and_the_newest_that_are_ahead_wait_and_no_more() {
    let mut agreement = Agreement::default();
    for slot in 4..100 {
        agreement.on_state(A, at(slot, 1), false, &digests(3));
    }
    let waiting: Vec<u64> = agreement.peer_mut(A).awaited.keys().map(|slot| slot.0).collect();
    assert_eq!(waiting, [4, 5, 6, 7, 8, 9, 10, 99]);
}

#[test]
fn who_has_a_quorum_goes_on_and_the_others_stop() {
    let (three, five) = (2, 3);
    let mut agreement = Agreement::default();
    assert_eq!(agreement.doubt(five), None);
    agreement.on_state(A, at(2, 1), false, &digests(3));
    let doubt = Some(Doubt {
        with: ReplicaSet::from_iter([A]),
        slot: Slot(2),
    });
    assert_eq!((agreement.doubt(three), agreement.doubt(five)), (doubt, doubt));
    // One that agrees further down may come to either side.
    agreement.on_state(B, at(1, 101), false, &digests(3));
    assert_eq!(agreement.doubt(three), doubt);
    agreement.on_state(B, at(2, 102), false, &digests(3));
    assert_eq!((agreement.doubt(three), agreement.doubt(five)), (None, doubt));
    agreement.on_state(C, at(3, 103), false, &digests(3));
    assert_eq!(agreement.doubt(five), None);
    assert_eq!(agreement.differing(), ReplicaSet::from_iter([A]));
}

#[test]
fn who_is_told_that_it_differs_believes_it_until_the_contrary_is_seen() {
    let mut agreement = Agreement::default();
    agreement.on_heartbeat(A, 7, Some(Slot(3)));
    assert_eq!(agreement.differs(A), Some(Slot(3)));
    agreement.on_heartbeat(A, 7, None);
    assert_eq!(agreement.differs(A), None);
    agreement.on_heartbeat(A, 7, Some(Slot(3)));
    agreement.on_state(A, at(2, 102), false, &digests(3));
    assert_eq!(
        agreement.differs(A),
        Some(Slot(3)),
        "the same further down says nothing"
    );
    agreement.on_state(A, at(3, 103), false, &digests(3));
    assert_eq!(agreement.differs(A), None);
}

#[test]
fn a_new_life_of_a_peer_is_compared_anew() {
    let mut agreement = Agreement::default();
    agreement.on_heartbeat(A, 7, None);
    agreement.on_state(A, at(3, 1), false, &digests(3));
    agreement.on_state(A, at(9, 1), false, &digests(3));
    assert_eq!(agreement.differs(A), Some(Slot(3)));
    agreement.on_heartbeat(A, 8, None);
    agreement.on_applied(&digests(9));
    assert_eq!(agreement.differs(A), None);
}
