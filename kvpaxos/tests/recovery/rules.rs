//! The rules, by the roles alone.

use kvpaxos::candidacy::{Candidacy, Progress as PromiseProgress};
use kvpaxos::recovery::{Progress, answers_needed};
use kvpaxos::{Ballot, Incarnation, Message, Quorums, Record, Slot};

use crate::stage::{A, B, B1, B2, C, D, E, SLOT, Stage, entry, hear, together, value};

/// Shortcut: votes carry no vector.
///
/// 1. b1 is elected by A and B. A accepts x; its vote is on its way.
/// 2. A loses its memory. B and C have accepted nothing; A returns with nothing.
/// 3. b2 is elected by A and C, who tell of nothing. They accept y: y is chosen.
/// 4. B, which never heard of b2, accepts x.
/// 5. *B's vote arrives, and A's of step 1: that makes two, and x is chosen as well.* Not so: B's vote says that A's first life is over.
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

/// Shortcut: promises carry no vector.
///
/// 1. A promises b2; its promise is on its way.
/// 2. A loses its memory. B and C have promised nothing; A returns, and has promised nothing.
/// 3. b1 is elected by A and B, who accept x: x is chosen.
/// 4. C, which never heard of b1, promises b2, and tells of nothing.
/// 5. *C's promise arrives, and A's of step 1: nothing is told, and y is proposed and chosen.* Not so: C's promise says that A's first
///    life is over; the candidate asks A again, and hears of b1, or of x.
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

/// Shortcut: the vector is written after the answer, or not before it leaves.
///
/// 1. b1 is elected by A and B. A accepts x; its vote is on its way.
/// 2. A loses its memory, and announces a new life.
/// 3. B answers that it has accepted nothing. *It does not yet write down that A's first life is over.*
/// 4. B accepts x. *Its vote says nothing of A's new life, and counts with A's of step 1: x is chosen.*
/// 5. C answers too; A returns with nothing. b2 is elected by A and C, who tell of nothing: y is chosen as well.
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
        "the answer leaves behind this record"
    );
    let written = stage.records(B).len();
    stage.answer(A, &recovery, B);
    assert_eq!(stage.records(B).len(), written, "once is enough");
    let late = stage.accept(B, B1, &x).expect("it accepts");
    assert_eq!(together(&[lost, late]), 1);

    hear(&mut recovery, B, told);
    let progress = stage.ask(A, &mut recovery, &[C]);
    stage.returns(A, progress);
    assert!(stage.elect(&[A, C], B2).is_empty());
}

/// The same from the other side: an answer that does not show the new life is of no use, for it may have been given before.
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

/// Shortcut: answers need not be crash-consistent with each other. Five acceptors; A and B lose their memory, one after the other.
///
/// 1. b1 is elected by A, B and C. A accepts x; its vote is on its way.
/// 2. A loses its memory, and announces life 1. B answers: it has accepted nothing, and knows that A's life 0 is over.
/// 3. B loses its memory. C, D and E, who have not heard of A's loss yet, answer it: B returns with nothing, and *nobody told it of A*.
/// 4. D and E answer A. *With B's answer of step 2 that makes three: A returns with nothing.* Not so: D and E say that B's life 0, which
///    gave that answer, is over. A must ask B once more, and then B knows that A's life 0 is over.
/// 5. B, in its life 1, and C accept x. *Neither knows of A's loss, and x is chosen by their votes and A's of step 1.*
/// 6. b2 is elected by A, D and E, who tell of nothing: y is chosen as well.
#[test]
fn answers_count_only_if_none_is_of_a_life_that_another_knows_to_be_over() {
    let (mut stage, x) = (Stage::new(5), value("x"));
    stage.elect(&[A, B, C], B1);
    let lost = stage.accept(A, B1, &x).expect("it accepts");

    let mut recovery = stage.lose(A);
    stage.announce(A, &mut recovery, &[B, C, D]);
    let progress = stage.ask(A, &mut recovery, &[B]);
    assert_eq!(progress, Progress::Ask(Vec::new()), "one of three");

    let mut second = stage.lose(B);
    stage.recover(B, &mut second, &[C, D, E]);
    assert_eq!(
        stage.acceptor(B).vector().get(A),
        Incarnation(0),
        "nobody told it"
    );

    let progress = stage.ask(A, &mut recovery, &[D, E]);
    assert!(
        !matches!(progress, Progress::Recovered(_)),
        "B's answer counts with answers that know B's life to be over"
    );
    assert!(recovery.unanswered().contains(B), "B must be asked again");

    let progress = stage.ask(A, &mut recovery, &[B]);
    stage.returns(A, progress);
    let late = [B, C].map(|id| stage.accept(id, B1, &x).expect("it accepts"));
    let [from_b, from_c] = late;
    assert_eq!(together(&[lost, from_b, from_c]), 2);
}

