//! A script that is being played, as recordings: what a replica of it would have recorded.

use kvpaxos::recording::{Entry, FileName, Header, Writer};
use kvpaxos::{Effect, Entropy, Event, Memory, Time};

/// The recording of one life.
pub(super) struct Track {
    name: FileName,
    writer: Writer,
    bytes: Vec<u8>,
}

impl Track {
    /// A life begins.
    pub(super) fn begin(header: &Header, at: Time, memory: &Memory, entropy: Entropy) -> Track {
        let (writer, bytes) = Writer::begin(header);
        let mut track = Track {
            name: FileName::first(header.config.id, header.life),
            writer,
            bytes,
        };
        let kept = track.remember(memory);
        track.writer.start(at, kept, entropy);
        track
    }

    /// The recording begins in the middle of a life, with this checkpoint. The digest of all effects before it is this.
    pub(super) fn resume(header: &Header, checkpoint: &[u8], digest: u64) -> Track {
        let (mut writer, mut bytes) = Writer::begin(header);
        writer.go_on_from(digest);
        bytes.extend(writer.whole_checkpoint(checkpoint));
        let Header { life, segment, .. } = *header;
        let name = FileName {
            replica: header.config.id,
            life,
            segment,
        };
        Track { name, writer, bytes }
    }

    /// An entry is taken, with the memory of a restart.
    pub(super) fn take(&mut self, entry: &Entry, memory: &Memory) {
        self.seal_full();
        match entry {
            Entry::Input { at, event } => self.writer.input(*at, event),
            Entry::Restart {
                at, role, entropy, ..
            } => {
                self.remember(memory);
                let event = Event::Restart {
                    role: *role,
                    memory: memory.clone(),
                    entropy: *entropy,
                };
                self.writer.input(*at, &event);
            }
            Entry::Own { at } => self.writer.own(*at),
            Entry::Durable { batch } => self.writer.durable(*batch),
            Entry::Flush => self.writer.flush(),
            Entry::Remember(_)
            | Entry::Start { .. }
            | Entry::Stopped
            | Entry::Full
            | Entry::Checkpoint { .. } => {}
        }
    }

    /// The effects of that.
    pub(super) fn effects(&mut self, effects: &[Effect]) {
        self.writer.effects(effects);
    }

    /// The file.
    pub(super) fn end(mut self) -> (FileName, Vec<u8>) {
        if !self.writer.is_empty() {
            self.bytes.extend_from_slice(self.writer.seal());
        }
        (self.name, self.bytes)
    }

    fn remember(&mut self, memory: &Memory) -> bool {
        let Memory::Kept(records) = memory else {
            return false;
        };
        for record in records {
            self.seal_full();
            self.writer.remember(record);
        }
        true
    }

    fn seal_full(&mut self) {
        if self.writer.is_full() {
            self.bytes.extend_from_slice(self.writer.seal());
        }
    }
}
