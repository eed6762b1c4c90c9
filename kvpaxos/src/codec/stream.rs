//! Separates a stream of bytes into frames.

use std::marker::PhantomData;

use super::frame::{Frame, decode_frame, frame_length};
use crate::encoding::DecodeError;

/// A buffer larger than this is freed when it is empty, unless [`Decoder::keeping`] says otherwise.
const KEPT: usize = 256 * 1024;

/// Collects the bytes of a stream and returns its frames.
///
/// If the caller calls [`next`](Decoder::next) until it returns `None` before it adds more bytes, the decoder
/// holds at most one incomplete frame, and so at most the limit of the kind.
///
/// ```
/// use kvpaxos::codec::{Decoder, encode_into};
/// use kvpaxos::{Request, RequestBody};
///
/// let request = Request { id: 7, body: RequestBody::Status };
/// let mut bytes = Vec::new();
/// encode_into(&request, &mut bytes)?;
///
/// let mut decoder = Decoder::<Request>::new();
/// decoder.extend(&bytes[..5]);
/// assert_eq!(decoder.next()?, None);
/// decoder.extend(&bytes[5..]);
/// assert_eq!(decoder.next()?, Some(request));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Decoder<F> {
    buffer: Vec<u8>,
    /// The number of bytes of the buffer that are decoded already.
    taken: usize,
    /// A buffer larger than this is freed when it is empty.
    kept: usize,
    /// The first error. No later position of the stream can be known to begin a frame.
    failed: Option<DecodeError>,
    frames: PhantomData<fn() -> F>,
}

impl<F: Frame> Decoder<F> {
    /// A decoder at the start of a stream.
    #[must_use]
    pub fn new() -> Decoder<F> {
        Decoder::keeping(KEPT)
    }

    /// A decoder at the start of a stream, whose empty buffer keeps at most this many bytes of memory.
    #[must_use]
    pub fn keeping(bytes: usize) -> Decoder<F> {
        Decoder {
            buffer: Vec::new(),
            taken: 0,
            kept: bytes,
            failed: None,
            frames: PhantomData,
        }
    }

    /// Adds bytes of the stream.
    pub fn extend(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The content of the next frame, or `None` if more bytes are needed.
    ///
    /// # Errors
    /// If the bytes are not a valid frame. Every later call returns the same error; close the stream.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator that ends would not go on when bytes come"
    )]
    pub fn next(&mut self) -> Result<Option<F>, DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        match decode_frame(&self.buffer[self.taken..]) {
            Ok(Some((content, length))) => {
                self.taken += length;
                Ok(Some(content))
            }
            Ok(None) => {
                self.discard_taken();
                Ok(None)
            }
            Err(error) => {
                self.buffer = Vec::new();
                self.taken = 0;
                self.failed = Some(error);
                Err(error)
            }
        }
    }

    /// Whether the buffer holds part of a frame. If so, a stream that ends now was cut off.
    #[must_use]
    pub fn is_within_a_frame(&self) -> bool {
        self.buffered() > 0
    }

    /// The number of bytes that were added and are not decoded yet.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len() - self.taken
    }

    /// The length of the next frame in bytes, header included, as its header says; `None` if not even the
    /// header is there. A length over the limit of the kind is an error of [`next`](Decoder::next).
    #[must_use]
    pub fn next_length(&self) -> Option<usize> {
        frame_length(&self.buffer[self.taken..])
    }

    fn discard_taken(&mut self) {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        if self.buffer.is_empty() && self.buffer.capacity() > self.kept {
            self.buffer = Vec::new();
        }
    }
}

impl<F: Frame> Default for Decoder<F> {
    fn default() -> Decoder<F> {
        Decoder::new()
    }
}
