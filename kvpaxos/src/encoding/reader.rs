//! Reads postcard's encoding strictly: every value must be in its only form, and every length is checked
//! against the bytes that are there.

use bytes::Bytes;

use super::error::DecodeError;
use super::format::{MAX_COMMANDS, MAX_PARTS, MAX_VALUES};

/// The greatest length of a varint of each width: 7 bits a byte.
const VARINT_64: usize = 64_usize.div_ceil(7);
const VARINT_128: u32 = 128_u32.div_ceil(7);

/// A payload and a position in it. Not part of the public interface: it is the argument of the sealed
/// [`Decode`](super::Decode).
pub struct Reader<'a> {
    rest: &'a [u8],
    whole: &'a [u8],
    /// The whole payload as shared bytes, of which keys and values are slices. Made for the first of them, if
    /// the payload is not shared yet.
    shared: Option<Bytes>,
    /// The number of commands and values that may still follow, and of parts of requests and answers: steps,
    /// conditions, keys and results. All take more space in memory than encoded.
    commands_left: usize,
    values_left: usize,
    parts_left: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the start of a payload. Byte strings become slices of one copy of it.
    pub(crate) fn new(payload: &'a [u8]) -> Reader<'a> {
        Reader {
            rest: payload,
            whole: payload,
            shared: None,
            commands_left: MAX_COMMANDS,
            values_left: MAX_VALUES,
            parts_left: MAX_PARTS,
        }
    }

    /// A reader at the start of a shared payload. Byte strings become slices of it.
    pub(crate) fn of_shared(payload: &'a Bytes) -> Reader<'a> {
        Reader {
            shared: Some(payload.clone()),
            ..Reader::new(payload)
        }
    }

    /// Checks that the payload is read to its end.
    pub(crate) fn finish(&self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            count => Err(DecodeError::TrailingPayload { count }),
        }
    }

    /// Resets the limits of commands and values, between independent items of one payload.
    pub(crate) fn reset_counts(&mut self) {
        self.commands_left = MAX_COMMANDS;
        self.values_left = MAX_VALUES;
        self.parts_left = MAX_PARTS;
    }

    #[inline]
    pub(crate) fn byte(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        let (&first, rest) = self.rest.split_first().ok_or(DecodeError::Truncated { what })?;
        self.rest = rest;
        Ok(first)
    }

    /// A byte that is 0 or 1.
    #[inline]
    pub(crate) fn flag(&mut self, what: &'static str) -> Result<bool, DecodeError> {
        match self.byte(what)? {
            0 => Ok(false),
            1 => Ok(true),
            found => Err(DecodeError::Flag { what, found }),
        }
    }

    /// The value that follows a 1, or `None` after a 0.
    #[inline]
    pub(crate) fn option<T>(
        &mut self,
        what: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        if self.flag(what)? {
            read(self).map(Some)
        } else {
            Ok(None)
        }
    }

    #[inline]
    pub(crate) fn u64(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        match self.rest {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_u64(what),
        }
    }

    /// A varint of two or more bytes.
    fn long_u64(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        let mut number = 0;
        let mut shift = 0;
        for (place, &byte) in self.rest.iter().take(VARINT_64).enumerate() {
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                // No padding, and the tenth byte holds one bit only.
                if byte == 0 || (place == VARINT_64 - 1 && byte > 1) {
                    return Err(DecodeError::Number { what });
                }
                self.rest = &self.rest[place + 1..];
                return Ok(number);
            }
            shift += 7;
        }
        Err(if self.rest.len() < VARINT_64 {
            DecodeError::Truncated { what }
        } else {
            DecodeError::Number { what }
        })
    }

    pub(crate) fn u128(&mut self, what: &'static str) -> Result<u128, DecodeError> {
        let mut number = 0;
        for place in 0..VARINT_128 {
            let byte = self.byte(what)?;
            // The nineteenth byte holds two bits only.
            if place == VARINT_128 - 1 && byte > 3 {
                return Err(DecodeError::Number { what });
            }
            number |= u128::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                let padded = byte == 0 && place > 0;
                return if padded {
                    Err(DecodeError::Number { what })
                } else {
                    Ok(number)
                };
            }
        }
        Err(DecodeError::Number { what })
    }

    /// A signed number: its zigzag encoding.
    pub(crate) fn i64(&mut self, what: &'static str) -> Result<i64, DecodeError> {
        let number = self.u64(what)?;
        let half = (number >> 1).cast_signed();
        Ok(if number & 1 == 0 { half } else { !half })
    }

    #[inline]
    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        u32::try_from(self.u64(what)?).map_err(|_| DecodeError::Number { what })
    }

    pub(crate) fn u16(&mut self, what: &'static str) -> Result<u16, DecodeError> {
        u16::try_from(self.u64(what)?).map_err(|_| DecodeError::Number { what })
    }

    /// A length; at least that many bytes must follow.
    #[inline]
    fn length(&mut self, what: &'static str) -> Result<usize, DecodeError> {
        let length = usize::try_from(self.u64(what)?).map_err(|_| DecodeError::Number { what })?;
        if length > self.rest.len() {
            return Err(DecodeError::Truncated { what });
        }
        Ok(length)
    }

    /// A byte string of at most `limit` bytes.
    #[inline]
    pub(crate) fn bytes(&mut self, what: &'static str, limit: usize) -> Result<Bytes, DecodeError> {
        let whole = self.whole;
        let slice = self.slice(what, limit)?;
        if slice.is_empty() {
            return Ok(Bytes::new());
        }
        let end = whole.len() - self.rest.len();
        let shared = self.shared.get_or_insert_with(|| Bytes::copy_from_slice(whole));
        Ok(shared.slice(end - slice.len()..end))
    }

    /// A byte string of at most `limit` bytes, by reference.
    #[inline]
    pub(crate) fn slice(&mut self, what: &'static str, limit: usize) -> Result<&'a [u8], DecodeError> {
        let length = self.length(what)?;
        if length > limit {
            return Err(DecodeError::Oversize { what, length, limit });
        }
        let (slice, rest) = self.rest.split_at(length);
        self.rest = rest;
        Ok(slice)
    }

    /// A count, and that many elements. `read` appends each one itself, because moving a large element would
    /// cost more than reading it.
    pub(crate) fn sequence<T>(
        &mut self,
        of: Elements,
        read: impl Fn(&mut Self, &mut Vec<T>) -> Result<(), DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let (what, shortest, limit) = match of {
            Elements::Commands => ("commands", 3, self.commands_left),
            Elements::Values => ("values", 1, self.values_left),
            Elements::Entries => ("entries", 6, self.values_left),
            Elements::Parts { what, shortest } => (what, shortest, self.parts_left),
        };
        let count = usize::try_from(self.u64(what)?).map_err(|_| DecodeError::Number { what })?;
        if count > limit {
            return Err(DecodeError::TooMany { what, count, limit });
        }
        if count * shortest > self.rest.len() {
            return Err(DecodeError::Truncated { what });
        }
        match of {
            Elements::Commands => self.commands_left = limit - count,
            Elements::Values | Elements::Entries => self.values_left = limit - count,
            Elements::Parts { .. } => self.parts_left = limit - count,
        }
        let mut elements = Vec::with_capacity(count);
        for _ in 0..count {
            read(self, &mut elements)?;
        }
        Ok(elements)
    }
}

/// The elements of a sequence. They decide how many may follow, and the shortest encoding of one.
#[derive(Clone, Copy)]
pub(crate) enum Elements {
    Commands,
    Values,
    Entries,
    /// Steps, conditions, keys or results.
    Parts {
        what: &'static str,
        shortest: usize,
    },
}
