//! Where the records of a replica go: to the disk thread, or nowhere.

use kvpaxos::{Memory, Record, Role};
use tokio::sync::mpsc::UnboundedSender;

use crate::storage::disk::{Disk, DiskEvent, Ticket};

/// What takes the records of the event loop.
pub(crate) enum Storage {
    /// They become durable.
    Disk(Disk),
    /// They are not kept: what waits for them leaves at once, and a role that fails has lost its memory.
    Process(UnboundedSender<DiskEvent>),
}

impl Storage {
    /// See [`Disk::append`]. Without a disk there is nothing to wait for.
    pub(crate) fn append(&mut self, records: Vec<Record>, awaited: bool) -> Option<Ticket> {
        match self {
            Storage::Disk(disk) => disk.append(records, awaited),
            Storage::Process(_) => None,
        }
    }

    /// Sends the gathered records to the disk.
    pub(crate) fn flush(&mut self) {
        if let Storage::Disk(disk) = self {
            disk.flush();
        }
    }

    /// Asks for the memory of a role that restarts.
    pub(crate) fn read_back(&mut self, role: Role) {
        match self {
            Storage::Disk(disk) => disk.read_back(role),
            Storage::Process(events) => {
                let memory = Memory::Lost;
                // An event loop that has stopped needs no answer.
                let _ = events.send(DiskEvent::ReadBack { role, memory });
            }
        }
    }

    /// The disk has reported that this batch is durable.
    pub(crate) fn on_settled(&mut self, ticket: Ticket) {
        if let Storage::Disk(disk) = self {
            disk.on_settled(ticket);
        }
    }

    /// Bytes of records on their way to the disk.
    pub(crate) fn backlog(&self) -> usize {
        match self {
            Storage::Disk(disk) => disk.backlog(),
            Storage::Process(_) => 0,
        }
    }

    /// Writes and syncs what is left.
    pub(crate) fn finish(&mut self) {
        if let Storage::Disk(disk) = self {
            disk.finish();
        }
    }
}
