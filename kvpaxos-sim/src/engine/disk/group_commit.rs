//! A disk with one log and group commit.
//!
//! One sync runs at a time, and covers everything that was written before it began. Messages that wait for a
//! write leave when that write and all earlier ones are durable, and not before: this is invariant A3 of the
//! core, nothing reveals state that is not synced.

use std::collections::VecDeque;

use kvpaxos::{Envelope, Role};

use crate::engine::decider::FileDecider;
use crate::engine::disk::log::{Damage, DamageOutcome, Log};

/// A write that waits for a sync.
struct Write<R, T> {
    role: Role,
    /// The role that wrote it has failed: its messages are not sent.
    void: bool,
    records: Vec<R>,
    /// The end of the log after this write, in units.
    end: usize,
    then: Vec<Envelope<T>>,
}

/// A disk with a log `L` of records `R`. Messages `T` wait for writes.
pub(crate) struct Disk<R, T, L> {
    log: L,
    /// How many units are durable.
    synced: usize,
    waiting: VecDeque<Write<R, T>>,
    /// How many of the waiting writes the running sync covers.
    syncing: usize,
    /// How many writes were handed in, and how many have settled, in this life of the process.
    written: u64,
    settled: u64,
    /// The disk replaces a lost one, as its superblock says, and no record is durable on it yet: a process
    /// that starts with it has lost its memory.
    replaces_lost: bool,
}

/// Whether a sync must begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SyncRequest {
    /// A sync must begin.
    Begin,
    /// No sync must begin: one is running, or nothing waits for one.
    None,
}

impl<R: Clone, T, L: Log<R>> Disk<R, T, L> {
    /// The disk of a new replica.
    #[must_use]
    pub(crate) fn new(log: L) -> Self {
        Disk::founded(log, false)
    }

    /// A disk that replaces a lost one.
    #[must_use]
    pub(crate) fn replacing(log: L) -> Self {
        Disk::founded(log, true)
    }

    fn founded(log: L, replaces_lost: bool) -> Self {
        Disk {
            synced: log.len(),
            log,
            waiting: VecDeque::new(),
            syncing: 0,
            written: 0,
            settled: 0,
            replaces_lost,
        }
    }

    /// Whether a process that starts with this disk has lost its memory: the disk replaces a lost one, and
    /// nothing was ever durable on it.
    #[must_use]
    pub(crate) fn replaces_lost(&self) -> bool {
        self.replaces_lost
    }

    /// Appends the records of a `Persist` effect. Without records it is a barrier: `then` waits for all
    /// earlier writes.
    pub(crate) fn write(&mut self, role: Role, records: Vec<R>, then: Vec<Envelope<T>>) -> SyncRequest {
        self.log.append(&records);
        self.written += 1;
        self.waiting.push_back(Write {
            role,
            void: false,
            records,
            end: self.log.len(),
            then,
        });
        if self.syncing > 0 {
            return SyncRequest::None;
        }
        self.syncing = self.waiting.len();
        SyncRequest::Begin
    }

    /// Whether no write waits for a sync: then a barrier is passed at once.
    #[must_use]
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The running sync has ended. Calls `durable` with each record that became durable, and appends to
    /// `released` what waited for them, in order.
    pub(crate) fn sync_done(
        &mut self,
        mut durable: impl FnMut(&R),
        released: &mut Vec<Envelope<T>>,
    ) -> SyncRequest {
        for _ in 0..std::mem::take(&mut self.syncing) {
            let Some(write) = self.waiting.pop_front() else {
                break;
            };
            assert!(write.end >= self.synced, "writes are synced in order");
            self.synced = write.end;
            self.settled += 1;
            write.records.iter().for_each(&mut durable);
            self.replaces_lost &= write.records.is_empty();
            if !write.void {
                released.extend(write.then);
            }
        }
        self.log.synced(self.synced);
        self.syncing = self.waiting.len();
        if self.syncing > 0 {
            SyncRequest::Begin
        } else {
            SyncRequest::None
        }
    }

    /// A role has failed: what waits for its writes is not sent. Returns the number of its last write, for
    /// [`has_settled`](Disk::has_settled).
    pub(crate) fn fail(&mut self, role: Role) -> u64 {
        for write in self.waiting.iter_mut().filter(|write| write.role == role) {
            write.void = true;
        }
        self.written
    }

    /// Whether all writes up to this number are durable.
    #[must_use]
    pub(crate) fn has_settled(&self, last_write: u64) -> bool {
        self.settled >= last_write
    }

    /// Whether a write of the role waits for a sync.
    #[must_use]
    pub(crate) fn has_waiting(&self, role: Role) -> bool {
        self.waiting.iter().any(|write| write.role == role)
    }

    /// See [`Log::mark`].
    pub(crate) fn mark(&mut self) {
        self.log.mark();
    }

    /// See [`Log::unmarked`].
    #[must_use]
    pub(crate) fn unmarked(&self) -> usize {
        self.log.unmarked()
    }

    /// See [`Log::files_begun`].
    #[must_use]
    pub(crate) fn files_begun(&self) -> u64 {
        self.log.files_begun()
    }

    /// How many units are not durable.
    #[must_use]
    pub(crate) fn unsynced(&self) -> usize {
        self.log.len() - self.synced
    }

