//! A disk: one log, group commit, and what a crash leaves of it.
//!
//! What is written is synced by and by: one sync runs at a time and covers all that was written before it began. What
//! waits for a write (`then`) leaves when that write and all before it are durable, and not before (A3).

use std::collections::VecDeque;

use kvpaxos::{Envelope, Role};

use crate::engine::decider::FileDecider;
use crate::engine::disk::log::{Damage, DamageOutcome, Log};

/// One `Persist` on its way to the disk.
struct Write<R, T> {
    role: Role,
    /// The role that wrote it failed meanwhile: nobody waits for it any more.
    void: bool,
    records: Vec<R>,
    /// Where the log ends with it, in units.
    end: usize,
    then: Vec<Envelope<T>>,
}

/// A disk with a log of records `R`; messages `T` wait for writes.
pub(crate) struct Disk<R, T, L> {
    log: L,
    /// Units that are durable.
    synced: usize,
    waiting: VecDeque<Write<R, T>>,
    /// How many of those that wait the running sync covers.
    syncing: usize,
    /// Writes handed in, and settled, so far in this life of the process.
    written: u64,
    settled: u64,
    /// It replaces a disk that was lost, as its superblock says, and no record of its own is durable yet: whoever starts with it has lost
    /// its memory.
    replaces_lost: bool,
}

/// What to do after a write was handed in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SyncRequest {
    /// Begin a sync: none is running.
    Begin,
    /// Nothing: a sync is running.
    None,
}

impl<R: Clone, T, L: Log<R>> Disk<R, T, L> {
    /// A disk with a new log, of a replica that is new.
    #[must_use]
    pub(crate) fn new(log: L) -> Self {
        Disk::founded(log, false)
    }

    /// A disk with a new log, in the place of one that was lost.
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

    /// Whether a process that starts has lost its memory, as far as the disk's superblock knows: nothing was ever durable here.
    #[must_use]
    pub(crate) fn replaces_lost(&self) -> bool {
        self.replaces_lost
    }

    /// Appends the records of one `Persist`; an empty one is a barrier.
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

    /// Whether a barrier handed in now would leave at once: nothing waits.
    #[must_use]
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The running sync is done: calls `durable` with each record that became so, and hands out what waited for them, in
    /// order. Tells whether another sync must begin.
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

    /// The role failed: what waits for its writes is void. Returns the mark that [`has_settled`](Disk::has_settled)
    /// takes.
    pub(crate) fn fail(&mut self, role: Role) -> u64 {
        for write in self.waiting.iter_mut().filter(|write| write.role == role) {
            write.void = true;
        }
        self.written
    }

    /// Whether all writes before the mark are on the disk.
    #[must_use]
    pub(crate) fn has_settled(&self, mark: u64) -> bool {
        self.settled >= mark
    }

    /// Whether a write of the role is on its way.
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

    /// Units that are not durable.
    #[must_use]
    pub(crate) fn unsynced(&self) -> usize {
        self.log.len() - self.synced
    }

    /// What a role that restarts in a running process reads: all that is durable, and `visible` units of what is not.
    #[must_use]
    pub(crate) fn read(&self, visible: usize) -> Option<Vec<R>> {
        self.log.read(self.synced + visible)
    }

    /// The process is gone: of what was not durable about `surviving` units are left. Everything has settled.
    /// Returns the records that are left and were not known to be durable (`None` if the log cannot be read), and how many writes were
    /// lost at least in part.
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

    /// The last records that were synced are lost in silence while no process runs. Tells how many.
    pub(crate) fn forget(&mut self, records: usize) -> usize {
        let gone = self.log.forget(records);
        self.synced = self.log.len();
        gone
    }

    /// Something that was synced is damaged while no process runs.
    pub(crate) fn damage(&mut self, how: Damage, decider: &mut FileDecider<'_>) -> DamageOutcome {
        let outcome = self.log.damage(how, decider);
        // What a process will find there may end earlier, where nothing was lost that counts.
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
        let mark = disk.fail(Role::Acceptor);
        assert!(!disk.has_settled(mark));
        let mut released = Vec::new();
        disk.sync_done(|_| (), &mut released);
        disk.sync_done(|_| (), &mut released);
        assert!(disk.has_settled(mark));
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
