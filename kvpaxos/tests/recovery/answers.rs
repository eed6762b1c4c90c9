//! The rules by which answers are put together: whose, in which order, and what of them is kept.

use kvpaxos::message::Remembered;
use kvpaxos::recovery::{Progress, Recovery};
use kvpaxos::{Ballot, Incarnation, Message, ReplicaId, Slot};

use crate::stage::{A, B, B1, B2, C, D, E, SLOT, Stage, entry, hear, together, value};

/// Where what it asks an acceptor next begins.
fn asks_from(recovery: &Recovery, of: ReplicaId) -> Option<Slot> {
    let asked = recovery.questions().into_iter().find(|(to, _)| *to == of);
    match asked?.1 {
        Message::Announce { from, .. } => Some(from),
        _ => None,
    }
}

fn remembered(answer: Message) -> Remembered {
    match answer {
        Message::Remembered(told) => *told,
        other => panic!("(c) is answered by Remembered: {other:?}"),
    }
}

/// Shortcut: chunks of an answer are put together, whichever life of the acceptor they come from. Five acceptors.
///
/// 1. b1 is elected by A, B and C. A accepts x for slot 0; its vote is on its way. B accepts z for slots 1 and 2.
/// 2. A loses its memory. B tells all below slot 2: there is nothing for slot 0.
/// 3. B loses its memory. C, D and E, who have not heard of A's loss yet, answer it. B and C accept x for slot 0, and know nothing of A's
///    loss: with A's vote of step 1 x is chosen.
/// 4. B, in its life 1, tells the rest, from slot 2 on. *With what it told in life 0 that is a whole*, which D's and E's answers agree with:
///    A returns without x.
/// 5. b2 is elected by A, D and E, who tell of nothing: y is chosen as well.
#[test]
fn chunks_of_an_answer_from_two_lives_make_no_whole() {
    let (mut stage, x, z) = (Stage::new(5), value("x"), value("z"));
    stage.elect(&[A, B, C], B1);
    let lost = stage.accept(A, B1, &x).expect("it accepts");
    for slot in [Slot(1), Slot(2)] {
        stage.accept_in(B, B1, slot, &z).expect("it accepts");
    }
    let mut recovery = stage.lose(A);
    stage.announce(A, &mut recovery, &[B, C, D]);
    let first = stage.chunk(A, &recovery, B);
    hear(&mut recovery, B, first);
    assert_eq!(asks_from(&recovery, B), Some(Slot(2)));

    let mut second = stage.lose(B);
    stage.recover(B, &mut second, &[C, D, E]);
    let [from_b, from_c] = [B, C].map(|id| stage.accept(id, B1, &x).expect("it accepts"));
    assert_eq!(together(&[lost, from_b, from_c]), 3, "x is chosen");

    stage.ask(A, &mut recovery, &[B]);
    assert_eq!(asks_from(&recovery, B), Some(SLOT), "all anew");
    let progress = stage.ask(A, &mut recovery, &[D, E]);
    assert!(!matches!(progress, Progress::Recovered(_)), "B's is missing");
    let progress = stage.ask(A, &mut recovery, &[B]);
    stage.returns(A, progress);
    assert_eq!(stage.elect(&[A, D, E], B2).get(&SLOT), Some(&x));
}

/// Shortcut: only chunks of a later life begin an answer anew; one of an earlier life that comes late is put in between.
///
/// 1. b1 is elected by A, B and C. A accepts x for slot 3; its vote is on its way. z is chosen for slots 0, 2 and 4, by B, C and D.
/// 2. A loses its memory. B tells what is below slot 2, and then what is below slot 4: that is on its way.
/// 3. B loses its memory. C, D and E, who have not heard of A's loss yet, answer it. B and C accept x for slot 3: with A's vote it is chosen.
/// 4. B, in its life 1, tells what is below slot 2. *The late chunk of step 2 arrives, and fits*: there is nothing for slot 3. B tells the rest.
/// 5. D and E answer too; A returns without x, and another value can be chosen by A, D and E.
#[test]
fn a_late_chunk_of_an_earlier_life_is_not_put_in_between() {
    let (mut stage, x, z) = (Stage::new(5), value("x"), value("z"));
    stage.elect(&[A, B, C], B1);
    let lost = stage.accept_in(A, B1, Slot(3), &x).expect("it accepts");
    for id in [B, C, D] {
        for slot in [SLOT, Slot(2), Slot(4)] {
            stage.accept_in(id, B1, slot, &z).expect("it accepts");
        }
    }
    let mut recovery = stage.lose(A);
    stage.announce(A, &mut recovery, &[B, C, D]);
    let first = stage.chunk(A, &recovery, B);
    hear(&mut recovery, B, first);
    let late = stage.chunk(A, &recovery, B);

    let mut second = stage.lose(B);
    stage.recover(B, &mut second, &[C, D, E]);
    let votes = [B, C].map(|id| stage.accept_in(id, B1, Slot(3), &x).expect("it accepts"));
    let [from_b, from_c] = votes;
    assert_eq!(together(&[lost, from_b, from_c]), 3, "x is chosen");

    for below in [SLOT, Slot(2)] {
        let chunk = stage.chunk(A, &recovery, B);
        hear(&mut recovery, B, chunk);
        assert_eq!(asks_from(&recovery, B), Some(below));
    }
    assert_eq!(hear(&mut recovery, B, late), Progress::Nothing);
    stage.ask(A, &mut recovery, &[D, E]);
    let mut progress = Progress::Nothing;
    for _ in 0..2 {
        if recovery.unanswered().contains(B) && !matches!(progress, Progress::Recovered(_)) {
            progress = stage.ask(A, &mut recovery, &[B]);
        }
    }
    stage.returns(A, progress);
    assert_eq!(stage.elect(&[A, D, E], B2).get(&Slot(3)), Some(&x));
}

