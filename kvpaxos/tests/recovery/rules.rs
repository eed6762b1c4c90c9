//! The rules of recovery, shown with acceptors and candidates alone, without a replica around them.

use kvpaxos::candidacy::{Candidacy, Progress as PromiseProgress};
use kvpaxos::recovery::{Progress, answers_needed};
use kvpaxos::{Ballot, Incarnation, Message, Quorums, Record, Slot};

use crate::stage::{A, B, B1, B2, C, D, E, SLOT, Stage, entry, hear, together, value};

/// Shortcut: votes carry no crash vector.
///
/// 1. b1 is elected by A and B. A accepts x; its vote is in flight.
/// 2. A loses its memory. B and C have accepted nothing, so A recovers with no entry.
/// 3. b2 is elected by A and C. Their promises report no entry. They accept y: y is chosen.
/// 4. B has not heard of b2, and accepts x.
/// 5. *B's vote arrives, and A's vote of step 1. Two votes choose x as well.* They do not count together: B's
///    vote says that A's incarnation 0 is over.
#[test]
fn a_vote_of_a_lost_life_does_not_count_with_one_that_knows_of_the_loss() {
    let (mut stage, x, y) = (Stage::new(3), value("x"), value("y"));
    stage.elect(&[A, B], B1);
    let lost = stage.accept(A, B1, &x).expect("it accepts");
    let mut recovery = stage.lose(A);
    stage.recover(A, &mut recovery, &[B, C]);
    assert!(stage.elect(&[A, C], B2).is_empty());
    stage.choose(&[A, C], B2, &y);
    let late = stage.accept(B, B1, &x).expect("it accepts");
    assert_eq!(together(&[lost, late]), 1);
}

/// Shortcut: promises carry no crash vector.
///
/// 1. A promises b2; its promise is in flight.
/// 2. A loses its memory. B and C have promised nothing, so A recovers without a promise.
/// 3. b1 is elected by A and B. They accept x: x is chosen.
/// 4. C has not heard of b1. It promises b2, and reports no entry.
/// 5. *C's promise arrives, and A's promise of step 1. Neither reports an entry, so y is proposed and
///    chosen.* They do not count together: C's promise says that A's incarnation 0 is over. The candidate
///    asks A again, and A reports x.
#[test]
fn a_promise_of_a_lost_life_does_not_count_with_one_that_knows_of_the_loss() {
    let (mut stage, x) = (Stage::new(3), value("x"));
    let mut candidacy = Candidacy::new(B2, SLOT);
    let lost = stage.prepare(A, B2).expect("it promises");
    let mut recovery = stage.lose(A);
    stage.recover(A, &mut recovery, &[B, C]);
    stage.elect(&[A, B], B1);
    stage.choose(&[A, B], B1, &x);
    let late = stage.prepare(C, B2).expect("it promises");
    candidacy.on_promise(A, lost);
    candidacy.on_promise(C, late);
    assert_eq!(candidacy.promises().len(), 1);

    let again = stage.prepare(A, B2).expect("it promises");
    candidacy.on_promise(A, again);
    assert_eq!(candidacy.promises().len(), 2);
    assert_eq!(candidacy.into_highest(SLOT).1.get(&SLOT), Some(&x));
}

