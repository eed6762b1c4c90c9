//! The rules that a whole replica keeps: which messages it does not answer, what it makes durable first, and
//! what it finds after a restart.

use kvpaxos::agreement::StateDigest;
use kvpaxos::crash_vector::CrashVector;
use kvpaxos::founding::KnownFoundings;
use kvpaxos::message::{AcceptorHealth, Heartbeat, Promise};
use kvpaxos::status::{AcceptorStatus, ProposerStatus};
use kvpaxos::{
    Ballot, ClientId, Config, Effect, Entropy, Envelope, Event, Incarnation, Input, Memory, Message,
    Observation, Outcome, Record, Refusal, ReplicaId, Request, RequestBody, Role, Slot, Time, Watermark,
};

use crate::single::{SingleReplica, StepResult};
use crate::stage::{A, B, B1, B2, C, SLOT, value};

fn prepare(ballot: Ballot) -> Message {
    Message::Prepare {
        ballot,
        from: SLOT,
        state: StateDigest::NOTHING,
    }
}

fn accept(ballot: Ballot) -> Message {
    Message::Accept {
        ballot,
        slot: SLOT,
        value: value("x"),
        chosen: Watermark::default(),
        state: StateDigest::NOTHING,
    }
}

/// The heartbeat of a peer that knows this incarnation of A.
fn heartbeat(beat: u64, acceptor: AcceptorHealth, of_a: Incarnation) -> Message {
    Message::Heartbeat(Box::new(Heartbeat {
        beat,
        nonce: 5,
        echo: None,
        acceptor,
        highest: B1,
        leader: None,
        learned: SLOT,
        chosen: None,
        vector: CrashVector::from_iter([(A, of_a)]),
        state: StateDigest::NOTHING,
        differs: None,
        met: KnownFoundings::default(),
    }))
}

/// The owner of the ballots in these tests.
const LEADER: ReplicaId = B1.replica;

/// Shortcut: a recovering acceptor answers other recovering acceptors.
/// `one_that_is_recovering_does_not_count` shows the schedule: two acceptors without memory confirm to each
/// other that nothing was accepted. Until its memory is durable, an acceptor answers only that it is
/// recovering. It does not promise, accept or confirm (A4).
#[test]
fn a_recovering_acceptor_vouches_for_nobody() {
    let questions = || {
        [
            (B, Message::Recall { nonce: 7 }),
            (
                B,
                Message::Announce {
                    nonce: 7,
                    incarnation: Incarnation(1),
                    from: SLOT,
                },
            ),
            (LEADER, prepare(B1)),
            (LEADER, accept(B1)),
            (
                LEADER,
                Message::Confirm {
                    ballot: B1,
                    round: 1,
                    state: StateDigest::NOTHING,
                },
            ),
        ]
    };
    let answers = |whole: &mut SingleReplica| -> Vec<Message> {
        let said = questions().map(|(from, question)| whole.hears(from, question));
        said.iter().flat_map(StepResult::answers).cloned().collect()
    };
    // This is the replica of C, because the ballots of the tests belong to A.
    let mut whole = SingleReplica::without_disk(C);
    let nothing = [Message::Recalled {
        nonce: 7,
        heard: None,
    }];
    assert_eq!(answers(&mut whole), nothing, "while it recovers");

    let mut whole = SingleReplica::without_disk(A);
    whole.asks(B);
    whole.waiting = Some(Vec::new());
    // It has all the answers that it needs, but the recovered memory is not durable yet.
    let _ = whole.is_told(B2, SLOT);
    assert!(!whole.votes());
    let said = whole.hears(B, Message::Recall { nonce: 7 });
    assert_eq!(said.answers(), [&nothing[0]]);
    let [_, (from, announce), ..] = questions();
    whole.hears(from, announce);
    let revealed = |envelope: &Envelope| envelope.to != A;
    assert!(
        !whole.waiting.iter().flatten().any(revealed),
        "no answer to another replica waits for the disk"
    );
}

/// The recovered memory counts only when all of it is durable. A crash before that is a loss of memory again.
#[test]
fn a_crash_before_the_recovered_memory_is_durable_is_lost_memory() {
    let mut whole = SingleReplica::without_disk(A);
    let said = whole.is_told(B2, SLOT);
    let incarnation = Incarnation(1);
    assert!(said.notes.contains(&Observation::Recovered { incarnation }));
    assert!(whole.votes());
    for written in 1..whole.disk.len() {
        let again = SingleReplica::with_disk(A, &whole.disk[..written]);
        assert!(!again.votes(), "{:?} were on the disk", &whole.disk[..written]);
    }
    whole.restart();
    assert_eq!(
        whole.replica.status().acceptor,
        AcceptorStatus::Voting { promised: B2 }
    );
}

