//! What the event loop tells, and what may leave only when that is written.
//!
//! A batch of inputs is written to the operating system before any of its effects leaves the process. So a kill -9 takes
//! nothing from a recording that another process has seen; only a machine that stops does. The write is done by the
//! event loop itself: a thread that lags behind would leave a gap at just the moment that one wants to see.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use kvpaxos::recording::{Header, Writer, Writes};
use kvpaxos::{
    ClientId, Config, Effect, Entropy, Envelope, Event, Memory, Replica, ReplicaId, Reply, Role, Time,
};

use crate::recording::checkpoint::{Captured, UnderWay, Written};
use crate::recording::files::Files;
use crate::recording::options::RecordOptions;
use crate::storage::disk::Ticket;

/// A segment ends when its inputs take so many times the bytes of its checkpoint.
const TIMES: u64 = 16;
/// The fewest bytes after which a segment ends, however small its checkpoint is.
const LEAST: u64 = 8 * 1024 * 1024;
/// Neither the inputs of a segment nor a checkpoint take more than the bound divided by this, but for the inputs that come while the
/// checkpoint is written.
const SHARE: u64 = 4;

/// What leaves the process.
pub(crate) enum Outgoing {
    /// A message to another replica.
    Message(Envelope),
    /// An answer to a client, given at this time.
    Reply(ClientId, Reply, Time),
}

/// How a life begins.
pub(crate) struct Life<'a> {
    pub(crate) cluster: u64,
    pub(crate) config: &'a Config,
    /// Whether it keeps its records on a disk.
    pub(crate) durable: bool,
    pub(crate) at: Time,
    pub(crate) memory: &'a Memory,
    pub(crate) entropy: Entropy,
}

/// Records the life of a replica, or nothing.
pub(crate) struct Recorder {
    id: ReplicaId,
    tape: Option<Tape>,
    /// What leaves once the inputs before it are written.
    held: Vec<Outgoing>,
}

/// The file that is written, and its bound.
struct Tape {
    writer: Writer,
    header: Header,
    files: Files,
    path: PathBuf,
    file: File,
    written: u64,
    bound: u64,
    /// At how many bytes of the present segment another one begins. Not before its checkpoint is written.
    ends_at: u64,
    /// The checkpoint of the present segment, while it is being written.
    checkpoint: Option<UnderWay>,
    /// Whether the replica was stepped since the last flush.
    stepped: bool,
    /// The time of the last input.
    last: Time,
    /// What waits for the disk.
    writes: Writes,
    /// A role that has failed, whose messages are void once the replica has heard itself.
    failed: Option<Role>,
}

impl Recorder {
    /// Records nothing.
    pub(crate) fn off(id: ReplicaId) -> Recorder {
        Recorder {
            id,
            tape: None,
            held: Vec::new(),
        }
    }

