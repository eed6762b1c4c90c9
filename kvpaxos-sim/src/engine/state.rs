//! The engine's state, and what can be asked of it.

use std::collections::BTreeSet;

use kvpaxos::{Envelope, ReplicaId, Role, Time};
use serde::Serialize;

use crate::engine::decider::{Decider, Decision, Stream};
use crate::engine::digest::{Digest, EntryKind};
use crate::engine::disk::{Format, Log};
use crate::engine::host::{Host, RoleState};
use crate::engine::latency::Table;
use crate::engine::machine::{EffectOf, Machine};
use crate::engine::network::{LinkProfile, Network};
use crate::engine::observer::Observer;
use crate::engine::pending::{Alarm, Pending};
use crate::engine::queue::Queue;

/// How much was simulated.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize)]
pub struct Counts {
    /// Events taken from the queue.
    pub events: u64,
    /// Messages between replicas that were due, whether they arrived or not.
    pub messages: u64,
    /// Requests and replies of clients that were due, whether they arrived or not.
    pub client_messages: u64,
    /// Clock events that reached a machine.
    pub ticks: u64,
    /// Syncs that ended.
    pub syncs: u64,
}

/// What all hosts of an engine begin with.
#[derive(Clone, Copy, Debug)]
pub struct Environment {
    /// How links behave.
    pub links: LinkProfile,
    /// How long syncs take.
    pub sync: Table,
    /// The format of logs.
    pub format: Format,
}

/// Machines of kind `M` on simulated hosts, observed by an `O`. See the module.
pub struct Engine<M: Machine, O = ()> {
    pub(super) now: Time,
    pub(super) queue: Queue<Pending<M>>,
    pub(super) hosts: Vec<Host<M>>,
    /// The network.
    pub network: Network,
    /// Broken connections whose clients have not been told yet.
    pub(super) broken: BTreeSet<(u32, ReplicaId)>,
    pub(super) format: Format,
    pub(super) decider: Box<dyn Decider + Send>,
    pub(super) digest: Digest,
    pub(super) counts: Counts,
    pub(super) released: Vec<Envelope<M::Message>>,
    /// A buffer for the effects of a step.
    pub(super) effects: Vec<EffectOf<M>>,
    /// The observer.
    pub observer: O,
}

impl<M: Machine, O: Observer<M>> Engine<M, O> {
    /// An engine with a host for each configuration, in the order of their ids. No process runs yet.
    ///
    /// # Panics
    /// If there are more than [`kvpaxos::types::MAX_REPLICAS`].
    #[must_use]
    pub fn new(
        configs: Vec<M::Config>,
        environment: Environment,
        mut decider: Box<dyn Decider + Send>,
        observer: O,
    ) -> Engine<M, O> {
        assert!(
            configs.len() <= kvpaxos::types::MAX_REPLICAS,
            "an engine has at most {} hosts",
            kvpaxos::types::MAX_REPLICAS
        );
        let Environment { links, sync, format } = environment;
        let hosts = (0u8..)
            .map(ReplicaId)
            .zip(configs)
            .map(|(id, config)| Host::new(config, sync, found::<M>(id, format, &mut *decider)))
            .collect();
        Engine {
            now: Time(0),
            queue: Queue::default(),
            hosts,
            network: Network::new(links),
            broken: BTreeSet::new(),
            format,
            decider,
            digest: Digest::default(),
            counts: Counts::default(),
            released: Vec::new(),
            effects: Vec::new(),
            observer,
        }
    }

    /// A log for a host that is new, or claims to be.
    pub(super) fn new_log(&mut self, id: ReplicaId) -> M::Log {
        found::<M>(id, self.format, &mut *self.decider)
    }

    /// An empty log for a host whose disk was lost.
    pub(super) fn found(&mut self, id: ReplicaId) -> M::Log {
        let (log, _) = found_log(id, self.format, &mut *self.decider);
        log
    }

    /// The simulated time.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// The rolling digest over all events so far.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest.value()
    }

    /// Adds an entry to the digest for an event outside the engine, such as a fault.
    pub fn add_to_digest(&mut self, kind: EntryKind, numbers: [u64; 3]) {
        self.digest.add(kind, numbers);
    }

    /// How much was simulated so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The decider.
    pub fn decider(&mut self) -> &mut (dyn Decider + Send + 'static) {
        &mut *self.decider
    }

    /// The ids of all hosts.
    pub fn ids(&self) -> impl Iterator<Item = ReplicaId> + use<M, O> {
        (0u8..).take(self.hosts.len()).map(ReplicaId)
    }

    /// The machine of a host; `None` if its process is down.
    #[must_use]
    pub fn machine(&self, id: ReplicaId) -> Option<&M> {
        self.host(id).machine.as_ref()
    }

    /// Whether the process of a host is paused.
    #[must_use]
    pub fn is_paused(&self, id: ReplicaId) -> bool {
        self.host(id).paused
    }

    /// The state of a role.
    #[must_use]
    pub fn role(&self, id: ReplicaId, role: Role) -> RoleState {
        self.host(id).roles[role as usize]
    }

    /// The records that are durable on a host's disk; `None` if its log is damaged.
    #[must_use]
    pub fn durable_records(&self, id: ReplicaId) -> Option<Vec<M::Record>> {
        self.host(id).disk.read(0)
    }

    /// How many units of a host's log are synced but not noted elsewhere as synced; see [`Log::unmarked`].
    #[must_use]
    pub fn unmarked(&self, id: ReplicaId) -> usize {
        self.host(id).disk.unmarked()
    }

    pub(super) fn host(&self, id: ReplicaId) -> &Host<M> {
        &self.hosts[usize::from(id.0)]
    }

    pub(super) fn host_mut(&mut self, id: ReplicaId) -> &mut Host<M> {
        &mut self.hosts[usize::from(id.0)]
    }

    /// When the next event is due; `None` if the queue is empty.
    #[must_use]
    pub fn next_at(&self) -> Option<Time> {
        self.queue.next_at()
    }

    /// Sets an alarm: [`advance`](Engine::advance) returns it when its time has come.
    ///
    /// # Panics
    /// If that time has passed.
    pub fn alarm(&mut self, at: Time, alarm: Alarm) {
        assert!(at >= self.now, "an alarm must not be set for the past");
        if alarm.comes_first() {
            self.queue.push_first(at, Pending::Alarm(alarm));
        } else {
            self.queue.push(at, Pending::Alarm(alarm));
        }
    }
}

/// The log of a new machine, with its first records synced.
fn found<M: Machine>(id: ReplicaId, format: Format, decider: &mut (dyn Decider + Send + 'static)) -> M::Log {
    let (mut log, seed): (M::Log, u64) = found_log(id, format, decider);
    log.append(&M::founds(seed));
    log.synced(log.len());
    log.mark();
    log
}

fn found_log<R, L: Log<R>>(
    id: ReplicaId,
    format: Format,
    decider: &mut (dyn Decider + Send + 'static),
) -> (L, u64) {
    let seed = decider.below(Stream::Disk(id), Decision::Entropy, u64::MAX);
    (L::found(id, seed, format), seed)
}
