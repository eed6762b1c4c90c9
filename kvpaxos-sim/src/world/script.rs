//! What a test can ask of a world, and do to it.

use bytes::Bytes;
use kvpaxos::client::{Call, Completion};
use kvpaxos::{Micros, Op, Record, ReplicaId, ReplicaSet, Role, Slot, Status};

use crate::engine::{LinkProfile, Node, Table};
use crate::invariants::Coverage;
use crate::subject::Subject;
use crate::world::audited;
use crate::world::partition::{self, Cut};
use crate::world::setup::Setup;
use crate::world::state::World;

/// How a call of a test ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer(pub Completion);

impl Answer {
    /// Whether it was done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.0, Completion::Done(_))
    }

    /// What a read saw; `None` if the key was absent, or this was no read, or it was not done.
    #[must_use]
    pub fn value(&self) -> Option<Bytes> {
        match &self.0 {
            Completion::Done(kvpaxos::Outcome::Value { value, .. }) => value.clone(),
            _ => None,
        }
    }
}

/// What a test can ask of a cluster. Each call runs the world until it is answered, or its deadline has passed.
impl<M: Subject> World<M> {
    /// Makes a call and waits for its end.
    ///
    /// # Panics
    /// If it has no end, which a client machine does not let happen.
    pub fn call(&mut self, call: Call) -> Answer {
        let number = self.begin(call);
        let patience = Micros(self.setup.clients.deadline.0.saturating_mul(50));
        let client = self.clients.scripted();
        self.run_until(patience, |world| {
            world.clients.ended_calls.contains_key(&(client, number))
        });
        self.end(number).expect("every call ends by its deadline")
    }

    /// Begins a call and does not wait. Returns the number to ask [`end`](World::end) with.
    pub fn begin(&mut self, call: Call) -> u64 {
        self.begin_as(self.clients.scripted(), call)
    }

    /// How a call ended, if it has.
    pub fn end(&mut self, number: u64) -> Option<Answer> {
        let client = self.clients.scripted();
        self.clients.ended_calls.remove(&(client, number)).map(Answer)
    }

    /// One of the setup's clients begins a call, whatever else it does. Returns the number that [`take_ends`](World::take_ends) names the
    /// call by.
    ///
    /// # Panics
    /// If there is no such client.
    pub fn begin_as(&mut self, client: u32, call: Call) -> u64 {
        let (clients, mut context) = self.context();
        clients.call(client, call, &mut context)
    }

    /// How calls ended that a test began, by client and number: those that ended since this was last asked.
    pub fn take_ends(&mut self) -> impl Iterator<Item = ((u32, u64), Answer)> + use<M> {
        let ended = std::mem::take(&mut self.clients.ended_calls);
        ended
            .into_iter()
            .map(|(call, completion)| (call, Answer(completion)))
    }

    /// Sets a key.
    pub fn put(&mut self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Answer {
        let (key, value) = (key.into(), value.into());
        self.call(Call::Write(Op::Put { key, value }))
    }

    /// Removes a key.
    pub fn delete(&mut self, key: impl Into<Bytes>) -> Answer {
        self.call(Call::Write(Op::Delete { key: key.into() }))
    }

    /// Sets a key if it holds what is expected.
    pub fn cas(&mut self, key: impl Into<Bytes>, expect: Option<Bytes>, value: Option<Bytes>) -> Answer {
        let key = key.into();
        self.call(Call::Write(Op::Cas { key, expect, value }))
    }

    /// Reads a key.
    pub fn get(&mut self, key: impl Into<Bytes>) -> Answer {
        self.call(Call::Get { key: key.into() })
    }

    /// Who leads, as far as replicas say.
    #[must_use]
    pub fn leader(&self) -> Option<ReplicaId> {
        audited::leader(&self.engine)
    }

    /// What a replica knows of itself; `None` if its process is down.
    #[must_use]
    pub fn status(&self, id: ReplicaId) -> Option<Status> {
        self.engine.machine(id).map(Subject::status)
    }

    /// How often each situation has occurred so far.
    #[must_use]
    pub fn coverage(&self) -> &Coverage {
        &self.engine.observer.coverage
    }

    /// How often a replica that was founded anew halted.
    #[must_use]
    pub fn halted_anew(&self) -> u64 {
        self.engine.observer.refounded_halts
    }

    /// The first slot that is not chosen.
    #[must_use]
    pub fn prefix(&self) -> Slot {
        self.engine.observer.prefix()
    }

    /// What lies durably on a replica's disk; `None` if that is damaged.
    #[must_use]
    pub fn records(&self, id: ReplicaId) -> Option<Vec<Record>> {
        self.engine.durable_records(id)
    }

    /// A replica's machine; `None` if its process is down.
    #[must_use]
    pub fn machine(&self, id: ReplicaId) -> Option<&M> {
        self.engine.machine(id)
    }
}

/// What a test can do to a cluster.
impl<M: Subject> World<M> {
    /// A process crashes.
    pub fn crash(&mut self, id: ReplicaId) {
        self.engine.crash(id);
    }