/// Shortcut: an acceptor answers an announcement before it writes the new incarnation into its vector.
///
/// 1. b1 is elected by A and B. A accepts x; its vote is in flight.
/// 2. A loses its memory, and announces a new incarnation.
/// 3. B answers that it has accepted nothing. *It has not yet written that A's incarnation 0 is over.*
/// 4. B accepts x. *Its vote does not mention A's new incarnation, and counts with A's vote of step 1: x is
///    chosen.*
/// 5. C answers too, and A recovers with no entry. b2 is elected by A and C. Their promises report no entry:
///    y is chosen as well.
#[test]
fn a_new_life_is_written_down_before_it_is_answered() {
    let (mut stage, x) = (Stage::new(3), value("x"));
    stage.elect(&[A, B], B1);
    let lost = stage.accept(A, B1, &x).expect("it accepts");
    let mut recovery = stage.lose(A);
    stage.announce(A, &mut recovery, &[B, C]);
    let written = stage.records(B).len();
    let told = stage.answer(A, &recovery, B);
    let heard = Record::Heard {
        acceptor: A,
        incarnation: Incarnation(1),
    };
    assert_eq!(
        stage.records(B)[written..],
        [heard],
        "the new incarnation is written before the answer leaves"
    );
    let written = stage.records(B).len();
    stage.answer(A, &recovery, B);
    assert_eq!(stage.records(B).len(), written, "the incarnation is written once");
    let late = stage.accept(B, B1, &x).expect("it accepts");
    assert_eq!(together(&[lost, late]), 1);

    hear(&mut recovery, B, told);
    let progress = stage.ask(A, &mut recovery, &[C]);
    stage.returns(A, progress);
    assert!(stage.elect(&[A, C], B2).is_empty());
}

/// The same rule on the other side: an acceptor does not take an answer whose vector lacks its new
/// incarnation. The sender may have given the answer before it wrote the incarnation.
#[test]
fn an_answer_that_does_not_know_of_the_new_life_is_not_taken() {
    let mut stage = Stage::new(3);
    let mut recovery = stage.lose(A);
    stage.announce(A, &mut recovery, &[B, C]);
    let (told_b, told_c) = (stage.answer(A, &recovery, B), stage.answer(A, &recovery, C));
    let Message::Remembered(mut unaware) = told_b.clone() else {
        panic!("{told_b:?}")
    };
    unaware.vector = kvpaxos::crash_vector::CrashVector::default();
    hear(&mut recovery, C, told_c);
    let progress = recovery.on_remembered(B, *unaware);
    assert_eq!(progress, Progress::Nothing);
    stage.returns(A, hear(&mut recovery, B, told_b));
}

/// Shortcut: the answers need not be crash-consistent with each other. There are five acceptors; A and B lose
/// their memory, one after the other.
///
/// 1. b1 is elected by A, B and C. A accepts x; its vote is in flight.
/// 2. A loses its memory, and announces incarnation 1. B answers: it has accepted nothing, and knows that A's
///    incarnation 0 is over.
/// 3. B loses its memory. C, D and E, which have not heard of A's loss, answer it. B recovers with no entry,
///    and *does not know of A's loss*.
/// 4. D and E answer A. *With B's answer of step 2 these are three answers: A recovers with no entry.* They
///    do not count together: D and E say that B's incarnation 0, which gave the answer of step 2, is over. A
///    must ask B once more. Then B knows that A's incarnation 0 is over.
/// 5. B, now in incarnation 1, and C accept x. *Neither knows of A's loss. Their votes and A's vote of step 1
///    choose x.*
/// 6. b2 is elected by A, D and E. Their promises report no entry: y is chosen as well.
#[test]
fn answers_count_only_if_none_is_of_a_life_that_another_knows_to_be_over() {
    let (mut stage, x) = (Stage::new(5), value("x"));
    stage.elect(&[A, B, C], B1);
    let lost = stage.accept(A, B1, &x).expect("it accepts");

    let mut recovery = stage.lose(A);
    stage.announce(A, &mut recovery, &[B, C, D]);
    let progress = stage.ask(A, &mut recovery, &[B]);
    assert_eq!(progress, Progress::Ask(Vec::new()), "one of three answers");

    let mut second = stage.lose(B);
    stage.recover(B, &mut second, &[C, D, E]);
    assert_eq!(
        stage.acceptor(B).vector().get(A),
        Incarnation(0),
        "B does not know of A's loss"
    );

    let progress = stage.ask(A, &mut recovery, &[D, E]);
    assert!(
        !matches!(progress, Progress::Recovered(_)),
        "B's answer counts with answers that know its incarnation to be over"
    );
    assert!(recovery.unanswered().contains(B), "B must be asked again");

    let progress = stage.ask(A, &mut recovery, &[B]);
    stage.returns(A, progress);
    let late = [B, C].map(|id| stage.accept(id, B1, &x).expect("it accepts"));
    let [from_b, from_c] = late;
    assert_eq!(together(&[lost, from_b, from_c]), 2);
}