/// Shortcut: a chunk is taken though the one before it has not come, or the next is asked for from a slot too far: what was accepted
/// between them is forgotten, as in `chunks_of_an_answer_from_two_lives_make_no_whole`. A chunk that comes again leads to nothing.
#[test]
fn chunks_are_taken_in_order_and_without_gaps() {
    let (mut stage, x) = (Stage::new(3), value("x"));
    for slot in 0..4 {
        stage.accept_in(B, B1, Slot(slot), &x).expect("it accepts");
    }
    let mut recovery = stage.lose(A);
    stage.announce(A, &mut recovery, &[B, C]);
    // An attempt that heard one chunk after the other: what it was told may come again.
    let mut attempt = recovery.clone();
    let chunks = [0, 1, 2, 3].map(|slot| {
        assert_eq!(asks_from(&attempt, B), Some(Slot(slot)));
        let chunk = stage.chunk(A, &attempt, B);
        hear(&mut attempt, B, chunk.clone());
        chunk
    });
    assert!(!attempt.unanswered().contains(B));

    let [first, second, third, fourth] = chunks;
    let is_taken = |recovery: &mut Recovery, chunk: &Message| {
        let progress = hear(recovery, B, chunk.clone());
        progress != Progress::Nothing
    };
    assert!(!is_taken(&mut recovery, &second), "the first has not come");
    assert!(is_taken(&mut recovery, &first));
    assert!(!is_taken(&mut recovery, &third), "the second has not come");
    assert!(!is_taken(&mut recovery, &first), "it comes again");
    for chunk in [second, third, fourth] {
        assert!(is_taken(&mut recovery, &chunk));
    }
    let progress = stage.ask(A, &mut recovery, &[C]);
    stage.returns(A, progress);
    let known: Vec<Slot> = stage.acceptor(A).accepted().keys().copied().collect();
    assert_eq!(known, [0, 1, 2, 3].map(Slot));
}

/// A chunk that says that the rest begins where the chunk began would be asked for for ever, at once each time. No honest acceptor says so.
#[test]
fn a_chunk_that_gets_no_further_is_of_no_use() {
    let mut stage = Stage::new(3);
    let mut recovery = stage.lose(A);
    stage.announce(A, &mut recovery, &[B, C]);
    let mut told = remembered(stage.answer(A, &recovery, B));
    told.more = Some(told.from);
    assert_eq!(recovery.on_remembered(B, told), Progress::Nothing);
}

/// An acceptor has promised whatever it accepted in, and says so. From one that lies nobody may take a memory that no acceptor can have.
#[test]
fn an_entry_above_the_promise_is_a_promise_too() {
    let (mut stage, x) = (Stage::new(3), value("x"));
    let mut recovery = stage.lose(A);
    stage.announce(A, &mut recovery, &[B, C]);
    let mut told = remembered(stage.answer(A, &recovery, B));
    told.entries.push(entry(SLOT, B2, &x));
    recovery.on_remembered(B, told);
    let progress = stage.ask(A, &mut recovery, &[C]);
    stage.returns(A, progress);
    assert_eq!(stage.acceptor(A).promised(), B2);
}

