//! Checks the invariants that are visible from outside, after every step. Their names are those in the
//! crate's documentation.

use std::collections::BTreeMap;

use bytes::Bytes;
use kvpaxos::crash_vector::{ConsistentSet, CrashVector};
use kvpaxos::message::Promise;
use kvpaxos::status::AcceptorStatus;
use kvpaxos::{
    Ballot, ClientId, Command, Limits, Message, Observation, Outcome, Replica, ReplicaId, Reply, RequestBody,
    Revision, Sequence, SessionId, Slot, StateMachine, Value,
};

use super::disk::Disk;

/// The history of a world, as far as the invariants need it.
#[derive(Debug)]
pub(crate) struct Checks {
    /// The number of votes that choose a value.
    phase2: usize,
    /// P1: the value of each ballot and slot.
    proposals: BTreeMap<(Ballot, Slot), Value>,
    votes: BTreeMap<(Ballot, Slot), ConsistentSet>,
    /// The value of each slot that enough acceptors accepted, with the lowest ballot in which they did.
    elected: BTreeMap<Slot, (Ballot, Value)>,
    /// P3: the life of the proposer in which each ballot was first sent. A ballot that was never sent may be
    /// used again.
    used: BTreeMap<Ballot, u32>,
    /// The number of lives that each proposer has ended.
    lives: BTreeMap<ReplicaId, u32>,
    /// L1: the value that a learner took for chosen.
    chosen: BTreeMap<Slot, Value>,
    /// L3: the digest of the state after each slot.
    digests: BTreeMap<Slot, u128>,
    /// The highest promise that each acceptor has revealed in a message.
    told: BTreeMap<ReplicaId, Ballot>,
    /// The promise of each acceptor after its last step, since it last started.
    promised: BTreeMap<ReplicaId, Ballot>,
    /// L2: for each learner, the slot that it applies next; and below, the first slot whose value is not
    /// compared yet.
    applied: BTreeMap<ReplicaId, Slot>,
    compared: BTreeMap<ReplicaId, Slot>,
    model: Model,
    requests: BTreeMap<(ReplicaId, ClientId, u64), Asked>,
    /// S1: the revision at which each write took effect.
    writes: BTreeMap<(SessionId, Sequence), Revision>,
    /// The highest revision in any answer to a client.
    acknowledged: Revision,
}

/// An unanswered request.
#[derive(Debug)]
struct Asked {
    body: RequestBody,
    /// The highest revision that was acknowledged before it was sent.
    acknowledged: Revision,
}

/// The state after the chosen log, and the value of each key after each command.
#[derive(Debug)]
struct Model {
    machine: StateMachine,
    next: Slot,
    /// S1: the outcomes of the writes that took effect.
    done: BTreeMap<(SessionId, Sequence), Outcome>,
    history: BTreeMap<Bytes, BTreeMap<Revision, Option<Bytes>>>,
}

impl Checks {
    pub(crate) fn new(phase2: usize, limits: Limits) -> Checks {
        Checks {
            phase2,
            proposals: BTreeMap::new(),
            votes: BTreeMap::new(),
            elected: BTreeMap::new(),
            used: BTreeMap::new(),
            lives: BTreeMap::new(),
            chosen: BTreeMap::new(),
            digests: BTreeMap::new(),
            told: BTreeMap::new(),
            promised: BTreeMap::new(),
            applied: BTreeMap::new(),
            compared: BTreeMap::new(),
            model: Model {
                machine: StateMachine::new(limits),
                next: Slot::ZERO,
                done: BTreeMap::new(),
                history: BTreeMap::new(),
            },
            requests: BTreeMap::new(),
            writes: BTreeMap::new(),
            acknowledged: Revision::default(),
        }
    }

    /// A message leaves a replica. The records that it reveals must be durable.
    pub(crate) fn on_leaves(&mut self, from: ReplicaId, message: &Message, disk: &Disk) {
        let durable = disk.durable();
        if matches!(
            message,
            Message::Promise(_) | Message::Accepted { .. } | Message::Confirmed { .. }
        ) {
            assert!(
                !durable.memory_lost,
                "A4: {from} lost its memory and sends {message:?}"
            );
        }
        match message {
            Message::Prepare { ballot, .. } | Message::Accept { ballot, .. } => {
                assert!(
                    durable.proposed.contains(ballot),
                    "P3: {from} uses {ballot} before the ballot is durable"
                );
                let life = self.lives.get(&from).copied().unwrap_or_default();
                let used = *self.used.entry(*ballot).or_insert(life);
                assert_eq!(used, life, "P3: {from} uses {ballot} in a second life");
            }
            Message::Promise(Promise { ballot, entries, .. }) => {
                self.tell(from, *ballot, durable.promised);
                for entry in entries {
                    assert!(
                        durable.accepted.contains(&(entry.ballot, entry.slot)),
                        "A3: {from} reports {entry:?} before it is durable"
                    );
                }
            }
            Message::Refused { promised, .. } => self.tell(from, *promised, durable.promised),
            Message::Accepted { ballot, slot, vector } => {
                self.tell(from, *ballot, durable.promised);
                assert!(
                    durable.accepted.contains(&(*ballot, *slot)),
                    "A3: {from} votes in {ballot} for slot {slot} before the vote is durable"
                );
                self.vote(from, *ballot, *slot, vector);
            }
            _ => {}
        }
        if let Message::Accept {
            ballot, slot, value, ..
        } = message
        {
            self.propose(*ballot, *slot, value);
        }
    }