/// Shortcut: the nonce is not fresh. Then answers to an earlier step (a) count for the present one, and two
/// lives of an acceptor share an incarnation.
///
/// 1. A loses its memory. It asks B and C, which have heard of incarnation 0 only. Copies of their answers
///    stay in flight.
/// 2. A recovers in incarnation 1. b1 is elected by A and B. A accepts x; its vote is in flight.
/// 3. A loses its memory again. *The copies of step 1 arrive: A takes incarnation 1 a second time*, and
///    recovers with no entry.
/// 4. B accepts x. *Its vector has incarnation 1 for A, in which A cast its vote. Both votes count: x is
///    chosen.*
/// 5. b2 is elected by A and C. Their promises report no entry: y is chosen as well.
#[test]
fn answers_to_an_earlier_life_do_not_count() {
    let (mut stage, x) = (Stage::new(3), value("x"));
    let mut recovery = stage.lose(A);
    let copies = [B, C].map(|id| (id, stage.answer(A, &recovery, id)));
    stage.recover(A, &mut recovery, &[B, C]);
    stage.elect(&[A, B], B1);
    let lost = stage.accept(A, B1, &x).expect("it accepts");

    let mut again = stage.lose(A);
    for (from, copy) in copies {
        assert_eq!(hear(&mut again, from, copy), Progress::Nothing);
    }
    stage.recover(A, &mut again, &[B, C]);
    assert_eq!(again.incarnation(), Some(Incarnation(2)));
    let late = stage.accept(B, B1, &x).expect("it accepts");
    assert_eq!(together(&[lost, late]), 1);
}

/// Shortcut: recovering acceptors answer as well. There are five acceptors; A and B lose their memory at the
/// same time.
///
/// 1. b1 is elected by A, B and C. They accept x: x is chosen.
/// 2. A and B lose their memory.
/// 3. *A takes the answers of B, D and E, and B those of A, D and E: both recover with no entry.* A
///    recovering acceptor answers only that it is recovering. So A and B need the answer of C, which reports
///    x.
/// 4. b2 is elected by A, D and E. Their promises report no entry: y is chosen as well.
///
/// `a_recovering_acceptor_vouches_for_nobody` tests what a recovering replica answers. This test shows that
/// the answer does not count.
#[test]
fn one_that_is_recovering_does_not_count() {
    let (mut stage, x) = (Stage::new(5), value("x"));
    stage.elect(&[A, B, C], B1);
    stage.choose(&[A, B, C], B1, &x);
    let mut recovery = stage.lose(A);
    let _ = stage.lose(B);
    let Message::Recalled { nonce, .. } = stage.answer(A, &recovery, D) else {
        panic!("the answer to (a) is not Recalled")
    };
    assert_eq!(recovery.on_recalled(B, nonce, None), Progress::Nothing);
    assert_eq!(
        stage.ask(A, &mut recovery, &[D, E]),
        Progress::Nothing,
        "two of three answers"
    );
    stage.announce(A, &mut recovery, &[C]);
    let progress = stage.ask(A, &mut recovery, &[C, D, E]);
    stage.returns(A, progress);
    assert_eq!(stage.elect(&[A, D, E], B2).get(&SLOT), Some(&x));
}

