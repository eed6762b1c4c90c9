//! Entries to bytes.

use bytes::Bytes;

use super::digest::EffectDigest;
use super::entry::Header;
use super::{MAGIC, MAX_ENTRIES, VERSION, checksum, kind};
use crate::command::{Request, RequestBody};
use crate::encoding::append_payload;
use crate::io::{Effect, Event, Memory, Record};
use crate::password::Password;
use crate::types::{Entropy, Role, Time};

/// The header of a block: its length and its checksum.
const BLOCK_HEADER: usize = 8;
/// The size at which a block is full, in bytes.
const FULL_BLOCK: usize = 1 << 20;

/// Collects entries into a block. [`seal`](Writer::seal) ends the block and gives its bytes.
pub struct Writer {
    /// The block that is being filled; or, after [`Writer::seal`], the one that was sealed.
    block: Vec<u8>,
    sealed: bool,
    /// How many entries it has.
    entries: usize,
    /// The `at` of the last entry that has one.
    last: Time,
    digest: EffectDigest,
}

impl Writer {
    /// Begins a file. Returns its first bytes as well.
    #[must_use]
    pub fn begin(header: &Header) -> (Writer, Vec<u8>) {
        let mut first = MAGIC.to_vec();
        first.extend_from_slice(&VERSION.to_le_bytes());
        let from = first.len();
        first.extend_from_slice(&[0; BLOCK_HEADER]);
        append_payload(header, &mut first);
        close(&mut first[from..]);
        let writer = Writer {
            block: vec![0; BLOCK_HEADER],
            sealed: false,
            entries: 0,
            last: Time(0),
            digest: EffectDigest::default(),
        };
        (writer, first)
    }

    /// Ends a segment and begins the next one, which has this header. Returns its first bytes. What was not sealed is lost.
    #[must_use]
    pub fn next_segment(&mut self, header: &Header) -> Vec<u8> {
        let (writer, first) = Writer::begin(header);
        let digest = std::mem::take(&mut self.digest);
        *self = Writer { digest, ..writer };
        first
    }

    /// A piece of the checkpoint of a segment, of at most [`MAX_PIECE`](super::MAX_PIECE) bytes. It takes a block of its own.
    pub fn checkpoint(&mut self, piece: &[u8], is_last: bool) {
        self.put(&(kind::CHECKPOINT, u8::from(is_last), piece.len()));
        self.block.extend_from_slice(piece);
    }

    /// The blocks of a whole checkpoint, for a segment that holds its own.
    #[must_use]
    pub fn whole_checkpoint(&mut self, checkpoint: &[u8]) -> Vec<u8> {
        let mut blocks = Vec::new();
        let mut pieces = checkpoint.chunks(super::MAX_PIECE).peekable();
        while let Some(piece) = pieces.next() {
            self.checkpoint(piece, pieces.peek().is_none());
            blocks.extend_from_slice(self.seal());
        }
        blocks
    }

    /// The digest goes on from this one, with which the segment before ended.
    pub fn go_on_from(&mut self, digest: u64) {
        self.digest = EffectDigest::from_value(digest);
    }

    /// A record of the memory of the next start or restart. A caller that has many of them seals blocks between.
    pub fn remember(&mut self, record: &Record) {
        self.put(&kind::REMEMBER);
        self.add(record);
    }

    /// The life begins, with the records that were remembered if memory was `kept`.
    pub fn start(&mut self, at: Time, kept: bool, Entropy(entropy): Entropy) {
        let at = self.passed(at);
        self.put(&(kind::START, at, kept, entropy));
    }