/// Shortcut: the first entry for a slot is kept, or the last one, or all that counts is the promise.
///
/// 1. b1 is elected by B and C, and B accepts x. b2 is elected by A and C, who tell of nothing and accept y: y is chosen.
/// 2. A loses its memory. B tells of x in b1, and C of y in b2, in this order or the other. *A keeps x*, or nothing.
/// 3. b3 is elected by A and B. Both tell of x: *x is chosen as well.* Not so: A tells of y, in b2.
#[test]
fn per_slot_the_entry_of_the_highest_ballot_is_kept() {
    for order in [[B, C], [C, B]] {
        let (mut stage, x, y) = (Stage::new(3), value("x"), value("y"));
        stage.elect(&[B, C], B1);
        stage.accept(B, B1, &x).expect("it accepts");
        assert!(stage.elect(&[A, C], B2).is_empty());
        stage.choose(&[A, C], B2, &y);
        let mut recovery = stage.lose(A);
        stage.recover(A, &mut recovery, &order);
        assert_eq!(stage.acceptor(A).accepted().get(&SLOT), Some(&(B2, y.clone())));
        let b3 = Ballot { round: 3, ..B2 };
        assert_eq!(stage.elect(&[A, B], b3).get(&SLOT), Some(&y));
    }
}

/// Shortcut: of promises, cuts and vectors what the first or the last answer says is kept, not the highest of all.
///
/// B has promised b2, has cut its log below slot 1 and has heard of life 2 of E; C and D have heard of life 1 of it. See
/// `the_highest_promise_is_recovered`, `what_others_have_cut_is_remembered_as_chosen` and `what_others_know_of_lives_is_recovered`.
#[test]
fn what_is_kept_does_not_depend_on_who_answers_last() {
    for order in [[B, C, D], [D, C, B]] {
        let mut stage = Stage::new(5);
        stage.prepare(B, B2).expect("it promises");
        stage.acceptor(B).cut_below(Slot(1));
        for informed in [&[B, C, D][..], &[B]] {
            let mut e = stage.lose(E);
            stage.announce(E, &mut e, &[B, C, D]);
            for id in informed {
                stage.answer(E, &e, *id);
            }
        }
        let mut recovery = stage.lose(A);
        stage.recover(A, &mut recovery, &order);
        let own = stage.acceptor(A);
        assert_eq!(own.promised(), B2);
        assert_eq!(own.cut(), Slot(1));
        assert_eq!(own.vector().get(E), Incarnation(2));
    }
}

/// Shortcut: the vectors of the answers are left out of what is recovered.
///
/// 1. b1 is elected by A and B. B accepts x; its vote is on its way.
/// 2. B loses its memory. A and C answer that they have accepted nothing; B returns with nothing.
/// 3. A loses its memory. B and C answer. *A returns, and does not know that B's life 0 is over.*
/// 4. b2 is elected by B and C, who tell of nothing, and accept y: y is chosen.
/// 5. A, which never heard of b2, accepts x. *Its vote counts with B's of step 1: x is chosen as well.*
#[test]
fn what_others_know_of_lives_is_recovered() {
    let (mut stage, x, y) = (Stage::new(3), value("x"), value("y"));
    stage.elect(&[A, B], B1);
    let lost = stage.accept(B, B1, &x).expect("it accepts");
    let mut recovery = stage.lose(B);
    stage.recover(B, &mut recovery, &[A, C]);
    let mut recovery = stage.lose(A);
    stage.recover(A, &mut recovery, &[B, C]);
    assert!(stage.elect(&[B, C], B2).is_empty());
    stage.choose(&[B, C], B2, &y);
    let late = stage.accept(A, B1, &x).expect("it accepts");
    assert_eq!(together(&[lost, late]), 1);
}

/// Shortcut: the cut is off by one.
///
/// 1. b1 is elected by B and C, who accept x for slots 0 and 1: both are chosen. B cuts slot 0 off.
/// 2. A loses its memory. *With a cut at slot 2, slot 1 is chosen for all it knows, and nobody need remember it; with the entry for slot 1 gone
///    as well, it tells of nothing there.*
#[test]
fn from_the_cut_on_everything_is_kept() {
    let (mut stage, x) = (Stage::new(3), value("x"));
    stage.elect(&[B, C], B1);
    for id in [B, C] {
        for slot in [SLOT, Slot(1)] {
            stage.accept_in(id, B1, slot, &x).expect("it accepts");
        }
    }
    stage.acceptor(B).cut_below(Slot(1));
    let mut recovery = stage.lose(A);
    stage.recover(A, &mut recovery, &[B, C]);
    assert_eq!(stage.acceptor(A).cut(), Slot(1));
    let known: Vec<Slot> = stage.acceptor(A).accepted().keys().copied().collect();
    assert_eq!(known, [Slot(1)], "what is cut is not kept either");
}