/// An acceptor answers (a), and then loses its memory. When it reports that it is recovering, its earlier
/// answer no longer counts.
#[test]
fn one_that_has_begun_to_recover_does_not_count_any_longer() {
    let mut stage = Stage::new(5);
    let mut recovery = stage.lose(A);
    let copy = stage.answer(A, &recovery, B);
    let Message::Recalled { nonce, .. } = copy else {
        panic!("{copy:?}")
    };
    hear(&mut recovery, B, copy);
    recovery.on_recalled(B, nonce, None);
    assert_eq!(
        stage.ask(A, &mut recovery, &[C, D]),
        Progress::Nothing,
        "two of three answers"
    );
}

/// Shortcut: the recovered memory leaves out the promises that the others report.
///
/// 1. b1 is elected by B and C. b2 is elected by A and C; their promises report no entry.
/// 2. A loses its memory. B and C answer; C has promised b2. *A recovers without a promise.*
/// 3. A and B accept x in b1: *x is chosen.* A refuses, because it has taken over C's promise.
/// 4. A and C accept y in b2: y is chosen as well.
#[test]
fn the_highest_promise_is_recovered() {
    let (mut stage, x, y) = (Stage::new(3), value("x"), value("y"));
    stage.elect(&[B, C], B1);
    assert!(stage.elect(&[A, C], B2).is_empty());
    let mut recovery = stage.lose(A);
    stage.recover(A, &mut recovery, &[B, C]);
    assert_eq!(stage.acceptor(A).promised(), B2);
    assert!(stage.accept(A, B1, &x).is_none());
    stage.choose(&[A, C], B2, &y);
}

/// Shortcut: the incarnation is not raised.
///
/// 1. b1 is elected by A and B. A accepts x; its vote is in flight.
/// 2. A loses its memory, and recovers with no entry *in its old incarnation*.
/// 3. b2 is elected by A and C. Their promises report no entry: y is chosen.
/// 4. B accepts x. *B has heard of no new incarnation: both votes count, and x is chosen as well.*
#[test]
fn a_new_life_has_a_higher_incarnation_than_all_that_were_heard_of() {
    for known in 0..3 {
        let (mut stage, x) = (Stage::new(3), value("x"));
        for _ in 0..known {
            let mut recovery = stage.lose(A);
            stage.recover(A, &mut recovery, &[B, C]);
        }
        let before = stage.acceptor(A).vector().get(A);
        let lost = stage.accept(A, B1, &x).expect("it accepts");
        let mut recovery = stage.lose(A);
        stage.recover(A, &mut recovery, &[B, C]);
        for id in [A, B, C] {
            assert!(
                stage.acceptor(id).vector().get(A) > before,
                "{id} knows the new incarnation"
            );
        }
        let late = stage.accept(B, B1, &x).expect("it accepts");
        assert_eq!(together(&[lost, late]), 1);
    }
}

/// Shortcut: an acceptor leaves its cut out of its answer.
///
/// 1. b1 is elected by A and B. They accept x for slot 0: x is chosen. B learns this, and cuts slot 0 from
///    its log.
/// 2. A loses its memory. B reports that it has accepted nothing from slot 1 on, *but not that it has cut
///    slot 0*. C has accepted nothing.
/// 3. b2 is elected by A and C. Their promises report no entry for slot 0: *y is proposed for slot 0 and
///    chosen.* But A has taken over B's cut and remembers that slot 0 is chosen. A candidate must learn slot
///    0 before it leads.
#[test]
fn what_others_have_cut_is_remembered_as_chosen() {
    let (mut stage, x) = (Stage::new(3), value("x"));
    stage.elect(&[A, B], B1);
    stage.choose(&[A, B], B1, &x);
    stage.acceptor(B).cut_below(Slot(1));
    let mut recovery = stage.lose(A);
    stage.recover(A, &mut recovery, &[B, C]);
    assert_eq!(stage.acceptor(A).cut(), Slot(1));

    let mut candidacy = Candidacy::new(B2, SLOT);
    for id in [A, C] {
        let promise = stage.prepare(id, B2).expect("it promises");
        candidacy.on_promise(id, promise);
    }
    assert!(!candidacy.is_ready(2, SLOT), "slot 0 must be learned first");
    assert!(candidacy.is_ready(2, Slot(1)));
    assert_eq!(
        candidacy.into_highest(Slot(1)).0,
        Slot(1),
        "nothing is proposed for slot 0"
    );
}