/// The acceptor fails when its recovered memory is durable, but before the disk has reported that. At its
/// restart the log holds the recovered memory. If it loses its memory again, these records do not restore it.
#[test]
fn a_recovery_that_ended_while_the_acceptor_was_down_counts() {
    let log = {
        let mut whole = SingleReplica::without_disk(A);
        whole.is_told(B2, SLOT);
        whole.disk
    };
    let role = Role::Acceptor;
    let restarts = |whole: &mut SingleReplica, memory: Memory| {
        let entropy = Entropy([9; 32]);
        whole.step(Event::Fail(role));
        whole.step(Event::Restart {
            role,
            memory,
            entropy,
        });
    };
    let returning = || {
        let mut whole = SingleReplica::without_disk(A);
        whole.asks(B);
        whole.waiting = Some(Vec::new());
        whole.is_told(B2, SLOT);
        assert!(!whole.votes());
        whole
    };
    for written in 0..log.len() {
        let mut whole = returning();
        restarts(&mut whole, Memory::Kept(log[..written].to_vec()));
        assert!(!whole.votes(), "{:?} were on the disk", &log[..written]);
    }
    let mut whole = returning();
    restarts(&mut whole, Memory::Kept(log.clone()));
    let promised = AcceptorStatus::Voting { promised: B2 };
    assert_eq!(whole.replica.status().acceptor, promised);
    assert!(!whole.replica.status().lost.contains(A));
    assert_ne!(
        whole.replica.status().proposer,
        ProposerStatus::Failed,
        "a new incarnation has new ballots"
    );

    restarts(&mut whole, Memory::Lost);
    restarts(&mut whole, Memory::Kept(log.clone()));
    assert!(
        !whole.votes(),
        "the record of the second loss is not durable, but the replica remembers the loss"
    );

    let mut whole = returning();
    restarts(&mut whole, Memory::Lost);
    restarts(&mut whole, Memory::Kept(log));
    assert!(
        !whole.votes(),
        "the memory was lost again before the first recovery had ended"
    );
}

/// Shortcut: the first question does not wait until the record of the loss is durable.
///
/// 1. A's acceptor loses its memory. Before the record of the loss is durable, *A announces incarnation 1* to
///    B and C.
/// 2. Power fails, and the record is lost: A starts with its complete old log, and votes in incarnation 0.
/// 3. C fails for good. A and B are a quorum, but B's votes outdate A's: nothing is chosen any more.
#[test]
fn nobody_is_asked_before_the_mark_of_the_loss_is_durable() {
    let mut whole = SingleReplica::with_disk(A, &[]);
    whole.waiting = Some(Vec::new());
    let (role, entropy, memory) = (Role::Acceptor, Entropy([9; 32]), Memory::Lost);
    whole.step(Event::Fail(role));
    whole.step(Event::Restart {
        role,
        memory,
        entropy,
    });
    let mut asked = Vec::new();
    for _ in 0..20 {
        asked.extend(whole.ticks().messages);
    }
    let is_question = |envelope: &Envelope| matches!(envelope.message, Message::Recall { .. });
    assert!(
        !asked.iter().any(is_question),
        "no question leaves before the record is durable: {asked:?}"
    );
    let waiting = whole.waiting.take().expect("the disk has not answered");
    assert!(waiting.iter().any(is_question), "it must wait: {waiting:?}");
}

/// An acceptor that hears of a later incarnation of itself has lost its memory, whatever its log holds: its
/// votes do not count together with votes that know that incarnation. The log may also lack ballots, so the
/// proposer stops. This also holds if the acceptor was down when its replica heard of the incarnation.
#[test]
fn an_acceptor_that_hears_of_a_later_life_of_itself_has_lost_its_memory() {
    let heartbeat =
        |incarnation: u32, beat: u64| heartbeat(beat, AcceptorHealth::Votes, Incarnation(incarnation));
    let mut whole = SingleReplica::with_disk(A, &[]);
    whole.hears(B, heartbeat(0, 1));
    assert!(whole.votes());
    let old = whole.disk.clone();

    let said = whole.hears(B, heartbeat(1, 2));
    let incarnation = Incarnation(1);
    assert_eq!(said.notes, [Observation::Outlived { incarnation }]);
    assert_eq!(whole.disk.last(), Some(&Record::DiskLost));
    assert!(!whole.votes());
    assert_eq!(whole.replica.status().proposer, ProposerStatus::Failed);
    let (_, incarnation) = whole.is_recalled();
    assert_eq!(incarnation, Incarnation(2), "above the reported one");

    let mut whole = SingleReplica::with_disk(A, &old);
    let (role, entropy, memory) = (Role::Acceptor, Entropy([9; 32]), Memory::Kept(old));
    whole.step(Event::Fail(role));
    whole.hears(B, heartbeat(1, 3));
    whole.step(Event::Restart {
        role,
        memory,
        entropy,
    });
    assert!(!whole.votes());
    assert_eq!(whole.disk.last(), Some(&Record::DiskLost));
    assert_eq!(whole.replica.status().proposer, ProposerStatus::Failed);
}

