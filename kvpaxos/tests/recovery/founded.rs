//! A replica that claims to be new although it is not: see [`kvpaxos::founding`].

use kvpaxos::agreement::StateDigest;
use kvpaxos::crash_vector::CrashVector;
use kvpaxos::founding::{KnownFounding, KnownFoundings};
use kvpaxos::message::{AcceptorHealth, Heartbeat, Remembered};
use kvpaxos::{
    Ballot, Effect, Entropy, Event, Founding, Incarnation, Input, Memory, Message, Observation, Reason,
    Record, Replica, ReplicaId, Role, Slot, Time, Watermark,
};

use crate::single::SingleReplica;
use crate::stage::{A, B, B1, B2, C, SLOT, value};

/// The founding of the replica under test. A peer has the other two: `FIRST` is its real founding, and it
/// claims `LATER` after it was formatted again.
const OWN: Founding = Founding(1);
const FIRST: Founding = Founding(2);
const LATER: Founding = Founding(3);

fn new(id: ReplicaId) -> SingleReplica {
    SingleReplica::with_disk(id, &[Record::Founded { founding: OWN }])
}

fn heartbeat(beat: u64, met: KnownFoundings) -> Message {
    Message::Heartbeat(Box::new(Heartbeat {
        beat,
        nonce: 5,
        echo: None,
        acceptor: AcceptorHealth::Votes,
        highest: Ballot::ZERO,
        leader: None,
        learned: SLOT,
        chosen: None,
        vector: CrashVector::default(),
        met,
        state: StateDigest::NOTHING,
        differs: None,
    }))
}

fn knows(replica: ReplicaId, founding: Founding) -> KnownFoundings {
    KnownFoundings::from_iter([(replica, KnownFounding::Founded(founding))])
}

fn met(replica: ReplicaId, founding: Founding) -> Record {
    let known = KnownFounding::Founded(founding);
    Record::Met { replica, known }
}

fn prepare(ballot: Ballot) -> Message {
    Message::Prepare {
        ballot,
        from: SLOT,
        state: StateDigest::NOTHING,
    }
}

/// The foundings that the replica reports with its next heartbeat.
fn tells(whole: &mut SingleReplica) -> KnownFoundings {
    for _ in 0..100 {
        let told = whole
            .ticks()
            .messages
            .into_iter()
            .find_map(|envelope| match envelope.message {
                Message::Heartbeat(heartbeat) => Some(heartbeat.met),
                _ => None,
            });
        if let Some(told) = told {
            return told;
        }
    }
    panic!("it sends no heartbeat: {:?}", whole.replica.status());
}

/// The reason with which a replica halts at this message, if it halts.
fn halts(replica: &Replica, from: ReplicaId, message: Message) -> Option<Reason> {
    let event = Event::Peer {
        from,
        founding: Some(FIRST),
        message,
    };
    let at = Time(0);
    let effects = replica.clone().step(Input { at, event });
    effects.into_iter().find_map(|effect| match effect {
        Effect::Halt(reason) => Some(reason),
        _ => None,
    })
}

/// A new founding is written to the log before the other records that its message leads to. So a durable
/// promise implies that the founding is durable.
#[test]
fn a_founding_is_written_down_before_anything_that_its_message_leads_to() {
    let mut whole = new(C);
    whole.hears_founded(A, Some(FIRST), prepare(B1));
    let promised = Record::Promised { ballot: B1 };
    assert_eq!(
        whole.disk,
        [Record::Founded { founding: OWN }, met(A, FIRST), promised]
    );
    whole.hears_founded(A, Some(FIRST), prepare(B1));
    assert!(whole.disk.len() == 3, "once: {:?}", whole.disk);
    assert_eq!(tells(&mut whole), knows(A, FIRST));
    let announce = Message::Announce {
        nonce: 7,
        incarnation: Incarnation(1),
        from: SLOT,
    };
    let said = whole.hears(B, announce);
    let [Message::Remembered(told)] = said.answers()[..] else {
        panic!("the recovering acceptor is not answered: {said:?}")
    };
    assert_eq!(told.met, knows(A, FIRST), "the answer reports the founding");
}

