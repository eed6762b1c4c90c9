//! What the event loop tells, and what may leave only when that is written.
//!
//! A batch of inputs is written to the operating system before any of its effects leaves the process. So a kill -9 takes
//! nothing from a recording that another process has seen; only a machine that stops does. The write is done by the
//! event loop itself: a thread that lags behind would leave a gap at just the moment that one wants to see.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use kvpaxos::recording::{Checkpoint, Header, Writer, Writes};
use kvpaxos::{
    ClientId, Config, Effect, Entropy, Envelope, Event, ExportError, Memory, Replica, ReplicaId, Reply, Role,
    Time,
};

use crate::recording::files::Files;
use crate::recording::options::RecordOptions;
use crate::storage::disk::Ticket;

/// A segment ends when its inputs take so many times the bytes of its checkpoint.
const TIMES: u64 = 16;
/// The fewest bytes after which a segment ends, however small its checkpoint is.
const LEAST: u64 = 8 * 1024 * 1024;
/// Neither the inputs of a segment nor a checkpoint take more than the bound divided by this.
const SHARE: u64 = 4;
/// The most bytes of a checkpoint. The replica does nothing else while it writes one, and must not be taken for dead: a leader is
/// after some 200 ms.
const MOST: u64 = 8 * 1024 * 1024;

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
    /// At how many bytes of the present segment another one begins.
    ends_at: u64,
    /// Whether the log has said that there is no checkpoint.
    is_said: bool,
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
        let (path, mut file) = files.create(&header)?;
        let (writer, first) = Writer::begin(&header);
        file.write_all(&first)?;
        let mut tape = Tape {
            writer,
            files,
            path,
            file,
            written: first.len() as u64,
            bound: options.bytes,
            ends_at: LEAST.min(options.bytes / SHARE),
            is_said: false,
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
            if tape.written < tape.ends_at {
                return Ok(());
            }
            let limit = usize::try_from(MOST.min(tape.bound / SHARE)).unwrap_or(usize::MAX);
            match replica.export(limit) {
                Ok(state) => return tape.next_segment(state),
                Err(why) => {
                    tape.ends_at = tape.written + tape.bound / SHARE;
                    if matches!(why, ExportError::TooLong { .. }) && !std::mem::replace(&mut tape.is_said, true) {
                        tracing::warn!(
                            replica = %id, file = %tape.path.display(), bytes = tape.bound,
                            "{why}, which is the most that a checkpoint may take: unless it shrinks, the recording ends at its \
                             bound (--record-bytes). The most is 8 MiB, and a quarter of the bound"
                        );
                    }
                }
            }
            Ok(())
        });
    }

    /// The replica stops in order.
    pub(crate) fn stopped(&mut self) {
        self.tape(|tape| {
            tape.writer.stopped();
            tape.write()
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

    fn next_segment(&mut self, state: Vec<u8>) -> io::Result<()> {
        self.write()?;
        self.void();
        let checkpoint = Checkpoint {
            at: self.last,
            writes: self.writes.clone(),
            state,
        };
        self.header.segment += 1;
        let first = self.writer.next_segment(&self.header, &checkpoint.encode());
        let length = first.len() as u64;
        self.files.keep_within(self.bound, self.written + length)?;
        (self.path, self.file) = self.files.create_next(&self.header, &first, self.written)?;
        self.written = length;
        self.ends_at = length + (TIMES * length).max(LEAST).min(self.bound / SHARE);
        Ok(())
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
        if self.files.keep_within(self.bound, self.written)? {
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
