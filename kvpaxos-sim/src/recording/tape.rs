//! The entries of a replica, one after the other, and where each stands.

use std::collections::VecDeque;

use kvpaxos::recording::{Entry, Header, ReadError, Reader};
use kvpaxos::{Entropy, Memory, Record, Time};

use super::error::{Place, RecordingError};
use super::files::{LifeFile, Source};
use super::report::Ending;

/// What comes next.
pub(super) enum Next {
    /// A life begins.
    Life {
        at: Time,
        memory: Memory,
        entropy: Entropy,
    },
    /// The recording begins in the middle of a life, with this checkpoint. The digest of all effects before it is this.
    Resume { checkpoint: Vec<u8>, digest: u64 },
    /// A segment begins: the life has come to this checkpoint.
    Checkpoint(Vec<u8>),
    /// An entry of the life; [`Entry::Remember`] and [`Entry::Start`] are no such.
    Entry(Entry),
    /// A role restarts with this memory.
    Restart(Entry, Memory),
    /// A block ends. The digest of all effects so far is this.
    BlockEnd(u64),
    /// The life ends, in this way.
    LifeEnd(Ending),
}

/// Reads the lives of one replica.
pub(super) struct Tape<'a> {
    lives: std::slice::Iter<'a, LifeFile>,
    life: Option<Life<'a>>,
}

struct Life<'a> {
    file: &'a LifeFile,
    reader: Reader<Source>,
    entries: VecDeque<Entry>,
    /// The digest at the end of the block whose entries these are.
    digest: Option<u64>,
    offset: u64,
    /// How many entries of the block are taken.
    taken: usize,
    started: bool,
    /// The segment that is being read: none of `file` or of its later ones before this number is left to read.
    segment: usize,
    /// Whether its checkpoint is being read, from a file of its own.
    apart: bool,
    /// Whether it may still begin with a checkpoint.
    fresh: bool,
    /// The pieces of its checkpoint, if that is not complete yet.
    checkpoint: Option<Vec<u8>>,
    /// The records of the memory with which the next start begins.
    remembered: Vec<Record>,
    ending: Option<Ending>,
}

impl<'a> Tape<'a> {
    pub(super) fn new(lives: &'a [LifeFile]) -> Tape<'a> {
        Tape {
            lives: lives.iter(),
            life: None,
        }
    }

    /// The header of the present life; `None` between lives.
    pub(super) fn header(&self) -> Option<&'a Header> {
        self.life.as_ref().map(|life| &life.file.header)
    }

    /// Where the entry stands that was taken last.
    pub(super) fn place(&self) -> Place {
        match &self.life {
            Some(life) => life.place(),
            None => Place {
                file: self
                    .lives
                    .as_slice()
                    .first()
                    .map(|file| file.path.clone())
                    .unwrap_or_default(),
                offset: 0,
                entry: 0,
            },
        }
    }

    /// What comes next; `None` after the last life.
    pub(super) fn next(&mut self) -> Result<Option<Next>, RecordingError> {
        loop {
            if self.life.is_none() {
                let Some(file) = self.lives.next() else {
                    return Ok(None);
                };
                self.life = Some(Life::open(file)?);
            }
            let Some(life) = &mut self.life else { continue };
            let next = if let Some(entry) = life.entries.pop_front() {
                life.taken += 1;
                life.understand(entry)?
            } else if let Some(digest) = life.digest.take() {
                life.started.then_some(Next::BlockEnd(digest))
            } else if life.read_block()? {
                None
            } else {
                let ending = life.ending.unwrap_or(Ending::Open);
                self.life = None;
                return Ok(Some(Next::LifeEnd(ending)));
            };
            if next.is_some() {
                return Ok(next);
            }
        }
    }
}