/// The main case: a peer with a known founding claims another one. All its messages are dropped, also after a
/// restart. The replica observes this once, and its heartbeats report the known founding to the peer.
#[test]
fn nothing_is_heard_of_a_peer_that_was_founded_anew() {
    let mut whole = new(C);
    whole.hears_founded(A, Some(FIRST), prepare(B1));
    for restarted in [false, true] {
        if restarted {
            whole.restart();
        }
        let before = whole.disk.clone();
        let accept = Message::Accept {
            ballot: B2,
            slot: SLOT,
            value: value("x"),
            chosen: Watermark::default(),
            state: StateDigest::NOTHING,
        };
        let nonce = 1;
        let messages = [
            prepare(B2),
            accept,
            heartbeat(1, KnownFoundings::default()),
            Message::Recall { nonce },
            Message::Learn { from: SLOT },
        ];
        let said = messages.map(|message| whole.hears_founded(A, Some(LATER), message));
        let notes: Vec<_> = said.iter().flat_map(|said| said.notes.clone()).collect();
        let refused = Observation::FoundedAnew {
            replica: A,
            known: KnownFounding::Founded(FIRST),
            claimed: LATER,
        };
        assert_eq!(notes, [refused], "it is observed once");
        assert!(said.iter().all(|said| said.answers().is_empty()), "{said:?}");
        assert_eq!(whole.disk, before);
        assert!(
            whole.replica.status().silent.contains(A),
            "its messages do not count as heard"
        );
        assert_eq!(tells(&mut whole), knows(A, FIRST));
        // Messages of the earlier life, and of a recovered replica, are accepted.
        let said = whole.hears_founded(A, Some(FIRST), prepare(B1));
        assert_eq!(
            said.answers().len(),
            1,
            "messages of its earlier life may be in flight"
        );
        let said = whole.hears_founded(A, None, prepare(B1));
        assert_eq!(
            said.answers().len(),
            1,
            "a replica without a founding has lost its disk"
        );
    }
}

/// A replica that hears of another founding of itself halts, even if the reporting peer has not met that
/// founding itself. A replica that lost its disk continues: it votes only in a new incarnation.
#[test]
fn a_replica_that_was_founded_anew_halts_when_it_hears_so() {
    let replica = new(A).replica;
    let (own, known) = (OWN, KnownFounding::Founded(FIRST));
    let reason = halts(&replica, B, heartbeat(1, knows(A, FIRST)));
    assert_eq!(reason, Some(Reason::FoundedAnew { peer: B, known, own }));
    let text = reason.map(|reason| reason.to_string()).unwrap_or_default();
    assert!(
        text.contains("formatted") && text.contains("kvpaxos recover"),
        "{text}"
    );
    let again = KnownFoundings::from_iter([(A, KnownFounding::FoundedAgain)]);
    assert!(halts(&replica, B, heartbeat(1, again.clone())).is_some());
    assert_eq!(halts(&replica, B, heartbeat(1, knows(A, OWN))), None);
    assert_eq!(halts(&replica, B, heartbeat(1, knows(C, LATER))), None);
    for whole in [SingleReplica::without_disk(A), SingleReplica::with_disk(A, &[])] {
        assert_eq!(whole.replica.founding(), None);
        assert_eq!(halts(&whole.replica, B, heartbeat(1, again.clone())), None);
    }
}

/// The counterexample to a replica that keeps the first founding it hears of. B has met the later life of A,
/// and C the earlier one. B leads, and would count promises of both lives. Once C has reported its founding
/// of A, B drops messages of both lives, and its heartbeats report to A that two foundings are known.
#[test]
fn of_two_foundings_none_is_believed() {
    let mut whole = new(B);
    whole.hears_founded(A, Some(LATER), heartbeat(1, KnownFoundings::default()));
    whole.hears_founded(C, None, heartbeat(1, knows(A, FIRST)));
    for restarted in [false, true] {
        if restarted {
            whole.restart();
        }
        for founding in [FIRST, LATER] {
            let said = whole.hears_founded(A, Some(founding), prepare(B1));
            assert!(said.answers().is_empty(), "{founding}: {said:?}");
        }
        assert_eq!(
            tells(&mut whole),
            KnownFoundings::from_iter([(A, KnownFounding::FoundedAgain)])
        );
    }
}

/// A replica learns a founding from others if it has not met the peer itself, or has lost its disk since.
#[test]
fn foundings_are_learned_from_others_too() {
    for mut whole in [new(C), SingleReplica::without_disk(C)] {
        whole.hears_founded(B, None, heartbeat(1, knows(A, FIRST)));
        let said = whole.hears_founded(A, Some(LATER), heartbeat(1, KnownFoundings::default()));
        assert!(
            matches!(said.notes[..], [Observation::FoundedAnew { .. }]),
            "{said:?}"
        );
        assert!(whole.disk.contains(&met(A, FIRST)), "{:?}", whole.disk);
    }
}

