//! How a recovering acceptor combines the answers of the others: which answers count, in which order, and
//! what it keeps of them.

use kvpaxos::message::Remembered;
use kvpaxos::recovery::{Progress, Recovery};
use kvpaxos::{Ballot, Incarnation, Message, ReplicaId, Slot};

use crate::stage::{A, B, B1, B2, C, D, E, SLOT, Stage, entry, hear, together, value};

/// The slot from which it asks this acceptor next.
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
        other => panic!("the answer to (b) is not Remembered: {other:?}"),
    }
}

/// Shortcut: chunks of an answer are joined even if they come from two incarnations of their sender. There
/// are five acceptors.
///
/// 1. b1 is elected by A, B and C. A accepts x for slot 0; its vote is in flight. B accepts z for slots 1 and
///    2.
/// 2. A loses its memory. B reports its entries below slot 2: there is none for slot 0.
/// 3. B loses its memory. C, D and E, which have not heard of A's loss, answer it. B and C accept x for slot
///    0, without knowing of A's loss: with A's vote of step 1, x is chosen.
/// 4. B, now in incarnation 1, reports its entries from slot 2 on. *With the chunk of incarnation 0 this
///    makes a complete answer.* It is crash-consistent with the answers of D and E: A recovers without x.
/// 5. b2 is elected by A, D and E. Their promises report no entry for slot 0: y is chosen as well.
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
    assert_eq!(asks_from(&recovery, B), Some(SLOT), "the answer begins again");
    let progress = stage.ask(A, &mut recovery, &[D, E]);
    assert!(!matches!(progress, Progress::Recovered(_)), "B is missing");
    let progress = stage.ask(A, &mut recovery, &[B]);
    stage.returns(A, progress);
    assert_eq!(stage.elect(&[A, D, E], B2).get(&SLOT), Some(&x));
}

/// Shortcut: only a chunk of a later incarnation restarts an answer, so a late chunk of an earlier
/// incarnation is inserted into it.
///
/// 1. b1 is elected by A, B and C. A accepts x for slot 3; its vote is in flight. z is chosen for slots 0, 2
///    and 4 by B, C and D.
/// 2. A loses its memory. B reports its entries below slot 2, and then those below slot 4. The second chunk
///    is in flight.
/// 3. B loses its memory. C, D and E, which have not heard of A's loss, answer it. B and C accept x for slot
///    3: with A's vote, x is chosen.
/// 4. B, now in incarnation 1, reports its entries below slot 2. *The late chunk of step 2 arrives and is
///    taken as the next one*: it has no entry for slot 3. B reports the rest.
/// 5. D and E answer too. A recovers without x, and A, D and E can choose another value.
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

/// Shortcut: a chunk is taken although the one before it is missing, or the next chunk is asked for from too
/// high a slot. Then the entries between the two are forgotten, as in
/// `chunks_of_an_answer_from_two_lives_make_no_whole`. A repeated chunk has no effect.
#[test]
fn chunks_are_taken_in_order_and_without_gaps() {
    let (mut stage, x) = (Stage::new(3), value("x"));
    for slot in 0..4 {
        stage.accept_in(B, B1, Slot(slot), &x).expect("it accepts");
    }
    let mut recovery = stage.lose(A);
    stage.announce(A, &mut recovery, &[B, C]);
    // This attempt takes the chunks in order. Each of them may arrive again.
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
    assert!(!is_taken(&mut recovery, &second), "the first chunk is missing");
    assert!(is_taken(&mut recovery, &first));
    assert!(!is_taken(&mut recovery, &third), "the second chunk is missing");
    assert!(!is_taken(&mut recovery, &first), "the chunk is a repeat");
    for chunk in [second, third, fourth] {
        assert!(is_taken(&mut recovery, &chunk));
    }
    let progress = stage.ask(A, &mut recovery, &[C]);
    stage.returns(A, progress);
    let known: Vec<Slot> = stage.acceptor(A).accepted().keys().copied().collect();
    assert_eq!(known, [0, 1, 2, 3].map(Slot));
}

/// A chunk says that the next one begins where it begins itself. If it were taken, the same chunk would be
/// asked for again and again, without a pause. No correct acceptor sends it.
#[test]
fn a_chunk_that_gets_no_further_is_of_no_use() {
    let mut stage = Stage::new(3);
    let mut recovery = stage.lose(A);
    stage.announce(A, &mut recovery, &[B, C]);
    let mut told = remembered(stage.answer(A, &recovery, B));
    told.more = Some(told.from);
    assert_eq!(recovery.on_remembered(B, told), Progress::Nothing);
}

/// An acceptor has promised every ballot in which it has accepted, and reports so. If a faulty sender reports
/// a lower promise, the recovered promise still covers the entry: no acceptor may hold an entry above its
/// promise.
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

