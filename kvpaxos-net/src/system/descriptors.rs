//! How many descriptors the process may have, and how many of them clients may take: the log, the peers and the
//! listeners need some whatever clients do. A new segment of the log that finds none must wait.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Raises the process's limit of open files as far as the system lets it (the soft limit to the hard one), and
/// returns the limit. `None` if there is none.
///
/// # Errors
/// If the system does not raise it.
#[cfg(unix)]
pub fn raise_descriptor_limit() -> io::Result<Option<u64>> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return Ok(current);
    }
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, raised)?;
    Ok(maximum)
}

/// Raises nothing: this system has no such limit.
///
/// # Errors
/// Never.
#[cfg(not(unix))]
pub fn raise_descriptor_limit() -> io::Result<Option<u64>> {
    Ok(None)
}

/// The limit of open files of this process; `None` if there is none.
#[cfg(unix)]
fn limit() -> Option<usize> {
    use rustix::process::{Resource, getrlimit};
    let limit = getrlimit(Resource::Nofile).current?;
    usize::try_from(limit).ok()
}

#[cfg(not(unix))]
fn limit() -> Option<usize> {
    None
}

/// Clients that are served however few descriptors there are: else nobody could ask what is wrong.
pub(crate) const FEWEST_CLIENTS: usize = 16;

/// What the replicas of this process keep for themselves.
static RESERVED: AtomicUsize = AtomicUsize::new(0);
/// The connections of clients in this process.
static CLIENTS: AtomicUsize = AtomicUsize::new(0);

/// Descriptors that are kept from clients, for one replica. Given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Reserve {
    count: usize,
}

impl Reserve {
    pub(crate) fn new(count: usize) -> Reserve {
        RESERVED.fetch_add(count, Ordering::Relaxed);
        Reserve { count }
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        RESERVED.fetch_sub(self.count, Ordering::Relaxed);
    }
}

/// How many clients the process may have now; `None` if the system sets no limit.
pub(crate) fn room() -> Option<usize> {
    let room = limit()?.saturating_sub(RESERVED.load(Ordering::Relaxed));
    Some(room.max(FEWEST_CLIENTS))
}

/// The descriptor of a client's connection. Given back when it is dropped.
#[derive(Debug)]
pub(crate) struct ClientDescriptor(());

impl ClientDescriptor {
    /// Takes one of at most `room`; `None` if there is none left.
    pub(crate) fn take(room: Option<usize>) -> Option<ClientDescriptor> {
        let taken = CLIENTS.fetch_add(1, Ordering::Relaxed);
        let descriptor = ClientDescriptor(());
        if room.is_some_and(|room| taken >= room) {
            return None;
        }
        Some(descriptor)
    }
}

impl Drop for ClientDescriptor {
    fn drop(&mut self) {
        CLIENTS.fetch_sub(1, Ordering::Relaxed);
    }
}
