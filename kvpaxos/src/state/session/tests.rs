use super::*;
use crate::command::Outcome;
use crate::transaction::StepResult;
use crate::types::Slot;

impl Sessions {
    /// The digest as it would be if nothing had been kept.
    pub(crate) fn digest_from_scratch(&self) -> u64 {
        let all = self.table.iter();
        all.fold(0, |sum, (id, session)| sum.wrapping_add(session.digest(*id)))
    }

    /// When a transaction was executed whose results should be stored.
    fn executed_at(&self, ResultsOf { session, sequence }: ResultsOf) -> Option<Revision> {
        let session = self.table.get(hash_id(session), &session)?;
        session.outcomes.executed(sequence)
    }

    /// What must hold between table, index and queues.
    pub(crate) fn check(&self) {
        assert_eq!(self.digest, self.digest_from_scratch());
        assert!(self.table.len() <= self.most && self.in_use.len() <= self.most_in_use);
        assert_eq!(self.table.len(), self.by_tag.len());
        assert_eq!(self.table.len(), self.on_trial.len() + self.in_use.len());
        self.on_trial.check();
        self.in_use.check();
        for (id, session) in self.table.iter() {
            assert_eq!(self.by_tag.get(hash_tag(session.tag), &session.tag), Some(id));
            let in_use = session.standing == Standing::InUse;
            assert_eq!(self.in_use.contains(&(session.queued, *id)), in_use);
            assert_eq!(self.on_trial.contains(&(session.queued, *id)), !in_use);
            assert!(session.queued <= session.last_use || !in_use);
            session.outcomes.check(self.window);
            assert_eq!(session.head, session.digest_head(*id));
        }
        self.results.check(|of| self.executed_at(of));
        let sessions = self.table.iter();
        let executed = sessions.map(|(id, session)| session.outcomes.with_results(*id).count());
        assert_eq!(self.results.len(), executed.sum::<usize>());
        assert!(self.results.bytes() <= self.most_results);
    }
}

/// A table and the log's position.
struct Log {
    sessions: Sessions,
    slot: u64,
}

impl Log {
    fn new(sessions: usize, session_window: u64) -> Log {
        let limits = Limits {
            sessions,
            session_window,
            ..Limits::default()
        };
        let sessions = Sessions::new(&limits);
        Log { sessions, slot: 0 }
    }

    fn next(&mut self) -> Revision {
        self.slot += 1;
        revision(self.slot)
    }

    fn open(&mut self) -> SessionId {
        let at = self.next();
        self.sessions.open(at, tag(at.slot.0))
    }

    /// Whether it was executed now, and what was answered.
    fn write(&mut self, id: SessionId, sequence: u64, lowest: u64) -> (bool, Outcome) {
        let at = self.next();
        let mut executed = false;
        let result = self
            .sessions
            .once(at, id, Sequence(sequence), Sequence(lowest), || {
                executed = true;
                StoredOutcome::done(at)
            });
        self.sessions.check();
        (executed, result.map_or_else(Outcome::Refused, Outcome::from))
    }

    fn alive(&self, id: SessionId) -> bool {
        self.sessions.table.get(hash_id(id), &id).is_some()
    }
}

fn revision(slot: u64) -> Revision {
    Revision {
        slot: Slot(slot),
        index: 0,
    }
}

fn tag(number: u64) -> Tag {
    Tag { nonce: 5, number }
}

fn done(slot: u64) -> Outcome {
    let revision = revision(slot);
    Outcome::Done { revision }
}

/// A mistake of other systems (the mutant `16-largest-sequence-only`): a table that keeps only the largest number skips requests that arrive out of order.
#[test]
fn sequences_that_are_overtaken_are_executed_all_the_same() {
    let mut log = Log::new(4, 8);
    let id = log.open();
    assert_eq!(log.write(id, 2, 0), (true, done(2)));
    assert_eq!(log.write(id, 0, 0), (true, done(3)));
    assert_eq!(log.write(id, 1, 0), (true, done(4)));
    assert_eq!(
        log.write(id, 2, 0),
        (false, done(2)),
        "a repeat gets the first outcome"
    );
    assert_eq!(log.write(id, 0, 0), (false, done(3)));
}

#[test]
fn what_is_below_the_floor_is_never_executed() {
    let mut log = Log::new(4, 8);
    let id = log.open();
    log.write(id, 0, 0);
    log.write(id, 3, 3);
    for sequence in 0..3 {
        let refusal = Refusal::AlreadyAnswered {
            session: id,
            sequence: Sequence(sequence),
            lowest: Sequence(3),
        };
        let before = log.sessions.digest();
        assert_eq!(log.write(id, sequence, 0), (false, Outcome::Refused(refusal)));
        assert_eq!(log.sessions.digest(), before, "nothing was changed");
    }
}