/// Shortcut: for each slot the first or the last entry is kept, or only the promises are.
///
/// 1. b1 is elected by B and C, and B accepts x. b2 is elected by A and C. Their promises report no entry,
///    and they accept y: y is chosen.
/// 2. A loses its memory. B reports x in b1, and C reports y in b2, in this order or the other. *A keeps x*,
///    or nothing.
/// 3. b3 is elected by A and B. *Both report x, and x is chosen as well.* Here A reports y in b2.
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

/// Shortcut: the promise, the cut and the vector are taken from the first or the last answer, not the highest
/// from all answers.
///
/// B has promised b2, has cut its log below slot 1, and knows incarnation 2 of E. C and D know incarnation 1
/// of E. `the_highest_promise_is_recovered`, `what_others_have_cut_is_remembered_as_chosen` and
/// `what_others_know_of_lives_is_recovered` show why each must be recovered.
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

/// Shortcut: the recovered memory leaves out the vectors of the answers.
///
/// 1. b1 is elected by A and B. B accepts x; its vote is in flight.
/// 2. B loses its memory. A and C answer that they have accepted nothing, and B recovers with no entry.
/// 3. A loses its memory. B and C answer. *A recovers, and does not know that B's incarnation 0 is over.*
/// 4. b2 is elected by B and C. Their promises report no entry, and they accept y: y is chosen.
/// 5. A has not heard of b2, and accepts x. *Its vote counts with B's vote of step 1: x is chosen as well.*
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

/// Shortcut: the cut is too high by one.
///
/// 1. b1 is elected by B and C. They accept x for slots 0 and 1: both are chosen. B cuts slot 0.
/// 2. A loses its memory. *It recovers a cut at slot 2. Then it takes slot 1 for chosen, though the others
///    may still need its entry there. If it drops that entry as well, it reports nothing for slot 1.*
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
    assert_eq!(known, [Slot(1)], "entries below the cut are not kept");
}

/// Shortcut: the new incarnation is one above the lowest or the first that is reported, not above the
/// highest.
///
/// 1. A loses its memory, and recovers in incarnation 1 with the answers of B, C and D. b1 is elected by A, B
///    and C. A accepts x; its vote is in flight.
/// 2. A loses its memory again. B, C and E answer; E has not heard of incarnation 1. *A takes incarnation 1
///    again*, and recovers with no entry.
/// 3. B and C accept x. *Their vectors have incarnation 1 for A, in which A cast its vote: the three votes
///    choose x.*
/// 4. b2 is elected by A, D and E. Their promises report no entry: y is chosen as well.
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

/// Shortcut: an answer is taken although its sender knows a later incarnation than the announced one.
///
/// 1. A loses its memory and announces incarnation 1, which reaches no acceptor. It begins again and
///    announces incarnation 2, which reaches D only.
/// 2. A loses its memory again. B, C and E, which have heard of neither incarnation, answer: A announces
///    incarnation 1.
/// 3. D answers that it knows incarnation 2. *A takes the answer, and its merged vector says that A is in
///    incarnation 2.* Only D has heard of that one.
/// 4. A votes in incarnation 2, and loses its memory. B, C and E have heard of incarnation 1: *A announces
///    incarnation 2 again, and two lives share it.*
///
/// Here A begins again, above the incarnation that D reported.
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

/// The same rule for other messages, such as heartbeats, that report a later incarnation. A report of the
/// announced incarnation itself has no effect: the acceptors that know it report it all the time.
#[test]
fn whoever_tells_of_a_later_life_makes_it_begin_anew() {
    let mut stage = Stage::new(5);
    let mut recovery = stage.lose(A);
    assert_eq!(
        recovery.on_heard(Incarnation(1)),
        Progress::Nothing,
        "it has announced no incarnation"
    );
    stage.announce(A, &mut recovery, &[B, C, D]);
    assert_eq!(recovery.incarnation(), Some(Incarnation(2)));
    assert_eq!(recovery.on_heard(Incarnation(2)), Progress::Nothing);
    assert_eq!(recovery.on_heard(Incarnation(3)), Progress::Again);
    recovery.again(99);
    stage.announce(A, &mut recovery, &[B, C, D]);
    assert_eq!(recovery.incarnation(), Some(Incarnation(4)));
}

/// Shortcut: an answer to an earlier announcement counts for the present one. It may lack a value: the
/// earlier announcement was of a lower incarnation, so a later vote of the sender may count together with a
/// vote that A lost between the two announcements.
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

/// Steps (a) and (c) need exactly as many answers as [`answers_needed`](kvpaxos::recovery::answers_needed)
/// says. With five acceptors, two others may be down.
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
