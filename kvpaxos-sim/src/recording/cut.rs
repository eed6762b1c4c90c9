//! A script that begins later, with checkpoints of all replicas that are made while it is played.
//!
//! The checkpoints with which recordings begin are of different times, and that of one replica depends on what others did
//! until then. If something of that is left out, they contradict it: a leader would propose another value in a slot than the
//! one for which a checkpoint has the vote. So everything up to a [common beginning](Script::find_common_beginning) stays. There, or
//! as much later as the violation still is found, every replica is written out, and a search for fewer inputs begins from that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kvpaxos::ReplicaId;
use kvpaxos::recording::Header;

use super::play::{Machine, Play};
use super::script::{Begun, Item, ItemId, Late, Script, Source, What};
use crate::invariants::Audit;

/// How much the clocks of two machines may differ, in microseconds.
const SKEW: u64 = 1_000_000;

impl Script {
    /// Finds up to where nothing may be left out. That is the time of the last checkpoint with which a recording begins. Clocks differ,
    /// but between two replicas messages arrive in the order in which they were sent: once one has arrived, the
    /// receiver's checkpoint has nothing of what its sender does afterwards.
    pub(super) fn find_common_beginning(&mut self) {
        let begins = |item: &&Arc<Item>| matches!(item.what, What::Resume { .. });
        let late = self.items.iter().filter(begins);
        let late: BTreeMap<ReplicaId, u64> = late.map(|item| (item.replica, item.at)).collect();
        let Some(last) = late.values().max() else { return };
        let mut heard = BTreeSet::new();
        for item in &self.items {
            let is_first = match &item.what {
                What::Message { from, source, .. } => {
                    let is_sent = *source != Source::Unrecorded && late.contains_key(&item.replica);
                    is_sent && heard.insert((*from, item.replica)) && item.at <= last.saturating_add(SKEW)
                }
                _ => false,
            };
            if item.at <= *last || is_first {
                self.fixed = self.fixed.max(item.id.saturating_add(1));
            }
        }
    }

    /// The place of the first item that may be left out.
    pub(super) fn common_beginning(&self) -> usize {
        let last = self.items.iter().rposition(|item| item.id < self.fixed);
        last.map_or(0, |place| place + 1)
    }

    /// The script from about this place on. It begins with checkpoints, as the replicas are there when it is played. `None` if there is
    /// no place from there on at which all of them run and can be written out.
    pub(super) fn beginning_at(&self, place: usize, audit: Audit) -> Option<Script> {
        let mut play = Play::new(self, audit, false);
        let mut done = play.run(self.items.get(..place)?, u64::MAX);
        let machines = loop {
            if play.audit.finding().is_some() {
                return None;
            }
            match play.written_out() {
                Some(machines) => break machines,
                None => done += play.run(self.items.get(done..=done)?, u64::MAX),
            }
        };
        let past = self.items.get(..done)?.iter().map(|item| item.id).max()?;
        let mut headers = self.headers.to_vec();
        let mut items = Vec::new();
        // Its number is that of an item before: there are more of them than replicas.
        for (id, (replica, machine)) in (0..).zip(machines) {
            let what = What::Resume {
                header: headers.len(),
                from: Arc::new(machine.from),
            };
            headers.push(machine.header);
            let at = machine.at;
            items.push(Arc::new(Item {
                id,
                replica,
                at,
                what,
            }));
        }
        let later = self.items.get(done..)?.iter();
        items.extend(
            later
                .filter(|item| item.id > past)
                .map(|item| without_past(item, past)),
        );
        Some(Script {
            headers: headers.into(),
            origin: self.origin,
            losses: self.losses,
            fixed: 0,
            items,
        })
    }
}

/// A replica that was written out.
struct WrittenOut {
    header: Header,
    at: u64,
    from: Late,
}

impl Play {
    /// Writes out all replicas that have begun. `None` if one is down, or cannot be written out now.
    fn written_out(&self) -> Option<Vec<(ReplicaId, WrittenOut)>> {
        let is_ready = |machine: &Machine| {
            let execution = machine.execution.as_ref();
            machine.runs() && execution.is_some_and(|execution| !execution.writes().is_gathering())
        };
        if !self.machines.values().all(is_ready) {
            return None;
        }
        let machines = self.machines.iter();
        machines
            .map(|(id, machine)| Some((*id, machine.write_out()?)))
            .collect()
    }
}

impl Machine {
    fn write_out(&self) -> Option<WrittenOut> {
        let execution = self.execution.as_ref()?;
        let header = self.header.clone()?;
        Some(WrittenOut {
            header: Header {
                // The first segment of a life has no checkpoint.
                segment: header.segment.max(2),
                ..header
            },
            at: self.at,
            from: Late {
                checkpoint: execution.checkpoint()?,
                digest: execution.digest(),
                log: self.disk.durable().map(<[_]>::to_vec),
                begun: Begun::default(),
            },
        })
    }
}

/// An item in a script that has nothing of the items up to `past`.
fn without_past(item: &Arc<Item>, past: ItemId) -> Arc<Item> {
    let mut what = item.what.clone();
    match &mut what {
        What::Message { source, .. } => match source {
            Source::Item { item: by, .. } if *by <= past => *source = Source::Unrecorded,
            _ => return Arc::clone(item),
        },
        What::Request { opened_by, .. } if opened_by.is_some_and(|by| by <= past) => *opened_by = None,
        What::Durable { flush, .. } if flush.is_some_and(|by| by <= past) => *flush = None,
        _ => return Arc::clone(item),
    }
    Arc::new(Item {
        what,
        ..Item::clone(item)
    })
}