    /// An input that the replica gets from outside. Of the memory with which a role restarts, the records are
    /// [remembered](Writer::remember) before.
    pub fn input(&mut self, at: Time, event: &Event) {
        match event {
            Event::Restart {
                role,
                memory,
                entropy,
            } => {
                let kept = matches!(memory, Memory::Kept(_));
                let at = self.passed(at);
                self.put(&(kind::RESTART, at, role_number(*role), kept, entropy.0));
            }
            Event::Clock => self.put_at(kind::CLOCK, at),
            Event::HandOver => self.put_at(kind::HAND_OVER, at),
            Event::Fail(role) => {
                let at = self.passed(at);
                self.put(&(kind::FAIL, at, role_number(*role)));
            }
            Event::ClientGone { client } => {
                let at = self.passed(at);
                self.put(&(kind::GONE, at, client));
            }
            Event::Client { from, request } => {
                let at = self.passed(at);
                self.put(&(kind::CLIENT, at, from));
                // No recording holds a password. The replica answers every one in the same way.
                if let RequestBody::Authenticate { .. } = request.body {
                    let password = Password::shown(Bytes::new());
                    let body = RequestBody::Authenticate { password };
                    self.add(&Request { id: request.id, body });
                } else {
                    self.add(request);
                }
            }
            Event::Peer {
                from,
                founding,
                message,
            } => {
                let at = self.passed(at);
                self.put(&(kind::PEER, at, from, founding));
                self.add(message);
            }
        }
    }

    /// The oldest message of the replica to itself arrives.
    pub fn own(&mut self, at: Time) {
        self.put_at(kind::OWN, at);
    }

    /// The effects of the last input.
    pub fn effects(&mut self, effects: &[Effect]) {
        self.digest.add(effects);
    }

    /// The digest of all effects so far.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest.value()
    }

    /// A batch of records and all before it are durable.
    pub fn durable(&mut self, batch: u64) {
        self.put(&(kind::DURABLE, batch));
    }

    /// The records since the last flush become a batch.
    pub fn flush(&mut self) {
        self.put(&kind::FLUSH);
    }

    /// The process stops in order.
    pub fn stopped(&mut self) {
        self.put(&kind::STOPPED);
    }

    /// The recording has reached its bound.
    pub fn full(&mut self) {
        self.put(&kind::FULL);
    }

    /// Whether the block has no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sealed || self.entries == 0
    }

    /// Whether the block is to be sealed before the next entry.
    #[must_use]
    pub fn is_full(&self) -> bool {
        !self.sealed && (self.block.len() >= FULL_BLOCK || self.entries >= MAX_ENTRIES / 2)
    }

    /// Ends the block, and returns its bytes. The next entry begins another one.
    pub fn seal(&mut self) -> &[u8] {
        if !self.sealed {
            let digest = self.digest.value();
            self.block.extend_from_slice(&digest.to_le_bytes());
            close(&mut self.block);
            self.sealed = true;
        }
        &self.block
    }

    fn put_at(&mut self, kind: u8, at: Time) {
        let at = self.passed(at);
        self.put(&(kind, at));
    }

    /// The time since the last entry. Times never go down.
    fn passed(&mut self, at: Time) -> u64 {
        let passed = at.0.saturating_sub(self.last.0);
        self.last = at;
        passed
    }

    /// Begins an entry with its kind and what follows it.
    fn put<T: serde::Serialize>(&mut self, content: &T) {
        if std::mem::take(&mut self.sealed) {
            self.block.truncate(BLOCK_HEADER);
            self.entries = 0;
        }
        self.entries += 1;
        append_payload(content, &mut self.block);
    }

    /// Goes on with the entry.
    fn add<T: serde::Serialize>(&mut self, content: &T) {
        append_payload(content, &mut self.block);
    }
}

/// The roles as numbers, as the format has them.
fn role_number(role: Role) -> u8 {
    match role {
        Role::Proposer => 0,
        Role::Acceptor => 1,
        Role::Learner => 2,
    }
}

/// Writes the header of a block whose payload is in place.
fn close(block: &mut [u8]) {
    let (header, payload) = block.split_at_mut(BLOCK_HEADER);
    let length = u32::try_from(payload.len()).expect("a block is far shorter than 4 GiB");
    header[..4].copy_from_slice(&length.to_le_bytes());
    let checksum = checksum(length.to_le_bytes(), payload);
    header[4..].copy_from_slice(&checksum.to_le_bytes());
}