/// Shortcut: no fresh nonce, so that answers of (a) to an earlier life are taken for news, and two lives share an incarnation.
///
/// 1. A loses its memory. It asks B and C, who have heard of no life but the first; copies of their answers stay on their way.
/// 2. A returns as life 1. b1 is elected by A and B. A accepts x; its vote is on its way.
/// 3. A loses its memory again. *The copies of step 1 arrive: A takes 1 for a new life,* and returns with nothing.
/// 4. B accepts x. *Its vote knows of A's life 1, in which A's vote was cast: both count, and x is chosen.*
/// 5. b2 is elected by A and C, who tell of nothing: y is chosen as well.
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

/// Shortcut: one that is recovering answers too. Five acceptors; A and B lose their memory at once.
///
/// 1. b1 is elected by A, B and C, who accept x: x is chosen.
/// 2. A and B lose their memory.
/// 3. *A takes the answers of B, D and E, and B those of A, D and E: both return with nothing.* Not so: one that is recovering says only
///    that. C is needed, who tells of x.
/// 4. b2 is elected by A, D and E, who tell of nothing: y is chosen as well.
///
/// What a recovering replica answers is in `a_recovering_acceptor_vouches_for_nobody`; here, that the answer does not count.
#[test]
fn one_that_is_recovering_does_not_count() {
    let (mut stage, x) = (Stage::new(5), value("x"));
    stage.elect(&[A, B, C], B1);
    stage.choose(&[A, B, C], B1, &x);
    let mut recovery = stage.lose(A);
    let _ = stage.lose(B);
    let Message::Recalled { nonce, .. } = stage.answer(A, &recovery, D) else {
        panic!("(a) is answered by Recalled")
    };
    assert_eq!(recovery.on_recalled(B, nonce, None), Progress::Nothing);
    assert_eq!(
        stage.ask(A, &mut recovery, &[D, E]),
        Progress::Nothing,
        "two of three"
    );
    stage.announce(A, &mut recovery, &[C]);
    let progress = stage.ask(A, &mut recovery, &[C, D, E]);
    stage.returns(A, progress);
    assert_eq!(stage.elect(&[A, D, E], B2).get(&SLOT), Some(&x));
}

/// One that lost its memory after it answered takes its answer back.
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
        "two of three"
    );
}

/// Shortcut: the promise that others remember is left out of what is recovered.
///
/// 1. b1 is elected by B and C, and b2 by A and C, who tell of nothing.
/// 2. A loses its memory. B and C answer; C has promised b2. *A returns and has promised nothing.*
/// 3. A and B accept x in b1: *x is chosen.* Not so: A refuses, for C's promise is its own now.
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
/// 1. b1 is elected by A and B. A accepts x; its vote is on its way.
/// 2. A loses its memory, and returns with nothing, *in the life in which it had it.*
/// 3. b2 is elected by A and C, who tell of nothing: y is chosen.
/// 4. B accepts x. *Nobody was told of a new life: both votes count, and x is chosen as well.*
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
            assert!(stage.acceptor(id).vector().get(A) > before, "{id} knows");
        }
        let late = stage.accept(B, B1, &x).expect("it accepts");
        assert_eq!(together(&[lost, late]), 1);
    }
}