/// Shortcut: a majority of answers is enough, whatever the quorums are.
///
/// 1. There are five acceptors. Phase 1 takes four of them, and phase 2 takes two. b1 is elected by A, B, C
///    and D. A and B accept x: x is chosen.
/// 2. A loses its memory. *It takes the answers of C, D and E, and recovers with no entry.* Here B must
///    answer too.
/// 3. b2 is elected by A, C, D and E. Their promises report no entry: y is chosen as well.
#[test]
fn as_many_answer_as_meet_every_quorum() {
    let few_votes = Quorums { phase1: 4, phase2: 2 };
    let (mut stage, x) = (Stage::with(5, few_votes), value("x"));
    stage.elect(&[A, B, C, D], B1);
    stage.choose(&[A, B], B1, &x);
    let mut recovery = stage.lose(A);
    assert_eq!(stage.ask(A, &mut recovery, &[C, D, E]), Progress::Nothing);
    stage.announce(A, &mut recovery, &[B]);
    let progress = stage.ask(A, &mut recovery, &[C, D, E, B]);
    stage.returns(A, progress);
    assert_eq!(stage.elect(&[A, C, D, E], B2).get(&SLOT), Some(&x));

    // The same holds for promises, if phase 1 takes two acceptors and phase 2 four.
    let few_promises = Quorums { phase1: 2, phase2: 4 };
    assert_eq!(answers_needed(few_promises, 5), Some(4));
    assert_eq!(answers_needed(Quorums::majority(5), 5), Some(3));
    assert_eq!(answers_needed(Quorums::majority(3), 3), Some(2));
    // Any two acceptors meet every quorum of four. But two pairs of the others need not have a member in
    // common, and then two lives could share an incarnation.
    let large = Quorums { phase1: 4, phase2: 4 };
    assert_eq!(answers_needed(large, 5), Some(3));
    // A single vote chooses a value here, and no other acceptor may know of it.
    let one_vote = Quorums { phase1: 3, phase2: 1 };
    assert_eq!(answers_needed(one_vote, 3), None);
}

/// Shortcut: an acceptor repeats an old vote with its present vector, without checking that it may still vote
/// in that ballot.
///
/// 1. b1 is elected by B and C. B accepts x; its vote is lost.
/// 2. b2 is elected by A and C. Their promises report no entry.
/// 3. A loses its memory. It recovers C's promise of b2, and B's entry: x in b1.
/// 4. The leader of b1 sends x again. *A finds the entry in its memory and answers with a vote, which it
///    never cast in b1.* B votes once more, with a vector that has A's new incarnation: x is chosen.
/// 5. A and C accept y in b2: y is chosen as well.
#[test]
fn what_was_recovered_is_no_vote() {
    let (mut stage, x, y) = (Stage::new(3), value("x"), value("y"));
    stage.elect(&[B, C], B1);
    let _ = stage.accept(B, B1, &x);
    assert!(stage.elect(&[A, C], B2).is_empty());
    let mut recovery = stage.lose(A);
    stage.recover(A, &mut recovery, &[B, C]);
    assert_eq!(stage.acceptor(A).accepted().get(&SLOT), Some(&(B1, x.clone())));
    assert!(stage.accept(A, B1, &x).is_none(), "it promised b2");
    stage.choose(&[A, C], B2, &y);
}