    /// The records that a role reads which restarts in a running process: those that are durable, and those
    /// of `visible` units beyond.
    #[must_use]
    pub(crate) fn read(&self, visible: usize) -> Option<Vec<R>> {
        self.log.read(self.synced + visible)
    }

    /// The process has crashed. About `surviving` of the units that were not durable are left; all writes
    /// have settled. Returns the records that are left although they had not been reported as durable (`None`
    /// if the log cannot be read), and the number of writes that were lost in whole or in part.
    pub(crate) fn crash(
        &mut self,
        surviving: usize,
        decider: &mut FileDecider<'_>,
    ) -> (Option<Vec<R>>, usize) {
        self.log.crash(self.synced, surviving, decider);
        let left = self.log.recover(self.synced).map(|recovered| {
            let mut records = recovered.records;
            records.split_off(records.len() - recovered.fresh)
        });
        self.replaces_lost &= left.as_ref().is_none_or(Vec::is_empty);
        let units = self.log.len();
        let lost = self.waiting.iter().filter(|write| write.end > units).count();
        self.synced = units;
        self.log.synced(units);
        self.waiting.clear();
        self.syncing = 0;
        self.written = 0;
        self.settled = 0;
        (left, lost)
    }

    /// Loses the last synced records without a trace, while no process runs. Returns how many.
    pub(crate) fn lose_silently(&mut self, records: usize) -> usize {
        let gone = self.log.lose_silently(records);
        self.synced = self.log.len();
        gone
    }

    /// Damages synced data while no process runs.
    pub(crate) fn damage(&mut self, how: Damage, decider: &mut FileDecider<'_>) -> DamageOutcome {
        let outcome = self.log.damage(how, decider);
        // The log may end earlier now, where nothing was lost that is still needed.
        self.synced = self.log.len();
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::disk::list::List;
    use crate::engine::disk::log::Format;

    use kvpaxos::ReplicaId;

    type Plain = Disk<u32, &'static str, List<u32>>;

    fn plain() -> Plain {
        Disk::new(List::found(ReplicaId(0), 0, Format::Plain))
    }
    const OTHER: ReplicaId = ReplicaId(1);

    fn to(message: &'static str) -> Envelope<&'static str> {
        Envelope { to: OTHER, message }
    }

    #[test]
    fn what_waits_leaves_in_order_when_all_before_it_is_durable() {
        let mut disk = plain();
        assert_eq!(
            disk.write(Role::Acceptor, vec![1], vec![to("a")]),
            SyncRequest::Begin
        );
        assert_eq!(
            disk.write(Role::Acceptor, vec![2], vec![to("b")]),
            SyncRequest::None
        );
        assert_eq!(
            disk.write(Role::Proposer, vec![], vec![to("c")]),
            SyncRequest::None
        );
        let (mut durable, mut released) = (Vec::new(), Vec::new());
        assert_eq!(
            disk.sync_done(|r| durable.push(*r), &mut released),
            SyncRequest::Begin
        );
        assert_eq!((durable.as_slice(), released.len()), (&[1][..], 1));
        assert_eq!(
            disk.sync_done(|r| durable.push(*r), &mut released),
            SyncRequest::None
        );
        assert_eq!(durable, [1, 2]);
        assert_eq!(released.iter().map(|e| e.message).collect::<String>(), "abc");
    }

    #[test]
    fn a_failed_role_is_owed_nothing_but_its_writes_settle() {
        let mut disk = plain();
        disk.write(Role::Acceptor, vec![1], vec![to("a")]);
        disk.write(Role::Proposer, vec![2], vec![to("b")]);
        let last_write = disk.fail(Role::Acceptor);
        assert!(!disk.has_settled(last_write));
        let mut released = Vec::new();
        disk.sync_done(|_| (), &mut released);
        disk.sync_done(|_| (), &mut released);
        assert!(disk.has_settled(last_write));
        assert_eq!(released, [to("b")]);
        assert_eq!(disk.read(0), Some(vec![1, 2]));
    }

    #[test]
    fn a_crash_loses_a_suffix_of_what_was_not_synced() {
        for (surviving, left) in [(0, vec![1]), (1, vec![1, 2]), (2, vec![1, 2, 3])] {
            let mut disk = plain();
            disk.write(Role::Acceptor, vec![1], vec![]);
            disk.sync_done(|_| (), &mut Vec::new());
            disk.write(Role::Acceptor, vec![2], vec![]);
            disk.write(Role::Acceptor, vec![3], vec![]);
            let mut seeded = crate::engine::decider::Seeded::new(1);
            let mut decider = FileDecider {
                decider: &mut seeded,
                replica: OTHER,
            };
            let (fresh, lost) = disk.crash(surviving, &mut decider);
            assert_eq!((fresh, lost), (Some(left[1..].to_vec()), 2 - surviving));
            assert_eq!(disk.read(0), Some(left.clone()));
            assert!(disk.is_idle());
            assert_eq!(disk.unsynced(), 0);
            disk.write(Role::Acceptor, vec![9], vec![]);
            disk.sync_done(|_| (), &mut Vec::new());
            assert_eq!(disk.read(0).unwrap().len(), left.len() + 1);
        }
    }
}
