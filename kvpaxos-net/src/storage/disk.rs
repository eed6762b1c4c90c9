//! The thread that owns the disk. It appends the records of all roles, syncs once for everyone who waits
//! (group commit), and tells the event loop, which goes on stepping meanwhile. A shortage of descriptors or
//! memory is waited for ([`crate::system::shortage`]); a failure of the disk is fatal.
//!
//! A log cannot tell by itself whether its last writes were never synced, or were lost by the disk
//! afterwards. The *mark* tells; it stands in another file ([`kvpaxos::wal`]). Nobody waits for it, so it
//! lags behind. It is renewed at least every [`RENEWAL`] while syncs go on, and after nothing was written for
//! [`IDLE`].

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kvpaxos::{Memory, Record, Role};
use tokio::sync::mpsc::UnboundedSender;

#[cfg(test)]
use crate::power::tape::{self, Note};
use crate::storage::error::LogError;
use crate::storage::log::Log;
use crate::system::shortage::ShortagePolicy;

/// How far the mark may lag while syncs go on. Renewing it takes as long as a few syncs.
const RENEWAL: Duration = Duration::from_millis(200);
/// How long nothing must have been written before the mark is renewed. Long enough that a client which asks
/// again as soon as it is answered does not wait for the mark.
const IDLE: Duration = Duration::from_millis(10);

/// The number of a batch of records that went to the disk thread.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Ticket(pub(crate) u64);

/// What the disk thread tells the event loop.
#[derive(Debug)]
pub(crate) enum DiskEvent {
    /// This batch and all earlier ones are durable.
    Settled(Ticket),
    /// The memory of a role that restarts.
    ReadBack { role: Role, memory: Memory },
    /// Nothing more can be made durable; the replica must stop.
    Failed(LogError),
}

enum Job {
    Append {
        ticket: Ticket,
        records: Vec<Record>,
        /// Whether anything waits for these records to be durable.
        awaited: bool,
        size: usize,
    },
    ReadBack(Role),
}

/// The event loop's end of the disk thread. It gathers the records of a batch of steps into one job.
pub(crate) struct Disk {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    /// The batch that is being gathered.
    current: Ticket,
    records: Vec<Record>,
    size: usize,
    awaited: bool,
    /// The last batch that has records, sent or being gathered.
    last_written: Ticket,
    settled: Ticket,
    /// Bytes of records that are not written yet; the thread subtracts what it writes.
    backlog: Arc<AtomicUsize>,
    /// Shared with the thread, so that it stops waiting when the replica stops.
    on_shortage: ShortagePolicy,
}

impl Disk {
    /// Starts the thread on a log.
    ///
    /// # Errors
    /// If the system starts no thread.
    pub(crate) fn start(mut log: Log, events: UnboundedSender<DiskEvent>) -> io::Result<Disk> {
        let (jobs, inbox) = mpsc::channel();
        let backlog = Arc::new(AtomicUsize::new(0));
        let written = Arc::clone(&backlog);
        let on_shortage = ShortagePolicy::wait_until_stopped();
        log.set_shortage_policy(on_shortage.clone());
        let reports = DiskReports {
            events,
            on_shortage: on_shortage.clone(),
        };
        let thread = std::thread::Builder::new()
            .name("kvpaxos-disk".to_owned())
            .spawn(move || {
                let mut worker = Worker {
                    log,
                    reports,
                    backlog: written,
                    renewed: Instant::now(),
                };
                if let Err(error) = worker.run(&inbox) {
                    worker.reports.fail(error);
                }
            })?;
        Ok(Disk {
            jobs: Some(jobs),
            thread: Some(thread),
            current: Ticket(1),
            records: Vec::new(),
            size: 0,
            awaited: false,
            last_written: Ticket(0),
            settled: Ticket(0),
            backlog,
            on_shortage,
        })
    }

    /// Adds records to the batch that is being gathered. If something waits for them, and they or earlier
    /// ones are not durable yet, returns the ticket to wait for.
    pub(crate) fn append(&mut self, records: Vec<Record>, awaited: bool) -> Option<Ticket> {
        if !records.is_empty() {
            let size: usize = records.iter().map(size).sum();
            self.size += size;
            self.backlog.fetch_add(size, Ordering::Relaxed);
            self.last_written = self.current;
            if self.records.is_empty() {
                self.records = records;
            } else {
                self.records.extend(records);
            }
        }
        if !awaited || self.settled >= self.last_written {
            return None;
        }
        self.awaited = true;
        Some(self.current)
    }

    /// Sends the batch to the thread.
    pub(crate) fn flush(&mut self) {
        if self.records.is_empty() && !self.awaited {
            return;
        }
        let ticket = self.current;
        self.current = Ticket(ticket.0 + 1);
        let job = Job::Append {
            ticket,
            records: std::mem::take(&mut self.records),
            awaited: std::mem::take(&mut self.awaited),
            size: std::mem::take(&mut self.size),
        };
        self.send(job);
    }