    fn tell(&mut self, acceptor: ReplicaId, ballot: Ballot, durable: Ballot) {
        assert!(
            ballot <= durable,
            "A3: {acceptor} reveals its promise {ballot}, but only {durable} is durable"
        );
        let told = self.told.entry(acceptor).or_default();
        *told = (*told).max(ballot);
    }

    fn propose(&mut self, ballot: Ballot, slot: Slot, value: &Value) {
        let before = self
            .proposals
            .entry((ballot, slot))
            .or_insert_with(|| value.clone());
        assert_eq!(before, value, "P1: two values in {ballot} for slot {slot}");
        if let Some((chosen_in, chosen)) = self
            .elected
            .get(&slot)
            .filter(|(chosen_in, _)| *chosen_in < ballot)
        {
            assert_eq!(
                value, chosen,
                "P2b: slot {slot} was chosen in {chosen_in}, but {ballot} proposes another value"
            );
        }
    }

    fn vote(&mut self, acceptor: ReplicaId, ballot: Ballot, slot: Slot, vector: &CrashVector) {
        let votes = self.votes.entry((ballot, slot)).or_default();
        votes.add(acceptor, vector);
        if votes.len() < self.phase2 {
            return;
        }
        // A leader that is its own only voter may not have sent its proposal to any other replica.
        let Some(value) = self.proposals.get(&(ballot, slot)) else {
            return;
        };
        let (_, before) = self
            .elected
            .entry(slot)
            .and_modify(|(lowest, _)| *lowest = (*lowest).min(ballot))
            .or_insert_with(|| (ballot, value.clone()));
        assert_eq!(before, value, "L1: two values are chosen for slot {slot}");
        for ((above, _), other) in self.proposals.iter().filter(|((_, at), _)| *at == slot) {
            assert!(
                *above < ballot || other == value,
                "P2b: slot {slot} is chosen in {ballot}, but {above} proposed another value"
            );
        }
    }

    pub(crate) fn on_observation(&mut self, at: ReplicaId, observation: &Observation) {
        if let Observation::Applied { slot, digest } = observation {
            // A learner that has just started begins at any slot, depending on its memory.
            match self.applied.insert(at, slot.next()) {
                Some(next) => assert_eq!(*slot, next, "L2: {at} applies out of order"),
                None => _ = self.compared.insert(at, *slot),
            }
            let before = self.digests.entry(*slot).or_insert(*digest);
            assert_eq!(before, digest, "L3: the state of {at} differs after slot {slot}");
        }
        if let Observation::Installed { slot, digest } = observation {
            let last = Slot(slot.0 - 1);
            let before = self.digests.entry(last).or_insert(*digest);
            assert_eq!(
                before, digest,
                "L4: {at} installs a snapshot that is not the state after slot {last}"
            );
            self.applied.insert(at, *slot);
            self.compared.insert(at, *slot);
        }
        if let Observation::Recovered { .. } = observation {
            // A1 holds within one incarnation.
            self.promised.remove(&at);
            self.told.remove(&at);
        }
    }

    /// Checks the visible state of a replica after each of its steps.
    pub(crate) fn on_state(&mut self, replica: &Replica) {
        let id = replica.config().id;
        if let AcceptorStatus::Voting { promised } = replica.status().acceptor {
            let told = self.told.get(&id).copied().unwrap_or_default();
            assert!(
                promised >= told,
                "A1: {id} revealed its promise {told}, but has promised only {promised}"
            );
            let before = self.promised.insert(id, promised).unwrap_or_default();
            assert!(
                promised >= before,
                "A1: the promise of {id} went down from {before} to {promised}"
            );
        }
        loop {
            let slot = self.compared.entry(id).or_default();
            let Some(value) = replica.chosen(*slot) else { break };
            let before = self.chosen.entry(*slot).or_insert_with(|| value.clone());
            assert_eq!(
                before, value,
                "L1: {id} takes another value for chosen in slot {slot}"
            );
            if let Some((ballot, elected)) = self.elected.get(slot) {
                assert_eq!(
                    elected, value,
                    "L1: {id} takes a value for chosen in slot {slot} that was not chosen in {ballot}"
                );
            }
            *slot = slot.next();
        }
        self.model.follow(&self.chosen);
    }

    /// A new life of the proposer begins.
    pub(crate) fn new_proposer(&mut self, id: ReplicaId) {
        *self.lives.entry(id).or_default() += 1;
    }

    /// The learner, or the whole replica, stops.
    pub(crate) fn forget_learner(&mut self, id: ReplicaId) {
        self.applied.remove(&id);
        self.compared.remove(&id);
    }

    /// The acceptor stops. It may forget promises that it has not revealed.
    pub(crate) fn forget_acceptor(&mut self, id: ReplicaId) {
        self.promised.remove(&id);
    }

