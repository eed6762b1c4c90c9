//! The one thread that owns the disk: it appends the records of everyone, syncs once for all who wait (group commit), and
//! tells the event loop, which goes on stepping meanwhile. Where descriptors or memory are missing it waits ([`crate::system::shortage`]); what a
//! disk refuses is fatal.
//!
//! A log cannot tell by itself whether its last writes were never synced or the disk lost them after they were. The *mark* tells, which
//! stands in another file ([`kvpaxos::wal`]). Nobody waits for it, so it lags: it is renewed at least every [`RENEWAL`] while syncs go
//! on, and when there was nothing to write for [`IDLE`].

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
use crate::system::shortage::Patience;

/// How far the mark may lag while syncs go on. To renew it takes as long as some syncs.
const RENEWAL: Duration = Duration::from_millis(200);
/// For how long there must be nothing to write until the mark is renewed: a client that asks again as soon as it is answered does not wait
/// for it.
const IDLE: Duration = Duration::from_millis(10);

/// Numbers the batches of records that went to the disk thread.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Ticket(u64);

/// What the disk thread tells the event loop.
#[derive(Debug)]
pub(crate) enum DiskEvent {
    /// The batch, and all before it, are durable.
    Settled(Ticket),
    /// What a role that restarts finds.
    ReadBack { role: Role, memory: Memory },
    /// Nothing more can be made durable; the replica must stop.
    Failed(LogError),
}

enum Job {
    Append {
        ticket: Ticket,
        records: Vec<Record>,
        /// Something waits for these records to be durable.
        awaited: bool,
        size: usize,
    },
    ReadBack(Role),
}

/// The event loop's end: gathers the records of a batch of steps into one job.
pub(crate) struct Disk {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    /// The batch being gathered.
    current: Ticket,
    records: Vec<Record>,
    size: usize,
    awaited: bool,
    /// The last batch with records in it, sent or being gathered.
    last_written: Ticket,
    settled: Ticket,
    /// Bytes of records that are not written yet; the thread takes off what it wrote.
    backlog: Arc<AtomicUsize>,
    /// How long the thread waits for what the system has none of.
    patience: Patience,
}

impl Disk {
    /// Starts the thread on a log.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub(crate) fn start(mut log: Log, events: UnboundedSender<DiskEvent>) -> io::Result<Disk> {
        let (jobs, inbox) = mpsc::channel();
        let backlog = Arc::new(AtomicUsize::new(0));
        let written = Arc::clone(&backlog);
        let patience = Patience::unbounded();
        log.wait_with(patience.clone());
        let teller = Teller {
            events,
            patience: patience.clone(),
        };
        let thread = std::thread::Builder::new()
            .name("kvpaxos-disk".to_owned())
            .spawn(move || {
                let mut worker = Worker {
                    log,
                    teller,
                    backlog: written,
                    renewed: Instant::now(),
                };
                if let Err(error) = worker.run(&inbox) {
                    worker.teller.fail(error);
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
            patience,
        })
    }

    /// Adds records to the batch being gathered. If something waits for them, and they or earlier ones are not durable
    /// yet, answers with the ticket to wait for.
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

    /// Sends the batch on its way.
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

    /// Asks for what a role finds when it restarts: all records, once everything appended so far is durable.
    pub(crate) fn read_back(&mut self, role: Role) {
        self.flush();
        self.send(Job::ReadBack(role));
    }

    /// The thread has told that this batch is durable.
    pub(crate) fn on_settled(&mut self, ticket: Ticket) {
        self.settled = self.settled.max(ticket);
    }

    /// Bytes of records on their way to the disk.
    pub(crate) fn backlog(&self) -> usize {
        self.backlog.load(Ordering::Relaxed)
    }

    /// Writes and syncs what is left, and waits for the thread to end. It does not wait for descriptors or memory any more: what is not
    /// written then was acknowledged to nobody.
    pub(crate) fn finish(&mut self) {
        self.patience.end();
        self.flush();
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the disk thread panicked; what was not synced may be lost");
        }
    }

    fn send(&self, job: Job) {
        // A thread that is gone has told why, and the loop will hear it.
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

/// About how many bytes a record takes.
fn size(record: &Record) -> usize {
    32 + match record {
        Record::Accepted { value, .. } | Record::Learned { value, .. } => value.size(),
        Record::Carried(entry) => entry.value.size(),
        Record::SnapshotPart { bytes, .. } => bytes.len(),
        Record::Received(part) => part.bytes.len(),
        _ => 0,
    }
}

/// The thread's side.
struct Worker {
    log: Log,
    teller: Teller,
    backlog: Arc<AtomicUsize>,
    /// When the mark was last renewed.
    renewed: Instant,
}

/// Tells the event loop.
#[derive(Clone)]
struct Teller {
    events: UnboundedSender<DiskEvent>,
    patience: Patience,
}

impl Teller {
    fn tell(&self, event: DiskEvent) {
        // A loop that has stopped needs no answer.
        let _ = self.events.send(event);
    }

    fn fail(&self, error: LogError) {
        if self.patience.gave_up() {
            tracing::warn!(
                %error,
                "the replica stops while its log waits for what the system has not enough of: what was not written was acknowledged to \
                 nobody, and the next start goes on from what was"
            );
        } else {
            self.tell(DiskEvent::Failed(error));
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
            // What nobody waits for (hints that save work after a restart) goes along with the next sync.
            if awaited.is_some() || !restarts.is_empty() {
                self.log.sync()?;
            }
            if let Some(ticket) = awaited {
                #[cfg(test)]
                tape::note(self.log.directory(), || Note::Told);
                self.teller.tell(DiskEvent::Settled(ticket));
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

    /// The next job; `None` when there will be no more. The mark catches up if there is none for a while.
    fn wait(&mut self, inbox: &Receiver<Job>) -> Result<Option<Job>, LogError> {
        loop {
            if self.log.is_marked() {
                return Ok(inbox.recv().ok());
            }
            match inbox.recv_timeout(IDLE) {
                Ok(job) => return Ok(Some(job)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {
                    // What nobody waits for, too: nothing else has a use for the disk now.
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

    /// Reads in a thread of its own: what is durable does not change, and the other roles' writes must not wait for it.
    fn read_back(&self, role: Role) -> Result<(), LogError> {
        let begin = || {
            let reader = self.log.reader();
            let teller = self.teller.clone();
            let thread = std::thread::Builder::new().name("kvpaxos-read".to_owned());
            thread.spawn(move || match reader.memory() {
                Ok(memory) => teller.tell(DiskEvent::ReadBack { role, memory }),
                Err(error) => teller.fail(error),
            })
        };
        let begun = self.teller.patience.attempt(self.log.directory(), begin);
        begun
            .map(drop)
            .map_err(|error| self.log.error("read back", error))
    }
}

#[cfg(test)]
mod tests;