    /// A process that is down starts with what its disk holds.
    pub fn start(&mut self, id: ReplicaId) {
        self.engine.start(id, self.setup.memory_only);
    }

    /// A process that is down starts with an empty disk: its memory is lost.
    pub fn start_empty(&mut self, id: ReplicaId) {
        self.engine.start(id, true);
    }

    /// Disks may forget in silence from now on, so that replicas may come to differ. Agreement, and all that follows from it, is not judged any
    /// more; what is, is that no two histories are served by those who know of each other (D1).
    pub fn expect_forks(&mut self) {
        self.engine.observer.expect_divergence();
    }

    /// The disk of a process that is down loses the last so many records that it had synced, and nothing tells of it. Tells how many are gone.
    /// Only where logs lie as lists of records ([`Format::Plain`](crate::engine::disk::Format)).
    pub fn forget(&mut self, id: ReplicaId, records: usize) -> usize {
        self.engine.forget(id, records)
    }

    /// The disk of a process that is down is founded anew: it claims to be new, and is not.
    pub fn found_anew(&mut self, id: ReplicaId) {
        self.engine.found_anew(id);
    }

    /// A process stands still.
    pub fn pause(&mut self, id: ReplicaId) {
        self.engine.pause(id);
    }

    /// A process goes on.
    pub fn resume(&mut self, id: ReplicaId) {
        self.engine.resume(id);
    }

    /// Syncs of a replica that begin from now on take so long.
    pub fn slow_disk(&mut self, id: ReplicaId, latency: Table) {
        self.engine.set_latency(id, latency);
    }

    /// A role fails.
    pub fn fail(&mut self, id: ReplicaId, role: Role) {
        self.engine.fail_role(id, role);
    }

    /// A failed role restarts with its memory.
    pub fn restart(&mut self, id: ReplicaId, role: Role) {
        self.engine.restart_role(id, role, false);
    }

    /// A failed role restarts without its memory.
    pub fn restart_empty(&mut self, id: ReplicaId, role: Role) {
        self.engine.restart_role(id, role, true);
    }

    /// Cuts links; see [`crate::world::partition`].
    pub fn cut(&mut self, cuts: &[Cut]) {
        partition::cut(cuts, &mut self.engine.network);
    }

    /// Cuts the cluster in two.
    pub fn partition(&mut self, side: impl IntoIterator<Item = ReplicaId>) {
        let side: ReplicaSet = side.into_iter().collect();
        let all = ReplicaSet::first(self.setup.cluster.replicas);
        self.cut(&partition::between(side, all.without(side)));
    }

    /// Cuts the test's client off from all replicas but these.
    pub fn talk_only_to(&mut self, replicas: impl IntoIterator<Item = ReplicaId>) {
        let these: ReplicaSet = replicas.into_iter().collect();
        let client = Node::client(self.clients.scripted());
        for id in self.engine.ids() {
            let node = Node::from(id);
            self.engine.network.mend_all(client, node);
            self.engine.network.mend_all(node, client);
            if !these.contains(id) {
                self.engine.network.cut(client, node);
                self.engine.network.cut(node, client);
            }
        }
    }

    /// Mends every link between replicas.
    pub fn mend(&mut self) {
        for one in self.engine.ids() {
            for other in self.engine.ids() {
                self.engine.network.mend_all(one.into(), other.into());
            }
        }
    }

    /// The links of a replica behave like this; `None`: like all others.
    pub fn degrade_links(&mut self, id: ReplicaId, profile: Option<LinkProfile>) {
        self.engine.network.set_profile(id.into(), profile);
    }

    /// What the world is made of.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.setup
    }
}