/// Shortcut: the ballots of the first life are used again.
///
/// 1. A's replica leads with b1, and proposes x. B accepts it.
/// 2. The replica loses its disk, and with it the record that it used b1.
/// 3. *It stands with b1 again.* C promises b1, and so does B: it accepted x in b1 itself, not below.
/// 4. *It proposes y in b1, and C accepts: one ballot has two values, and either may be learned (P3).*
///
/// Here it has no proposer until its acceptor has recovered. Then its ballots contain an incarnation that is
/// certainly new.
#[test]
fn ballots_of_the_first_life_are_not_used_again() {
    let mut whole = SingleReplica::without_disk(A);
    assert_eq!(whole.replica.status().proposer, ProposerStatus::Failed);
    // The proposer does not return by a restart either, whether its memory is lost or read from the new disk.
    whole.asks(B);
    for memory in [Memory::Lost, Memory::Kept(whole.disk.clone())] {
        let entropy = Entropy([9; 32]);
        let role = Role::Proposer;
        whole.step(Event::Restart {
            role,
            memory,
            entropy,
        });
        assert_eq!(whole.replica.status().proposer, ProposerStatus::Failed);
    }
    whole.restart();
    assert_eq!(whole.replica.status().proposer, ProposerStatus::Failed);
    whole.is_told(B1, SLOT);
    assert_eq!(whole.replica.status().proposer, ProposerStatus::Following);

    // From now on, every ballot with which it stands is of its new incarnation.
    let mut world =
        crate::support::World::new((0..3).map(|id| Config::new(ReplicaId(id), 3)).collect(), 1, true);
    let stood = |world: &mut crate::support::World| {
        let mut ballots = Vec::new();
        for _ in 0..400 {
            for id in [A, B, C] {
                world.tick(id);
            }
            for (from, to) in world.busy_links() {
                while world.in_flight(from, to).next().is_some() {
                    world.deliver(from, to, 0);
                }
            }
            for seen in world.take_seen() {
                if let crate::support::Seen::Note(Observation::Candidate { ballot }) = seen {
                    ballots.push(ballot);
                }
            }
        }
        ballots
    };
    let first = stood(&mut world);
    assert!(!first.is_empty());
    for id in [A, B, C] {
        world.crash(id, 0);
        world.start(id, crate::support::Found::Lost);
        let later = stood(&mut world);
        let own = later.iter().filter(|ballot| ballot.replica == id);
        assert!(
            own.clone().all(|ballot| ballot.life.incarnation > Incarnation(0)),
            "{later:?}"
        );
    }
}

/// Shortcut: the record of the loss is written again, but with less in it than the lost one.
///
/// 1. A's replica loses its disk. Before the record of that is durable, the acceptor fails, and the record is
///    lost.
/// 2. The acceptor restarts and records *that its memory is lost*, but not that ballots are lost, too.
/// 3. Power fails. The replica finds only that record, *and stands with b1 again*, as in
///    `ballots_of_the_first_life_are_not_used_again`.
#[test]
fn a_lost_disk_is_marked_as_such_again() {
    let mut whole = SingleReplica::without_disk(A);
    whole.waiting = Some(Vec::new());
    let role = Role::Acceptor;
    whole.step(Event::Fail(role));
    assert!(whole.disk.is_empty(), "the disk has not answered");
    whole.waiting = None;
    whole.step(Event::Restart {
        role,
        memory: Memory::Kept(Vec::new()),
        entropy: Entropy([9; 32]),
    });
    assert!(!whole.votes());
    whole.restart();
    assert!(!whole.votes());
    assert_eq!(whole.replica.status().proposer, ProposerStatus::Failed);
}

/// Shortcut: a restart with memory kept does not restore the vector.
///
/// 1. b1 is elected by A and B. A accepts x; its vote is in flight.
/// 2. A loses its memory. B and C write that A's incarnation 0 is over, and A recovers with no entry.
/// 3. b2 is elected by A and C. Their promises report no entry: y is chosen.
/// 4. B restarts with its memory kept, *except for its vector.*
/// 5. B accepts x. *Its vote has no new incarnation of A, so it counts with A's of step 1: x is chosen as
///    well.*
#[test]
fn a_vector_outlives_a_restart_with_memory_kept() {
    let mut whole = SingleReplica::with_disk(B, &[]);
    whole.hears(LEADER, prepare(B1));
    whole.hears(
        A,
        Message::Announce {
            nonce: 1,
            incarnation: Incarnation(1),
            from: SLOT,
        },
    );
    whole.restart();
    let vector = CrashVector::from_iter([(A, Incarnation(1))]);
    let said = whole.hears(LEADER, accept(B1));
    assert_eq!(
        said.answers(),
        [&Message::Accepted {
            ballot: B1,
            slot: SLOT,
            vector,
        }]
    );
}