/// When a failed acceptor restarts, it writes the foundings that its replica knew before the failure, and
/// those that it learned meanwhile. The record of the former may have been lost with the acceptor, and no
/// record is written in its name while it is down.
#[test]
fn what_an_acceptor_that_failed_could_not_write_is_written_when_it_restarts() {
    for lost in [false, true] {
        let mut whole = new(C);
        whole.hears_founded(A, Some(FIRST), heartbeat(1, KnownFoundings::default()));
        assert_eq!(whole.disk.pop(), Some(met(A, FIRST)), "the record is lost");
        whole.step(Event::Fail(Role::Acceptor));
        whole.hears_founded(B, Some(LATER), heartbeat(1, KnownFoundings::default()));
        assert_eq!(whole.disk.len(), 1, "{:?}", whole.disk);
        let memory = match lost {
            true => Memory::Lost,
            false => Memory::Kept(whole.disk.clone()),
        };
        whole.step(Event::Restart {
            role: Role::Acceptor,
            memory,
            entropy: Entropy([9; 32]),
        });
        let written = &whole.disk[whole.disk.len() - 2..];
        assert_eq!(written, [met(A, FIRST), met(B, LATER)]);
        assert_eq!(whole.replica.founding(), Some(OWN), "the disk is not lost");
    }
}

/// A checkpoint carries the replica's own founding and those of others, because it replaces all earlier
/// records.
#[test]
fn a_checkpoint_carries_foundings() {
    let mut whole = new(A);
    whole.hears_founded(B, Some(FIRST), heartbeat(1, KnownFoundings::default()));
    whole.step(Event::Fail(Role::Acceptor));
    whole.step(Event::Restart {
        role: Role::Acceptor,
        memory: Memory::Lost,
        entropy: Entropy([9; 32]),
    });
    let _ = whole.is_told(B2, Slot::ZERO);
    let head = whole
        .disk
        .iter()
        .position(|record| matches!(record, Record::Checkpoint(_)));
    // The records before the checkpoint may be dropped.
    let log = whole.disk.split_off(head.expect("recovery writes a checkpoint"));
    let mut cut = SingleReplica::with_disk(A, &log);
    assert_eq!(cut.replica.founding(), Some(OWN));
    assert_eq!(tells(&mut cut), knows(B, FIRST));
    // A replica that has lost its disk since has no founding any more, but still knows those of the others.
    let mut log = log.to_vec();
    log.push(Record::DiskLost);
    let mut lost = SingleReplica::with_disk(A, &log);
    assert_eq!(lost.replica.founding(), None);
    assert_eq!(tells(&mut lost), knows(B, FIRST));
}

/// The counterexample to answers that do not carry the foundings known to their senders. C lost its disk, and
/// with it the foundings of the others. A was formatted again. It answers first, without the entries of its
/// earlier life. Then B answers, which has met that earlier life. The two answers are enough for C, but it
/// begins again, and takes no answer of A.
#[test]
fn an_acceptor_that_recovers_takes_no_answer_of_one_that_was_founded_anew() {
    let heard = Some(Incarnation::default());
    for knows_it in [false, true] {
        let mut whole = SingleReplica::without_disk(C);
        let Message::Recall { nonce } = whole.asks(B) else {
            panic!("the first question is not Recall")
        };
        whole.hears_founded(A, Some(LATER), Message::Recalled { nonce, heard });
        whole.hears_founded(B, None, Message::Recalled { nonce, heard });
        let Message::Announce {
            nonce, incarnation, ..
        } = whole.asks(B)
        else {
            panic!("two answers to (a) are not enough")
        };
        let told = |met| {
            Message::Remembered(Box::new(Remembered {
                nonce,
                incarnation,
                vector: CrashVector::from_iter([(C, incarnation)]),
                promised: B1,
                cut: SLOT,
                from: SLOT,
                entries: Vec::new(),
                more: None,
                met,
            }))
        };
        whole.hears_founded(A, Some(LATER), told(KnownFoundings::default()));
        let met = if knows_it {
            knows(A, FIRST)
        } else {
            KnownFoundings::default()
        };
        whole.hears_founded(B, None, told(met));
        assert_eq!(whole.votes(), !knows_it);
        if knows_it {
            let Message::Recall { nonce: again } = whole.asks(B) else {
                panic!("it does not begin with (a) again")
            };
            assert!(again != nonce);
            whole.hears_founded(A, Some(LATER), Message::Recalled { nonce: again, heard });
            whole.hears_founded(B, None, Message::Recalled { nonce: again, heard });
            let question = whole.asks(A);
            assert!(
                matches!(question, Message::Recall { .. }),
                "A's answer does not count, so A is asked again: {question:?}"
            );
        }
    }
}

/// An acceptor that hears of a later incarnation of itself is treated as if its disk were lost, so it has no
/// founding any more.
#[test]
fn a_replica_that_is_outlived_has_no_founding_any_more() {
    let mut whole = new(A);
    let mut message = heartbeat(1, KnownFoundings::default());
    if let Message::Heartbeat(heartbeat) = &mut message {
        heartbeat.vector = CrashVector::from_iter([(A, Incarnation(1))]);
    }
    whole.hears(B, message);
    assert_eq!(whole.replica.founding(), None);
    assert_eq!(halts(&whole.replica, B, heartbeat(2, knows(A, FIRST))), None);
}