/// Shortcut: of what was heard of it, the lowest counts, or the first.
///
/// 1. A loses its memory, and returns as life 1 with the answers of B, C and D. b1 is elected by A, B and C. A accepts x; its vote is on its way.
/// 2. A loses its memory again. B, C and E answer; E has not heard of life 1. *A takes 1 for a new life,* and returns with nothing.
/// 3. B and C accept x. *They know of A's life 1, in which A's vote was cast: with it x is chosen.*
/// 4. b2 is elected by A, D and E, who tell of nothing: y is chosen as well.
#[test]
fn the_new_life_is_above_the_highest_that_was_heard_of() {
    for order in [[B, C, E], [E, C, B]] {
        let (mut stage, x) = (Stage::new(5), value("x"));
        let mut recovery = stage.lose(A);
        stage.recover(A, &mut recovery, &[B, C, D]);
        stage.elect(&[A, B, C], B1);
        let lost = stage.accept(A, B1, &x).expect("it accepts");
        let mut recovery = stage.lose(A);
        stage.announce(A, &mut recovery, &order);
        assert_eq!(recovery.incarnation(), Some(Incarnation(2)));
        let progress = stage.ask(A, &mut recovery, &order);
        stage.returns(A, progress);
        let [from_b, from_c] = [B, C].map(|id| stage.accept(id, B1, &x).expect("it accepts"));
        assert_eq!(together(&[lost, from_b, from_c]), 2);
    }
}

/// Shortcut: an answer that knows of a later life than the announced one is taken.
///
/// 1. A loses its memory and announces life 2 to D, but to nobody else: an attempt before had announced life 1, and both were lost.
/// 2. A loses it again. B, C and E, who have heard of nothing, answer: it announces life 1.
/// 3. D answers that it knows of life 2. *A takes the answer in, and its vector says that it is in life 2*: nobody but D has heard of that.
/// 4. A votes in life 2, and loses its memory. B, C and E have heard of life 1: *it announces life 2 once more, and two lives share it.*
///
/// It begins again instead, above the life that it heard of.
#[test]
fn an_answer_that_knows_of_a_later_life_begins_all_anew() {
    for known in [2, 3] {
        let mut stage = Stage::new(5);
        let mut attempt = stage.lose(A);
        stage.announce(A, &mut attempt, &[B, C, E]);
        let told = stage.acceptor(D).on_announce(A, 0, Incarnation(known), SLOT, 1);
        assert_eq!(remembered(told.message).vector.get(A), Incarnation(known));

        let mut recovery = stage.lose(A);
        stage.announce(A, &mut recovery, &[B, C, E]);
        assert_eq!(recovery.incarnation(), Some(Incarnation(1)));
        assert_eq!(stage.ask(A, &mut recovery, &[B, D]), Progress::Again);
        recovery.again(99);
        stage.announce(A, &mut recovery, &[B, C, E]);
        assert_eq!(recovery.incarnation(), Some(Incarnation(known + 1)));
    }
}

/// The same where it is told by other means, as by a heartbeat. To hear of the life that it has announced itself is no news: those that it
/// announced it to tell it all the time.
#[test]
fn whoever_tells_of_a_later_life_makes_it_begin_anew() {
    let mut stage = Stage::new(5);
    let mut recovery = stage.lose(A);
    assert_eq!(
        recovery.on_heard(Incarnation(1)),
        Progress::Nothing,
        "it has announced none"
    );
    stage.announce(A, &mut recovery, &[B, C, D]);
    assert_eq!(recovery.incarnation(), Some(Incarnation(2)));
    assert_eq!(recovery.on_heard(Incarnation(2)), Progress::Nothing);
    assert_eq!(recovery.on_heard(Incarnation(3)), Progress::Again);
    recovery.again(99);
    stage.announce(A, &mut recovery, &[B, C, D]);
    assert_eq!(recovery.incarnation(), Some(Incarnation(4)));
}

/// Shortcut: what was answered to one attempt is taken for an answer to the next. It may say less than is needed: what A announced then was an
/// earlier life, and what its sender accepted since may be counted with what A lost in between.
#[test]
fn what_was_remembered_for_an_earlier_life_does_not_count() {
    let mut stage = Stage::new(3);
    let mut attempt = stage.lose(A);
    stage.announce(A, &mut attempt, &[B, C]);
    let copies = [B, C].map(|id| (id, stage.answer(A, &attempt, id)));
    let mut recovery = stage.lose(A);
    stage.announce(A, &mut recovery, &[B, C]);
    for (from, copy) in copies {
        assert_eq!(hear(&mut recovery, from, copy), Progress::Nothing);
    }
}

/// As many answers are needed as [`answers_needed`](kvpaxos::recovery::answers_needed) says, in (a) and in (c), and not one more: of five, two
/// others may be gone.
#[test]
fn as_many_as_are_needed_are_enough_and_one_fewer_is_not() {
    let mut stage = Stage::new(5);
    let mut recovery = stage.lose(A);
    assert_eq!(stage.ask(A, &mut recovery, &[B, C]), Progress::Nothing);
    stage.announce(A, &mut recovery, &[D]);
    assert_eq!(stage.ask(A, &mut recovery, &[B, C]), Progress::Ask(Vec::new()));
    let progress = stage.ask(A, &mut recovery, &[D]);
    stage.returns(A, progress);
}