    /// Begins the file of a life.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn begin(options: &RecordOptions, life: &Life<'_>) -> io::Result<Recorder> {
        let id = life.config.id;
        let mut files = Files::find(&options.directory, id)?;
        let header = Header {
            release: env!("CARGO_PKG_VERSION").to_owned(),
            cluster: life.cluster,
            life: files.next_life(),
            segment: 1,
            began: wall_clock().saturating_sub(life.at.0),
            durable: life.durable,
            config: life.config.clone(),
        };
        files.keep_within(options.bytes, 0)?;
        let (writer, first) = Writer::begin(&header);
        let (path, file) = files.begin(&header, &first, 0)?;
        let mut tape = Tape {
            writer,
            files,
            path,
            file,
            written: first.len() as u64,
            bound: options.bytes,
            ends_at: LEAST.min(options.bytes / SHARE),
            checkpoint: None,
            stepped: false,
            last: life.at,
            writes: Writes::default(),
            failed: None,
            header,
        };
        let kept = tape.remember(life.memory)?;
        tape.writer.start(life.at, kept, life.entropy);
        tape.write()?;
        tracing::info!(replica = %id, file = %tape.path.display(), "the replica records what it takes in");
        Ok(Recorder {
            id,
            tape: Some(tape),
            held: Vec::new(),
        })
    }

    /// The replica is about to take this.
    pub(crate) fn input(&mut self, at: Time, event: &Event) {
        let id = self.id;
        self.tape(|tape| {
            tape.last = at;
            if !matches!(event, Event::Peer { from, .. } if *from == id) {
                tape.void();
            }
            if let Event::Fail(role) = event {
                tape.failed = Some(*role);
            }
            match event {
                Event::Peer { from, .. } if *from == id => tape.writer.own(at),
                Event::Restart { memory, .. } => {
                    tape.remember(memory)?;
                    tape.writer.input(at, event);
                }
                _ => tape.writer.input(at, event),
            }
            Ok(())
        });
    }

    /// What the replica did with its last input.
    pub(crate) fn effects(&mut self, effects: &[Effect]) {
        self.tape(|tape| {
            tape.writer.effects(effects);
            tape.stepped = true;
            tape.persist(effects);
            tape.write_if_full()
        });
    }

    /// The disk has reported that this batch is durable.
    pub(crate) fn durable(&mut self, Ticket(batch): Ticket) {
        self.tape(|tape| {
            tape.void();
            tape.writer.durable(batch);
            let _ = tape.writes.settle(batch);
            while tape.writes.next_due().is_some() {}
            Ok(())
        });
    }

    /// The disk gets its batch.
    pub(crate) fn flush(&mut self) {
        self.tape(|tape| {
            // Without a step since the last flush there is nothing to flush.
            if std::mem::take(&mut tape.stepped) {
                tape.void();
                tape.writer.flush();
                tape.writes.flush();
            }
            Ok(())
        });
    }

    /// Takes what is to leave, if it must wait until the inputs before it are written; gives it back if not.
    pub(crate) fn hold(&mut self, outgoing: Outgoing) -> Option<Outgoing> {
        if self.tape.is_none() && self.held.is_empty() {
            return Some(outgoing);
        }
        self.held.push(outgoing);
        None
    }

    /// Writes the inputs. What was held may leave now.
    pub(crate) fn release(&mut self) -> Vec<Outgoing> {
        self.tape(Tape::write);
        std::mem::take(&mut self.held)
    }

    /// Begins another segment, if the present one has enough. Nothing may be under way from the replica to itself, and nothing
    /// gathered for its disk.
    pub(crate) fn checkpoint(&mut self, replica: &Replica) {
        let id = self.id;
        self.tape(|tape| {
            if let Some(written) = tape.take_checkpoint() {
                tape.on_checkpoint(id, written);
            }
            if tape.checkpoint.is_none() && tape.written >= tape.ends_at && replica.can_be_exported() {
                let begun = tape.next_segment(replica)?;
                tape.checkpoint = begun.map_err(|error| tape.on_checkpoint(id, Err(error))).ok();
            }
            Ok(())
        });
    }

    /// The replica stops in order.
    pub(crate) fn stopped(&mut self) {
        self.tape(|tape| {
            tape.writer.stopped();
            tape.write()?;
            if let Some(checkpoint) = tape.checkpoint.take() {
                // The segments before have all that it stands for.
                checkpoint.abandon();
            }
            Ok(())
        });
        self.tape = None;
    }

    /// Does something with the file. If that fails, or the file is full, the recording ends and the replica goes on.
    fn tape(&mut self, with: impl FnOnce(&mut Tape) -> io::Result<()>) {
        let Some(tape) = &mut self.tape else { return };
        let result = with(tape).and_then(|()| tape.keep_within());
        let path = tape.path.display();
        match result {
            Ok(true) => return,
            Ok(false) => tracing::warn!(
                replica = %self.id, file = %path, bytes = tape.bound,
                "the recording ends here: it takes as much as it may (--record-bytes)"
            ),
            Err(error) => tracing::warn!(
                replica = %self.id, file = %path, %error,
                "the recording ends here, with a hole: it cannot be written. The replica goes on"
            ),
        }
        self.tape = None;
    }
}