/// The same rule where votes are counted: a later vote of an acceptor, in a new incarnation, does not renew
/// its old vote.
///
/// 1. b1 is elected by A and B. A accepts x for slot 0; its vote arrives.
/// 2. A loses its memory, recovers with no entry, and accepts z for slot 1 in b1. Its vote arrives, and
///    carries its new incarnation.
/// 3. B accepts x. *A's vote of step 1 takes A's present vector and counts with B's vote, though A has
///    forgotten it.*
#[test]
fn a_vote_keeps_the_vector_it_was_cast_with() {
    let (mut stage, x, z) = (Stage::new(3), value("x"), value("z"));
    stage.elect(&[A, B], B1);
    let mut set = kvpaxos::crash_vector::ConsistentSet::default();
    let lost = stage.accept(A, B1, &x).expect("it accepts");
    set.add(A, &lost.vector);
    let mut recovery = stage.lose(A);
    stage.recover(A, &mut recovery, &[B, C]);
    let other = stage.accept_in(A, B1, Slot(1), &z).expect("it accepts");
    assert!(other.vector.outdates(A, &lost.vector));
    let late = stage.accept(B, B1, &x).expect("it accepts");
    set.add(B, &late.vector);
    assert_eq!(set.len(), 1);

    // If the leader asks again, A casts a new vote, and remembers it.
    let anew = stage.accept(A, B1, &x).expect("it accepts");
    set.add(A, &anew.vector);
    assert_eq!(set.len(), 2);
}

/// Chunks of a promise or an answer do not add up if they come from two incarnations of an acceptor. Entries
/// that the first incarnation had not reported, and the second does not have, would be missing.
#[test]
fn chunks_of_two_lives_make_no_whole() {
    let (mut stage, x) = (Stage::new(3), value("x"));
    let none = |stage: &mut Stage, slot| stage.accept_in(A, Ballot::ZERO, slot, &x);
    for slot in 0..4 {
        none(&mut stage, Slot(slot)).expect("it accepts");
    }
    let mut candidacy = Candidacy::new(B2, SLOT);
    let first = stage.prepare_from(A, B2, SLOT, 1).expect("it promises");
    assert_eq!(first.entries, [entry(SLOT, Ballot::ZERO, &x)]);
    let progress = candidacy.on_promise(A, first);
    assert_eq!(progress, PromiseProgress::More(Slot(1)));
    let mut recovery = stage.lose(A);
    stage.recover(A, &mut recovery, &[B, C]);
    let second = stage.prepare_from(A, B2, Slot(1), 1 << 20).expect("it promises");
    assert_eq!(candidacy.on_promise(A, second), PromiseProgress::Nothing);
    assert!(candidacy.promises().is_empty());
}

/// Shortcut: an outdated answer is asked for again at once.
///
/// 1. E has announced incarnation 1 to A and B. Then its disk went back to its first state, and E believes
///    that it is in incarnation 0.
/// 2. C loses its memory. In step (c) A and B answer, and E answers in incarnation 0. E's answer does not
///    count.
/// 3. *C asks E again at once.* E gives the same answer, and so on without a pause, until E hears of its
///    incarnation 1.
///
/// Here C asks again after a tick. Once E has heard that its incarnation is over, it stops answering until it
/// has recovered in a new one.
#[test]
fn an_outdated_answer_is_not_asked_for_again_at_once() {
    let mut stage = Stage::new(5);
    let mut e = stage.lose(E);
    stage.announce(E, &mut e, &[A, B, D]);
    for heard in [A, B] {
        stage.answer(E, &e, heard);
    }
    stage.forget(E);

    let mut c = stage.lose(C);
    stage.announce(C, &mut c, &[A, B, D]);
    assert_eq!(stage.ask(C, &mut c, &[A, B]), Progress::Ask(Vec::new()));
    assert_eq!(
        stage.ask(C, &mut c, &[E]),
        Progress::Ask(Vec::new()),
        "E is not asked again at once"
    );
    assert!(c.unanswered().contains(E));
    let later = c.on_tick(1);
    assert!(
        later.iter().any(|(to, _)| *to == E),
        "E is asked again after a tick: {later:?}"
    );
    assert!(matches!(stage.ask(C, &mut c, &[D]), Progress::Recovered(_)));
}
