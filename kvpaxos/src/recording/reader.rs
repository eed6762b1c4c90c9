//! Bytes to entries.

use std::io::{self, Read};

use bytes::Bytes;

use super::entry::{Entry, Header};
use super::error::ReadError;
use super::{MAGIC, MAX_BLOCK, MAX_ENTRIES, MAX_PIECE, VERSION, checksum, kind};
use crate::command::Request;
use crate::encoding::plain::{founding, replica};
use crate::encoding::{Decode, DecodeError, Reader as Payload};
use crate::io::{Event, Record};
use crate::message::Message;
use crate::types::{ClientId, Entropy, Role, Time};

/// The length of the digest at the end of a block.
const DIGEST: usize = 8;
/// How many bytes of a block are read at a time, so that no more is allocated than the file holds.
const PIECE: u64 = 1 << 20;

/// One block of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Block {
    /// Where it begins, in bytes from the beginning of the file.
    pub offset: u64,
    /// Its entries.
    pub entries: Vec<Entry>,
    /// The digest of all effects of the file up to its end: [`EffectDigest`](super::EffectDigest).
    pub digest: u64,
}

/// Reads a file block by block.
pub struct Reader<R> {
    input: R,
    offset: u64,
    last: Time,
}

impl<R: Read> Reader<R> {
    /// Reads the beginning of a file.
    ///
    /// # Errors
    /// If the file does not begin as a recording does.
    pub fn new(input: R) -> Result<(Reader<R>, Header), ReadError> {
        let mut reader = Reader {
            input,
            offset: 0,
            last: Time(0),
        };
        let magic = reader.some(MAGIC.len())?;
        if magic != MAGIC {
            return Err(ReadError::Magic { found: magic });
        }
        let version = reader.some(2)?;
        let Ok(version) = <[u8; 2]>::try_from(version) else {
            return Err(ReadError::Cut { offset: 8 });
        };
        let found = u16::from_le_bytes(version);
        if found != VERSION {
            return Err(ReadError::Version { found });
        }
        reader.offset = (MAGIC.len() + version.len()) as u64;
        let offset = reader.offset;
        let payload = reader.payload()?.ok_or(ReadError::Cut { offset })?;
        let header = header(&payload).map_err(|why| ReadError::Header { offset, why })?;
        Ok((reader, header))
    }

    /// The next block; `None` at the end of the file.
    ///
    /// # Errors
    /// If the file ends within the block, or the block is not one that a [`Writer`](super::Writer) wrote.
    pub fn next_block(&mut self) -> Result<Option<Block>, ReadError> {
        let offset = self.offset;
        let Some(payload) = self.payload()? else {
            return Ok(None);
        };
        let Some((content, digest)) = payload.split_last_chunk::<DIGEST>() else {
            let error = DecodeError::Truncated { what: "digest" };
            return Err(ReadError::Entry {
                offset,
                entry: 1,
                error,
            });
        };
        let digest = u64::from_le_bytes(*digest);
        let content = payload.slice(..content.len());
        let entries = self.entries(&content);
        let entries = entries.map_err(|(entry, error)| ReadError::Entry { offset, entry, error })?;
        Ok(Some(Block {
            offset,
            entries,
            digest,
        }))
    }