    /// Asks for the memory of a role that restarts: all records, once everything that was appended is
    /// durable.
    pub(crate) fn read_back(&mut self, role: Role) {
        self.flush();
        self.send(Job::ReadBack(role));
    }

    /// The thread has reported that this batch is durable.
    pub(crate) fn on_settled(&mut self, ticket: Ticket) {
        self.settled = self.settled.max(ticket);
    }

    /// Bytes of records on their way to the disk.
    pub(crate) fn backlog(&self) -> usize {
        self.backlog.load(Ordering::Relaxed)
    }

    /// Writes and syncs what is left, and waits for the thread to end. The thread no longer waits for
    /// descriptors or memory: what it cannot write was acknowledged to nobody.
    pub(crate) fn finish(&mut self) {
        self.on_shortage.stop();
        self.flush();
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the disk thread panicked; what was not synced may be lost");
        }
    }

    fn send(&self, job: Job) {
        // A thread that has ended has reported why, and the event loop will hear it.
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(job);
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.finish();
    }
}

/// About how many bytes a record takes on disk.
fn size(record: &Record) -> usize {
    32 + match record {
        Record::Accepted { value, .. } | Record::Learned { value, .. } => value.size(),
        Record::Carried(entry) => entry.value.size(),
        Record::SnapshotPart { bytes, .. } => bytes.len(),
        Record::Received(part) => part.bytes.len(),
        _ => 0,
    }
}

/// The thread's end.
struct Worker {
    log: Log,
    reports: DiskReports,
    backlog: Arc<AtomicUsize>,
    /// When the mark was last renewed.
    renewed: Instant,
}

/// DiskReports to the event loop.
#[derive(Clone)]
struct DiskReports {
    events: UnboundedSender<DiskEvent>,
    on_shortage: ShortagePolicy,
}

impl DiskReports {
    fn send(&self, event: DiskEvent) {
        // An event loop that has stopped needs no report.
        let _ = self.events.send(event);
    }

    fn fail(&self, error: LogError) {
        if self.on_shortage.gave_up() {
            tracing::warn!(
                %error,
                "the replica stops during a shortage of descriptors or memory: what was not written was \
                 acknowledged to nobody, and the next start goes on from what was written"
            );
        } else {
            self.send(DiskEvent::Failed(error));
        }
    }
}

impl Worker {
    fn run(&mut self, inbox: &Receiver<Job>) -> Result<(), LogError> {
        while let Some(first) = self.wait(inbox)? {
            let mut awaited = None;
            let mut restarts = Vec::new();
            let mut written = 0;
            for job in std::iter::once(first).chain(inbox.try_iter()) {
                match job {
                    Job::Append {
                        ticket,
                        records,
                        awaited: waits,
                        size,
                    } => {
                        self.log.append(&records);
                        written += size;
                        if waits {
                            awaited = Some(ticket);
                        }
                    }
                    Job::ReadBack(role) => restarts.push(role),
                }
            }
            self.log.write()?;
            self.backlog.fetch_sub(written, Ordering::Relaxed);
            // Records that nobody waits for (hints that save work after a restart) become durable with the
            // next sync.
            if awaited.is_some() || !restarts.is_empty() {
                self.log.sync()?;
            }
            if let Some(ticket) = awaited {
                #[cfg(test)]
                tape::note(self.log.directory(), || Note::Acknowledged);
                self.reports.send(DiskEvent::Settled(ticket));
            }
            for role in restarts {
                self.read_back(role)?;
            }
            if self.renewed.elapsed() >= RENEWAL {
                self.renew()?;
            }
        }
        self.log.close()
    }

    /// Waits for the next job; returns `None` when there will be no more. Meanwhile the mark catches up.
    fn wait(&mut self, inbox: &Receiver<Job>) -> Result<Option<Job>, LogError> {
        loop {
            if self.log.is_marked() {
                return Ok(inbox.recv().ok());
            }
            match inbox.recv_timeout(IDLE) {
                Ok(job) => return Ok(Some(job)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {
                    // This also syncs records that nobody waits for: the disk has nothing else to do now.
                    self.log.sync()?;
                    self.renew()?;
                }
            }
        }
    }

    fn renew(&mut self) -> Result<(), LogError> {
        self.log.keep_mark()?;
        self.renewed = Instant::now();
        Ok(())
    }

    /// Reads in a thread of its own: durable bytes do not change, and the writes of other roles must not
    /// wait.
    fn read_back(&self, role: Role) -> Result<(), LogError> {
        let spawn = || {
            let reader = self.log.reader();
            let reports = self.reports.clone();
            let thread = std::thread::Builder::new().name("kvpaxos-read".to_owned());
            thread.spawn(move || match reader.memory() {
                Ok(memory) => reports.send(DiskEvent::ReadBack { role, memory }),
                Err(error) => reports.fail(error),
            })
        };
        let spawned = self.reports.on_shortage.attempt(self.log.directory(), spawn);
        spawned
            .map(drop)
            .map_err(|error| self.log.error("read back", error))
    }
}

#[cfg(test)]
mod tests;