/// The same for the vector of a recovered acceptor, which is part of its checkpoint: its later votes and
/// promises are of its new incarnation.
#[test]
fn an_incarnation_outlives_a_restart_with_memory_kept() {
    let mut whole = SingleReplica::without_disk(A);
    whole.is_told(B1, SLOT);
    whole.restart();
    let said = whole.hears(
        C,
        Message::Prepare {
            ballot: Ballot { replica: C, ..B2 },
            from: SLOT,
            state: StateDigest::NOTHING,
        },
    );
    let [Message::Promise(Promise { vector, .. })] = said.answers()[..] else {
        panic!("{said:?}")
    };
    assert_eq!(vector.get(A), Incarnation(1));
}

/// Shortcut: the acceptor votes before it has learned the slots that others have cut: see
/// `what_others_have_cut_is_remembered_as_chosen`. If it votes without them and the others lose their memory
/// in turn, perhaps no replica is left that knows what was chosen there.
#[test]
fn what_others_have_cut_is_learned_before_it_votes() {
    let mut whole = SingleReplica::without_disk(A);
    whole.is_told(B2, Slot(2));
    assert!(!whole.votes());
    let values = |count| vec![value("x"); count];
    let learned = |count| Message::Learned {
        from: SLOT,
        values: values(count),
    };
    whole.hears(B, learned(1));
    assert!(!whole.votes(), "slot 1 is missing");
    whole.hears(B, learned(2));
    assert!(whole.votes());
    whole.restart();
    assert!(whole.votes());
    assert_eq!(whole.replica.chosen(Slot(1)), Some(&value("x")));
}

/// Shortcut: the nonce is not fresh. `answers_to_an_earlier_life_do_not_count` shows the schedule. Each start
/// of the replica, and each restart of its acceptor, asks with a new nonce.
#[test]
fn every_life_asks_under_a_nonce_of_its_own() {
    let mut nonces = Vec::new();
    for entropy in 1..4 {
        let mut whole = SingleReplica::start(A, Memory::Lost, entropy);
        for again in 1..4 {
            let Message::Recall { nonce } = whole.asks(B) else {
                panic!("the first question is not Recall")
            };
            nonces.push(nonce);
            let role = Role::Acceptor;
            whole.step(Event::Fail(role));
            let entropy = Entropy([16 * entropy + again; 32]);
            let memory = Memory::Kept(whole.disk.clone());
            whole.step(Event::Restart {
                role,
                memory,
                entropy,
            });
        }
    }
    let asked = nonces.len();
    nonces.sort_unstable();
    nonces.dedup();
    assert_eq!(nonces.len(), asked, "every nonce is fresh");
}

/// Requests are served while two of three acceptors have their memory. If more have lost it, perhaps no
/// replica knows what was chosen: each refuses, and names the acceptors without memory, its own included.
#[test]
fn where_too_many_have_lost_their_memory_everybody_is_refused() {
    let missing = |whole: &SingleReplica| {
        let body = RequestBody::Get { key: "k".into() };
        let event = Event::Client {
            from: ClientId(1),
            request: Request { id: 1, body },
        };
        let effects = whole.replica.clone().step(Input { at: Time(0), event });
        effects.into_iter().find_map(|effect| match effect {
            Effect::Reply { reply, .. } => match reply.outcome {
                Outcome::Refused(Refusal::MemoryLost { lost }) => Some(lost),
                _ => None,
            },
            _ => None,
        })
    };
    let lost = || heartbeat(1, AcceptorHealth::Lost, Incarnation(0));
    let mut whole = SingleReplica::with_disk(A, &[]);
    whole.hears(B, lost());
    assert_eq!(missing(&whole), None);
    whole.hears(C, lost());
    assert_eq!(missing(&whole), Some([B, C].into_iter().collect()));

    let mut whole = SingleReplica::without_disk(A);
    assert_eq!(missing(&whole), None);
    whole.hears(B, lost());
    assert_eq!(missing(&whole), Some([A, B].into_iter().collect()));
}

/// The ballots of a recovered replica are of its new incarnation. Those of earlier ones may have been used.
#[test]
fn ballots_are_of_the_life_that_was_announced() {
    let mut whole = SingleReplica::without_disk(A);
    whole.is_told(B1, SLOT);
    whole.restart();
    let restarted = whole.stands().0;
    let mut whole = SingleReplica::without_disk(A);
    whole.is_told(B1, SLOT);
    for ballot in [restarted, whole.stands().0] {
        assert_eq!(ballot.life.incarnation, Incarnation(1), "{ballot}");
    }
}