    /// The replica stops. Its unanswered requests need no answer.
    pub(crate) fn forget_requests(&mut self, id: ReplicaId) {
        self.requests.retain(|(at, _, _), _| *at != id);
    }

    /// The client disconnects. It must not be answered any more.
    pub(crate) fn forget_client(&mut self, id: ReplicaId, client: ClientId) {
        self.requests
            .retain(|(at, asker, _), _| (*at, *asker) != (id, client));
    }

    pub(crate) fn on_request(&mut self, at: ReplicaId, client: ClientId, id: u64, body: &RequestBody) {
        let asked = Asked {
            body: body.clone(),
            acknowledged: self.acknowledged,
        };
        let before = self.requests.insert((at, client, id), asked);
        assert!(before.is_none(), "the test gives {client:?} the id {id} twice");
    }

    pub(crate) fn on_reply(&mut self, at: ReplicaId, client: ClientId, reply: &Reply) {
        let asked = self.requests.remove(&(at, client, reply.id));
        let asked = asked
            .unwrap_or_else(|| panic!("4.6: {at} answers {client:?} without an open request: {reply:?}"));
        let revision = match &reply.outcome {
            Outcome::Opened { session } => session.0,
            Outcome::Done { revision }
            | Outcome::Deleted { revision, .. }
            | Outcome::Swapped { revision, .. }
            | Outcome::Executed { revision, .. } => {
                self.check_write(&asked.body, *revision);
                *revision
            }
            Outcome::Value { revision, value } => {
                self.check_read(&asked, *revision, value.as_ref());
                *revision
            }
            Outcome::Values { .. }
            | Outcome::Lengths { .. }
            | Outcome::Page { .. }
            | Outcome::Count { .. }
            | Outcome::Authenticated
            | Outcome::DriverStatus { .. }
            | Outcome::SnapshotPart(_)
            | Outcome::Closed
            | Outcome::Status(_)
            | Outcome::Refused(_)
            | Outcome::Unknown { .. } => return,
        };
        self.acknowledged = self.acknowledged.max(revision);
    }

    fn check_write(&mut self, body: &RequestBody, revision: Revision) {
        if let RequestBody::Apply {
            session, sequence, ..
        } = body
        {
            let before = self.writes.entry((*session, *sequence)).or_insert(revision);
            assert_eq!(
                *before, revision,
                "S1: sequence {sequence:?} of session {session} took effect twice"
            );
        }
    }

    fn check_read(&self, asked: &Asked, revision: Revision, value: Option<&Bytes>) {
        assert!(
            revision >= asked.acknowledged,
            "S2: a read saw revision {revision}, but {} was acknowledged before it began",
            asked.acknowledged
        );
        if let RequestBody::Get { key } = &asked.body {
            assert_eq!(
                value,
                self.model.value_at(key, revision),
                "S2: a read of {key:?} returned a value that it did not have at {revision}"
            );
        }
    }

    /// The unanswered requests.
    pub(crate) fn unanswered(&self) -> impl Iterator<Item = (ReplicaId, ClientId, &RequestBody)> {
        let requests = self.requests.iter();
        requests.map(|((at, client, _), asked)| (*at, *client, &asked.body))
    }

    /// The first slot that no learner knows to be chosen.
    pub(crate) fn chosen_up_to(&self) -> Slot {
        self.model.next
    }
}

impl Model {
    fn follow(&mut self, chosen: &BTreeMap<Slot, Value>) {
        while let Some(value) = chosen.get(&self.next) {
            for (index, command) in (0..).zip(value.commands()) {
                let slot = self.next;
                self.apply(Revision { slot, index }, command);
            }
            self.next = self.next.next();
        }
    }

    fn apply(&mut self, revision: Revision, command: &Command) {
        let Command::Apply {
            session,
            sequence,
            op,
            ..
        } = command
        else {
            self.machine.apply(revision, command);
            return;
        };
        let keys: Vec<Bytes> = op.keys().cloned().collect();
        let values = |machine: &StateMachine| -> Vec<Option<Bytes>> {
            keys.iter().map(|key| machine.get(key)).collect()
        };
        let before = values(&self.machine);
        let outcome = self.machine.apply(revision, command);
        let now = values(&self.machine);
        let refused = matches!(outcome, Outcome::Refused(_));
        if let Some(first) = self.done.get(&(*session, *sequence)) {
            assert!(
                before == now && (refused || outcome == *first),
                "S1: sequence {sequence:?} of session {session} took effect again at {revision}"
            );
        } else if refused {
            assert_eq!(
                before, now,
                "4.6: a command that was refused at {revision} changed the state"
            );
        } else {
            self.done.insert((*session, *sequence), outcome);
        }
        for (key, now) in keys.into_iter().zip(now) {
            self.history.entry(key).or_default().insert(revision, now);
        }
    }

    fn value_at(&self, key: &Bytes, revision: Revision) -> Option<&Bytes> {
        let (_, value) = self.history.get(key)?.range(..=revision).next_back()?;
        value.as_ref()
    }
}