/// Shortcut: what another has cut from its log is left out of its answer.
///
/// 1. b1 is elected by A and B, who accept x for slot 0: x is chosen. B learns it and cuts its log behind it.
/// 2. A loses its memory. B tells that it has accepted nothing from slot 1 on, *and not that it has cut slot 0*; C knows nothing.
/// 3. b2 is elected by A and C, who tell of nothing, for slot 0 neither: *y is proposed for slot 0 and chosen.* Not so: A remembers that
///    slot 0 is chosen, and a candidate must learn it before it leads.
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
        "and nothing is proposed for it"
    );
}

/// Shortcut: a majority of answers is taken for enough, whatever the quorums.
///
/// 1. Five acceptors; four promises elect, and two votes choose. b1 is elected by A, B, C and D; A and B accept x: x is chosen.
/// 2. A loses its memory. *It takes the answers of C, D and E, and returns with nothing.* Not so: B must answer too.
/// 3. b2 is elected by A, C, D and E, who tell of nothing: y is chosen as well.
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

    // The same for promises, where two elect and four choose.
    let few_promises = Quorums { phase1: 2, phase2: 4 };
    assert_eq!(answers_needed(few_promises, 5), Some(4));
    assert_eq!(answers_needed(Quorums::majority(5), 5), Some(3));
    assert_eq!(answers_needed(Quorums::majority(3), 3), Some(2));
    // Two meet every quorum of four, but two pairs of the others need not meet: two lives would share an incarnation.
    let large = Quorums { phase1: 4, phase2: 4 };
    assert_eq!(answers_needed(large, 5), Some(3));
    // Nobody else may know of the only vote that chose a value.
    let one_vote = Quorums { phase1: 3, phase2: 1 };
    assert_eq!(answers_needed(one_vote, 3), None);
}

/// Shortcut: an old vote is given again with the present vector, without asking whether it may still be cast.
///
/// 1. b1 is elected by B and C. B accepts x; its vote is lost.
/// 2. b2 is elected by A and C, who tell of nothing.
/// 3. A loses its memory, and recovers C's promise of b2, and from B that x was accepted in b1.
/// 4. The leader of b1 sends x again. *A finds it in its memory, as it should be, and says so: that is a vote which A never cast.* B votes
///    once more, with a vector that knows of A's new life, and x is chosen.
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

/// The same where votes are counted: a later word of an acceptor, in a new life, does not make its old vote a new one.
///
/// 1. b1 is elected by A and B. A accepts x for slot 0; its vote arrives.
/// 2. A loses its memory, returns with nothing, and accepts z for slot 1 in b1. Its vote arrives, and tells of its new life.
/// 3. B accepts x. *A's vote of step 1, under its present vector, counts with it, though A has forgotten it.*
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

    // Asked again, A votes anew, and then it remembers.
    let anew = stage.accept(A, B1, &x).expect("it accepts");
    set.add(A, &anew.vector);
    assert_eq!(set.len(), 2);
}

/// Chunks of a promise, or of an answer, that come from two lives of an acceptor are none: what it accepted in the first life, and
/// told in neither chunk, would be forgotten.
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

/// Shortcut: an answer that is outdated is asked for again at once.
///
/// 1. E has begun life 1; A and B have heard of it, and E itself has not: its disk went back to its first life.
/// 2. C loses its memory. A and B answer (c), and E does, in its first life: its answer does not count.
/// 3. *C asks E again at once*, which says the same again, and so on without a pause, for as long as E does not know better.
///
/// C asks again when a tick has passed. When E has heard that its life is over, it does not answer, or answers as another.
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
        "not at once"
    );
    assert!(c.unanswered().contains(E));
    let later = c.on_tick(1);
    assert!(later.iter().any(|(to, _)| *to == E), "but later: {later:?}");
    assert!(matches!(stage.ask(C, &mut c, &[D]), Progress::Recovered(_)));
}