#[test]
fn a_sequence_out_of_the_window_changes_nothing() {
    let mut log = Log::new(4, 8);
    let id = log.open();
    log.write(id, 0, 0);
    let before = log.sessions.digest();
    // Too far above, above what the request itself names, and below that.
    for (sequence, named, lowest) in [(8, 0, 0), (20, 12, 12), (3, 4, 4), (u64::MAX, 0, 0)] {
        let (sequence, lowest) = (Sequence(sequence), Sequence(lowest));
        let refusal = Refusal::OutOfWindow {
            sequence,
            lowest,
            window: 8,
        };
        assert_eq!(
            log.write(id, sequence.0, named),
            (false, Outcome::Refused(refusal))
        );
        assert_eq!(log.sessions.digest(), before);
    }
    assert!(
        log.write(id, 8, 1).0,
        "the request's own word raises the floor first"
    );
}

#[test]
fn an_unknown_session_has_expired() {
    let mut log = Log::new(4, 8);
    let id = log.open();
    let elsewhere = SessionId(revision(77));
    let refusal = Refusal::SessionExpired { session: elsewhere };
    assert_eq!(log.write(elsewhere, 0, 0), (false, Outcome::Refused(refusal)));
    assert!(log.sessions.close(id));
    assert!(!log.sessions.close(id), "a repeat does nothing");
    assert!(!log.write(id, 0, 0).0);
    assert_eq!(log.sessions.digest(), 0);
}

#[test]
fn an_open_that_is_repeated_opens_nothing() {
    let mut log = Log::new(4, 8);
    let id = log.sessions.open(revision(1), tag(9));
    assert_eq!(log.sessions.open(revision(2), tag(9)), id);
    assert_eq!(log.sessions.len(), 1);
    log.sessions.close(id);
    assert_eq!(log.sessions.open(revision(3), tag(9)), SessionId(revision(3)));
}

#[test]
fn clients_that_write_once_push_out_only_each_other() {
    let mut log = Log::new(16, 8);
    let in_use: Vec<SessionId> = (0..12).map(|_| log.open()).collect();
    for id in &in_use {
        log.write(*id, 0, 0);
        log.write(*id, 1, 1);
    }
    for count in 0..1000 {
        let id = log.open();
        assert!(log.write(id, 0, 0).0, "it has room to write at once");
        assert_eq!(log.sessions.dropped(), (count + 1_u64).saturating_sub(4));
    }
    assert!(in_use.iter().all(|id| log.alive(*id)));
}

#[test]
fn sessions_in_use_make_room_in_the_order_of_their_last_use() {
    let mut log = Log::new(8, 8);
    let ids: Vec<SessionId> = (0..6).map(|_| log.open()).collect();
    for sequence in 0..2 {
        for id in &ids {
            log.write(*id, sequence, 0);
        }
    }
    // All but the third are used again; two newcomers come into use.
    for place in [5, 0, 1, 3, 4] {
        log.write(ids[place], 2, 0);
    }
    for _ in 0..2 {
        let id = log.open();
        log.write(id, 0, 0);
        log.write(id, 1, 0);
    }
    let trial = |log: &Log| -> Vec<SessionId> { log.sessions.on_trial.iter().map(|(_, id)| *id).collect() };
    assert_eq!(trial(&log), [ids[2], ids[5]]);
    assert!(log.write(ids[2], 3, 0).0, "one that is used again comes back");
    assert_eq!(trial(&log), [ids[5], ids[0]]);
    log.open();
    assert!(!log.alive(ids[5]) && log.alive(ids[0]));
}

#[test]
fn a_table_of_one_holds_the_last() {
    let mut log = Log::new(1, 8);
    for _ in 0..3 {
        let id = log.open();
        for sequence in 0..5 {
            assert!(log.write(id, sequence, 0).0);
        }
    }
    assert_eq!((log.sessions.len(), log.sessions.dropped()), (1, 2));
}