    /// Where the next block begins.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    fn entries(&mut self, content: &Bytes) -> Result<Vec<Entry>, (usize, DecodeError)> {
        let mut reader = Payload::of_shared(content);
        let mut entries = Vec::new();
        while reader.finish().is_err() {
            reader.reset_counts();
            if entries.len() == MAX_ENTRIES {
                let (what, limit) = ("entries", MAX_ENTRIES);
                let count = limit + 1;
                return Err((count, DecodeError::TooMany { what, count, limit }));
            }
            let entry = self.entry(&mut reader);
            entries.push(entry.map_err(|error| (entries.len() + 1, error))?);
        }
        Ok(entries)
    }

    fn entry(&mut self, r: &mut Payload) -> Result<Entry, DecodeError> {
        let kind = r.byte("entry")?;
        match kind {
            kind::REMEMBER => return Record::decode(r).map(Entry::Remember),
            kind::DURABLE => {
                let batch = r.u64("batch")?;
                return Ok(Entry::Durable { batch });
            }
            kind::FLUSH => return Ok(Entry::Flush),
            kind::STOPPED => return Ok(Entry::Stopped),
            kind::FULL => return Ok(Entry::Full),
            kind::CHECKPOINT => {
                let is_last = r.flag("whether the checkpoint ends")?;
                let piece = r.bytes("piece of a checkpoint", MAX_PIECE)?;
                return Ok(Entry::Checkpoint { piece, is_last });
            }
            _ => {}
        }
        let at = self.at(r)?;
        let event = match kind {
            kind::START => {
                return Ok(Entry::Start {
                    at,
                    kept: r.flag("whether memory is kept")?,
                    entropy: entropy(r)?,
                });
            }
            kind::RESTART => {
                return Ok(Entry::Restart {
                    at,
                    role: role(r)?,
                    kept: r.flag("whether memory is kept")?,
                    entropy: entropy(r)?,
                });
            }
            kind::OWN => return Ok(Entry::Own { at }),
            kind::CLOCK => Event::Clock,
            kind::HAND_OVER => Event::HandOver,
            kind::FAIL => Event::Fail(role(r)?),
            kind::GONE => Event::ClientGone { client: client(r)? },
            kind::CLIENT => Event::Client {
                from: client(r)?,
                request: Request::decode(r)?,
            },
            kind::PEER => Event::Peer {
                from: replica(r)?,
                founding: r.option("founding", founding)?,
                message: Message::decode(r)?,
            },
            found => {
                return Err(DecodeError::Variant {
                    what: "an entry",
                    found: u32::from(found),
                });
            }
        };
        Ok(Entry::Input { at, event })
    }

    /// The time of an entry.
    fn at(&mut self, r: &mut Payload) -> Result<Time, DecodeError> {
        let number = r.u64("time")?;
        // A clock that began at 0 does not get there in 100,000 years.
        let limit = 1 << 61;
        if number > limit || self.last.0 > limit {
            let what = "time";
            return Err(DecodeError::Absurd { what, number, limit });
        }
        self.last = Time(self.last.0 + number);
        Ok(self.last)
    }

    /// The payload of the next block, checked; `None` at the end of the file.
    fn payload(&mut self) -> Result<Option<Bytes>, ReadError> {
        let offset = self.offset;
        let header = self.some(8)?;
        if header.is_empty() {
            return Ok(None);
        }
        let (Some(length), Some(stored)) = (header.first_chunk::<4>(), header.get(4..8)) else {
            return Err(ReadError::Cut { offset });
        };
        let stored = stored
            .iter()
            .rev()
            .fold(0, |number, byte| (number << 8) | u32::from(*byte));
        let claimed = u32::from_le_bytes(*length) as usize;
        if claimed > MAX_BLOCK {
            return Err(ReadError::TooLong {
                offset,
                length: claimed,
            });
        }
        let payload = self.some(claimed)?;
        if payload.len() < claimed {
            return Err(ReadError::Cut { offset });
        }
        let computed = checksum(*length, &payload);
        if computed != stored {
            return Err(ReadError::Checksum {
                offset,
                stored,
                computed,
            });
        }
        self.offset = offset + 8 + claimed as u64;
        Ok(Some(Bytes::from(payload)))
    }

    /// So many bytes, or as many as there are.
    fn some(&mut self, count: usize) -> Result<Vec<u8>, ReadError> {
        let offset = self.offset;
        let mut bytes = Vec::new();
        while bytes.len() < count {
            let left = (count - bytes.len()) as u64;
            let piece = (&mut self.input).take(left.min(PIECE)).read_to_end(&mut bytes);
            match piece {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ReadError::Io { offset, error }),
            }
        }
        Ok(bytes)
    }
}

fn header(payload: &[u8]) -> Result<Header, String> {
    let (header, rest) =
        postcard::take_from_bytes::<Header>(payload).map_err(|why| format!("cannot be read ({why})"))?;
    if !rest.is_empty() {
        return Err(format!("is followed by {} bytes in its block", rest.len()));
    }
    header
        .config
        .check()
        .map_err(|why| format!("has a configuration that is not consistent ({why})"))?;
    Ok(header)
}

fn client(r: &mut Payload) -> Result<ClientId, DecodeError> {
    r.u64("client").map(ClientId)
}

fn role(r: &mut Payload) -> Result<Role, DecodeError> {
    match r.byte("role")? {
        0 => Ok(Role::Proposer),
        1 => Ok(Role::Acceptor),
        2 => Ok(Role::Learner),
        found => Err(DecodeError::Variant {
            what: "a role",
            found: u32::from(found),
        }),
    }
}

fn entropy(r: &mut Payload) -> Result<Entropy, DecodeError> {
    let mut bytes = [0; 32];
    for byte in &mut bytes {
        *byte = r.byte("entropy")?;
    }
    Ok(Entropy(bytes))
}