impl<'a> Life<'a> {
    fn open(file: &'a LifeFile) -> Result<Life<'a>, RecordingError> {
        let (reader, apart) = beginning(file)?;
        Ok(Life {
            file,
            reader,
            entries: VecDeque::new(),
            digest: None,
            offset: 0,
            taken: 0,
            started: false,
            segment: 0,
            apart,
            fresh: file.header.segment > 1,
            checkpoint: None,
            remembered: Vec::new(),
            ending: None,
        })
    }

    /// Reads the next block, or goes on with the next file. Returns whether there was one.
    fn read_block(&mut self) -> Result<bool, RecordingError> {
        self.taken = 0;
        self.offset = self.reader.offset();
        match self.reader.next_block() {
            Ok(Some(block)) => {
                self.entries = block.entries.into();
                self.digest = Some(block.digest);
                Ok(true)
            }
            Ok(None) if self.checkpoint.is_some() || (self.apart && self.fresh) => {
                Err(RecordingError::Order {
                    place: self.place(),
                    why: "the file ends within the checkpoint".to_owned(),
                })
            }
            Ok(None) if self.apart => {
                self.apart = false;
                self.reader = self.present().reader()?;
                Ok(true)
            }
            Ok(None) => self.next_segment(),
            // The process was killed while it wrote. None of the effects of the block has left it.
            Err(ReadError::Cut { .. })
                if self.ending.is_none() && self.checkpoint.is_none() && !self.apart && self.is_last() =>
            {
                self.ending = Some(Ending::Torn);
                Ok(false)
            }
            Err(error) => Err(RecordingError::Read {
                path: self.place().file,
                error,
            }),
        }
    }

    fn understand(&mut self, entry: Entry) -> Result<Option<Next>, RecordingError> {
        if self.ending.is_some() {
            return self.out_of_order("an entry follows the end of the recording");
        }
        if let Entry::Checkpoint { piece, is_last } = &entry {
            return self.understand_checkpoint(piece, *is_last);
        }
        if self.checkpoint.is_some() || self.apart {
            return self.out_of_order("something else than its pieces stands in a checkpoint");
        }
        self.fresh = false;
        match entry {
            Entry::Remember(record) => {
                self.remembered.push(record);
                Ok(None)
            }
            Entry::Start { at, kept, entropy } if !self.started => {
                self.started = true;
                let memory = self.memory(kept);
                Ok(Some(Next::Life { at, memory, entropy }))
            }
            Entry::Start { .. } => self.out_of_order("the life begins a second time"),
            _ if !self.started => self.out_of_order("the life has not begun"),
            Entry::Restart { kept, .. } => {
                let memory = self.memory(kept);
                Ok(Some(Next::Restart(entry, memory)))
            }
            _ if !self.remembered.is_empty() => {
                self.out_of_order("there are records of a memory, and no start follows")
            }
            Entry::Stopped => {
                self.ending = Some(Ending::Stopped);
                Ok(Some(Next::Entry(entry)))
            }
            Entry::Full => {
                self.ending = Some(Ending::Full);
                Ok(Some(Next::Entry(entry)))
            }
            entry => Ok(Some(Next::Entry(entry))),
        }
    }

    fn understand_checkpoint(&mut self, piece: &[u8], is_last: bool) -> Result<Option<Next>, RecordingError> {
        if std::mem::take(&mut self.fresh) {
            self.checkpoint = Some(Vec::new());
        }
        let Some(pieces) = &mut self.checkpoint else {
            return self.out_of_order("there is a checkpoint, and no segment begins");
        };
        pieces.extend_from_slice(piece);
        if !is_last {
            return Ok(None);
        }
        let checkpoint = self.checkpoint.take().unwrap_or_default();
        let digest = self.digest.unwrap_or(0);
        Ok(Some(if self.started {
            Next::Checkpoint(checkpoint)
        } else {
            self.started = true;
            Next::Resume { checkpoint, digest }
        }))
    }

    /// The file that is being read.
    fn present(&self) -> &'a LifeFile {
        let later = self
            .segment
            .checked_sub(1)
            .and_then(|place| self.file.later.get(place));
        later.unwrap_or(self.file)
    }

    fn is_last(&self) -> bool {
        self.segment == self.file.later.len()
    }

    /// Goes on with the next segment. Returns whether there is one.
    fn next_segment(&mut self) -> Result<bool, RecordingError> {
        if self.is_last() {
            return Ok(false);
        }
        self.segment += 1;
        (self.reader, self.apart) = beginning(self.present())?;
        self.fresh = true;
        Ok(true)
    }

    fn place(&self) -> Place {
        let present = self.present();
        let checkpoint = present.checkpoint.as_ref().filter(|_| self.apart);
        Place {
            file: checkpoint.unwrap_or(&present.path).clone(),
            offset: self.offset,
            entry: self.taken,
        }
    }

    fn memory(&mut self, kept: bool) -> Memory {
        let records = std::mem::take(&mut self.remembered);
        if kept { Memory::Kept(records) } else { Memory::Lost }
    }

    fn out_of_order(&self, why: &str) -> Result<Option<Next>, RecordingError> {
        Err(RecordingError::Order {
            place: self.place(),
            why: why.to_owned(),
        })
    }
}

/// Reads a segment from its beginning, and says whether that is a checkpoint in a file of its own.
fn beginning(file: &LifeFile) -> Result<(Reader<Source>, bool), RecordingError> {
    Ok(match file.checkpoint_reader()? {
        Some(reader) => (reader, true),
        None => (file.reader()?, false),
    })
}