#[test]
fn many_uses_since_room_was_made_cost_one_command_little() {
    let mut log = Log::new(4096, 8);
    let ids: Vec<SessionId> = (0..3072).map(|_| log.open()).collect();
    for sequence in 0..3 {
        for id in &ids {
            let at = log.next();
            let kept = || StoredOutcome::done(at);
            let sequence = Sequence(sequence);
            log.sessions.once(at, *id, sequence, sequence, kept).unwrap();
        }
    }
    let id = log.open();
    log.write(id, 0, 0);
    log.write(id, 1, 0);
    let looked_at = log
        .sessions
        .in_use
        .iter()
        .filter(|(queued, _)| queued.slot.0 > 3 * 3072);
    assert_eq!(looked_at.count(), LOOKS + 1);
    assert!(ids.iter().all(|id| log.alive(*id)));
}

#[test]
fn a_burst_does_not_hold_its_memory() {
    let mut log = Log::new(4, 1024);
    let id = log.open();
    for sequence in 0..1024 {
        log.write(id, sequence, 0);
    }
    log.write(id, 1024, 1024);
    let session = log.sessions.table.get(hash_id(id), &id).unwrap();
    let (kept, capacity) = session.outcomes.memory();
    assert!(kept == 1 && capacity < 16);
}

/// Pins the digest: replicas of different releases compare theirs.
#[test]
fn the_digest_is_pinned() {
    let mut log = Log::new(4, 8);
    let id = log.open();
    log.write(id, 0, 0);
    log.write(id, 1, 0);
    expect_test::expect!["3991783f8a3e1cb1"].assert_eq(&format!("{:016x}", log.sessions.digest()));
}

/// A log whose transactions each return a value of 100 bytes; there is room for the results of five.
fn log_with_results() -> Log {
    let mut log = Log::new(4, 8);
    log.sessions.most_results = 5 * (64 + 48 + 100);
    log
}

impl Log {
    fn transact(&mut self, id: SessionId, sequence: u64, lowest: u64) -> Outcome {
        let at = self.next();
        let result = self
            .sessions
            .once(at, id, Sequence(sequence), Sequence(lowest), || {
                let value = vec![sequence.to_le_bytes()[0]; 100];
                Execution::executed(at, vec![StepResult::Value(Some(value.into()))])
            });
        self.sessions.check();
        result.map_or_else(Outcome::Refused, Outcome::from)
    }
}

#[test]
fn a_repeat_gets_the_same_results_until_they_are_acknowledged() {
    let mut log = log_with_results();
    let id = log.open();
    let first = log.transact(id, 0, 0);
    assert!(
        matches!(&first, Outcome::Executed { revision, results: Some(results) }
        if *revision == self::revision(2) && results.len() == 1)
    );
    log.transact(id, 1, 0);
    assert_eq!(log.transact(id, 0, 0), first);
    let before = log.sessions.digest();
    log.write(id, 2, 1);
    assert_ne!(log.sessions.digest(), before);
    assert_eq!(log.sessions.results.len(), 1, "one is acknowledged");
    assert!(log.sessions.close(id));
    assert_eq!((log.sessions.results.len(), log.sessions.digest()), (0, 0));
}

/// Two sessions that differ only in the results of a transaction.
#[test]
fn the_digest_covers_the_results() {
    let digests = [b"one", b"two"].map(|value| {
        let mut log = log_with_results();
        let id = log.open();
        let at = log.next();
        let results = vec![StepResult::Value(Some(value.as_slice().into()))];
        let execute = || Execution::executed(at, results);
        log.sessions
            .once(at, id, Sequence(0), Sequence(0), execute)
            .unwrap();
        log.sessions.digest()
    });
    assert_ne!(digests[0], digests[1]);
}

#[test]
fn the_session_with_the_oldest_results_is_dropped_first() {
    let mut log = log_with_results();
    let ids = [(); 3].map(|()| log.open());
    let [idle, busy, quiet] = ids;
    log.transact(idle, 0, 0);
    log.write(quiet, 0, 0);
    // However often it acknowledges, a client may use the room.
    for sequence in 0..20 {
        log.transact(busy, sequence, sequence);
    }
    assert!(log.alive(idle));
    for sequence in 20..24 {
        log.transact(busy, sequence, 20);
    }
    assert!(log.alive(idle));
    log.transact(busy, 24, 20);
    assert_eq!(ids.map(|id| log.alive(id)), [false, true, true]);
    assert_eq!(log.sessions.dropped(), 1);
    let refusal = Refusal::SessionExpired { session: idle };
    assert_eq!(log.transact(idle, 0, 0), Outcome::Refused(refusal));
    // One that takes all the room for itself is told so, too.
    log.transact(busy, 25, 20);
    assert_eq!(ids.map(|id| log.alive(id)), [false, false, true]);
}