impl Tape {
    fn remember(&mut self, memory: &Memory) -> io::Result<bool> {
        let Memory::Kept(records) = memory else {
            return Ok(false);
        };
        for record in records {
            self.writer.remember(record);
            self.write_if_full()?;
        }
        Ok(true)
    }

    /// What a role that has failed wanted to send is void.
    fn void(&mut self) {
        if let Some(role) = self.failed.take() {
            self.writes.void(role);
        }
    }

    /// Keeps account of what waits for the disk.
    fn persist(&mut self, effects: &[Effect]) {
        if !self.header.durable {
            return;
        }
        for effect in effects {
            if let Effect::Persist { role, records, then } = effect {
                // Those that wait for nothing have left.
                let _ = self.writes.persist(*role, records.clone(), then.clone());
            }
        }
    }

    /// Begins another segment, and the thread that writes its checkpoint. If only that cannot be begun, returns why.
    fn next_segment(&mut self, replica: &Replica) -> io::Result<io::Result<UnderWay>> {
        self.write()?;
        self.void();
        self.header.segment += 1;
        let first = self.writer.next_segment(&self.header);
        (self.path, self.file) = self.files.begin(&self.header, &first, self.written)?;
        self.written = first.len() as u64;
        let captured = Captured {
            header: self.header.clone(),
            digest: self.writer.digest(),
            at: self.last,
            writes: self.writes.clone(),
            replica: replica.clone(),
        };
        let path = self.files.checkpoint(&self.header);
        Ok(UnderWay::begin(path, self.bound / SHARE, captured))
    }

    /// What has become of the checkpoint of the present segment, once its thread has ended.
    fn take_checkpoint(&mut self) -> Option<io::Result<Written>> {
        let is_over = self.checkpoint.as_ref()?.is_over();
        is_over.then(|| self.checkpoint.take())?.map(UnderWay::end)
    }

    /// The thread has ended. Without a checkpoint the segment belongs to those before it, and the next one tries again.
    fn on_checkpoint(&mut self, replica: ReplicaId, written: io::Result<Written>) {
        let share = self.bound / SHARE;
        self.ends_at = share;
        let why = match written {
            Ok(Written::Whole(bytes)) => {
                self.files.has_checkpoint(bytes);
                self.ends_at = bytes.saturating_mul(TIMES).max(LEAST).min(share);
                return;
            }
            Ok(Written::Abandoned) => return,
            Ok(Written::TooLong) => {
                "it takes more than a quarter of what the recordings may take (--record-bytes)".to_owned()
            }
            Err(error) => error.to_string(),
        };
        tracing::warn!(
            %replica, file = %self.files.checkpoint(&self.header).display(), bytes = self.bound,
            "there is no checkpoint: {why}. The recording goes on; unless a later one can be written, it ends at its bound"
        );
    }

    fn write_if_full(&mut self) -> io::Result<()> {
        if self.writer.is_full() {
            self.write()
        } else {
            Ok(())
        }
    }

    fn write(&mut self) -> io::Result<()> {
        if self.writer.is_empty() {
            return Ok(());
        }
        let block = self.writer.seal();
        self.written += block.len() as u64;
        self.file.write_all(block)
    }

    /// Removes earlier recordings if all take more than they may. Returns whether this one may go on.
    fn keep_within(&mut self) -> io::Result<bool> {
        let under_way = self.checkpoint.as_ref().map_or(0, UnderWay::bytes);
        if self
            .files
            .keep_within(self.bound, self.written.saturating_add(under_way))?
        {
            return Ok(true);
        }
        self.writer.full();
        self.write()?;
        Ok(false)
    }
}

/// Microseconds since 1970. They only say how the recordings of several replicas may be put side by side.
fn wall_clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
